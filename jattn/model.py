"""The Transformer: embedding, layers, output. Configurable enough to be GPT-2, Llama or BERT; one good default.

Parameters live by layer index, whatever the loop over layers: written out in Python, unrolled, or scanned in groups of
the repeating attention pattern. So every form loads every other's checkpoint.
"""

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float, Int

from jattn.attention_layer import Attention, linear, norm
from jattn.config import ModelConfig
from jattn.errors import InputError
from jattn.masks import documents as documents_mask
from jattn.mlp import ACTIVATIONS, Experts, Mlp
from jattn.taps import Attend, Edit, Observe, Tap
from jattn.variants import LayerAttention


class Transform(nnx.Module):
    """What BERT does before its output layer: a projection, the activation, a norm (Devlin et al. 2018, 3.1)."""

    def __init__(self, config: ModelConfig, *, rngs: nnx.Rngs):
        self.activation = ACTIVATIONS[config.mlp.activation]
        self.dense = linear(config, config.width, config.width, True, rngs=rngs)
        self.norm = norm(config, config.width, rngs=rngs)

    def __call__(self, x: Float[Array, "B T D"]) -> Float[Array, "B T D"]:
        return self.norm(self.activation(self.dense(x)))


class Block(nnx.Module):
    """One layer: attention, then an MLP or nothing; normalised before each part (pre) or after it (post)."""

    def __init__(self, config: ModelConfig, kind: LayerAttention, *, rngs: nnx.Rngs):
        self.config = config
        self.attention = Attention(config, kind, rngs=rngs)
        self.attention_norm = norm(config, config.width, rngs=rngs)
        mlp = Experts if config.mlp.experts else Mlp
        self.mlp = mlp(config, rngs=rngs) if config.mlp.activation != "none" else None
        self.mlp_norm = norm(config, config.width, rngs=rngs) if config.mlp.activation != "none" else None

    def __call__(
        self,
        x: Float[Array, "B T D"],
        sink: Float[Array, "1 1 D"] | None,
        *,
        tap: Tap,
        dropout_key: Array | None = None,
        **options: Any,
    ):
        """The residual streams of text and sink token after this layer, and the cache."""
        config = self.config
        pre = config.norm.position == "pre"
        keys = (None, None) if dropout_key is None else jax.random.split(jax.random.fold_in(dropout_key, tap.layer))
        x = tap("resid_pre", x)
        inner = self.attention_norm if pre else lambda y: y
        outer = (lambda y: y) if pre else self.attention_norm
        sink_in = None if sink is None else tap("sink_attn_in", inner(sink))
        added, sink_added, cache = self.attention(tap("attn_in", inner(x)), sink_in, tap=tap, **options)
        x = tap("resid_mid", outer(x + tap("attn_out", dropout(added, config.dropout.resid, keys[0]))))
        sink = None if sink is None or sink_added is None else outer(sink + sink_added)
        if self.mlp is None or self.mlp_norm is None:
            if tap.active:
                tap("mlp_in", jnp.zeros_like(x))
                tap("mlp_hidden", jnp.zeros((*x.shape[:2], config.F), x.dtype))
                tap("mlp_out", jnp.zeros_like(x))
            return tap("resid_post", x), sink, cache
        inner = self.mlp_norm if pre else lambda y: y
        outer = (lambda y: y) if pre else self.mlp_norm
        added = self.mlp(tap("mlp_in", inner(x)), partial(tap, "mlp_hidden"))
        x = outer(x + tap("mlp_out", dropout(added, config.dropout.mlp, keys[1])))
        if sink is not None:
            sink = outer(sink + self.mlp(tap("sink_mlp_in", inner(sink)), partial(tap, "sink_mlp_hidden")))
        return tap("resid_post", x), sink, cache


def dropout(x: Array, rate: float, key: Array | None) -> Array:
    """Zero a share `rate` of the entries and scale the rest; nothing without a key."""
    if key is None or rate == 0.0:
        return x
    return nnx.Dropout(rate)(x, deterministic=False, rngs=key)


