"""What marks the first token besides the attention it gets: small values, odd keys, a massive residual stream.

Axes: B windows, T tokens, K key/value heads, N query heads, H head size, D model width. Every ratio is within one
window, so it has no unit and does not change when a layer's activations are scaled: 1 is nothing special.
Positions are counted from 1 in every formula.

Sources: Sun et al. 2024, Massive Activations in Large Language Models (arXiv 2402.17762), section 2; Gu et al. 2024,
When Attention Sink Emerges (arXiv 2410.10781), section 3.1 and figure 7; Bondarenko et al. 2023, Quantizable
Transformers (arXiv 2306.12929), section 5 and the code published with it (kurtosis, infinity norm).
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jattn.errors import at_least


def head_norm_ratio(x: Float[Array, "B T K H"], heads: int) -> Float[Array, "B {heads}"]:
    """||x_1|| / mean_{t >= 2} ||x_t|| of a layer's keys or values, per query head: one that shares them repeats theirs.

    Positive. Values: a sink's is small, far below 1 ("value drain"), so that what attends to it adds little. Keys:
    rotation keeps norms, so before or after it is the same. NaN where all others are 0. Raises InputError if T < 2.
    Source: Gu et al. 2024, section 3.1.
    """
    ratio = _first_over_rest(jnp.linalg.norm(x.astype(jnp.float32), axis=-1))
    return jnp.repeat(ratio, heads // x.shape[2], axis=-1)


def residual_norm_ratio(x: Float[Array, "B T D"]) -> Float[Array, " B"]:
    """||x_1|| / mean_{t >= 2} ||x_t|| of the residual stream: how much longer the first token's is than the others'.

    Positive. NaN where all others are 0. Raises InputError if T < 2. Source: Gu et al. 2024, figure 7.
    """
    return _first_over_rest(jnp.linalg.norm(x.astype(jnp.float32), axis=-1))


def max_over_median(x: Float[Array, "B T D"]) -> Float[Array, " B"]:
    """max |x| / median |x| over all tokens and entries of the residual stream.

    At least 1; Gaussian entries give about 6. Sun et al. call an activation massive that is above 100 and about 1,000
    times the median. NaN where the median is 0. Source: Sun et al. 2024, section 2.
    """
    size = jnp.abs(x.astype(jnp.float32))
    median = _median(size.reshape(len(size), -1))
    return jnp.where(median > 0, size.max((-2, -1)) / jnp.where(median > 0, median, 1), jnp.nan)


def kurtosis(x: Float[Array, "B T D"]) -> Float[Array, " B"]:
    """mean (x - mu)^4 / (s^4 + 1e-6) over all tokens and entries of a window; s^2 is the unbiased variance.

    Not excess: Gaussian entries give 3, two equally likely values 1, one massive entry of n about n. Their mean over
    windows, then over layers, is the published number. Source: Bondarenko et al. 2023.
    """
    x = x.astype(jnp.promote_types(x.dtype, jnp.float32)).reshape(x.shape[0], -1)
    apart = x - x.mean(-1, keepdims=True)
    return (apart**4).mean(-1) / (jnp.var(x, axis=-1, ddof=1) ** 2 + 1e-6)


def infinity_norm(x: Float[Array, "B T D"]) -> Float[Array, " B"]:
    """max |x| over all tokens and entries of a window, in the unit of x: it does change with the scale.

    The published number is its mean over windows, of the layer where that is largest. Source: Bondarenko et al. 2023.
    """
    return jnp.abs(x.astype(jnp.promote_types(x.dtype, jnp.float32))).max((-2, -1))


def _median(x: Array):
    """The median of each row of non-negative numbers, exactly, without a sort (which takes most of a capture's time).

    Such floats are in the order of their bits: bisection on these finds the lower middle one, one more pass the upper.
    """
    n = x.shape[-1]
    bits = jax.lax.bitcast_convert_type(x, jnp.int32)

    def halve(_, bounds: tuple[Array, Array]):
        low, high = bounds
        middle = low + (high - low) // 2
        enough = (bits <= middle[:, None]).sum(-1) >= (n + 1) // 2
        return jnp.where(enough, low, middle + 1), jnp.where(enough, middle, high)

    low, _ = jax.lax.fori_loop(0, 31, halve, (jnp.zeros(len(x), jnp.int32), jnp.full(len(x), 0x7FFFFFFF, jnp.int32)))
    lower = jax.lax.bitcast_convert_type(low, jnp.float32)
    above = jnp.where(bits > low[:, None], x, jnp.inf).min(-1)
    upper = jnp.where((bits <= low[:, None]).sum(-1) >= n // 2 + 1, lower, above)
    return (lower + upper) / 2


def _first_over_rest(norms: Array):
    at_least("tokens T of a window", norms.shape[1], 2)
    rest = norms[:, 1:].mean(1)
    return jnp.where(rest > 0, norms[:, 0] / jnp.where(rest > 0, rest, 1), jnp.nan)
