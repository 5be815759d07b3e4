"""The one idea: softmax attention over a set of keys is a pair, and disjoint sets merge exactly.

    Partial(out, lse)     out = sum_s softmax(score)_s v_s        lse = log sum_s exp(score_s)

    merge(a, b):          lse = logaddexp(lse_a, lse_b)
                          out = sigmoid(lse_a - lse_b) out_a + sigmoid(lse_b - lse_a) out_b

So attention is a commutative monoid whose identity is Partial(0, -inf), the attention over no keys.
A null token is one more Partial; so is a sink, a block of keys, or the keys on another device.

Axis legend of the whole project:
    B batch   T queries   S keys   N heads   K key/value heads   H head size
    D model width   F hidden   V vocabulary   L layers
A program with 64-bit inputs computes everything in float64; otherwise `lse` is always float32.

Source: the log-sum-exp form of the online softmax (Milakov & Gimelshein 2018, arXiv 1805.02867).
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


class Partial(NamedTuple):
    """Attention over one set of keys: `out` (B T N H), the weighted mean of values, and `lse` (B T N)."""

    out: Float[Array, "*B T N H"]
    lse: Float[Array, "*B T N"]


def identity(like: Partial) -> Partial:
    """Attention over no keys, shaped like `like`: zero output, lse = -inf."""
    return Partial(jnp.zeros_like(like.out), jnp.full_like(like.lse, -jnp.inf))


def shares(lse_a: Float[Array, "*x"], lse_b: Float[Array, "*x"]) -> tuple[Float[Array, "*x"], Float[Array, "*x"]]:
    """The shares of all attention that go to two disjoint sets of keys; they sum to 1, or are both 0 if both are empty.

    sigmoid(d) and sigmoid(-d), never 1 - sigmoid(d), which loses the small side in float32. Where both sides
    are empty d is inf - inf: the double `where` keeps NaN out of the values and out of the gradients.
    """
    both_empty = (lse_a == -jnp.inf) & (lse_b == -jnp.inf)
    d = jnp.where(both_empty, 0.0, jnp.where(both_empty, 0.0, lse_a) - jnp.where(both_empty, 0.0, lse_b))
    share_a = jnp.where(both_empty, 0.0, jax.nn.sigmoid(d))
    return share_a, jnp.where(both_empty, 0.0, jax.nn.sigmoid(-d))


def merge(a: Partial, b: Partial) -> Partial:
    """Attention over the union of two DISJOINT sets of keys (disjointness is the caller's duty).

    Exact, commutative, associative, with identity (0, -inf); differentiable in all four arrays, also
    where one side or both are empty.
    """
    share_a, share_b = shares(a.lse, b.lse)
    out = share_a[..., None] * a.out + share_b[..., None] * b.out
    return Partial(out.astype(a.out.dtype), _logaddexp(a.lse, b.lse))


def _logaddexp(a: Array, b: Array) -> Array:
    """log(e^a + e^b) whose gradient is the pair of shares, also where a or b is -inf (jnp's is NaN at -inf, -inf)."""
    high = jnp.maximum(a, b)
    empty = high == -jnp.inf
    shift = jax.lax.stop_gradient(jnp.where(empty, 0.0, high))
    total = jnp.exp(a - shift) + jnp.exp(b - shift)
    return jnp.where(empty, -jnp.inf, jnp.log(jnp.where(empty, 1.0, total)) + shift)
