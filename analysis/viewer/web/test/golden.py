"""Writes golden.json beside it: what Python says that the page's functions must give. Run it after a change of codec.

    python analysis/viewer/web/test/golden.py

All arrays are flat lists in the order of rows; T queries, S keys, H head size. null stands for -inf and NaN.

    maps      {T, S, coding: {bits, shape}, window, blob, values [T S]}            blob: base64, values: decoded
    thumbs    {h, w, count, blob, values [count h w]}
    floats    {bits, blob, values}
    halves    {bits: [uint16 ...], values}                                         every kind of half float
    transformed   {T, S, weights, mass, sinkKey, nulls, queries, keys, filtered,   what goes into transform()
               expect: {weights [T S], nulls, mass, hatched}}                      sees() is causal: s <= t
    stages    {T, S, side: {causal}, layer: {window, first}, neuron, vectors: {T, S, H, q, k, s_null},
               expect: {product, scaled, softmax [T S], visible [T S], null_weight [T] or null}}
    pooled    {T, S, h, w, values, expect: {max, mean, signed}}

"transformed": the null's control comes first. show: weights, the null's column beside them. hide: without that column.
renormalise: each row divided by its sum without the null. A sinkKey is such a null: its column leaves the weights and
is the mass. Then the filters: keys and queries that are not kept get 0; under `filtered` = "renormalise" a row is
divided by what is left of it, the null's column included where it is shown. With less than 0.02 left a row is hatched.
"""

import json
from base64 import b64encode
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from analysis.viewer import codec
from analysis.viewer.codec import Coding
from jattn.functional import attention_weights
from jattn.kernels.dense import masked_scores
from jattn.masks import Mask
from jattn.nulls import Null
from jattn.scores import Alibi, LogSigmoid, SoftCap, chain
from jattn.sigmoid import sigmoid_weights

rng = np.random.default_rng(0)


def main() -> None:
    cases = {
        "maps": [one_map(*case) for case in MAPS],
        "thumbs": thumbs(),
        "floats": [floats(bits) for bits in (16, 32)],
        "halves": halves(),
        "transformed": list(transformed()),
        "stages": [stage(**case) for case in STAGES],
        "pooled": [pooled(*case) for case in ((5, 5, 5, 5), (7, 11, 3, 4), (50, 41, 40, 40), (1, 9, 1, 4))],
    }
    text = json.dumps(cases, separators=(",", ":"), allow_nan=False)
    assert len(text) < 200_000, len(text)
    Path(__file__).with_name("golden.json").write_text(text + "\n")


MAPS = [
    (9, 9, Coding(8, "triangle")),
    (9, 9, Coding(16, "triangle")),
    (9, 9, Coding(8, "band", 4)),
    (9, 9, Coding(16, "band", 1)),
    (9, 9, Coding(8, "band", 20)),
    (6, 11, Coding(8, "full")),
    (6, 11, Coding(16, "full")),
    (1, 1, Coding(8, "triangle")),
]


def one_map(T: int, S: int, coding: Coding) -> dict[str, Any]:
    weights = np.where(codec.cells(coding, T, S), attention(T, S), 0)
    packed = codec.pack(weights, coding)
    values = codec.unpack(packed, coding, T, S)
    told = {"bits": coding.bits, "shape": coding.shape}
    return {"T": T, "S": S, "coding": told, "window": coding.window, "blob": base64(packed), "values": flat(values)}


def thumbs() -> dict[str, Any]:
    images = codec.pooled(np.stack([attention(50, 50) for _ in range(2)]))[:, :10, :10]
    decoded = (np.rint(255 * np.sqrt(images)) / 255) ** 2
    return {"h": 10, "w": 10, "count": 2, "blob": base64(codec.thumbs(images)), "values": flat(decoded)}


def floats(bits: Any) -> dict[str, Any]:
    values = rng.normal(size=40).astype(np.float16 if bits == 16 else np.float32)
    return {"bits": bits, "blob": base64(codec.floats(values, bits)), "values": flat(values)}


