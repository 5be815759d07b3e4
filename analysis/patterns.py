"""How far a head follows a known pattern: previous token, duplicate token, induction, local.

Axes: B windows, N heads, T queries and T keys (the same text). `weights` rows sum to 1 - null_mass. A pattern says
which (query, key) pairs count: one for all windows ("T T") or one per window ("B T T"). i is the query, j the key.

All scores depend on T and on the text: compare at equal T, next to the chance level.
Sources: the detection patterns and the score "mul" of TransformerLens (`head_detector`); Olsson et al. 2022, In-context
Learning and Induction Heads (prefix matching).
"""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from analysis.sinks import MIN_REAL_MASS, conditional_rows
from jattn.errors import at_least

Pattern = Bool[Array, "T T"] | Bool[Array, "B T T"]


def previous_pattern(T: int) -> Bool[Array, "T T"]:
    """j = i - 1."""
    return jnp.eye(T, k=-1, dtype=bool)


def duplicate_pattern(tokens: Int[Array, "B T"]) -> Bool[Array, "B T T"]:
    """tokens_j = tokens_i and j < i: earlier copies of the query's own token."""
    return jnp.tril(tokens[:, :, None] == tokens[:, None, :], k=-1)


def induction_pattern(tokens: Int[Array, "B T"]) -> Bool[Array, "B T T"]:
    """tokens_{j-1} = tokens_i and 1 < j <= i (from 1): what came after earlier copies of the query's token."""
    return jnp.pad(duplicate_pattern(tokens), ((0, 0), (0, 0), (1, 0)))[..., :-1]


def local_pattern(T: int, width: int) -> Bool[Array, "T T"]:
    """0 <= i - j < width: the last `width` keys, self included. Width T is the whole causal triangle.

    Raises InputError if width < 1.
    """
    at_least("width (keys, self included)", width, 1)
    return jnp.tril(jnp.ones((T, T), bool)) & ~jnp.tril(jnp.ones((T, T), bool), k=-width)


def pattern_score(weights: Float[Array, "B N T T"], pattern: Pattern) -> Float[Array, "B N"]:
    """sum(A P) / sum(A) over all queries and keys: TransformerLens's "mul". In [0, 1].

    sum(A) = T without a null; with one it is the real mass, so this is conditional on non-null globally, not per row.
    A perfect previous-token head has (T-1)/T. NaN for a head whose mean real mass is below 1e-6: no share of nothing.
    """
    matched = (weights * _per_head(pattern)).sum((-2, -1))
    total = weights.sum((-2, -1))
    return jnp.where(total >= MIN_REAL_MASS * weights.shape[-2], matched / total, jnp.nan)


def raw_mass(weights: Float[Array, "B N T T"], pattern: Pattern) -> Float[Array, "B N"]:
    """Mean over queries that have a pattern key of sum_s A P: attention paid to the pattern, null mass not added back.

    In [0, 1]. On repeated random tokens with the induction pattern this is the prefix-matching score (Olsson et al.
    2022). NaN for a window in which no query has a pattern key.
    """
    asked = jnp.broadcast_to(_per_head(pattern).any(-1), weights.shape[:-1])
    return (weights * _per_head(pattern)).sum(-1).mean(-1, where=asked)


def conditional_mass(
    weights: Float[Array, "B N T T"], null_mass: Float[Array, "B N T"], pattern: Pattern
) -> Float[Array, "B N"]:
    """`raw_mass` of the rows divided by 1 - null_mass: of what is not null, how much follows the pattern. In [0, 1].

    Queries with 1 - null_mass below 1e-6 are dropped. NaN where no query is left. Show `raw_mass` and the null mass
    beside it: a head that does almost nothing can score high here.
    """
    rows, kept = conditional_rows(weights, null_mass)
    asked = kept & _per_head(pattern).any(-1)
    return (rows * _per_head(pattern)).sum(-1).mean(-1, where=asked)


def uniform_weights(T: int, *, width: int | None = None, null: bool = False) -> Float[Array, "T T"]:
    """Uniform attention of each query over its visible keys (all earlier ones, or the last `width`), and the null.

    1/n for each visible key, n = visible keys + 1 if `null`. The chance levels are the measures at this point.
    """
    visible = local_pattern(T, T if width is None else width)
    return visible / (visible.sum(-1, keepdims=True) + float(null))


def chance_score(pattern: Pattern, *, width: int | None = None, null: bool = False) -> Float[Array, "B 1"]:
    """`pattern_score` of uniform attention, per window (B = 1 for a "T T" pattern); `width` is the layer's window."""
    return pattern_score(_uniform_like(pattern, width, null), pattern)


def chance_mass(pattern: Pattern, *, width: int | None = None, null: bool = False) -> Float[Array, "B 1"]:
    """`raw_mass` of uniform attention, per window (B = 1 for a "T T" pattern); `width` is the layer's window.

    The chance level of `conditional_mass` is this one with null=False, whether or not the model has a null.
    """
    return raw_mass(_uniform_like(pattern, width, null), pattern)


def _per_head(pattern):
    return pattern[..., None, :, :]


def _uniform_like(pattern, width, null):
    T = pattern.shape[-1]
    B = 1 if pattern.ndim == 2 else pattern.shape[0]
    return jnp.broadcast_to(uniform_weights(T, width=width, null=null), (B, 1, T, T))
