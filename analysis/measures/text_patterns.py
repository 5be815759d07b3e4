"""Patterns that need to know what the text says: delimiters, paragraphs, topics. The others are in patterns.py.

Axes: B windows, N heads, T queries and T keys (the same text), V vocabulary. i is the query, j the key, both from 1.
Sources: Clark et al. 2019 (arXiv 1906.04341), section 3 (delimiters); paragraphs and topics are our own definitions.
"""

from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from jattn.errors import InputError

if TYPE_CHECKING:
    pass

Marks = Bool[Array | np.ndarray, "B T"]


def delimiter_pattern(marks: Marks) -> Bool[Array, "B T T"]:
    """Key j is marked, j != i and j > 1: the query's own token and position 1 have measures of their own.

    marks: `delimiters(tokenizer)[tokens]`.
    """
    T = marks.shape[-1]
    return jnp.asarray(marks)[:, None, :] & ~jnp.eye(T, dtype=bool) & (jnp.arange(T) > 0)


def paragraph_pattern(paragraphs: Int[Array | np.ndarray, "B T"]) -> Bool[Array, "B T T"]:
    """paragraphs_i = paragraphs_j, the query's own token included: what stays in its paragraph (sentence, line)."""
    paragraphs = jnp.asarray(paragraphs)
    return paragraphs[:, :, None] == paragraphs[:, None, :]


def dense_blocks(
    weights: Float[Array, "B N T T"], visible: Bool[Array | np.ndarray, "T T"], size: int, tau: float = 0.05
) -> Float[Array, "B N"]:
    """The share of size x size blocks, of those with a visible pair, whose mean attention per query exceeds tau.

    A block's mass is sum A over its pairs / its number of queries, so the blocks of a row of blocks share at most 1.
    In [0, 1]; low is block-sparse. The last block is smaller where `size` does not divide T. Raises InputError if
    size is not in 1..T.
    """
    T = weights.shape[-1]
    if not 1 <= size <= T:
        raise InputError(f"size must be from 1 to T = {T} tokens, got {size}")
    member = jnp.asarray(np.arange(T) // size == np.arange(-(-T // size))[:, None], weights.dtype)  # [blocks, T]
    mass = jnp.einsum("pt,bnts,qs->bnpq", member, weights, member) / member.sum(-1)[:, None]
    counted = jnp.einsum("pt,ts,qs->pq", member, jnp.asarray(visible, weights.dtype), member) > 0
    return (mass > tau).mean((-2, -1), where=jnp.broadcast_to(counted, mass.shape))


def topic_mass(
    weights: Float[Array, "B N T T"],
    topics: Int[Array | np.ndarray, "B T"],
    tokens: Int[Array | np.ndarray, "B T"],
    visible: Bool[Array | np.ndarray, "*B T T"],
    frequency: Int[Array | np.ndarray, "B T"] | None = None,
    null: bool = False,
    kept: Bool[Array | np.ndarray, "B N T"] | None = None,
) -> tuple[Float[Array, "B N"], Float[Array, "B N"]]:
    """(mass, baseline), each in [0, 1]: attention from a word of a topic to other words of that topic, and what it
    would be if only distance and the key's frequency mattered. The score is mass - baseline, in [-1, 1], 0 by chance.

    topics: a number per token, negative for none. Pairs are visible, j != i, of two different tokens (copies have a
    measure of their own); mass is their sum of A, averaged over queries that have one. baseline: even_i x the mean of
    A_ij / even_i over all pairs, of all windows, of two *different* topics at the same distance (by powers of two) with
    a key of equal `frequency` (a class; one for all if not given), where even_i = 1 / (keys i sees + null): even
    attention has 0 exactly. Pairs without such a partner are left out of both. NaN where none is left.
    For the share of what is not null, give the rows and `kept` (the queries that count for a head) of
    `sinks.conditional_rows` and null=False.
    """
    topics, tokens = jnp.asarray(topics), jnp.asarray(tokens)
    B, T = topics.shape
    seen = jnp.broadcast_to(jnp.asarray(visible), (B, T, T))
    asking = (jnp.ones((B, 1, T), bool) if kept is None else jnp.asarray(kept))[..., None]
    cell, cells = _cells(T, jnp.zeros_like(topics) if frequency is None else jnp.asarray(frequency), frequency)
    words = (topics >= 0)[:, :, None] & (topics >= 0)[:, None, :] & ~jnp.eye(T, dtype=bool) & seen
    same = topics[:, :, None] == topics[:, None, :]
    ours = words & same & (tokens[:, :, None] != tokens[:, None, :])
    others = (words & ~same)[:, None] & asking
    even = 1 / jnp.maximum(seen.sum(-1) + null, 1)[:, None, :, None]
    pooled = lambda a: jax.ops.segment_sum(jnp.moveaxis(a, 1, -1).reshape(B * T * T, -1), cell.reshape(-1), cells)
    placed = lambda a: jnp.moveaxis(a[cell], -1, 1)  # [cells, N] -> [B, N, T, T]
    count = pooled(others.astype(weights.dtype))
    lift = pooled(jnp.where(others, weights / even, 0)) / jnp.maximum(count, 1)
    matched = ours[:, None] & asking & placed(count > 0)
    asked = jnp.broadcast_to(matched.any(-1), weights.shape[:-1])
    values = weights, placed(lift) * even
    mass, baseline = (jnp.where(matched, a, 0).sum(-1).mean(-1, where=asked) for a in values)
    return mass, baseline


def _cells(T: int, classes: Any, given: Any):
    """For each pair, the number of its (distance, frequency) class [B, T, T], and how many there are."""
    steps = np.floor(np.log2(np.maximum(np.abs(np.arange(T)[:, None] - np.arange(T)), 1))).astype(int)
    most = 1 if given is None else 1 + int(np.asarray(given).max())
    return steps * most + classes[:, None, :], (int(steps.max()) + 1) * most
