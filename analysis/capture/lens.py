"""What the residual stream says on its way: read as if it were the last one, and taken apart into what wrote it.

    logit_lens     final norm and unembedding of the stream after each layer: loss, distance to the final prediction
    attribution    the logit of the right token as a sum over embedding, heads, nulls, biases and MLPs

A layer that the lens cannot read need not lack the answer: it may hold it in other directions (Belrose et al. 2023).

Axes: B windows, T tokens, N heads, H head size, D model width, V vocabulary, L layers, R points of the stream read.
Sources: nostalgebraist 2020, Interpreting GPT: the logit lens; Belrose et al. 2023 (arXiv 2303.08112); Elhage et al.
2021, A Mathematical Framework for Transformer Circuits, "Logit attribution"; Wang et al. 2022 (arXiv 2211.00593).
"""

from dataclasses import replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from jattn.config import ModelConfig
from jattn.errors import InputError
from jattn.model import Transformer, assemble, parameters_of
from jattn.taps import Seen
from train.losses import next_token_losses

Tokens = Int[Array | np.ndarray, "B T"]


def stream(
    model: Transformer, tokens: Tokens, *, token_types: Any = None, documents: Any = None
) -> Float[Array, "R B T D"]:
    """The residual stream before the first layer and after each, R = L + 1. The options are those of the model."""
    first = model.embed(tokens, token_types=token_types)[0][None]
    if not model.config.layers:
        return first
    options = {"token_types": token_types, "documents": documents}
    _, after = model(tokens, observe=lambda seen: seen["resid_post"], **options)
    return jnp.concatenate([first, after.astype(first.dtype)])


def logit_lens(model: Transformer, x: Float[Array, "R B T D"], targets: Tokens) -> dict[str, Float[Array, "R B"]]:
    """`lens_measures` of each point of the stream; the last point is the final one, whose logits are the model's own.

    One point's logits at a time are in memory. Raises InputError for a model that predicts no next token.
    """
    if model.config.output.kind == "none" or not model.config.causal:
        raise InputError(
            f"logit lens: a model with causal={model.config.causal} and output {model.config.output.kind!r} predicts "
            "no next token; choose a causal model with an output layer"
        )
    final = model.unembed(x[-1])
    return jax.lax.map(lambda at: lens_measures(model.unembed(at), final, targets), x)


def lens_measures(
    logits: Float[Array, "B T V"], final: Float[Array, "B T V"], targets: Tokens
) -> dict[str, Float[Array, " B"]]:
    """Of one point's logits, means over tokens: loss and KL(final || point) in nats, and how often the first choice is
    the final one.

    For uniform logits the loss is log V. The final point itself has KL 0 and agreement 1.
    Source: Belrose et al. 2023, section 2 and equation 6 (the direction of the KL).
    """
    log_p, log_final = jax.nn.log_softmax(logits), jax.nn.log_softmax(final)
    return {
        "loss_nats": next_token_losses(logits, targets).mean(-1),
        "kl_nats": (jnp.exp(log_final) * (log_final - log_p)).sum(-1).mean(-1),
        "agreement": (logits.argmax(-1) == final.argmax(-1)).mean(-1, dtype=log_p.dtype),
    }


class Attribution(NamedTuple):
    """What each part adds to logit(right) - logit(against), in logit units (nats of log-odds), per query.

    The nulls' part of a head's output, null mass x v_null through the output projection, is not in `heads`: it is 0
    where v_null is. `constant`: biases of the final norm and of the output layer, which no token changes.
    """

    embedding: Float[Array, "B T"]
    heads: Float[Array, "L B T N"]
    nulls: Float[Array, "L B T N"]
    attention_bias: Float[Array, "L B T"]
    mlps: Float[Array, "L B T"]
    constant: Float[Array, "B T"]

    def total(self) -> Float[Array, "B T"]:
        """The sum of all parts: the difference of logits itself (before a soft cap), to float error."""
        layers = self.heads.sum((0, -1)) + self.nulls.sum((0, -1)) + self.attention_bias.sum(0) + self.mlps.sum(0)
        return self.embedding + layers + self.constant


