"""Does this query attend to something? One number in [0, 1] per query and head, higher for yes, and how to score it.

For a language where it is known which queries have something to attend to (labels), so that a readout of the null can
be compared fairly with the readouts that a model without a null offers too. No readout has a fitted constant, so
`accuracy_at` 0.5 may be asked of each, beside `auroc`, which lets each have its own best threshold.

Axes: B windows, N heads, T queries and T keys (the same text), M queries to score. `weights` rows sum to 1 - null_mass.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int
from scipy.stats import rankdata

from analysis.measures.structure import query_entropy_real, query_entropy_with_null
from jattn.errors import InputError

Scores = Float[Array, "M"] | Float[np.ndarray, "M"]
Labels = Bool[Array, "M"] | Bool[np.ndarray, "M"]

READOUTS = {
    "null": "1 - null mass",
    "first": "1 - mass on position 1",
    "max_weight": "maximum weight",
    "entropy": "1 - entropy / log(keys), real keys only",
    "entropy_null": "1 - entropy / log(outcomes), null one of them",
    "norm": "norm of the head's output / largest value norm",
    "written": "norm that the head writes / (that + norm of the stream)",
}
NEED_NULL = ("null", "entropy_null")  # only where a layer has one


def one_minus_null(null_mass: Float[Array, "B N T"]) -> Float[Array, "B N T"]:
    """1 - null mass: what the null offers, with nothing to choose."""
    return 1 - null_mass


def max_weight(weights: Float[Array, "B N T T"]) -> Float[Array, "B N T"]:
    """max_s A[t, s], the largest attention on a real key."""
    return weights.max(-1)


def sharpness(
    weights: Float[Array, "B N T T"], null_mass: Float[Array, "B N T"], visible: Int[Array, " T"] | None = None
) -> Float[Array, "B N T"]:
    """1 - H / log(visible + 1) with the null as one outcome, for models with a null. `visible` defaults to causal, t.

    The entropy of rows that do not sum to 1 would fall as the null grows and point the wrong way. This one does not
    depend on where the mass is: a query wholly on the null is as sharp as one wholly on a key. Without a null take
    `sharpness_conditional` with null_mass = 0.
    """
    return _one_minus_share(query_entropy_with_null(weights, null_mass), _visible(visible, weights) + 1)


def sharpness_conditional(
    weights: Float[Array, "B N T T"], null_mass: Float[Array, "B N T"], visible: Int[Array, " T"] | None = None
) -> Float[Array, "B N T"]:
    """1 - H / log(visible) of A / (1 - null_mass): real keys only, renormalised. `visible` defaults to causal, t.

    0 where 1 - null_mass is below 1e-6, and where one key is visible (even and sharp are the same there).
    """
    row_entropy, kept = query_entropy_real(weights, null_mass)
    return jnp.where(kept, _one_minus_share(row_entropy, _visible(visible, weights)), 0)


def one_minus_first(weights: Float[Array, "B N T T"]) -> Float[Array, "B N T"]:
    """1 - A[t, 1]: the first token taken for the null (Vig and Belinkov 2019). 0 at t = 1 without a null."""
    return 1 - weights[..., 0]


def output_norm(z_norm: Float[Array, "B N T"], v_norm: Float[Array, "B N T"]) -> Float[Array, "B N T"]:
    """||z_t|| / max_{j <= t} ||v_j||: the head's output as a share of the longest value it could have copied.

    In [0, 1] because z_t is a convex mix of values and, with a zero null value, of 0; 0 where all values are 0.
    z is taken before the output projection; v is repeated to one per query head. A learned null value is not counted.
    """
    longest = jax.lax.cummax(v_norm, axis=v_norm.ndim - 1)
    return jnp.where(longest > 0, z_norm / jnp.where(longest > 0, longest, 1), 0)


def auroc(scores: Scores, labels: Labels) -> float:
    """P(score of a random True > score of a random False), ties counting one half; the Mann-Whitney statistic.

    0.5 is chance, 1 a perfect order. Raises InputError if a class is missing or a score is not finite.
    """
    scores, labels = _both_classes(*_finite(scores, labels))
    positives = int(labels.sum())
    negatives = labels.size - positives
    wins = rankdata(scores)[labels].sum() - positives * (positives + 1) / 2
    return float(wins / (positives * negatives))


def accuracy_at(scores: Scores, labels: Labels, threshold: float = 0.5) -> float:
    """Share of queries for which (score > threshold) equals the label. Quote the share of the larger class with it.

    Raises InputError if a score is not finite.
    """
    scores, labels = _finite(scores, labels)
    return float(np.mean((scores > threshold) == labels))


def balanced_accuracy_at(scores: Scores, labels: Labels, threshold: float = 0.5) -> float:
    """Mean of the shares of True with score > threshold and of False with score <= threshold; 0.5 is chance.

    Raises InputError if a class is missing or a score is not finite.
    """
    scores, labels = _both_classes(*_finite(scores, labels))
    return float((np.mean(scores[labels] > threshold) + np.mean(scores[~labels] <= threshold)) / 2)


def _visible(visible: Int[Array, " T"] | None, weights: Array):
    return jnp.arange(1, weights.shape[-2] + 1) if visible is None else visible


def _one_minus_share(row_entropy: Array, outcomes: Array):
    several = outcomes > 1
    return jnp.where(several, 1 - row_entropy / jnp.log(jnp.where(several, outcomes, 2)), 0)


def _finite(scores: Any, labels: Any):
    scores, labels = np.asarray(scores, np.float64), np.asarray(labels)
    bad = int((~np.isfinite(scores)).sum())
    if bad or scores.size == 0:
        raise InputError(f"scores: {bad} of {scores.size} are not finite; at least one query, and only finite scores")
    return scores, labels


def _both_classes(scores: Any, labels: Any):
    if labels.all() or not labels.any():
        raise InputError(f"labels: need True and False, got {int(labels.sum())} True of {labels.size}; add windows")
    return scores, labels
