"""`attend` and `attention`: pluggable attention as a function, for models of any kind.

    attention(q, k, v, mask, score, null) = merge(attend(q, k, v, mask, score), Partial(v_null, s_null))

Layout and conventions of jax.nn.dot_product_attention: q (B T N H), k and v (B S K H), K divides N.
"""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jattn.errors import InputError
from jattn.kernels import dense
from jattn.kernels.select import pick
from jattn.masks import Mask
from jattn.nulls import Null, add_null
from jattn.partial import Partial, shares
from jattn.scores import Score, heads_of


def attend(
    q: Float[Array, "B T N H"],
    k: Float[Array, "B S K H"],
    v: Float[Array, "B S K H"],
    *,
    mask: Mask | None = None,
    score: Score | None = None,
    scale: float | None = None,
    implementation: str | None = None,
    q_pos: Int[Array, " T"] | None = None,
    k_pos: Int[Array, " S"] | None = None,
) -> Partial:
    """Softmax attention over the visible keys as Partial(out, lse); differentiable in both.

    mask None shows every key; scale None is 1/sqrt(H). Positions count from 0 on both sides unless given.
    implementation None lets `kernels.select.pick` choose. Raises InputError for shapes that do not fit.
    """
    mask = mask or Mask()
    _check(q, k, v, mask, score, q_pos, k_pos)
    positions = q_pos is not None or k_pos is not None
    kernel = pick(implementation, q.shape[1], k.shape[1], positions=positions)
    extra: dict[str, Any] = {"q_pos": q_pos, "k_pos": k_pos} if positions else {}
    return kernel.attend(q, k, v, mask=mask, score=score, scale=scale, **extra)


def _check(
    q: Array, k: Array, v: Array, mask: Mask, score: Score | None, q_pos: Array | None, k_pos: Array | None
) -> None:
    """InputError for shapes that do not belong together; some would broadcast to finite, wrong numbers."""
    if q.ndim != 4 or k.shape != v.shape or k.ndim != 4 or q.shape[0] != k.shape[0] or q.shape[3] != k.shape[3]:
        raise InputError(f"q, k, v must be (B T N H), (B S K H), (B S K H); got {q.shape}, {k.shape}, {v.shape}")
    if q.shape[2] % k.shape[2]:
        raise InputError(f"key/value heads must divide query heads, got {k.shape[2]} and {q.shape[2]}")
    for of_query, of_key in mask.documents:
        if of_query.shape != q.shape[:2] or of_key.shape != k.shape[:2]:
            raise InputError(
                f"documents must be (B T) for queries and (B S) for keys, {q.shape[:2]} and {k.shape[:2]}; "
                f"got {of_query.shape} and {of_key.shape}"
            )
    for name, positions, size in (("q_pos", q_pos, q.shape[1]), ("k_pos", k_pos, k.shape[1])):
        if positions is not None and positions.shape != (size,):
            raise InputError(f"{name} must give one position each, shape {(size,)}; got {positions.shape}")
    if (heads := heads_of(score)) not in (None, q.shape[2]):
        raise InputError(f"score: ALiBi slopes are for {heads} heads, q has {q.shape[2]}; see scores.alibi_slopes")


def attention_weights(
    q: Float[Array, "B T N H"],
    k: Float[Array, "B S K H"],
    *,
    mask: Mask | None = None,
    score: Score | None = None,
    null: Null | None = None,
    scale: float | None = None,
) -> tuple[Float[Array, "B N T S"], Float[Array, "B N T"]]:
    """The weights on the real keys and the null mass: together 1 for every query that sees anything.

    Always through the T x S matrix (the dense kernel), whatever computes the attention itself.
    """
    mask = mask or Mask()
    _check(q, k, k, mask, score, None, None)
    p, lse = dense.softmax(dense.masked_scores(q, k, mask=mask, score=score, scale=scale))
    if null is None:
        return p, jnp.zeros_like(lse)
    real, mass = shares(lse, null.s.swapaxes(1, 2).astype(lse.dtype))
    return p * real[..., None], mass


def attention(
    q: Float[Array, "B T N H"],
    k: Float[Array, "B S K H"],
    v: Float[Array, "B S K H"],
    *,
    mask: Mask | None = None,
    score: Score | None = None,
    null: Null | None = None,
    scale: float | None = None,
    implementation: str | None = None,
    return_lse: bool = False,
) -> Float[Array, "B T N H"] | Partial:
    """Attention over the visible keys and, if given, a null that every query sees.

    With return_lse the result is Partial(out, lse) of all that was attended to, so results over disjoint keys merge on;
    the null's share is then exp(null.s - lse). Differentiable in q, k, v and both arrays of the null.
    """
    result = attend(q, k, v, mask=mask, score=score, scale=scale, implementation=implementation)
    if null is not None:
        result = add_null(result, null)
    return result if return_lse else result.out


def attention_fn(
    *,
    mask: Mask | None = None,
    score: Score | None = None,
    null: Callable[[Array], Null] | None = None,
    scale: float | None = None,
    implementation: str | None = None,
) -> Callable[..., Array]:
    """`attention` in the form that `flax.nnx.MultiHeadAttention(attention_fn=...)` calls.

    `null` is a function of q, such as `nulls.zero` or a partial of `nulls.key`. Flax's own boolean masks, attention
    dropout and sown weights are refused by name: pass `mask=` here, and call `attention_weights` for weights.
    """

    def fn(query: Array, key: Array, value: Array, *, is_causal: bool = False, **flax: Any):
        refused = {
            "mask": flax.pop("mask", None) is not None,
            "bias": flax.pop("bias", None) is not None,
            "dropout_rate": flax.pop("dropout_rate", 0.0) > 0 and not flax.get("deterministic", False),
            "sow_weights": flax.pop("module", None) is not None,
            "precision": flax.pop("precision", None) is not None,
            "input_positions": flax.pop("input_positions", None) is not None,
        }
        if any(refused.values()):
            names = ", ".join(name for name, given in refused.items() if given)
            raise InputError(f"attention_fn: {names} not supported; give attention_fn(mask=jattn.masks...) instead")
        seen = (mask or Mask()) & Mask(causal=bool(is_causal))
        dtype = flax.get("dtype") or query.dtype
        q, k, v = (x.astype(dtype) for x in (query, key, value))
        q, k, v = (x.reshape(-1, *x.shape[-3:]) for x in (q, k, v))
        term = null(q) if null is not None else None
        out = attention(q, k, v, mask=seen, score=score, null=term, scale=scale, implementation=implementation)
        return jnp.asarray(out).reshape(query.shape)

    return fn
