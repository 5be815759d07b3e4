"""The attention layer: projections, positions, the null term and what acts after the merge.

The null enters in one line, `add_null`; everything before it prepares q, k, v and s_null, everything after it acts on
the heads' outputs.
"""

from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Int

from jattn import masks, nulls
from jattn.config import ModelConfig
from jattn.errors import InputError
from jattn.functional import attend
from jattn.kernels.dense import masked_scores, softmax
from jattn.masks import Mask
from jattn.nulls import Null, add_null
from jattn.partial import Partial, shares
from jattn.positions import rope
from jattn.scores import Alibi, LogSigmoid, SoftCap, alibi_slopes, chain, scale_of
from jattn.sigmoid import default_bias, sigmoid_attention, sigmoid_weights
from jattn.taps import Attend, Tap
from jattn.variants import NULLS, LayerAttention


def linear(config: ModelConfig, size_in: int, size_out: int, bias: bool, *, residual: bool = False, rngs: nnx.Rngs):
    """A projection with the config's types and initial values.

    One that writes into the residual stream starts at zero, or smaller by sqrt(2 L) (GPT-2, section 2.3).
    """
    init = nnx.initializers.normal(config.init.std / (2 * config.layers) ** 0.5 if residual else config.init.std)
    init = nnx.initializers.zeros if residual and config.init.zero_outputs else init
    types = {"dtype": jnp.dtype(config.compute.dtype), "param_dtype": jnp.dtype(config.compute.param_dtype)}
    return nnx.Linear(size_in, size_out, use_bias=bias, kernel_init=init, rngs=rngs, **types)


def norm(config: ModelConfig, size: int, *, rngs: nnx.Rngs) -> nnx.Module:
    """LayerNorm or RMSNorm over the last axis."""
    types = {"dtype": jnp.dtype(config.compute.dtype), "param_dtype": jnp.dtype(config.compute.param_dtype)}
    if config.norm.kind == "rmsnorm":
        return nnx.RMSNorm(size, epsilon=config.norm.eps, rngs=rngs, **types)
    # The fast variance, E[x^2] - E[x]^2, loses its digits where one entry of the residual stream is massive.
    types |= {"use_bias": config.bias.norm, "use_fast_variance": False}
    return nnx.LayerNorm(size, epsilon=config.norm.eps, rngs=rngs, **types)


class NullTerm(nnx.Module):
    """The parameters of a layer's null, all per query head; drawn from the stream `extra`, so that a model with a null
    starts from the same weights as one without."""

    def __init__(self, config: ModelConfig, layer: LayerAttention, *, rngs: nnx.Rngs):
        N, H, dtype = config.heads, config.H, jnp.dtype(config.compute.param_dtype)
        self.kind, self.number = NULLS[layer.null or ""], layer.null_number
        draw = lambda std: std * jax.random.normal(rngs.extra(), (N, H), dtype)
        start = {
            "logit": lambda: jnp.full(N, config.null.logit_init, dtype),
            "key": lambda: draw(config.null.key_std),
            "value": lambda: draw(config.null.value_std),
        }
        for name in self.kind.parameters:
            setattr(self, name, nnx.Param(start[name]()))

    def __call__(self, q: Float[Array, "B T N H"]) -> Null:
        parameters = [getattr(self, name)[...] for name in self.kind.parameters]
        number = [] if self.number is None else [self.number]
        return getattr(nulls, self.kind.make)(q, *parameters, *number)