class Transformer(nnx.Module):
    """A stack of blocks between an embedding and an output layer."""

    def __init__(self, config: ModelConfig, *, rngs: nnx.Rngs):
        if config.vocab_size < 1:
            raise InputError(f"model.vocab_size must be >= 1 to build a model, got {config.vocab_size}")
        self.config = config
        D, dtype = config.width, jnp.dtype(config.compute.param_dtype)
        draw = nnx.initializers.normal(config.init.std)
        rows = lambda n, key: nnx.Param(draw(key, (n, D), dtype))
        self.token_rows = rows(config.vocab_size, rngs.params())
        self.position_rows = rows(config.context, rngs.params()) if config.positions == "learned" else None
        self.type_rows = rows(config.token_types, rngs.params()) if config.token_types else None
        self.embed_norm = norm(config, D, rngs=rngs) if config.norm.position == "post" else None
        self.blocks = nnx.List([Block(config, config.layer(i), rngs=rngs) for i in range(config.layers)])
        self.final_norm = norm(config, D, rngs=rngs) if config.norm.position == "pre" else None
        self.transform = Transform(config, rngs=rngs) if config.output.kind == "mlm" else None
        separate = not config.output.tied and config.output.kind != "none"
        self.head = linear(config, D, config.vocab_size, False, rngs=rngs) if separate else None
        self.output_bias = nnx.Param(jnp.zeros(config.vocab_size, dtype)) if config.bias.output else None
        self.sink_row = rows(1, rngs.extra()) if config.sink_token else None

    def __call__(
        self,
        tokens: Int[Array | np.ndarray, "B T"],
        *,
        token_types: Int[Array, "B T"] | None = None,
        documents: Int[Array, "B T"] | None = None,
        dropout_key: Array | None = None,
        observe: Observe | None = None,
        edit: Edit | None = None,
        attend: Attend | None = None,
    ) -> Any:
        """Logits (B T V) in float32 or wider; with `observe`, the pair of logits and what it returned, stacked (L ...).

        A model without an output layer (`output="none"`) gives its last hidden states (B T D) in their place.
        documents: an id per token; texts packed into one row do not see each other. dropout_key: training only.
        observe, edit, attend: see jattn/taps.py.
        """
        x, sink = self.embed(tokens, token_types=token_types, dropout_key=dropout_key)
        options: dict[str, Any] = {
            "positions": jnp.arange(tokens.shape[1]),
            "documents": None if documents is None else documents_mask(documents),
            "dropout_key": dropout_key,
            "attend": attend,
        }
        x, observed = self._run_layers(x, sink, observe, edit, options)
        logits = self.unembed(x)
        return logits if observe is None else (logits, observed)

    def embed(
        self,
        tokens: Int[Array | np.ndarray, "B T"],
        *,
        token_types: Int[Array, "B T"] | None = None,
        start: Array | int = 0,
        dropout_key: Array | None = None,
    ):
        """The residual stream before the first layer (B T D), and the sink token's row (1 1 D) or None."""
        config = self.config
        end = tokens.shape[1] + (start if isinstance(start, int) else 0)
        if self.position_rows is not None and end > config.context:
            raise InputError(f"text of {end} tokens is longer than model.context = {config.context}")
        x = self.token_rows[...][tokens]
        if self.position_rows is not None:
            x = x + jax.lax.dynamic_slice_in_dim(self.position_rows[...], start, tokens.shape[1])
        if self.type_rows is not None:
            types = jnp.zeros_like(tokens) if token_types is None else token_types
            x = x + self.type_rows[...][types]
        key = None if dropout_key is None else jax.random.fold_in(dropout_key, config.layers)
        x = dropout(x.astype(config.compute.dtype), config.dropout.embed, key)
        x = x if self.embed_norm is None else self.embed_norm(x)
        return x, None if self.sink_row is None else self.sink_row[...].astype(config.compute.dtype)[None]

    def unembed(self, x: Float[Array, "B T D"]) -> Float[Array, "B T V"]:
        """Logits of a residual stream: final norm, output layer, soft cap (Gemma 2, arXiv 2408.00118)."""
        x = x if self.final_norm is None else self.final_norm(x)
        if self.config.output.kind == "none":
            return x
        x = x if self.transform is None else self.transform(x)
        table = self.token_rows[...].T if self.head is None else self.head.kernel[...]
        logits = jnp.matmul(x, table.astype(x.dtype), preferred_element_type=jnp.promote_types(x.dtype, jnp.float32))
        logits = logits if self.output_bias is None else logits + self.output_bias[...].astype(logits.dtype)
        cap = self.config.output.soft_cap
        return logits if cap is None else cap * jnp.tanh(logits / cap)

    def _run_layers(
        self, x: Array, sink: Array | None, observe: Observe | None, edit: Edit | None, options: dict[str, Any]
    ):
        """All layers, written out, unrolled or scanned, and what `observe` saw, stacked over layers."""
        config = self.config
        L, P = config.layers, len(config.pattern)
        loop = config.compute.layer_loop if config.compute.layer_loop != "auto" else "python" if L <= 12 else "scan"
        whole = 0 if loop == "python" or L // P < 2 else L // P  # repeats of the whole pattern that are scanned
        seen = []
        if whole:
            groups = [nnx.split(self.blocks[p])[0] for p in range(P)]
            states = [
                jax.tree.map(lambda *a: jnp.stack(a), *(nnx.state(self.blocks[r * P + p]) for r in range(whole)))
                for p in range(P)
            ]

            def period(carry: Any, step: Any):
                (x, sink), (repeat, parameters) = carry, step
                out = []
                for p in range(P):
                    tap = Tap(repeat * P + p, observe, edit)
                    x, sink, _ = nnx.merge(groups[p], parameters[p])(x, sink, tap=tap, **options)
                    out.append(tap.observed())
                return (x, sink), _stack(out)

            unroll = whole if loop == "unrolled" else 1
            (x, sink), observed = jax.lax.scan(period, (x, sink), (jnp.arange(whole), states), unroll=unroll)
            seen.append(jax.tree.map(lambda a: a.reshape(whole * P, *a.shape[2:]), observed))
        for i in range(whole * P, L):
            tap = Tap(i, observe, edit)
            x, sink, _ = self.blocks[i](x, sink, tap=tap, **options)
            seen.append(jax.tree.map(lambda a: jnp.asarray(a)[None], tap.observed()))
        return x, jax.tree.map(lambda *a: jnp.concatenate(a), *seen) if seen else None


