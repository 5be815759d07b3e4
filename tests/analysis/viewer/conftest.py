"""Attention made by hand, and a page read back as a browser would: its parts, and the maps in them."""

import json
import zlib
from base64 import b64decode
from html.parser import HTMLParser

import numpy as np

from analysis.viewer import codec
from analysis.viewer.attention import Attention
from analysis.viewer.codec import Coding
from analysis.viewer.page import Page


def attention(N, T, S=None, *, seed=0, null=False, causal=True, window=None, first=0):
    """Softmax rows [N, T, S] of random scores, and the share of a null [N, T] (None without one)."""
    rng, S = np.random.default_rng(seed), S or T
    t, s = np.arange(T)[:, None], np.arange(S)
    seen = s <= t if causal else np.ones((T, S), bool)
    if window is not None:
        seen = seen & ((abs(t - s) < window) | (s < first))
    x = np.where(seen, rng.normal(0, 2, (N, T, S)), -np.inf)
    if null:
        x = np.concatenate([rng.normal(0, 2, (N, T, 1)), x], -1)
    e = np.exp(x - x.max(-1, keepdims=True))
    p = (e / e.sum(-1, keepdims=True)).astype(np.float32)
    return (p[..., 1:], p[..., 0]) if null else (p, None)


def made(name="made", L=2, N=3, T=12, *, null=False, seed=0, tokens=None, **given):
    """Attention of L layers."""
    layers = [attention(N, T, seed=seed + i, null=null) for i in range(L)]
    tokens = tokens or [f" t{i % 5}" for i in range(T)]
    nulls = [n for _, n in layers] if null else None
    return Attention.of(name, [w for w, _ in layers], tokens, null=nulls, **given)


class Parts(HTMLParser):
    """The elements of a page in order: (tag, attributes, text directly inside)."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.elements, self.inside = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.inside = []
        self.elements.append((tag, dict(attrs), self.inside))

    def handle_endtag(self, tag):
        self.inside = []

    def handle_data(self, data):
        self.inside.append(data)

    def of_id(self, name):
        """The text in the one element of that id."""
        (found,) = [text for _, attrs, text in self.elements if attrs.get("id") == name]
        return "".join(found)


class Read:
    """A page's data, and its arrays as the page decodes them."""

    def __init__(self, page: Page):
        self.parts = Parts(page.html)
        self.payload = json.loads(self.parts.of_id("payload"))
        self.sides = self.payload["sides"]
        self.blobs = [self.parts.of_id(f"blobs-{i}") for i in range(len(self.sides))]

    def bytes(self, side, blob):
        offset, length = blob
        return b64decode(self.blobs[side][offset : offset + length], validate=True)

    def map(self, side, layer, head):
        at = self.sides[side]["layers"][layer]
        text = self.payload["texts"][self.sides[side]["text"]]
        T, S = len(text["queries"]["text"]), len((text["keys"] or text["queries"])["text"])
        coding = Coding(at["coding"]["bits"], at["coding"]["shape"], at["window"])
        return codec.unpack(self.bytes(side, at["heads"][head]["map"]), coding, T, S)

    def floats(self, side, blob, bits=32):
        return np.frombuffer(zlib.decompress(self.bytes(side, blob)), "<f4" if bits == 32 else "<f2")

    def thumbs(self, side, name="thumbs"):
        codes = np.frombuffer(zlib.decompress(self.bytes(side, self.sides[side][name])), np.uint8)
        return ((codes / 255) ** 2).reshape(-1, *self.sides[side]["thumb"])