def halves() -> dict[str, Any]:
    """Zero, the smallest and largest subnormal and normal numbers, one and its neighbours, both signs."""
    bits = np.array([0, 1, 2, 0x3FF, 0x400, 0x401, 0x3BFF, 0x3C00, 0x3C01, 0x7BFF], np.uint16)
    bits = np.concatenate([bits, bits | 0x8000])
    return {"bits": bits.tolist(), "values": flat(bits.view(np.float16))}


def transformed():
    """Every control of the null, with and without filters, on rows with a null, with a sink, with next to nothing."""
    T = 6
    mass = np.array([0.0, 0.3, 0.97, 0.985, 1.0, 0.5], np.float32)
    with_null = attention(T, T) * (1 - mass[:, None])
    with_sink = attention(T, T)
    with_sink[2] = [0.97, 0.01, 0.02, 0, 0, 0]
    with_sink[3] = [0.99, 0, 0.01, 0, 0, 0]
    everything = np.ones(T, np.uint8)
    some_keys, some_queries = np.array([0, 1, 1, 0, 1, 0], np.uint8), np.array([1, 1, 0, 1, 1, 1], np.uint8)
    for weights, given, sink in (
        (with_null, mass, None),
        (with_sink, None, 0),
        (with_sink, None, 2),
        (with_sink, None, None),
    ):
        for nulls in ("show", "hide", "renormalise"):
            for queries, keys in ((everything, everything), (some_queries, some_keys)):
                for filtered in ("hide", "renormalise"):
                    if keys.all() and filtered == "renormalise":
                        continue
                    yield {
                        "T": T,
                        "S": T,
                        "weights": flat(weights),
                        "mass": None if given is None else flat(given),
                        "sinkKey": sink,
                        "nulls": nulls,
                        "queries": queries.tolist(),
                        "keys": keys.tolist(),
                        "filtered": filtered,
                        "expect": transform(weights, given, sink, nulls, queries, keys, filtered),
                    }


def transform(
    weights: np.ndarray,
    mass: np.ndarray | None,
    sink: int | None,
    nulls: str,
    queries: np.ndarray,
    keys: np.ndarray,
    filtered: str,
) -> dict[str, Any]:
    weights = weights.astype(np.float32)
    if sink is not None:
        mass = weights[:, sink]
        weights = weights * (np.arange(weights.shape[1]) != sink)
    hatched = np.zeros(len(weights), bool)
    if nulls == "renormalise" and mass is not None:
        weights, hatched = whole(weights, weights.sum(-1), hatched)
    beside = mass if nulls == "show" and mass is not None else None
    weights = weights * keys * queries[:, None]
    beside = None if beside is None else beside * queries
    if filtered == "renormalise" and not keys.all():
        left = weights.sum(-1) + (0 if beside is None else beside)
        if beside is not None:
            beside = np.where(left >= codec.LEAST, beside / np.maximum(left, codec.LEAST), 0)
        weights, hatched = whole(weights, left, hatched)
    return {
        "weights": flat(weights),
        "nulls": None if beside is None else flat(beside),
        "mass": None if mass is None else flat(mass),
        "hatched": (hatched & (queries > 0)).astype(int).tolist(),  # a query that is left out is not drawn at all
    }


