"""How far a head follows a known pattern: self, previous token, local, first token, long range, duplicate, induction.

Axes: B windows, N heads, T queries and T keys (the same text), P patterns. `weights` rows sum to 1 - null_mass. A
pattern says which (query, key) pairs count: one for all windows ("T T") or one per window ("B T T"). i is the query, j
the key, both from 1. Patterns that need to know what the text says are in text_patterns.py; TransformerLens's scores
in detector.py.

Everything follows from one number per query, the attention it pays to its pattern keys (`rows`): many patterns are one
product (`stack_rows`). A query counts where it is asked: where it has a pattern key. Under a window, or to leave the
sink out, give `pattern & visible`: a key that cannot be seen asks for nothing.

All scores depend on T and on the text: compare at equal T, next to the chance level.
Sources: the detection patterns and the score "mul" of TransformerLens (`head_detector`); Olsson et al. 2022, In-context
Learning and Induction Heads (prefix matching).
"""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from analysis.measures.sinks import MIN_REAL_MASS
from jattn.errors import at_least

Pattern = Bool[Array, "T T"] | Bool[Array, "B T T"]
Visible = Bool[Array | np.ndarray, "*#P T T"]


def self_pattern(T: int) -> Bool[Array, "T T"]:
    """j = i: the query's own token."""
    return jnp.eye(T, dtype=bool)


def previous_pattern(T: int) -> Bool[Array, "T T"]:
    """j = i - 1."""
    return jnp.eye(T, k=-1, dtype=bool)


def next_pattern(T: int) -> Bool[Array, "T T"]:
    """j = i + 1, for models that see both sides; elsewhere no query can see it."""
    return jnp.eye(T, k=1, dtype=bool)


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


def near_pattern(T: int, width: int) -> Bool[Array, "T T"]:
    """|i - j| < width: `local_pattern` on both sides, for models that see both. Raises InputError if width < 1."""
    at_least("width (keys on a side, self included)", width, 1)
    return _distance(T) < width


def far_pattern(T: int, distance: int) -> Bool[Array, "T T"]:
    """|i - j| >= distance: long range, on both sides where the mask shows both. Raises InputError if distance < 1."""
    at_least("distance (tokens)", distance, 1)
    return _distance(T) >= distance


def stack_rows(weights: Float[Array, "B N T T"], stack: Bool[Array, "P T T"]) -> Float[Array, "B N P T"]:
    """sum_j A_ij P_ij of every query, for many patterns at once; `asked` of them is stack.any(-1), [P, T]."""
    return jnp.einsum("bnts,pts->bnpt", weights, stack.astype(weights.dtype))


def pattern_rows(weights: Float[Array, "B N T T"], pattern: Pattern) -> Float[Array, "B N T"]:
    """sum_j A_ij P_ij of every query: the attention that it pays to its pattern keys."""
    return (weights * _per_head(pattern)).sum(-1)


def real_mass(weights: Float[Array, "B N T T"], null_mass: Float[Array, "B N T"]) -> Float[Array, "B N T"]:
    """Attention that each query pays to real keys; exactly 0 where it is below 1e-6, too little to be divided up.

    The row's own sum: equal to 1 - null_mass, without the digits lost in that difference near null = 1.
    """
    real = weights.sum(-1)
    return jnp.where(jnp.minimum(real, 1 - null_mass) >= MIN_REAL_MASS, real, 0)


def raw_from_rows(rows: Float[Array, "B N *P T"], asked: Bool[Array, "..."]) -> Float[Array, "B N *P"]:
    """Mean of `rows` over the queries that are asked; `asked` broadcasts against them. NaN where none is."""
    return rows.mean(-1, where=jnp.broadcast_to(asked, rows.shape))


def conditional_from_rows(
    rows: Float[Array, "B N *P T"], real: Float[Array, "B N T"], asked: Bool[Array, "..."]
) -> Float[Array, "B N *P"]:
    """Mean of rows / real over the queries that are asked and have real attention (`real_mass`). NaN where none has."""
    real = jnp.expand_dims(real, tuple(range(2, rows.ndim - 1)))
    kept = real >= MIN_REAL_MASS
    shares = rows / jnp.where(kept, real, 1)
    return shares.mean(-1, where=jnp.broadcast_to(kept & asked, rows.shape))