class Attention(nnx.Module):
    """Self-attention of one layer, of any kind that `LayerAttention` can name."""

    def __init__(self, config: ModelConfig, kind: LayerAttention, *, rngs: nnx.Rngs):
        N, K, H, D = config.heads, config.N_kv, config.H, config.width
        self.config, self.kind = config, kind
        self.q = linear(config, D, N * H, config.bias.qkv, rngs=rngs)
        self.k = linear(config, D, K * H, config.bias.qkv, rngs=rngs)
        self.v = linear(config, D, K * H, config.bias.qkv, rngs=rngs)
        self.out = linear(config, N * H, D, config.bias.out, residual=True, rngs=rngs)
        self.q_norm = norm(config, H, rngs=rngs) if config.norm.qk else None
        self.k_norm = norm(config, H, rngs=rngs) if config.norm.qk else None
        self.null = NullTerm(config, kind, rngs=rngs) if kind.null else None
        draw = nnx.initializers.normal(config.null.value_std)
        bias = draw(rngs.extra(), (N, H), jnp.dtype(config.compute.param_dtype)) if kind.value_bias else None
        self.value_bias = None if bias is None else nnx.Param(bias)
        gates = {None: 0, "headwise": N, "elementwise": N * H}[kind.gate]
        self.gate = linear(config, D, gates, False, rngs=nnx.Rngs(rngs.extra())) if gates else None
        self.score = chain(
            SoftCap(config.score.soft_cap) if config.score.soft_cap else None,
            Alibi(alibi_slopes(N)) if config.positions == "alibi" else None,
            LogSigmoid() if config.score.kind == "sigmoid_normalised" else None,
        )
        self.mask = masks.of_layer(kind, causal=config.causal)

    def __call__(
        self,
        x: Float[Array, "B T D"],
        sink: Float[Array, "1 1 D"] | None,
        *,
        positions: Int[Array, " T"],
        tap: Tap,
        documents: Mask | None = None,
        attend: Attend | None = None,
        cache: Any = None,
    ) -> tuple[Float[Array, "B T D"], Float[Array, "1 1 D"] | None, Any]:
        """What attention adds to the text and to the sink token's row, and the cache with the new keys in it."""
        q, k, v = self.project(x)
        q, k, v = tap("q", q), tap("k", k), tap("v", v)
        null = self.null(q) if self.null is not None and self.config.null.rotary == "before" else None
        q, k = tap.rotated = self._rotate(q, positions), self._rotate(k, positions)
        if self.null is not None and null is None:
            null = self.null(q)
        sink_v = None
        if sink is not None:
            null, sink_v = self._sink_null(q, sink, positions)
        mask = self.mask if documents is None else self.mask & documents
        where: dict[str, Any] = {"mask": mask, "score": self.score}
        if cache is not None:
            k, v, k_pos, cache = cache.extend(k, v, positions)
            where |= {"q_pos": positions, "k_pos": k_pos}
        if self.kind.sigmoid:
            if attend is not None:
                raise InputError(
                    "attend: sigmoid attention has no softmax over the real keys that another could replace"
                )
            out = self._sigmoid(q, k, v, where, tap)
        else:
            out = self._softmax(q, k, v, positions, null, attend, where, tap)
        z = tap("z", self.after_merge(out, x))
        added = self.out(z.reshape(*z.shape[:2], -1))
        if sink is not None and sink_v is not None:
            sink = self.out(tap("sink_z", self.after_merge(sink_v, sink)).reshape(1, 1, -1))
        return added, sink, cache

    def project(
        self, x: Float[Array, "B T D"]
    ) -> tuple[Float[Array, "B T N H"], Float[Array, "B T K H"], Float[Array, "B T K H"]]:
        """Queries, keys and values of rows that the norm has passed: after QK-norm, before any rotation."""
        N, K, H = self.config.heads, self.config.N_kv, self.config.H
        q, k, v = (f(x).reshape(*x.shape[:2], n, H) for f, n in ((self.q, N), (self.k, K), (self.v, K)))
        return (q if self.q_norm is None else self.q_norm(q)), (k if self.k_norm is None else self.k_norm(k)), v

    def _rotate(self, x: Float[Array, "B T N H"], positions: Int[Array, " T"]) -> Float[Array, "B T N H"]:
        return rope(x, positions, self.config.rope) if self.config.positions == "rope" else x

    def _sink_null(
        self, q: Float[Array, "B T N H"], sink: Float[Array, "1 1 D"], positions: Int[Array, " T"]
    ) -> tuple[Null, Array]:
        """The sink token as a null: it sees only itself, so its key and value are the same for every text.

        Exactly a token at position -1 that every mask shows; its row of the residual stream is carried alongside.
        """
        _, k, v = self.project(sink)
        k = self._rotate(k, jnp.array([-1]))
        N = self.config.heads
        k, v = (jnp.repeat(a, N // self.config.N_kv, axis=2) for a in (k, v))
        s = jnp.einsum("btnh,nh->btn", q, k[0, 0], preferred_element_type=nulls.score_dtype(q))
        s = s * scale_of(None, self.config.H)
        if self.score is not None:
            s = self.score(s, positions[:, None], jnp.array(-1), jnp.arange(N))
        return Null(s, v), v

    def _softmax(
        self,
        q: Float[Array, "B T N H"],
        k: Float[Array, "B S K H"],
        v: Float[Array, "B S K H"],
        positions: Int[Array, " T"],
        null: Null | None,
        other: Attend | None,
        where: dict[str, Any],
        tap: Tap,
    ):
        chosen = self.config.compute.implementation
        implementation = None if chosen == "auto" or "q_pos" in where else chosen
        real = (other or attend)(q, k, v, implementation=implementation, **where)
        if tap.active:
            real = Partial(real.out, tap("lse", real.lse))
            s = tap("s_null", jnp.full_like(real.lse, -jnp.inf) if null is None else null.s)
            v_null = jnp.zeros(q.shape[2:], v.dtype) if null is None or null.v is None else null.v
            null = Null(s, tap("v_null", v_null.reshape(q.shape[2:])))
            tap.weights = partial(self._weights, q, k, positions, where, real, null) if other is None else _no_weights
        return real.out if null is None else add_null(real, null).out

    @staticmethod
    def _weights(
        q: Float[Array, "B T N H"],
        k: Float[Array, "B S K H"],
        positions: Int[Array, " T"],
        where: dict[str, Any],
        real: Partial,
        null: Null,
        start: int,
        size: int,
    ):
        """Softmax over the real keys of some queries in a row, times the share of all attention that they have.

        Not exp(score - lse): lse comes from the kernel, which rounds its scores another way.
        """
        cut = lambda a: jax.lax.dynamic_slice_in_dim(a, start, size, 1)
        share, _ = shares(cut(real.lse), cut(null.s))
        mask: Mask = where["mask"]
        mask = replace(mask, documents=tuple((cut(of_t), of_s) for of_t, of_s in mask.documents))
        t = jax.lax.dynamic_slice_in_dim(positions, start, size)
        x = masked_scores(cut(q), k, mask=mask, score=where["score"], q_pos=t, k_pos=where.get("k_pos"))
        return softmax(x)[0] * share.swapaxes(1, 2)[..., None]

    def _sigmoid(
        self,
        q: Float[Array, "B T N H"],
        k: Float[Array, "B S K H"],
        v: Float[Array, "B S K H"],
        where: dict[str, Any],
        tap: Tap,
    ):
        bias = default_bias(self.config.context)
        if tap.active:
            tap("lse", jnp.zeros(q.shape[:-1], nulls.score_dtype(q)))
            tap("s_null", jnp.full(q.shape[:-1], -jnp.inf, nulls.score_dtype(q)))
            tap("v_null", jnp.zeros(q.shape[2:], v.dtype))
            tap.weights = lambda start, size: sigmoid_weights(q, k, bias=bias, **where)[:, :, start : start + size]
        return sigmoid_attention(q, k, v, bias=bias, **where)

    def after_merge(self, out: Float[Array, "B T N H"], x: Float[Array, "B T D"]) -> Float[Array, "B T N H"]:
        """z of the heads' merged attention: plus the value bias (Gu et al. 2024, Table 4), times the output gate
        sigmoid(x W) of `attn_in`."""
        if self.value_bias is not None:
            out = out + self.value_bias[...].astype(out.dtype)
        if self.gate is not None:
            g = jax.nn.sigmoid(self.gate(x))
            out = out * g.reshape(*out.shape[:3], -1)
        return out


def _no_weights(_start: int, _size: int) -> Array:
    raise InputError("weights: `attend` is replaced, and what it gives instead (out, lse) has no weights to show")
