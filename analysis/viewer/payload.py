"""What the page is given: one JSON value, and per side a text of packed arrays.

`web/src/payload/payload.ts` says the same in types.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np

from analysis.measures.classes import NAMES, about
from analysis.measures.decay import decaying_dimensions, products_by_distance
from analysis.viewer import codec, words
from analysis.viewer.attention import Attention
from analysis.viewer.budget import HeadOf, Plan, coding_of
from analysis.viewer.codec import Blobs
from analysis.viewer.layer import Vectors
from analysis.viewer.matching import partners
from analysis.viewer.statistics import Measured, Statistic, columns
from analysis.viewer.words import Tokens

DISTANCES = 64  # over which a dimension may fall, at most; and half the text
FEWEST = 8  # distances, with fewer nothing is said


@dataclass(frozen=True)
class Packed:
    """The page's data: a value for JSON, and one text of base64 per side."""

    payload: dict[str, Any]
    blobs: list[str]


def pack(
    sides: Sequence[Attention],
    measured: Sequence[Sequence[Measured]],
    plan: Plan,
    *,
    title: str,
    notes: Sequence[str] = (),
    command: str = "",
    provenance: Sequence[tuple[str, str]] = (),
) -> Packed:
    """The sides with their measures, packed as `plan` says."""
    texts, text_of = _texts(sides)
    stats = columns([list(layers) for layers in measured])
    used = {str(name) for side in measured for layer in side for name in layer.pattern_class}
    blobs, made = [], []
    for i, side in enumerate(sides):
        writer = Blobs()
        steps = sum(other.run == side.run for other in sides) > 1
        made.append(
            {
                "name": words.plain(f"{side.name}, step {side.step:,}" if steps else side.name),
                "run": words.plain(side.run or side.name),
                "step": side.step,
                "text": text_of[i],
                "causal": side.causal,
                "layers": _layers(i, side, measured[i], stats, plan, writer),
                **_small(side, writer),
                "match": partners(side, sides[0]) if i else None,
            }
        )
        blobs.append(writer.text)
    payload = {
        "version": 1,
        "title": words.plain(title),
        "texts": texts,
        "statistics": [
            {
                "key": c.measure,
                "name": c.name,
                "unit": c.unit,
                "about": c.about,
                "without_null": c.without_null,
                "pattern_class": c.pattern_class,
            }
            for c in stats
        ],
        "classes": [name for name in NAMES if name in used],
        "class_terms": [[name, about(name)] for name in NAMES if name in used],
        "sides": made,
        "notes": [*plan.notes, *notes],
        "command": command,
        "provenance": [[words.plain(part) for part in pair] for pair in provenance],
    }
    return Packed(payload, blobs)


def _texts(sides: Sequence[Attention]) -> tuple[list[dict[str, Any]], list[int]]:
    """The texts that differ, and which of them each side reads."""
    texts: list[dict[str, Any]] = []
    text_of: list[int] = []
    for i, side in enumerate(sides):
        same = next((text_of[j] for j in range(i) if side.same_text(sides[j])), None)
        text_of.append(len(texts) if same is None else same)
        if same is None:
            keys = None if side.keys is None else _tokens(side.keys)
            texts.append({"queries": _tokens(side.tokens), "keys": keys, "split": side.split})
    return texts, text_of


def _tokens(tokens: Tokens) -> dict[str, Any]:
    classes = [words.plain(name) for name in tokens.word_class]
    return {"text": list(tokens.text), "joined": list(tokens.joined), "word_class": classes}


def _small(side: Attention, writer: Blobs) -> dict[str, Any]:
    """What every head has, whatever is left out: thumbnails, null mass."""
    raw = np.concatenate([codec.pooled(layer.weights) for layer in side.layers])
    without = np.concatenate([codec.pooled(codec.renormalised(layer.weights, layer.null)) for layer in side.layers])
    null = None
    if any(layer.null is not None for layer in side.layers):
        null = writer.add(codec.floats(np.concatenate([layer.null_mass for layer in side.layers])))
    return {
        "thumbs": writer.add(codec.thumbs(raw)),
        "thumbs_without": writer.add(codec.thumbs(without)),
        "thumb": codec.thumb_size(side.T, side.S),
        "null_mass": null,
    }


def _layers(
    index: int, side: Attention, measured: Sequence[Measured], stats: Sequence[Statistic], plan: Plan, writer: Blobs
) -> list[dict[str, Any]]:
    made = []
    for i, (layer, measures) in enumerate(zip(side.layers, measured, strict=True)):
        coding = coding_of(side, i, plan.bits)
        kept = [n for n in range(len(layer.weights)) if plan.maps is None or (index, i, n) in plan.maps]
        maps = dict(zip(kept, codec.pack_all([layer.weights[n] for n in kept], coding), strict=True))
        heads = []
        for n in range(len(layer.weights)):
            at: HeadOf = (index, i, n)
            values = [measures.values.get(c.measure) for c in stats]
            heads.append(
                {
                    "number": layer.heads[n],
                    "pattern_class": str(measures.pattern_class[n]),
                    "stats": [None if v is None else _number(float(v[n])) for v in values],
                    "map": writer.add(maps[n]) if n in maps else None,
                    "neuron": _neuron(side.vectors[i, n], plan.vector_bits, writer) if at in plan.vectors else None,
                }
            )
        made.append(
            {
                "number": layer.number,
                "has_null": layer.null is not None,
                "softmax": layer.softmax,
                "window": layer.window,
                "first": layer.first,
                "coding": {"bits": coding.bits, "shape": coding.shape},
                "heads": heads,
            }
        )
    return made


def _neuron(v: Vectors, bits: Any, writer: Blobs) -> dict[str, Any]:
    return {
        "size": int(v.q.shape[-1]),
        "bits": bits,
        "q": writer.add(codec.floats(v.q, bits)),
        "k": writer.add(codec.floats(v.k, bits)),
        "s_null": None if v.s_null is None else writer.add(codec.floats(v.s_null)),
        "scale": v.scale,
        "cap": v.cap,
        "slope": v.slope,
        "normaliser": v.normaliser,
        "bias": v.bias,
        "falling": _falling(v),
    }


def _falling(v: Vectors) -> list[int]:
    """The dimensions whose product falls with distance, as analysis/measures/decay.py finds them on this text."""
    T = len(v.q)
    most = min(T // 2, DISTANCES)
    if len(v.k) != T or most < FEWEST:
        return []
    q, k = (jnp.asarray(x, jnp.float32)[None, :, None] for x in (v.q, v.k))
    return [int(d) for d in decaying_dimensions(np.asarray(products_by_distance(q, k, most)[0, 0]))]


def _number(value: float) -> float | None:
    """Six digits of a number, None where it is none."""
    return float(f"{value:.6g}") if math.isfinite(value) else None
