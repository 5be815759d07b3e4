"""How spread out and how far attention is: entropy in three readings, and mean distance.

Axes: B windows, N heads, T queries and T keys (the same text). `weights` rows sum to 1 - null_mass: an entropy of
those alone would be of no distribution, and would fall as the null grows. Each entropy here is of rows that sum to 1:

    entropy_with_null    the null is one outcome among the keys (models with a null only)
    entropy_real         real keys only, renormalised (null_mass = 0 gives the ordinary entropy of a standard model)
    entropy_filtered     the same without queries above 90 % null, the rule of Vig and Belinkov

To treat a standard model by the last rule, count its first token as null: `sinks.first_token_as_null`.
Source: Vig and Belinkov 2019 (arXiv 1906.04284), eq. 6 (distance) and section 5.2.3 (the rule).
"""

import jax.numpy as jnp
from jax.scipy.special import entr
from jaxtyping import Array, Bool, Float, Int

from analysis.sinks import MIN_REAL_MASS, conditional_rows

Visible = Int[Array, "T"] | None


def entropy_with_null(
    weights: Float[Array, "B N T T"], null_mass: Float[Array, "B N T"], visible: Visible = None
) -> Float[Array, "B N"]:
    """Mean over queries of -sum_j a_ij log a_ij - null log null, in nats.

    With `visible` (real keys that each query may see, so a window is told apart) each row is divided by its largest
    value log(visible + 1), and rows with one outcome are left out: in [0, 1].
    """
    everyone = jnp.ones(null_mass.shape, bool)
    return _mean_entropy(query_entropy_with_null(weights, null_mass), everyone, _plus_null(visible))


def entropy_real(
    weights: Float[Array, "B N T T"], null_mass: Float[Array, "B N T"], visible: Visible = None
) -> Float[Array, "B N"]:
    """Mean over queries of the entropy of A / (1 - null_mass), in nats; queries with 1 - null_mass < 1e-6 are dropped.

    With `visible` each row is divided by log(visible), and rows with one outcome are left out: in [0, 1].
    NaN for a head with no query left.
    """
    row_entropy, kept = query_entropy_real(weights, null_mass)
    return _mean_entropy(row_entropy, kept, visible)


def entropy_filtered(
    weights: Float[Array, "B N T T"],
    null_mass: Float[Array, "B N T"],
    visible: Visible = None,
    max_null: float = 0.9,
) -> Float[Array, "B N"]:
    """`entropy_real` without the queries whose null mass is above `max_null`: mostly null, so their rest says little.

    NaN for a head with no query left. Source: Vig and Belinkov 2019, section 5.2.3.
    """
    row_entropy, kept = query_entropy_real(weights, null_mass)
    return _mean_entropy(row_entropy, kept & (null_mass <= max_null), visible)


def mean_distance(weights: Float[Array, "B N T T"]) -> Float[Array, "B N"]:
    """sum a_ij |i - j| / sum a_ij, in tokens, over all queries and real keys. Uniform causal attention: (T-1)/4.

    NaN for a head whose mean real mass is below 1e-6. Source: Vig and Belinkov 2019, eq. 6.
    """
    T = weights.shape[-1]
    distance = jnp.abs(jnp.arange(T)[:, None] - jnp.arange(T))
    total = weights.sum((-2, -1))
    return jnp.where(total >= MIN_REAL_MASS * T, (weights * distance).sum((-2, -1)) / total, jnp.nan)


def query_entropy_with_null(
    weights: Float[Array, "B N T T"], null_mass: Float[Array, "B N T"]
) -> Float[Array, "B N T"]:
    """Entropy of each query's attention with the null as one outcome, in nats."""
    return entr(weights).sum(-1) + entr(null_mass)


def query_entropy_real(
    weights: Float[Array, "B N T T"], null_mass: Float[Array, "B N T"]
) -> tuple[Float[Array, "B N T"], Bool[Array, "B N T"]]:
    """Entropy of each query's attention given that it is not null, in nats, and which queries have one (else 0)."""
    rows, kept = conditional_rows(weights, null_mass)
    return entr(rows).sum(-1), kept


def _plus_null(visible):
    return None if visible is None else visible + 1


def _mean_entropy(row_entropy, kept, outcomes):
    if outcomes is None:
        return row_entropy.mean(-1, where=kept)
    several = outcomes > 1
    largest = jnp.log(jnp.where(several, outcomes, 2))
    return (row_entropy / largest).mean(-1, where=kept & several)
