"""What attention between words has to do with grammar: word classes, dependency heads, named links.

Axes: S sentences, ... layers and heads, W words, X blocks of sentences, O fixed offsets. `maps[..., i, j]` is what
word i gives to word j: attention as it is, or rows given that it is not null. Every share is a ratio of two sums, which
are kept apart until they are added up over the sentences of a block.

Sources: Vig and Belinkov 2019 (arXiv 1906.04284), eq. 3 and 4; Clark et al. 2019 (arXiv 1906.04341), section 4.2.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Bool, Float

Blocks = Float[np.ndarray, "X ..."]


def mass_on(maps: Float[np.ndarray, "S ... W W"], pairs: np.ndarray) -> Float[np.ndarray, "S ..."]:
    """sum_ij maps[i, j] pairs[i, j] per sentence, pairs [S, W, W]: the numerator of every share here."""
    heads = maps.shape[1:-2]
    flat = maps.reshape(len(maps), -1, *maps.shape[-2:])
    return np.einsum("shij,sij->sh", flat, pairs.astype(maps.dtype)).reshape(len(maps), *heads)


def uniform(visible: Bool[np.ndarray, "*S W W"]) -> Float[np.ndarray, "*S W W"]:
    """Each word's attention spread evenly over the words that it sees, itself included."""
    return visible / np.maximum(visible.sum(-1, keepdims=True), 1)


def distance_matched(
    rows: Float[np.ndarray, "S ... W W"], visible: Bool[np.ndarray, "S W W"]
) -> Float[np.ndarray, "S ... W W"]:
    """What each head would do if it went by distance alone: the same mass in every row, placed by its mean profile.

    p(d) = mean of rows[i, i - d] over all rows with any mass that see such a word; row i becomes p(i - j) over its
    visible j, scaled to the row's own sum. A head that goes by distance alone is its own baseline, where all rows see
    equally far.
    """
    S, W = len(rows), rows.shape[-1]
    flat = rows.reshape(S, -1, W, W)
    mass = flat.sum(-1)
    offset = np.arange(W)[:, None] - np.arange(W) + W - 1  # 0 .. 2 W - 2
    asked = np.einsum("shi,sij->hij", (mass > 0).astype(float), visible.astype(float))
    profile = np.zeros((flat.shape[1], 2 * W - 1), np.float32)
    for h, (total, count) in enumerate(zip(flat.sum(0), asked, strict=True)):
        added = np.bincount(offset.ravel(), total.ravel(), 2 * W - 1)
        profile[h] = added / np.maximum(np.bincount(offset.ravel(), count.ravel(), 2 * W - 1), 1e-12)
    placed = profile[:, offset][None] * visible[:, None]
    sums = placed.sum(-1)
    placed *= (mass / np.where(sums > 0, sums, 1))[..., None]
    return placed.reshape(rows.shape).astype(rows.dtype)


def link_hits(
    maps: Float[np.ndarray, "S ... W W"], links: Sequence[Mapping[int, set[int]]]
) -> tuple[Float[np.ndarray, "S ..."], Float[np.ndarray, " S"]]:
    """How often the most attended other word is a linked one, and how often that was asked, per sentence.

    links: of each sentence, word -> its targets. Where words are level the hit counts as the share of targets among
    them, so uniform attention scores (targets) / (words it sees); a row without attention to any word is a miss.
    """
    hits, asked = np.zeros(maps.shape[:-2]), np.zeros(len(maps))
    for s, wanted in enumerate(links):
        for i, targets in wanted.items():
            row = maps[s, ..., i, :].copy()
            row[..., i] = 0
            most = row.max(-1, keepdims=True)
            level = (row == most) & (most > 0)
            good = level[..., sorted(targets)].sum(-1)
            hits[s] += good / np.maximum(level.sum(-1), 1)
            asked[s] += 1
    return hits, asked


def offset_hits(links: Sequence[Mapping[int, set[int]]], W: int) -> Float[np.ndarray, "S O"]:
    """The hits of "the word d further left": d = -(W - 1) .. W - 1 without 0. What a head of fixed offset would get."""
    offsets = _offsets(W)
    hits = np.zeros((len(links), len(offsets)))
    for s, wanted in enumerate(links):
        for i, targets in wanted.items():
            hits[s] += np.isin(i - offsets, sorted(targets))
    return hits


def offset_mass(pairs: Bool[np.ndarray, "S W W"]) -> Float[np.ndarray, "S O"]:
    """sum_i pairs[i, i - d] for every offset d: the alignment of a head that puts all on the word d further left."""
    W = pairs.shape[-1]
    return np.stack([np.trace(pairs, offset=-d, axis1=1, axis2=2) for d in _offsets(W)], -1).astype(float)


def _offsets(W: int) -> np.ndarray:
    return np.concatenate([np.arange(1 - W, 0), np.arange(1, W)])


def blocked(sums: Float[np.ndarray, "S ..."], X: int) -> Blocks:
    """Sums per sentence added up over X blocks of neighbouring sentences."""
    return np.stack([sums[block].sum(0) for block in np.array_split(np.arange(len(sums)), X)])


def ratio(over: np.ndarray, under: np.ndarray) -> np.ndarray:
    """over / under, `under` given axes at its end until the two agree; NaN where `under` is 0."""
    under = under.reshape(under.shape + (1,) * (over.ndim - under.ndim))
    return np.where(under > 0, over / np.where(under > 0, under, 1), np.nan)


def best(over: Blocks, under: np.ndarray) -> tuple[Float[np.ndarray, " X"], tuple[int, ...]]:
    """over / under per block of the best head, chosen on the other half of the blocks; and the best head of all.

    Odd blocks are scored with the head that is best on the even ones, and the other way round, so that choosing among
    many heads lifts no score. A head with less than a tenth of the largest `under` (nearly all its rows dropped) is not
    chosen. NaN with fewer than two blocks, and for blocks with nothing to score.
    """
    values, odd = ratio(over, under), np.arange(len(over)) % 2 == 1
    under = np.broadcast_to(under.reshape(under.shape + (1,) * (over.ndim - under.ndim)), over.shape)

    def argbest(which: np.ndarray) -> tuple[int, ...]:
        asked = under[which].sum(0)
        scores = np.where(asked >= 0.1 * asked.max(), np.nan_to_num(ratio(over[which].sum(0), asked)), -np.inf)
        return tuple(int(i) for i in np.unravel_index(scores.argmax(), scores.shape))

    scores = np.full(len(over), np.nan)
    if len(over) > 1:
        scores[odd], scores[~odd] = values[(odd, *argbest(~odd))], values[(~odd, *argbest(odd))]
    return scores, argbest(np.ones(len(over), bool))
