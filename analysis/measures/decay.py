"""Does q . k fall with distance? The product of queries and keys after rotation, by distance, whole and per dimension.

A head that prefers near keys can do so by position alone: where rotation turns a dimension slowly, the mean product of
that dimension falls smoothly over the text. ALiBi's slope is not in q . k, learned positions are only through it.

Axes: B texts, T tokens, N heads, K key/value heads, H head size, D distances (0, 1, ..., at index d the distance d).
Key 1 is left out: where it is a sink, its products are of another kind ("the first token as null").
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from scipy.stats import rankdata

from jattn.errors import InputError, at_least

DECAYS = -0.9  # rank correlation with distance at or below which a dimension decays


def products_by_distance(
    q: Float[Array, "B T N H"], k: Float[Array, "B T K H"], most: int
) -> Float[Array, "B N H {most+1}"]:
    """Mean over queries t of q_t[h] k_{t-d}[h] for distances d = 0 ... most; the sum over h is the mean q . k.

    `scale` (1/sqrt(H)) is not in it. Keys t - d >= 2 only; a distance without a pair is an error: InputError unless
    most <= T - 2. Cost T * most * H per head, no T x T array per dimension.
    """
    T, N = q.shape[1:3]
    if not 0 <= most <= T - 2:
        raise InputError(f"most: distances from 0 to {most} need a text of at least {most + 2} tokens, got T = {T}")
    k = jnp.repeat(k, N // k.shape[2], axis=2)
    t = jnp.arange(T)

    def at_distance(d: Array):
        pairs = (t - d >= 1)[:, None, None]
        return jnp.where(pairs, q * jnp.roll(k, d, axis=1), 0).sum(1) / (T - 1 - d)

    return jnp.moveaxis(jax.lax.map(at_distance, jnp.arange(most + 1)), 0, -1)


def rank_correlation(curves: Float[np.ndarray, "*x D"]) -> Float[np.ndarray, "*x"]:
    """Spearman's rank correlation of each curve with distance: -1 falls at every step, 1 rises at every step.

    About 0 +- 1/sqrt(D - 1) for unrelated values; ties share their rank; NaN for a constant curve. It sees order alone:
    a fall too small to matter scores -1 too. Raises InputError for fewer than four distances or values not finite.
    """
    at_least("curves: number of distances D", curves.shape[-1], 4)
    if not np.isfinite(curves).all():
        raise InputError(f"curves: {int((~np.isfinite(curves)).sum())} values are not finite; are the weights NaN?")
    ranks = rankdata(curves, axis=-1) - (curves.shape[-1] + 1) / 2
    far = np.arange(curves.shape[-1]) - (curves.shape[-1] - 1) / 2
    size = np.sqrt((ranks**2).sum(-1) * (far**2).sum())
    return np.where(size > 0, (ranks * far).sum(-1) / np.where(size > 0, size, 1), np.nan)


def fall(curves: Float[np.ndarray, "*x D"]) -> Float[np.ndarray, "*x"]:
    """Mean of the nearest quarter of the distances minus that of the farthest, in the unit of the curve.

    What the rank correlation does not see: how much it falls. Raises InputError for fewer than four distances.
    """
    at_least("curves: number of distances D", curves.shape[-1], 4)
    part = curves.shape[-1] // 4
    return np.asarray(curves[..., :part].mean(-1) - curves[..., -part:].mean(-1))


def decaying_dimensions(curves: Float[np.ndarray, "H D"], threshold: float = DECAYS) -> Sequence[int]:
    """The dimensions (from 0) whose rank correlation is at or below the threshold, those that fall most first."""
    falls = fall(curves)
    decaying = np.flatnonzero(np.nan_to_num(rank_correlation(curves)) <= threshold)
    return [int(h) for h in sorted(decaying, key=lambda h: -falls[h])]
