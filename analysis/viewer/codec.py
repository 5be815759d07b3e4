"""How maps are packed for the page: quantised, without the keys that no query may see, compressed, in base64.

8 bits: u = round(255 sqrt(w)), so that a weight is off by at most about sqrt(w) / 255 and the small ones keep their
ratios: a row of many small weights still sums to 1 within 0.01. 16 bits: u = round(65535 w), off by at most 1 / 131070.
`web/src/payload/decode.ts` does on the page what `unpack` does here.

Axes: N heads, T queries, S keys, h x w a thumbnail.
"""

import zlib
from base64 import b64encode
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Float32, Int, UInt8

LEAST = 0.02  # of a row: with less left beside the null it is drawn as empty, never blown up
THUMB = 32  # rows and columns of a thumbnail, at most
LEVEL = 6  # of zlib: 9 takes several times as long for 1 % less

Shape = Literal["triangle", "band", "full"]
Bits = Literal[8, 16]


@dataclass(frozen=True)
class Coding:
    """How a layer's maps are packed; `window` is the width of a band."""

    bits: Bits
    shape: Shape
    window: int | None = None


def shape_of(causal: bool, window: int | None, first: int) -> Shape:
    """The smallest shape that holds all that the mask shows."""
    if not causal:
        return "full"
    return "band" if window is not None and first == 0 else "triangle"


def cells(coding: Coding, T: int, S: int) -> Bool[np.ndarray, "T S"]:
    """Which cells are packed, in the order of rows."""
    t, s = np.arange(T)[:, None], np.arange(S)
    if coding.shape == "full":
        return np.ones((T, S), bool)
    return (s <= t) & (t - s < (coding.window or T) if coding.shape == "band" else True)


def pack(weights: Float[np.ndarray, "T S"], coding: Coding) -> bytes:
    """A map as bytes: quantised cells, then zlib."""
    kept = weights[cells(coding, *weights.shape)]
    return _deflated(_quantised(kept, coding.bits).tobytes())


def unpack(data: bytes, coding: Coding, T: int, S: int) -> Float32[np.ndarray, "T S"]:
    """The map that `pack` wrote, as the page sees it."""
    values = np.zeros((T, S), np.float32)
    codes = np.frombuffer(zlib.decompress(data), np.uint8 if coding.bits == 8 else "<u2").astype(np.float32)
    values[cells(coding, T, S)] = (codes / 255) ** 2 if coding.bits == 8 else codes / 65535
    return values


def bound(weights: Float[np.ndarray, "*x"], bits: Bits) -> Float[np.ndarray, "*x"]:
    """How far `unpack` may be from the weight: half a step of the code, and float32's own rounding."""
    step = np.sqrt(np.maximum(weights, 0)) / 255 + (0.5 / 255) ** 2 if bits == 8 else np.full_like(weights, 0.5 / 65535)
    return step + 2e-7


def pooled(weights: Float[np.ndarray, "N T S"]) -> Float[np.ndarray, "N h w"]:
    """The largest weight of each block, so that a single spike survives: at most THUMB x THUMB.

    Block i of h holds the rows from floor(i T / h) to before floor((i + 1) T / h).
    """
    for axis in (1, 2):
        size = weights.shape[axis]
        weights = np.maximum.reduceat(weights, _starts(size), axis=axis)
    return weights


def thumb_size(T: int, S: int) -> tuple[int, int]:
    """Rows and columns of a thumbnail."""
    return min(T, THUMB), min(S, THUMB)


def renormalised(weights: Float[np.ndarray, "N T S"], null: Float[np.ndarray, "N T"] | None):
    """The rows without the null, or without position 1 where there is none, made whole; empty where less than 0.02 is
    left. [N, T, S]."""
    if null is None:
        weights = weights.copy()
        weights[..., 0] = 0
    left = weights.sum(-1, keepdims=True)
    return np.where(left >= LEAST, weights / np.maximum(left, LEAST), 0)


def thumbs(images: Float[np.ndarray, "N h w"]) -> bytes:
    """Thumbnails as bytes: the square-root code of 8 bits, then zlib."""
    return _deflated(_quantised(images, 8).tobytes())


def _deflated(cells: bytes) -> bytes:
    """zlib by both of its strategies, the shorter of the two: trained maps repeat themselves, diffuse ones do not."""
    filtered = zlib.compressobj(LEVEL, zlib.DEFLATED, zlib.MAX_WBITS, 9, zlib.Z_FILTERED)
    return min(zlib.compress(cells, LEVEL), filtered.compress(cells) + filtered.flush(), key=len)


def floats(values: Float[np.ndarray, "*x"], bits: Literal[16, 32] = 32) -> bytes:
    """Floating-point numbers as bytes, little-endian, then zlib."""
    return zlib.compress(np.ascontiguousarray(values, "<f2" if bits == 16 else "<f4").tobytes(), LEVEL)


class Blobs:
    """The text that a side's packed arrays stand in, one after the other; `add` says where."""

    def __init__(self):
        self._parts: list[str] = []
        self.length = 0

    def add(self, data: bytes) -> tuple[int, int]:
        """Offset and length in characters."""
        text = b64encode(data).decode("ascii")
        self._parts.append(text)
        self.length += len(text)
        return self.length - len(text), len(text)

    @property
    def text(self) -> str:
        return "".join(self._parts)


def pack_all(maps: Iterable[Float[np.ndarray, "T S"]], coding: Coding) -> list[bytes]:
    """Several maps at once: zlib leaves the other cores free to Python."""
    with ThreadPoolExecutor() as pool:
        return list(pool.map(lambda m: pack(m, coding), maps))


def _starts(size: int) -> Int[np.ndarray, " h"]:
    count = min(size, THUMB)
    return np.arange(count) * size // count


def _quantised(weights: Float[np.ndarray, "*x"], bits: Bits) -> UInt8[np.ndarray, "*x"] | np.ndarray:
    clipped = np.clip(weights, 0, 1)
    return np.rint(255 * np.sqrt(clipped)).astype(np.uint8) if bits == 8 else np.rint(65535 * clipped).astype("<u2")