def whole(weights: np.ndarray, left: np.ndarray, hatched: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    enough = left >= codec.LEAST
    return np.where(enough[:, None], weights / np.maximum(left, codec.LEAST)[:, None], 0), hatched | ~enough


STAGES: list[dict[str, Any]] = [
    {},
    {"null": True},
    {"null": True, "cap": 2.0},
    {"null": True, "slope": 0.25, "window": 3},
    {"null": True, "slope": 0.25, "cap": 2.0, "window": 3, "first": 1},
    {"normaliser": "log-sigmoid"},
    {"normaliser": "sigmoid"},
    {"normaliser": "sigmoid", "bias": -2.0, "cap": 2.0, "slope": 0.25},
    {"null": True, "causal": False},
]


def stage(
    *,
    null: bool = False,
    cap: float | None = None,
    slope: float | None = None,
    window: int | None = None,
    first: int = 0,
    normaliser: str = "softmax",
    bias: float = 0.0,
    causal: bool = True,
) -> dict[str, Any]:
    T, H = 8, 4
    q, k = (rng.normal(size=(T, H)).astype(np.float32) * 2 for _ in range(2))
    s_null = rng.normal(size=T).astype(np.float32) if null else None
    scale = H**-0.5
    q4, k4 = (jnp.asarray(x)[None, :, None] for x in (q, k))
    score = chain(
        SoftCap(cap) if cap else None,
        Alibi((slope,)) if slope else None,
        LogSigmoid() if normaliser == "log-sigmoid" else None,
    )
    mask = Mask(causal=causal, window=window, first=first)
    given: dict[str, Any] = {"mask": mask, "score": score, "scale": scale}
    mass = None
    if normaliser == "sigmoid":
        weights = sigmoid_weights(q4, k4, bias=bias, **given)
    else:
        term = None if s_null is None else Null(jnp.asarray(s_null)[None, :, None])
        weights, mass = attention_weights(q4, k4, null=term, **given)
    return {
        "T": T,
        "S": T,
        "side": {"causal": causal},
        "layer": {"window": window, "first": first},
        "neuron": {
            "size": H,
            "bits": 32,
            "scale": scale,
            "cap": cap,
            "slope": slope,
            "normaliser": normaliser,
            "bias": bias,
            "falling": [],
        },
        "vectors": {
            "T": T,
            "S": T,
            "H": H,
            "q": flat(q),
            "k": flat(k),
            "s_null": None if s_null is None else flat(s_null),
        },
        "expect": {
            "product": flat(q @ k.T),
            "scaled": flat(masked_scores(q4, k4, mask=Mask(), score=score, scale=scale) + bias),
            "softmax": flat(weights),
            "visible": mask.dense(np.arange(T), np.arange(T)).astype(int).ravel().tolist(),
            "null_weight": flat(mass) if null else None,
        },
    }


def pooled(T: int, S: int, h: int, w: int) -> dict[str, Any]:
    values = rng.normal(size=(T, S)).astype(np.float32)
    rows, columns = (np.arange(n) * size // n for n, size in ((h, T), (w, S)))
    blocks = lambda f, x: f.reduceat(f.reduceat(x, rows, 0), columns, 1)
    ones = np.ones_like(values)
    low, high = blocks(np.minimum, values), blocks(np.maximum, values)
    weights = np.abs(values)
    expect = {
        "max": flat(blocks(np.maximum, weights)),  # of the magnitudes
        "mean": flat(blocks(np.add, weights) / blocks(np.add, ones)),  # of the magnitudes
        "signed": flat(np.where(high > -low, high, low)),
    }
    return {"T": T, "S": S, "h": h, "w": w, "values": flat(values), "expect": expect}


def attention(T: int, S: int) -> np.ndarray:
    """Causal softmax rows of random scores; over all keys where there are more keys than queries."""
    seen = np.tril(np.ones((T, S), bool)) if T >= S else np.ones((T, S), bool)
    x = np.where(seen, rng.normal(0, 2, (T, S)), -np.inf)
    e = np.exp(x - x.max(-1, keepdims=True))
    return (e / e.sum(-1, keepdims=True)).astype(np.float32)


def flat(values: Any) -> list[float | None]:
    """float32 in the fewest digits that say it."""
    return [float(str(x)) if np.isfinite(x) else None for x in np.asarray(values, np.float32).ravel()]


def base64(data: bytes) -> str:
    return b64encode(data).decode("ascii")


if __name__ == "__main__":
    main()
