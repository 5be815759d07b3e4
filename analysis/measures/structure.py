"""How spread out and how far attention is, and whether it follows content: entropy in three readings, mean distance,
variability across inputs, likeness of queries.

Axes: B windows, N heads, T queries and T keys (the same text). `weights` rows sum to 1 - null_mass: an entropy of
those alone would be of no distribution, and would fall as the null grows. Each entropy here is of rows that sum to 1:

    entropy_with_null    the null is one outcome among the keys (models with a null only)
    entropy_real         real keys only, renormalised (null_mass = 0 gives the ordinary entropy of a standard model)
    entropy_filtered     the same without queries above 90 % null, the rule of Vig and Belinkov

To treat a standard model by the last rule, count its first token as null: `sinks.first_token_as_null`.
Source: Vig and Belinkov 2019 (arXiv 1906.04284), eq. 5 (variability), eq. 6 (distance) and section 5.2.3 (the rule).
"""

import jax.numpy as jnp
import numpy as np
from jax.scipy.special import entr
from jaxtyping import Array, Bool, Float, Int

from analysis.measures.sinks import MIN_REAL_MASS, MOST_NULL, conditional_rows
from jattn.errors import at_least

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
    max_null: float = MOST_NULL,
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


def variability(
    weights: Float[Array | np.ndarray, "W *heads P S"], null_mass: Float[Array | np.ndarray, "W *heads P"]
) -> Float[np.ndarray, " W *heads"]:
    """sum_ij |a_ij(x) - mean_x a_ij| / (2 sum_ij a_ij(x)) for each of W inputs; their mean is that of the head.

    0: every input gives the same map, the head goes by position. At most 1 - 1/W: each input has its own, it goes by
    content. Queries of the first P positions (the paper's P = 10), with A / (1 - null_mass) for a; rows with less than
    1e-6 of real attention are left out. For the null as one outcome pass it as a key, with null_mass = 0. NaN for an
    input without a row. Raises InputError for fewer than two inputs. Source: Vig and Belinkov 2019, eq. 5.
    """
    at_least("weights: number of inputs W to compare", weights.shape[0], 2)
    weights = np.asarray(weights, np.float64)
    real = weights.sum(-1)
    kept = np.minimum(real, 1 - np.asarray(null_mass)) >= MIN_REAL_MASS
    rows = np.where(kept[..., None], weights, 0) / np.where(kept, real, 1)[..., None]
    mean = rows.sum(0) / np.maximum(kept.sum(0), 1)[..., None]
    apart = (np.abs(rows - mean).sum(-1) * kept).sum(-1)
    count = kept.sum(-1)
    return np.where(count > 0, apart / np.maximum(2 * count, 1), np.nan)


def cosine_across_tokens(x: Float[Array, "B T N H"]) -> Float[Array, "B N"]:
    """Mean cosine of a head's vectors over all pairs of different tokens of a text: (|sum u|^2 - T) / (T (T - 1)).

    u are the vectors over their norms. From -1/(T-1) to 1; about 0 for random ones, 1 if the head asks (or shows) the
    same at every token. Raises InputError for fewer than two tokens.
    """
    T = x.shape[1]
    at_least("x: tokens T of a text", T, 2)
    total = jnp.square(_units(x).sum(1)).sum(-1)
    return (total - T) / (T * (T - 1))


def cosine_across_inputs(x: Float[Array, "W T N H"]) -> Float[Array, "W N"]:
    """Mean cosine of a head's vectors in input x with those of the W - 1 others at the same position.

    u_t(x) . (sum_x u_t - u_t(x)) / (W - 1), the mean over positions; the mean over inputs is that over all pairs. About
    0 for random vectors, 1 if a head asks by position alone. Raises InputError for fewer than two inputs.
    """
    W = x.shape[0]
    at_least("x: number of inputs W to compare", W, 2)
    u = _units(x)
    return ((u * u.sum(0)).sum(-1) - 1).mean(1) / (W - 1)


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


def _units(x: Array):
    x = x.astype(jnp.promote_types(x.dtype, jnp.float32))
    return x / jnp.maximum(jnp.linalg.norm(x, axis=-1, keepdims=True), 1e-30)


def _plus_null(visible: Visible):
    return None if visible is None else visible + 1


def _mean_entropy(row_entropy: Array, kept: Array, outcomes: Array | None):
    if outcomes is None:
        return row_entropy.mean(-1, where=kept)
    several = outcomes > 1
    largest = jnp.log(jnp.where(several, outcomes, 2))
    return (row_entropy / largest).mean(-1, where=kept & several)
