"""What the streamed measures need of every query's row of attention: a few sums over its keys, each one pass.

Millions of rows go through here, so each sum is its own reduction (compiled together they run on one core) and nothing
is sorted, gathered or divided before the keys are gone. `text_measures` makes the measures of these sums; the plain
definitions stand in patterns.py, sinks.py and structure.py, and the tests hold the two against each other.

Axes: B windows, N heads, T queries and T keys (the same text). `weights` rows sum to 1 - null_mass.
"""

from collections.abc import Mapping
from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from analysis.measures.sinks import MIN_REAL_MASS

LOCAL_WIDTH = 8  # keys, the query's own included
LONG = 32  # tokens: a key at least this far away is long range


class RowSums(NamedTuple):
    """Sums over the keys of each query, [B, N, T]; `where` holds the mass on each named pattern."""

    real: Array  # sum a
    plogp: Array  # sum a log a
    distance: Array  # sum a |i - j|
    squared: Array  # sum a (i - j)^2
    where: Mapping[str, Array]


def row_sums(weights: Float[Array, "B N T T"], where: Mapping[str, Bool[Array, "*B T T"]]) -> RowSums:
    """The sums of every row, and the mass on each pattern of `where`: [T, T], or [B, T, T] if it depends on the text.

    Also those patterns that need no mask: "first", "previous", "self".
    """
    T = weights.shape[-1]
    apart = jnp.abs(jnp.arange(T)[:, None] - jnp.arange(T)).astype(weights.dtype)
    masses = {name: (weights * (p if p.ndim == 2 else p[:, None])).sum(-1) for name, p in where.items()}
    diagonal = lambda k: jnp.diagonal(weights, k, -2, -1)
    masses |= {
        "first": weights[..., 0],
        "previous": jnp.pad(diagonal(-1), ((0, 0), (0, 0), (1, 0))),
        "self": diagonal(0),
    }
    log = jnp.log(jnp.maximum(weights, jnp.finfo(weights.dtype).tiny))
    return RowSums(
        weights.sum(-1), (weights * log).sum(-1), (weights * apart).sum(-1), (weights * apart**2).sum(-1), masses
    )


def without(sums: RowSums, mass: Float[Array, "B N T"], apart: Float[Array, " T"], touches: Mapping[str, Array]):
    """The sums without one key that held `mass` in each row and stood `apart` tokens away; exact, no second pass.

    touches: pattern -> whether the key belongs to it, for each query.
    """
    log = jnp.log(jnp.maximum(mass, jnp.finfo(mass.dtype).tiny))
    where = {name: value - jnp.where(touches[name], mass, 0) for name, value in sums.where.items()}
    return RowSums(
        jnp.maximum(sums.real - mass, 0),
        sums.plogp - mass * log,
        sums.distance - mass * apart,
        sums.squared - mass * apart**2,
        where,
    )


def entropy(sums: RowSums) -> tuple[Float[Array, "B N T"], Bool[Array, "B N T"]]:
    """Entropy of each row given that it is real, in nats, and which rows have one: log r - (sum a log a) / r."""
    kept = sums.real >= MIN_REAL_MASS
    real = jnp.where(kept, sums.real, 1)
    return jnp.where(kept, jnp.maximum(jnp.log(real) - sums.plogp / real, 0), 0), kept
