"""The oracle: attention through the whole T x S matrix, differentiated by JAX. Exact in float64, returns weights.

Everything else in this folder is checked against it, values and gradients.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jattn.masks import Mask
from jattn.nulls import score_dtype
from jattn.partial import Partial
from jattn.scores import Score, scale_of


def attend(
    q: Float[Array, "B T N H"],
    k: Float[Array, "B S K H"],
    v: Float[Array, "B S K H"],
    *,
    mask: Mask,
    score: Score | None = None,
    scale: float | None = None,
    q_pos: Int[Array, " T"] | None = None,
    k_pos: Int[Array, " S"] | None = None,
) -> Partial:
    """Attention of every query over the visible keys. A row without visible keys is the identity (0, -inf)."""
    x = masked_scores(q, k, mask=mask, score=score, scale=scale, q_pos=q_pos, k_pos=k_pos)
    p, lse = softmax(x)
    B, T, N, H = q.shape
    p = p.reshape(B, k.shape[2], -1, T, k.shape[1]).astype(v.dtype)
    out = jnp.einsum("bkgts,bskh->btkgh", p, v, preferred_element_type=score_dtype(q))
    return Partial(out.reshape(B, T, N, H).astype(q.dtype), lse.swapaxes(1, 2))


def masked_scores(
    q: Float[Array, "B T N H"],
    k: Float[Array, "B S K H"],
    *,
    mask: Mask,
    score: Score | None = None,
    scale: float | None = None,
    q_pos: Int[Array, " T"] | None = None,
    k_pos: Int[Array, " S"] | None = None,
) -> Float[Array, "B N T S"]:
    """score(scale q . k) in float32 (float64 for float64 inputs), -inf where the mask hides the key."""
    B, T, N, H = q.shape
    S, K = k.shape[1:3]
    t = jnp.arange(T) if q_pos is None else q_pos
    s = jnp.arange(S) if k_pos is None else k_pos
    grouped = q.reshape(B, T, K, N // K, H)
    x = jnp.einsum("btkgh,bskh->bkgts", grouped, k, preferred_element_type=score_dtype(q)).reshape(B, N, T, S)
    x = x * scale_of(scale, H)
    if score is not None:
        x = score(x, t[:, None], s[None, :], jnp.arange(N)[:, None, None])
    return jnp.where(mask.dense(t, s), x, -jnp.inf)


def softmax(x: Float[Array, "*x S"]) -> tuple[Float[Array, "*x S"], Float[Array, "*x"]]:
    """Softmax over the last axis and its log-normaliser; a row of -inf gives zero weights, lse -inf, zero gradients."""
    high = jax.lax.stop_gradient(x.max(-1, keepdims=True))
    shift = jnp.where(high == -jnp.inf, 0.0, high)
    e = jnp.exp(x - shift)
    total = e.sum(-1, keepdims=True)
    empty = total == 0.0
    total = jnp.where(empty, 1.0, total)
    return e / total, jnp.where(empty, -jnp.inf, jnp.log(total) + shift)[..., 0]
