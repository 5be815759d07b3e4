"""One kernel for every mask: a scan over the static list of visible (query block, key block) pairs.

Causal, window, documents and first-s + window differ in the list only (`Mask.block_pairs`). Memory is O(T), the work
of a window is O(T W); blocks that are wholly visible skip the element mask. The backward pass recomputes the weights
from lse (Dao et al. 2022, arXiv 2205.14135, Algorithm 4) and takes the cotangent of lse as well as that of the
output, so a null that is merged afterwards trains exactly.

Axes inside: R rows (batch x key/value heads), G rows of one group, g query heads per key/value head,
T and S padded to whole blocks of t queries and s keys:   q (R g T H)   k, v (R S H)   lse (R g T)
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jattn.masks import Mask
from jattn.nulls import score_dtype
from jattn.partial import Partial
from jattn.scores import Score, scale_of

SCORES_PER_STEP = 1 << 18  # scores in one step of the scan: 1 MB of float32, about what a core's cache holds


class Plan(NamedTuple):
    """All that is known before any data: static under jit."""

    mask: Mask
    score: Score | None
    scale: float
    T: int
    S: int
    t: int
    s: int
    documents: bool  # any block may be cut by a border between documents


class Rows(NamedTuple):
    """Integers that a mask or a score needs of every row: query head (R g) and documents of queries and keys."""

    head: Array
    documents: tuple[tuple[Array, Array], ...]


def attend(
    q: Float[Array, "B T N H"],
    k: Float[Array, "B S K H"],
    v: Float[Array, "B S K H"],
    *,
    mask: Mask,
    score: Score | None = None,
    scale: float | None = None,
    block: int | None = None,
) -> Partial:
    """Attention of every query over the visible keys, without the T x S matrix. `block` overrides the block size."""
    (B, T, N, H), (S, K) = q.shape, k.shape[1:3]
    t, s = (min(block or block_size(mask), n) for n in (T, S))
    plan = Plan(mask.static, score, scale_of(scale, H), T, S, t, s, bool(mask.documents))
    g = N // K
    rows = Rows(
        jnp.tile(jnp.arange(N).reshape(K, g), (B, 1)),
        tuple(
            (_pad(jnp.repeat(of_t, K, 0), 1, t), _pad(jnp.repeat(of_s, K, 0), 1, s)) for of_t, of_s in mask.documents
        ),
    )
    q = _pad(q.reshape(B, T, K, g, H).transpose(0, 2, 3, 1, 4).reshape(B * K, g, T, H), 2, t)
    k, v = (_pad(x.transpose(0, 2, 1, 3).reshape(B * K, S, H), 1, s) for x in (k, v))
    out, lse = _attend(plan, q, k, v, rows)
    out = out[:, :, :T].reshape(B, K, g, T, H).transpose(0, 3, 1, 2, 4).reshape(B, T, N, H)
    return Partial(out, lse[:, :, :T].reshape(B, N, T).swapaxes(1, 2))


def block_size(mask: Mask) -> int:
    """Queries and keys of a block: about the window, so that little outside it is computed, else 256."""
    return 256 if mask.window is None else max(32, min(256, 1 << (mask.window - 1).bit_length()))


def _pad(x: Array, axis: int, multiple: int) -> Array:
    widths = [(0, 0)] * x.ndim
    widths[axis] = (0, -x.shape[axis] % multiple)
    return jnp.pad(x, widths)


def _map_groups(f: Callable[..., Any], plan: Plan, arrays: tuple[Any, ...]):
    """f over groups of rows small enough for the cache, one group after the other."""
    R, g = arrays[0].shape[:2]
    most = max(1, SCORES_PER_STEP // (g * plan.t * plan.s))
    G = max(d for d in range(1, min(most, R) + 1) if R % d == 0)
    if G == R:
        return f(*arrays)
    split = jax.tree.map(lambda x: x.reshape(R // G, G, *x.shape[1:]), arrays)
    return jax.tree.map(lambda x: x.reshape(R, *x.shape[2:]), jax.lax.map(lambda a: f(*a), split))


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def _attend(plan: Plan, q: Array, k: Array, v: Array, rows: Rows):
    return _map_groups(partial(_forward, plan), plan, (q, k, v, rows))


def _attend_fwd(plan: Plan, q: Array, k: Array, v: Array, rows: Rows):
    out, lse = _attend(plan, q, k, v, rows)
    return (out, lse), (q, k, v, rows, out, lse)


def _attend_bwd(plan: Plan, saved: Any, cotangents: Any):
    q, k, v, rows, out, lse = saved
    d_out, d_lse = cotangents
    # With P the weights and dP = d_out . v:  dS = P (dP - rowsum(d_out out) + d_lse), because dlse/dS = P.
    delta = jnp.einsum("rgth,rgth->rgt", d_out, out, preferred_element_type=lse.dtype) - d_lse
    dq, dk, dv = _map_groups(partial(_backward, plan), plan, (q, k, v, rows, d_out, lse, delta))
    return dq, dk, dv, None


_attend.defvjp(_attend_fwd, _attend_bwd)


def _scan_pairs(plan: Plan, step: Callable[..., Any], carry: Any):
    """`step(masked, carry, i, j)` over every visible pair of blocks; only the edge blocks are masked."""
    whole, edge = plan.mask.block_pairs(plan.T, plan.S, plan.t, plan.s)
    if plan.documents:
        whole, edge = whole[:0], np.concatenate([whole, edge])
    return _scan(partial(step, True), _scan(partial(step, False), carry, whole), edge)


def _scan(step: Callable[..., Any], carry: Any, pairs: np.ndarray):
    if len(pairs) == 0:
        return carry
    if len(pairs) == 1:
        return step(carry, int(pairs[0, 0]), int(pairs[0, 1]))
    return jax.lax.scan(lambda c, ij: (step(c, ij[0], ij[1]), None), carry, jnp.asarray(pairs))[0]


def _scores(plan: Plan, masked: bool, q: Array, k: Array, rows: Rows, i: Any, j: Any):
    """Scores of query block i (G g t H) and key block j (G s H), and the pullback of the score function."""
    x = jnp.einsum("rgth,rsh->rgts", q, k, preferred_element_type=score_dtype(q)) * plan.scale
    t = (i * plan.t + jnp.arange(plan.t))[:, None]
    s = (j * plan.s + jnp.arange(plan.s))[None, :]
    pull = None
    if (score := plan.score) is not None:
        x, pull = jax.vjp(lambda x: score(x, t, s, rows.head[:, :, None, None]), x)
    if masked:
        seen = (plan.mask.visible(t, s) & (s < plan.S))[None, None]
        for of_t, of_s in rows.documents:
            a = jax.lax.dynamic_slice_in_dim(of_t, i * plan.t, plan.t, 1)
            b = jax.lax.dynamic_slice_in_dim(of_s, j * plan.s, plan.s, 1)
            seen = seen & (a[:, None, :, None] == b[:, None, None, :])
        x = jnp.where(seen, x, -jnp.inf)
    return x, pull


def _blocks(x: Array, size: int, axis: int) -> Array:
    """Cut an axis into blocks and put the block index first, so that a block is one contiguous slice."""
    shape = (*x.shape[:axis], x.shape[axis] // size, size, *x.shape[axis + 1 :])
    return jnp.moveaxis(x.reshape(shape), axis, 0)


def _joined(x: Array, axis: int) -> Array:
    """The inverse of `_blocks`."""
    x = jnp.moveaxis(x, 0, axis)
    return x.reshape(*x.shape[:axis], -1, *x.shape[axis + 2 :])


def _at(x: Array, i: Any) -> Array:
    return jax.lax.dynamic_index_in_dim(x, i, 0, keepdims=False)


def _put(x: Array, value: Array, i: Any) -> Array:
    return jax.lax.dynamic_update_index_in_dim(x, value, i, 0)


def _add(x: Array, value: Array, i: Any) -> Array:
    return _put(x, _at(x, i) + value, i)


def _forward(plan: Plan, q: Array, k: Array, v: Array, rows: Rows):
    """Online softmax: a running sum, normaliser and maximum per query."""
    dtype = score_dtype(q)
    qs, ks, vs = _blocks(q, plan.t, 2), _blocks(k, plan.s, 1), _blocks(v, plan.s, 1)
    normaliser = jnp.zeros(qs.shape[:-1], dtype)
    carry = jnp.zeros(qs.shape, dtype), normaliser, jnp.full_like(normaliser, -jnp.inf)

    def step(masked: bool, carry: Any, i: Any, j: Any):
        sums, totals, highs = carry
        x, _ = _scores(plan, masked, _at(qs, i), _at(ks, j), rows, i, j)
        old = _at(highs, i)
        high = jnp.maximum(old, x.max(-1))
        shift = jnp.where(high == -jnp.inf, 0.0, high)
        p = jnp.exp(x - shift[..., None])
        keep = jnp.exp(old - shift)
        new = jnp.einsum("rgts,rsh->rgth", p.astype(v.dtype), _at(vs, j), preferred_element_type=dtype)
        return (
            _put(sums, _at(sums, i) * keep[..., None] + new, i),
            _put(totals, _at(totals, i) * keep + p.sum(-1), i),
            _put(highs, high, i),
        )

    sums, totals, highs = _scan_pairs(plan, step, carry)
    empty = totals == 0.0
    totals = jnp.where(empty, 1.0, totals)
    lse = jnp.where(empty, -jnp.inf, jnp.log(totals) + highs)
    return _joined((sums / totals[..., None]).astype(q.dtype), 2), _joined(lse, 2)


def _backward(plan: Plan, q: Array, k: Array, v: Array, rows: Rows, d_out: Array, lse: Array, delta: Array):
    """Gradients of q, k, v from the recomputed weights exp(x - lse)."""
    dtype = score_dtype(q)
    qs, ds_out = _blocks(q, plan.t, 2), _blocks(d_out, plan.t, 2)
    ks, vs = _blocks(k, plan.s, 1), _blocks(v, plan.s, 1)
    shift = _blocks(jnp.where(lse == -jnp.inf, 0.0, lse), plan.t, 2)
    deltas = _blocks(delta, plan.t, 2)

    def step(masked: bool, carry: Any, i: Any, j: Any):
        dq, dk, dv = carry
        q_i, k_j, d_i = _at(qs, i), _at(ks, j), _at(ds_out, i)
        x, pull = _scores(plan, masked, q_i, k_j, rows, i, j)
        p = jnp.exp(x - _at(shift, i)[..., None])
        dp = jnp.einsum("rgth,rsh->rgts", d_i, _at(vs, j), preferred_element_type=dtype)
        dx = p * (dp - _at(deltas, i)[..., None])
        if pull is not None:
            (dx,) = pull(dx)
        dx = (dx * plan.scale).astype(q.dtype)
        return (
            _add(dq, jnp.einsum("rgts,rsh->rgth", dx, k_j, preferred_element_type=dtype), i),
            _add(dk, jnp.einsum("rgts,rgth->rsh", dx, q_i, preferred_element_type=dtype), j),
            _add(dv, jnp.einsum("rgts,rgth->rsh", p.astype(v.dtype), d_i, preferred_element_type=dtype), j),
        )

    zeros = tuple(jnp.zeros(x.shape, dtype) for x in (qs, ks, vs))
    dq, dk, dv = _scan_pairs(plan, step, zeros)
    return _joined(dq, 2).astype(q.dtype), _joined(dk, 1).astype(k.dtype), _joined(dv, 1).astype(v.dtype)
