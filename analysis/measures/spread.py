"""How many keys a query needs and how far apart they are: spread of distance, keys that hold 90 %, sparsity.

Axes: B windows, N heads, T queries and T keys (the same text). `weights` rows sum to 1 - null_mass and are 0 on keys
that the query does not see; `visible` is the number of keys that it sees, causal (1 ... T) where it is not given. To
count the first token as null, pass `sinks.first_token_as_null` and `visible - 1`.

Source: Vig and Belinkov 2019 (arXiv 1906.04284), section 5.2 (distance); the counts are of common use.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from analysis.measures.sinks import conditional_rows

FAINT = 1e-3  # a weight below it is next to nothing
TOLERANCE = 1e-6  # of a share: nine tenths of ten equal keys are nine keys, whatever float32 says
HALVINGS = 20  # of a range of log weights: keys within about 1 in 50,000 of each other count as equal

Visible = Int[Array, "T"] | None


def distance_spread(
    weights: Float[Array, "B N T T"], null_mass: Float[Array, "B N T"], visible: Visible = None
) -> Float[Array, "B N"]:
    """Mean over queries of sqrt(sum_j p_j d_j^2 - (sum_j p_j d_j)^2), in tokens; p = A / (1 - null_mass), d = |i - j|.

    0 for a head with one key per query; even causal attention over t keys gives sqrt((t^2 - 1) / 12). Queries that see
    fewer than two keys, or have less than 1e-6 of real attention, are left out; NaN for a head with none left.
    """
    T = weights.shape[-1]
    rows, kept = conditional_rows(weights, null_mass)
    distance = jnp.abs(jnp.arange(T)[:, None] - jnp.arange(T)).astype(weights.dtype)
    mean = (rows * distance).sum(-1, keepdims=True)
    variance = (rows * (distance - mean) ** 2).sum(-1)
    return jnp.sqrt(variance).mean(-1, where=kept & (_visible(visible, T) > 1))


def keys_that_hold(
    weights: Float[Array, "B N T T"], null_mass: Float[Array, "B N T"], visible: Visible = None, share: float = 0.9
) -> Float[Array, "B N"]:
    """Mean over queries of the smallest number of keys that together hold `share` of the real attention.

    From 1 to the number of visible keys; even attention over t keys gives ceil(0.9 t). Queries that see no key, or have
    less than 1e-6 of real attention, are left out; NaN for a head with none left.
    """
    count, kept = query_keys_that_hold(weights, null_mass, share)
    return count.mean(-1, where=kept & (_visible(visible, weights.shape[-1]) > 0))


def query_keys_that_hold(
    weights: Float[Array, "B N T T"], null_mass: Float[Array, "B N T"], share: float = 0.9, halvings: int = HALVINGS
) -> tuple[Float[Array, "B N T"], Bool[Array, "B N T"]]:
    """The count of `keys_that_hold` for every query, and which queries have one (else 0); nothing is sorted.

    Bisection for the largest threshold whose keys still hold the share. Of the keys at the threshold, equal to within
    1 in 50,000 (with fewer `halvings` less closely: 10 give 1 in 100), only as many are counted as are needed.
    """
    rows, kept = conditional_rows(weights, null_mass)
    wanted = share - TOLERANCE
    # Keys below (1 - share) / T hold less than 1 - share together, so the threshold is not among them.
    low = jnp.full(rows.shape[:-1], jnp.log((1 - share) / rows.shape[-1] / 2), rows.dtype)
    high = jnp.full_like(low, 1e-3)  # just above a weight of 1

    def halve(_, bounds: tuple[Array, Array]):
        low, high = bounds
        middle = (low + high) / 2
        enough = jnp.where(rows >= jnp.exp(middle)[..., None], rows, 0).sum(-1) >= wanted
        return jnp.where(enough, middle, low), jnp.where(enough, high, middle)

    low, high = (jnp.exp(a)[..., None] for a in jax.lax.fori_loop(0, halvings, halve, (low, high)))
    above, at = rows >= high, (rows >= low) & (rows < high)
    missing = wanted - jnp.where(above, rows, 0).sum(-1)
    each = jnp.where(at, rows, 0).sum(-1) / jnp.maximum(at.sum(-1), 1)
    count = above.sum(-1) + jnp.ceil(missing / jnp.where(each > 0, each, 1))
    return jnp.where(kept, count, 0).astype(weights.dtype), kept


def sparsity(
    weights: Float[Array, "B N T T"], null_mass: Float[Array, "B N T"], visible: Visible = None, faint: float = FAINT
) -> Float[Array, "B N"]:
    """Mean over queries of the share of visible keys whose weight A[t, s] is below `faint` or 0; the null's part stays.

    In [0, 1]. The null is one outcome of the row here, so a head wholly on it is wholly sparse. Even attention gives 0
    up to T = 1 / faint and 1 beyond: compare only at equal T. Queries that see no key are left out.
    """
    seen = _visible(visible, weights.shape[-1])
    share = 1 - (weights >= faint).sum(-1) / jnp.maximum(seen, 1)
    return share.astype(weights.dtype).mean(-1, where=jnp.broadcast_to(seen > 0, null_mass.shape))


def _visible(visible: Visible, T: int) -> Array:
    return jnp.arange(1, T + 1) if visible is None else visible