def raw_mass(weights: Float[Array, "B N T T"], pattern: Pattern) -> Float[Array, "B N"]:
    """Mean over queries that have a pattern key of sum_s A P: attention paid to the pattern, null mass not added back.

    In [0, 1]. On repeated random tokens with the induction pattern this is the prefix-matching score (Olsson et al.
    2022). NaN for a window in which no query has a pattern key.
    """
    return raw_from_rows(pattern_rows(weights, pattern), _per_head(pattern).any(-1))


def conditional_mass(
    weights: Float[Array, "B N T T"], null_mass: Float[Array, "B N T"], pattern: Pattern
) -> Float[Array, "B N"]:
    """`raw_mass` of the rows divided by 1 - null_mass: of what is not null, how much follows the pattern. In [0, 1].

    Queries with 1 - null_mass below 1e-6 are dropped. NaN where no query is left. Show `raw_mass` and the null mass
    beside it: a head that does almost nothing can score high here.
    """
    asked = _per_head(pattern).any(-1)
    return conditional_from_rows(pattern_rows(weights, pattern), real_mass(weights, null_mass), asked)


def pattern_score(weights: Float[Array, "B N T T"], pattern: Pattern) -> Float[Array, "B N"]:
    """sum(A P) / sum(A) over all queries and keys: TransformerLens's "mul". In [0, 1].

    sum(A) = T without a null; with one it is the real mass, so this is conditional on non-null globally, not per row.
    A perfect previous-token head has (T-1)/T. NaN for a head whose mean real mass is below 1e-6: no share of nothing.
    """
    matched = (weights * _per_head(pattern)).sum((-2, -1))
    total = weights.sum((-2, -1))
    return jnp.where(total >= MIN_REAL_MASS * weights.shape[-2], matched / total, jnp.nan)


def uniform_over(visible: Bool[Array | np.ndarray, "*P T T"], null: bool = False) -> Float[Array, "*P T T"]:
    """Each query's attention spread evenly over the keys it sees, and the null: every measure's chance is its value
    here."""
    seen = jnp.asarray(visible)
    return seen / jnp.maximum(seen.sum(-1, keepdims=True) + null, 1)


def chance(pattern: Bool[Array, "*P T T"], visible: Visible, null: bool = False) -> Float[Array, "*P"]:
    """`raw_mass` of uniform attention, for `pattern & visible`, exactly, under any mask and for many patterns at once.

    Mean over the queries that see a pattern key of (pattern keys seen) / (keys seen + null). The chance level of the
    conditional mass is the one with null=False. NaN where no query sees a pattern key.
    """
    seen = pattern & visible
    shares = seen.sum(-1) / jnp.maximum(jnp.asarray(visible).sum(-1) + null, 1)
    return shares.mean(-1, where=seen.any(-1))


def uniform_weights(T: int, *, width: int | None = None, null: bool = False) -> Float[Array, "T T"]:
    """Uniform attention of each query over its visible keys (all earlier ones, or the last `width`), and the null.

    1/n for each visible key, n = visible keys + 1 if `null`. The chance levels are the measures at this point.
    """
    return uniform_over(local_pattern(T, T if width is None else width), null)


def chance_mass(pattern: Pattern, *, width: int | None = None, null: bool = False) -> Float[Array, "B 1"]:
    """`raw_mass` of uniform attention, per window (B = 1 for a "T T" pattern); `width` is the layer's window.

    The chance level of `conditional_mass` is this one with null=False, whether or not the model has a null. Unlike
    `chance` it counts queries whose pattern keys all lie outside the window, as `raw_mass` does unless told otherwise.
    """
    return raw_mass(_uniform_like(pattern, width, null), pattern)


def _distance(T: int):
    return jnp.abs(jnp.arange(T)[:, None] - jnp.arange(T))


def _per_head(pattern: Array):
    return pattern[..., None, :, :]


def _uniform_like(pattern: Array, width: int | None, null: bool):
    T = pattern.shape[-1]
    B = 1 if pattern.ndim == 2 else pattern.shape[0]
    return jnp.broadcast_to(uniform_weights(T, width=width, null=null), (B, 1, T, T))
