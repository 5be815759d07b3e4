"""Unnormalised sigmoid attention: out = sum_s sigmoid(score_s + bias) v_s. No softmax, so no lse, no merge, no null.

Each key is judged alone, so a head attends to nothing by closing every gate: the reason it needs no sink.
Sources: Ramapuram et al. 2024, arXiv 2409.04431 (bias = -log T); Gu et al. 2024, arXiv 2410.10781, Table 6 (Z = 1).
"""

import math
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jattn.kernels.dense import masked_scores
from jattn.masks import Mask


def sigmoid_attention(
    q: Float[Array, "B T N H"],
    k: Float[Array, "B S K H"],
    v: Float[Array, "B S K H"],
    *,
    bias: float,
    **options: Any,
) -> Float[Array, "B T N H"]:
    """The sum of the values, each weighted by its own sigmoid; options as `dense.masked_scores` takes them."""
    p = sigmoid_weights(q, k, bias=bias, **options)
    (B, T, N, H), S = q.shape, k.shape[1]
    p = p.reshape(B, k.shape[2], -1, T, S).astype(v.dtype)
    out = jnp.einsum("bkgts,bskh->btkgh", p, v, preferred_element_type=jnp.promote_types(q.dtype, jnp.float32))
    return out.reshape(B, T, N, H).astype(q.dtype)


def sigmoid_weights(
    q: Float[Array, "B T N H"], k: Float[Array, "B S K H"], *, bias: float, mask: Mask, **options: Any
) -> Float[Array, "B N T S"]:
    """sigmoid(score + bias) of the visible keys, each 0 to 1; rows do not sum to one."""
    return jax.nn.sigmoid(masked_scores(q, k, mask=mask, **options) + bias)


def default_bias(context: int) -> float:
    """-log T: at the start the weights of a full row sum to about one, as a softmax's do."""
    return -math.log(context)
