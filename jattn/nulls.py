"""What happens when nothing fits: null terms, each a pair of arrays that kernels merge without knowing who made them.

    Null(s, v):  s (B T N) is the score of the null for every query; v (N H), or None for a zero value.
    A null's share of a query's attention is sigmoid(s - lse): no T x T array is needed to know it.

    zero          s = 0                       softmax-off-by-one (Miller 2023); torch's add_zero_attn
    logit         s = logit_N                 a learned sink logit per head (gpt-oss; TransformerEngine "learnable")
    key           s = scale q . k_null + logit_N            v = 0   (Gu et al. 2024, arXiv 2410.10781, "K biases")
    key_value     the same, v learned         (Sun et al. 2024, arXiv 2402.17762, "explicit attention biases")
    fixed_value   the same, v = norm * e_1    (Gu et al. 2024, Table 5)

q is taken before rotation (and after QK-norm), so s does not depend on the position, and neither soft cap nor ALiBi
touches it. Parameters are per query head (N, never K). Which of these a model can have, under which name and with which
parameters, is the table `NULLS` of jattn/variants.py.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jattn.partial import Partial, merge
from jattn.scores import scale_of


class Null(NamedTuple):
    """A null term: `s` (B T N), the score of the null, and `v` (N H) or (B T N H), its value; None is zero."""

    s: Float[Array, "*B T N"]
    v: Float[Array, "*#B H"] | None = None


def zero(q: Float[Array, "*B T N H"]) -> Null:
    """s = 0, v = 0: softmax over the keys with 1 added to the denominator."""
    return Null(jnp.zeros(q.shape[:-1], score_dtype(q)))


def logit(q: Float[Array, "*B T N H"], logit: Float[Array, " N"]) -> Null:
    """s = logit_N, the same for every query."""
    return Null(jnp.broadcast_to(logit.astype(score_dtype(q)), q.shape[:-1]))


def key(
    q: Float[Array, "*B T N H"],
    k: Float[Array, "N H"],
    logit: Float[Array, " N"] | float = 0.0,
    v: Float[Array, "N H"] | None = None,
    scale: float | None = None,
) -> Null:
    """s = scale q . k + logit. With `v` it is the null key and value; without, the value is zero."""
    s = jnp.einsum("...nh,nh->...n", q, k.astype(q.dtype), preferred_element_type=score_dtype(q))
    return Null(s * scale_of(scale, q.shape[-1]) + logit, v)


def fixed_value(
    q: Float[Array, "*B T N H"],
    k: Float[Array, "N H"],
    logit: Float[Array, " N"] | float = 0.0,
    norm: float = 1.0,
    scale: float | None = None,
) -> Null:
    """A null key whose value is [norm, 0, ..., 0] for every head: a dial for how much a null disturbs the output."""
    return key(q, k, logit, jnp.zeros(q.shape[-2:], q.dtype).at[:, 0].set(norm), scale)


@jax.checkpoint  # its backward computes it again: kept arrays of the output's size cost more than that
def add_null(real: Partial, null: Null) -> Partial:
    """Attention over the real keys and the null. This line is where the null enters; nothing else knows of it."""
    v = jnp.zeros((), real.out.dtype) if null.v is None else null.v.astype(real.out.dtype)
    return merge(real, Partial(jnp.broadcast_to(v, real.out.shape), null.s.astype(real.lse.dtype)))


def null_mass(real_lse: Float[Array, "*x"], s_null: Float[Array, "*x"]) -> Float[Array, "*x"]:
    """The share of attention that goes to the null, sigmoid(s_null - lse of the real keys), 0 to 1."""
    return jax.nn.sigmoid(s_null - real_lse)


def score_dtype(q: Array) -> jnp.dtype:
    """Scores and lse: float64 for float64 inputs, float32 for everything else."""
    return jnp.promote_types(q.dtype, jnp.float32)