def attribution(model: Transformer, tokens: Tokens, right: Tokens, against: Tokens | None = None) -> Attribution:
    """The logit of `right` minus that of `against` (or minus the mean logit), as a sum over what wrote the stream.

    A stream x = sum of parts, its final norm's scale s(x) held fixed: logit difference = sum over parts of
    part . (g u) / s(x), u the difference of two unembedding columns, g the norm's weight (for LayerNorm the parts are
    centred). Direct effects only: what a head does through later layers counts for those.
    Raises InputError where that is no sum: norms after each part, BERT's output layer, or no output layer.
    """
    config = model.config
    _refuse_no_sum(config)
    if _nulls_with_values(config):  # written out, each layer is at hand with its own parameters
        model = assemble(replace(config, compute=replace(config.compute, layer_loop="python")), parameters_of(model))
    x, wide = stream(model, tokens), lambda a: a.astype(jnp.promote_types(a.dtype, jnp.float32))
    first, final = wide(x[0]), wide(x[-1])
    pull, constant = _direction(model, final, right, against)
    parts = lambda a: (wide(a) * pull).sum(-1)
    if not config.layers:
        none = jnp.zeros((0, *tokens.shape))
        return Attribution(parts(first), none[..., None], none[..., None], none, none, constant)
    outs = [block.attention.out for block in model.blocks]
    kernels = wide(jnp.stack([out.kernel[...] for out in outs])).reshape(config.layers, config.heads, config.H, -1)
    biases = jnp.stack([jnp.zeros(config.width) if out.bias is None else wide(out.bias[...]) for out in outs])

    def observe(seen: Seen):
        of_z = jnp.einsum("btd,nhd->btnh", pull, kernels[seen.layer])
        null = (_null_part(model, seen) * of_z).sum(-1)
        heads = (wide(seen["z"]) * of_z).sum(-1) - null
        return heads, null, pull @ biases[seen.layer], parts(seen["mlp_out"])

    heads, nulls, bias, mlps = model(tokens, observe=observe)[1]
    return Attribution(parts(first), heads, nulls, bias, mlps, constant)


def is_sum(config: ModelConfig) -> bool:
    """Whether the logits are a linear read-out of a sum of parts, up to the scale of one last norm."""
    return config.norm.position == "pre" and config.output.kind == "linear"


def _refuse_no_sum(config: ModelConfig) -> None:
    """InputError naming the field that makes the logits no sum."""
    if is_sum(config):
        return
    post = config.norm.position == "post"
    name, value = ("norm.position", config.norm.position) if post else ("output.kind", config.output.kind)
    why = (
        "a norm after every part rescales the ones before" if post else "its output is no linear function of the stream"
    )
    raise InputError(f"logit attribution: model.{name} = {value!r}: {why}; choose a model without it")


def _direction(model: Transformer, final: Any, right: Any, against: Any) -> tuple[Array, Array]:
    """The direction of the stream (B T D) that is the logit difference, the norm's scale fixed, and the biases'."""
    config = model.config
    norm: Any = model.final_norm
    assert norm is not None, "is_sum lets only models with a final norm pass"
    rows = model.token_rows[...] if model.head is None else model.head.kernel[...].T
    rows = rows.astype(final.dtype)
    bias = jnp.zeros(len(rows)) if model.output_bias is None else model.output_bias[...]
    u = rows[right] - (rows.mean(0) if against is None else rows[against])
    constant = bias[right] - (bias.mean() if against is None else bias[against])
    pull, centred = u * norm.scale[...], final
    if config.norm.kind == "layernorm":
        pull = pull - pull.mean(-1, keepdims=True)
        centred = final - final.mean(-1, keepdims=True)
        if norm.bias is not None:
            constant = constant + u @ norm.bias[...]
    return pull * jax.lax.rsqrt(jnp.square(centred).mean(-1, keepdims=True) + config.norm.eps), constant


def _nulls_with_values(config: ModelConfig) -> bool:
    return any(config.layer(i).null_has_value for i in range(config.layers))


def _null_part(model: Transformer, seen: Seen) -> Any:
    """What the null put into z: all of it less what the real keys did. Any null with a value, a sink token's too."""
    if not isinstance(seen.layer, int) or not model.config.layer(seen.layer).null_has_value:
        return jnp.zeros(())
    block, config = model.blocks[seen.layer], model.config
    v = jnp.repeat(seen["v"], config.heads // config.N_kv, axis=2)
    real = jnp.einsum("bnts,bsnh->btnh", seen.weights(), v)
    return seen["z"] - block.attention.after_merge(real, seen["attn_in"])