def _stack(trees: list[Any]) -> Any:
    return jax.tree.map(lambda *a: jnp.stack(a), *trees)


Parameters = dict[str, Array]  # "blocks.0.attention.q.kernel" -> array


def build(config: ModelConfig, seed: int = 0) -> Transformer:
    """A model with fresh parameters, the same for every loop over layers and, where shared, for every attention."""
    return assemble(config, init_parameters(config, seed))


def init_parameters(config: ModelConfig, seed: int = 0, only: frozenset[str] | None = None) -> Parameters:
    """Fresh parameters by name; those that two configs share start equal (a null draws from a stream of its own).

    only: the names that are wanted; no others are computed.
    """
    return _initializer(config, only)(jax.random.key(seed))


def parameters_of(model: Transformer) -> Parameters:
    """The parameters of a model as one flat dict, named by their path; layers are numbered from 0."""
    flat = nnx.to_flat_state(nnx.state(model, nnx.Param))
    return {".".join(map(str, path)): variable[...] for path, variable in flat}


def assemble(config: ModelConfig, parameters: Parameters) -> Transformer:
    """The model with these parameters; also inside jit, so that a training step is a function of plain arrays."""
    graphdef, paths = _structure(config)
    if set(paths) != set(parameters):
        missing, extra = sorted(set(paths) - set(parameters)), sorted(set(parameters) - set(paths))
        raise InputError(f"parameters do not fit the config: missing {missing[:3]}, not known {extra[:3]}")
    return nnx.merge(graphdef, nnx.from_flat_state([(paths[name], nnx.Param(parameters[name])) for name in paths]))


def parameter_shapes(config: ModelConfig) -> dict[str, jax.ShapeDtypeStruct]:
    """Shape and type of every parameter, by name; nothing is allocated."""
    return jax.eval_shape(lambda: parameters_of(_construct(config, jax.random.key(0))))


def count_parameters(config: ModelConfig) -> int:
    """The number of parameters, tied ones once."""
    return sum(shape.size for shape in parameter_shapes(config).values())


@lru_cache(maxsize=64)
def _initializer(config: ModelConfig, only: frozenset[str] | None) -> Callable[[Array], Parameters]:
    def draw(key: Array):
        return {n: p for n, p in parameters_of(_construct(config, key)).items() if only is None or n in only}

    return jax.jit(draw)


@lru_cache(maxsize=64)
def _structure(config: ModelConfig) -> tuple[Any, dict[str, tuple[Any, ...]]]:
    graphdef, state = nnx.split(nnx.eval_shape(lambda: _construct(config, jax.random.key(0))))
    return graphdef, {".".join(map(str, path)): path for path, _ in nnx.to_flat_state(state)}


def _construct(config: ModelConfig, key: Array) -> Transformer:
    return Transformer(config, rngs=nnx.Rngs(params=key, extra=jax.random.fold_in(key, 1)))
