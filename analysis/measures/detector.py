"""TransformerLens's two scores of a head against a pattern, "mul" and "abs", with its two exclusions.

Axes: B windows, N heads, T queries and T keys. Patterns are those of patterns.py (its three: previous token, duplicate
token, induction), or any array of targets from 0 to 1. Without exclusions and for a binary pattern on rows that sum to
1, abs = 2 mul - sum(P)/T: the two then rank heads alike. Both depend on T, and abs counts attention to a sink or a null
as an error: read patterns.py's row-wise masses first.

Source: TransformerLens 4.3.0, `head_detector.compute_head_attention_similarity_score`; the formulas, not its code.
"""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from analysis.measures.patterns import duplicate_pattern, induction_pattern, previous_pattern
from analysis.measures.sinks import MIN_REAL_MASS

Target = Bool[Array, "T T"] | Bool[Array, "B T T"] | Float[Array, "T T"] | Float[Array, "B T T"]


def mul_score(
    weights: Float[Array, "B N T T"],
    pattern: Target,
    *,
    exclude_bos: bool = False,
    exclude_current_token: bool = False,
) -> Float[Array, "B N"]:
    """sum(A P) / sum(A) over all queries and keys, the excluded keys left out of both sums. In [0, 1].

    exclude_bos: position 1.  exclude_current_token: the query's own. NaN for a head with less than 1e-6 T left: show
    how much a sink takes beside a score that leaves it out, for what is left of a head that does little says little.
    """
    A = jnp.where(_excluded(weights.shape[-1], exclude_bos, exclude_current_token), 0, weights)
    matched, total = (A * pattern[..., None, :, :]).sum((-2, -1)), A.sum((-2, -1))
    return jnp.where(total >= MIN_REAL_MASS * A.shape[-2], matched / total, jnp.nan)


def abs_score(
    weights: Float[Array, "B N T T"],
    pattern: Target,
    *,
    exclude_bos: bool = False,
    exclude_current_token: bool = False,
) -> Float[Array, "B N"]:
    """1 - sum |A - P| / T, errors at the excluded keys not counted (which can only raise it). At most 1.

    At least -1 for a pattern of one key a row; lower for one of more. A perfect previous-token head has 1 - 1/T.
    TransformerLens rounds sum |A - P| / T to three decimals; this does not.
    """
    error = jnp.abs(weights - pattern[..., None, :, :])
    error = jnp.where(_excluded(weights.shape[-1], exclude_bos, exclude_current_token), 0, error)
    return 1 - error.sum((-2, -1)) / weights.shape[-2]


def detected(
    weights: Float[Array, "B N T T"],
    visible: Bool[Array, "T T"],
    tokens: Int[Array, "B T"],
    null: Bool[Array, ""] | bool,
) -> tuple[dict[str, Float[Array, "B N"]], dict[str, Float[Array, "B N"]]]:
    """Both scores on the three patterns, position 1 and the query's own token excluded, and those of even attention.

    `previous_abs`, `previous_mul_excl`, and so on for duplicate and induction. null: whether the layer has one, which
    even attention counts as a key. The null is not excluded: abs counts what it gets as an error.
    """
    B, T = tokens.shape
    of_text = {"duplicate": duplicate_pattern(tokens), "induction": induction_pattern(tokens)}
    even = jnp.broadcast_to(visible / jnp.maximum(visible.sum(-1, keepdims=True) + null, 1), (B, 1, T, T))
    scores, levels = {}, {}
    for name, pattern in {"previous": previous_pattern(T), **of_text}.items():
        for suffix, score in (("abs", abs_score), ("mul_excl", mul_score)):
            of = lambda a, s=score, p=pattern: s(a, p, exclude_bos=True, exclude_current_token=True)
            scores[f"{name}_{suffix}"] = of(weights)
            levels[f"{name}_{suffix}"] = jnp.broadcast_to(of(even), weights.shape[:2])
    return scores, levels


def _excluded(T: int, bos: bool, current: bool):
    return (bos & (jnp.arange(T) == 0)) | (current & jnp.eye(T, dtype=bool))
