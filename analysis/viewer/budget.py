"""What a page has room for: how exact the maps are, which heads keep theirs, which show their queries and keys.

Sizes are estimated before anything is packed, from a few maps that are. MB = 1e6 bytes of the written page.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from analysis.measures.classes import NAMES
from analysis.viewer import codec
from analysis.viewer.attention import Attention
from analysis.viewer.codec import Bits, Coding
from analysis.viewer.statistics import Measured
from jattn.errors import InputError

HeadOf = tuple[int, int, int]  # side, layer, head

MB = 1e6
EXACT = 2.5 * MB  # up to this size a page may as well be exact
VECTORS = 2 * MB  # for queries and keys of all heads together
SAMPLED = 16  # maps that are packed to see how well they pack
MARGIN = 1.1  # heads differ in how well they pack: room for more than was estimated
BASE64 = 4 / 3
PROGRAM = 120_000.0  # bytes of script, style and texts, about
ROUNDED = (
    "The maps are rounded to 8 bits: a weight w is off by at most about sqrt(w) / 255. Statistics and null masses are "
    "not rounded."
)


@dataclass(frozen=True)
class Plan:
    """bits of the maps; heads that keep their map (None: all); heads that show queries and keys, in bits."""

    bits: Bits
    maps: frozenset[HeadOf] | None
    vectors: tuple[HeadOf, ...]
    vector_bits: Literal[16, 32]
    notes: list[str] = field(default_factory=list)


def coding_of(attention: Attention, layer: int, bits: Bits) -> Coding:
    """The coding of a layer's maps."""
    at = attention.layers[layer]
    return Coding(bits, codec.shape_of(attention.causal, at.window, at.first), at.window)


def leading(layers: Sequence[Measured]) -> list[tuple[int, int]]:
    """The head that is most of its class, for each class that a side has, in the order of the classes."""
    best: dict[str, tuple[float, int, int]] = {}
    for layer, of_layer in enumerate(layers):
        for head, (pattern, score) in enumerate(zip(of_layer.pattern_class, of_layer.score, strict=True)):
            if pattern not in best or score > best[pattern][0]:
                best[pattern] = float(score), layer, head
    return [best[name][1:] for name in NAMES if name in best]


def plan(
    sides: Sequence[Attention],
    chosen: Sequence[HeadOf],
    precision: str,
    limit: float,
    others: Sequence[HeadOf] = (),
) -> Plan:
    """What fits into `limit` bytes; `chosen` heads come first, in their order. others: heads whose queries and keys are
    shown too while there is room for them. Raises InputError where not even a page without maps fits."""
    least = smallest(sides)
    if least > limit:
        raise InputError(
            f"limit_mb: {limit / MB:g} MB is too small; the page, thumbnails and statistics alone take about "
            f"{least / MB:.1f} MB. Give a larger limit, or fewer layers"
        )
    vectors, vector_bits, notes = _vectors(sides, chosen)
    if vector_bits == 32:
        more = [h for h in others if h[1:] in sides[h[0]].vectors]
        size = sum(_vector_size(sides, h, 32) for h in vectors)
        room = size + np.cumsum([_vector_size(sides, h, 32) for h in more]) <= min(VECTORS, limit / 4)
        vectors += tuple(h for h, fits in zip(more, room, strict=True) if fits)
    fixed = least + sum(_vector_size(sides, h, vector_bits) for h in vectors)
    sizes: dict[Bits, dict[HeadOf, float]] = {16: _map_sizes(sides, 16), 8: _map_sizes(sides, 8)}
    wanted: Bits = 16 if precision == "exact" else 8
    if precision == "auto" and fixed + sum(sizes[16].values()) <= min(EXACT, limit):
        wanted = 16
    if wanted == 8:
        notes.append(ROUNDED)
    size = sizes[wanted]
    order = list(dict.fromkeys([*chosen, *sorted(size, key=lambda h: (h[1], h[2], h[0]))]))
    room = np.cumsum([MARGIN * size[h] for h in order]) <= limit - fixed
    if room.all():
        return Plan(wanted, None, vectors, vector_bits, notes)
    kept = frozenset(h for h, fits in zip(order, room, strict=True) if fits)
    whole = (fixed + sum(size.values())) / MB
    notes.append(
        f"Left out: the maps of {len(size) - len(kept)} of {len(size)} heads, which have thumbnails and statistics "
        f"alone. With all of them the page would be about {whole:.1f} MB, over the limit of {limit / MB:g} MB. Heads "
        "that were asked for came first, or else the leading ones of each class."
    )
    return Plan(wanted, kept, vectors, vector_bits, notes)


def _map_sizes(sides: Sequence[Attention], bits: Bits) -> dict[HeadOf, float]:
    """Estimated size of every map on the page: its cells, times what a cell took in a few maps that were packed."""
    heads = [(i, layer, head) for i, side in enumerate(sides) for layer, head in side.heads]
    codings = {(i, n): coding_of(side, n, bits) for i, side in enumerate(sides) for n in range(len(side.layers))}
    cells = {key: int(codec.cells(c, sides[key[0]].T, sides[key[0]].S).sum()) for key, c in codings.items()}
    some = heads[:: -(-len(heads) // SAMPLED)]
    packed = sum(len(codec.pack(sides[i].layers[n].weights[h], codings[i, n])) for i, n, h in some)
    per_cell = BASE64 * packed / sum(cells[i, n] for i, n, _ in some)
    return {(i, n, h): cells[i, n] * per_cell for i, n, h in heads}


def smallest(sides: Sequence[Attention]) -> float:
    """Bytes of what every page holds: thumbnails twice, null masses, statistics, the program. An upper bound, about."""
    size = PROGRAM
    for side in sides:
        h, w = codec.thumb_size(side.T, side.S)
        null = 4 * side.T if any(layer.null is not None for layer in side.layers) else 0
        size += len(side.heads) * (BASE64 * (h * w + null) + 300)
    return size


def _vectors(
    sides: Sequence[Attention], chosen: Sequence[HeadOf]
) -> tuple[tuple[HeadOf, ...], Literal[16, 32], list[str]]:
    known = [h for h in chosen if h[1:] in sides[h[0]].vectors]
    if sum(_vector_size(sides, h, 32) for h in known) <= VECTORS:
        return tuple(known), 32, []
    room = np.cumsum([_vector_size(sides, h, 16) for h in known]) <= VECTORS
    kept = [h for h, fits in zip(known, room, strict=True) if fits]
    notes = ["Queries and keys are rounded to half precision (3 digits) to keep the page small."]
    if len(kept) < len(known):
        notes.append(f"Left out: queries and keys of {len(known) - len(kept)} more heads, beyond {VECTORS / MB:g} MB.")
    return tuple(kept), 16, notes


def _vector_size(sides: Sequence[Attention], head: HeadOf, bits: int) -> float:
    side = sides[head[0]]
    H = side.vectors[head[1:]].q.shape[-1] if head[1:] in side.vectors else 0
    return BASE64 * H * (side.T + side.S) * bits / 8
