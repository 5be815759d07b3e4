"""Attention made by hand and the pages that show it. Each head's weights are the softmax of its own queries and keys,
in float32, so that every number on a page has one in NumPy beside it. A page is made once.

Axes: N heads, T queries, S keys, H head size.
"""

import zlib
from base64 import b64decode, b64encode
from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from analysis.viewer import budget
from analysis.viewer.attention import Attention
from analysis.viewer.layer import Vectors
from analysis.viewer.page import Page, page
from analysis.viewer.payload import pack
from analysis.viewer.show import draw
from analysis.viewer.statistics import measured

TOKENS = ("The", " cat", " sat", " on", " the", " mat", ".", " A", " dog", " lay", " on", " 2", " rugs", ".")
SPLIT = 7  # the first token of the second sentence
H = 4


@dataclass(frozen=True)
class Sample:
    """A page and what is on it."""

    page: Page
    sides: tuple[Attention, ...]


def softmax(scores, null=None):
    """Rows of weights, and the null's share (None without one), in float32."""
    whole = scores if null is None else np.concatenate([null[..., None], scores], -1)
    e = np.exp(whole - whole.max(-1, keepdims=True))
    p = (e / e.sum(-1, keepdims=True)).astype(np.float32)
    return (p, None) if null is None else (p[..., 1:], p[..., 0])


def visible(T, S, causal, window):
    """Which keys each query may see."""
    t, s = np.arange(T)[:, None], np.arange(S)
    seen = s <= t if causal else np.ones((T, S), bool)
    return seen if window is None else seen & (abs(t - s) < window)


def model(name, tokens=TOKENS, *, heads=(3, 3), null=False, causal=True, windows=None, keys=None, seed=0, **given):
    """Attention of len(heads) layers. Query 3 of head 0.0 gives the null, where there is one, all but a hundredth."""
    rng, T, S = np.random.default_rng(seed), len(tokens), len(keys or tokens)
    layers, nulls, vectors = [], [], {}
    for i, count in enumerate(heads):
        seen = visible(T, S, causal and keys is None, windows and windows[i])
        found = []
        for n in range(count):
            q, k = (rng.normal(0, 2, (size, H)).astype(np.float32) for size in (T, S))
            s_null = rng.normal(0, 2, T).astype(np.float32) if null else None
            score = np.where(seen, q @ k.T * H**-0.5, -np.inf)
            if s_null is not None and i == n == 0 and T > 3:
                s_null[3] = score[3].max() + 8
            vectors[i, n] = Vectors(q, k, s_null, scale=H**-0.5)
            found.append(softmax(score, s_null))
        layers.append(np.stack([w for w, _ in found]))
        nulls.append(np.stack([mass for _, mass in found]) if null else None)
    given |= {
        "null": nulls if null else None,
        "windows": windows,
        "vectors": vectors,
        "causal": causal and keys is None,
    }
    return Attention.of(name, layers, list(tokens), keys=None if keys is None else list(keys), **given)


def sample(*sides, **given):
    """The page of these, with queries and keys of every head."""
    neurons = sorted({head for side in sides for head in side.heads})
    return Sample(draw(sides, neurons=neurons, **given), sides)


@cache
def pair(precision="auto"):
    """Two models of 2 x 3 heads on two sentences; the second has a null."""
    standard, nulled = model("standard", split=SPLIT), model("null", null=True, split=SPLIT, seed=1)
    return sample(standard, nulled, precision=precision, command="jattn view runs/a runs/b --neurons {heads}")


@cache
def few():
    """One model of which head 0.1 alone has its queries and keys on the page."""
    side = model("few")
    return Sample(draw([side], neurons=[(0, 1)], command="jattn view runs/a --neurons {heads}"), (side,))


@cache
def alone():
    """One model of 2 x 3 heads without a null."""
    return sample(model("alone", split=SPLIT))


@cache
def nulled():
    """One model of 2 x 3 heads with a null."""
    return sample(model("nulled", null=True, split=SPLIT, seed=1))


@cache
def encoder():
    """A model that sees both sides."""
    return sample(model("encoder", causal=False, split=SPLIT, seed=2))


@cache
def crossed():
    """Cross-attention of 5 queries to 8 keys."""
    return sample(model("crossed", TOKENS[:5], keys=[f"k{s}" for s in range(8)], seed=3))


@cache
def ragged():
    """Layers of 1, 3 and 2 heads, the middle one with a window."""
    return sample(model("ragged", heads=(1, 3, 2), windows=[None, 4, None], seed=4))


@cache
def single():
    """One head, one token."""
    return sample(model("single", ["one"], heads=(1,), seed=5))


@cache
def steps():
    """Three steps of one run, and another model beside it."""
    run = [replace(model("run", seed=6 + i, null=True), step=100 * i) for i in range(3)]
    return sample(*run, model("other", seed=9))


@cache
def unlike():
    """Two models that cut the text into different tokens."""
    return sample(model("words"), model("pieces", [*TOKENS[:6], " ru", "gs", "."], null=True, seed=10))


@cache
def tall(T):
    """Two models of 12 x 12 heads on T tokens: two heads of each, packed once and shown seventy-two times."""
    rng = np.random.default_rng(T)
    sides = []
    for name, null in (("standard", False), ("null", True)):
        score = np.where(np.tri(T, dtype=bool), rng.normal(0, 2, (2, T, T)).astype(np.float32), -np.inf)
        w, mass = softmax(score, rng.normal(0, 2, (2, T)).astype(np.float32) if null else None)
        words = [f" t{t % 50}" for t in range(T)]
        sides.append(Attention.of(name, [w], words, null=[mass] if null else None, causal=True))
    found = [measured(side) for side in sides]
    packed = pack(sides, found, budget.plan(sides, (), "display", 25e6), title="tall")
    for i, side in enumerate(packed.payload["sides"]):
        for name in ("thumbs", "thumbs_without", "null_mass"):
            side[name] = side[name] and _repeated(packed.blobs, i, side[name])
        (layer,) = side["layers"]
        heads = [head | {"number": number} for number, head in enumerate(layer["heads"] * 6)]
        side["layers"] = [layer | {"number": number, "heads": heads} for number in range(12)]
        side["match"] = None
    return Sample(page(packed), tuple(sides))


def _repeated(blobs, side, blob):
    """The same array seventy-two times, behind a side's others."""
    offset, length = blob
    data = zlib.decompress(b64decode(blobs[side][offset : offset + length]))
    text = b64encode(zlib.compress(data * 72)).decode()
    blobs[side] += text
    return len(blobs[side]) - len(text), len(text)
