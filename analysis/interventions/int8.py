"""What eight bits cost: the loss of a model whose linear layers compute with simulated int8, minus its own.

Weights and input activations of every linear layer in the blocks are rounded to multiples of absmax / 127, one absmax
per tensor (symmetric, per tensor, static: that of activations comes from calibration texts, larger values are clipped);
everything else stays in float. Embedding and output layer stay in float too, as do sums and norms. A tensor with one
massive entry leaves the others few of the 255 levels, which is why sinks matter here.

Axes: W windows, T tokens, V vocabulary. Losses are in nats per token, the mean over a window.
Source: Bondarenko et al. 2023, Quantizable Transformers (arXiv 2306.12929), sections 2 and 5, whose activations have a
zero point (asymmetric); here they have none.
"""

from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float, Int

from jattn.config import ModelConfig
from jattn.errors import InputError
from jattn.model import assemble
from train.losses import next_token_losses
from train.windows import predicts_next

LEVELS = 127  # of each sign


def fake_quantise(x: Float[Array, "*x"], absmax: Float[Array, ""]) -> Float[Array, "*x"]:
    """round(x / s) s clipped to +-absmax, s = absmax / 127: x itself where it is a multiple of s; 0 if absmax is 0."""
    step = jnp.where(absmax > 0, absmax, 1) / LEVELS
    return (jnp.clip(jnp.round(x / step), -LEVELS, LEVELS) * step).astype(x.dtype)


def quantise_weights(parameters: dict[str, Array]) -> dict[str, Array]:
    """The parameters with the matrices of all linear layers in the blocks in int8, each by its own absmax."""
    linear = lambda name: name.startswith("blocks.") and name.endswith(".kernel")
    return {n: fake_quantise(p, jnp.abs(p).max()) if linear(n) else p for n, p in parameters.items()}


def losses(
    config: ModelConfig,
    parameters: dict[str, Array],
    windows: Int[np.ndarray, "W columns"],
    calibration: Int[np.ndarray, "C columns"],
) -> dict[str, Float[np.ndarray, " W"]]:
    """Loss of each window in nats: `full`, and with `weights`, `activations` or `both` in int8.

    Raises InputError for a model without a next-token loss or with a mixture of experts, whose matrices are not linear
    layers of their own.
    """
    if not predicts_next(config):
        raise InputError("int8: the model predicts no next token, so it has no loss to compare")
    if config.experts:
        raise InputError(
            f"int8: the matrices of model.experts = {config.experts} are not quantised; no number is given"
        )
    # Written out, so that each layer has its own range.
    config = replace(config, layer_loop="python")
    small = quantise_weights(parameters)
    read, calibrate = jnp.asarray(windows), jnp.asarray(calibration)
    ranges = {name: _loss(config, p, calibrate, None)[1] for name, p in (("activations", parameters), ("both", small))}
    found = {
        "full": _loss(config, parameters, read, None)[0],
        "weights": _loss(config, small, read, None)[0],
        "activations": _loss(config, parameters, read, ranges["activations"])[0],
        "both": _loss(config, small, read, ranges["both"])[0],
    }
    return {name: np.asarray(loss, np.float64) for name, loss in found.items()}


@partial(jax.jit, static_argnums=0)
def _loss(config: ModelConfig, parameters, windows, ranges):
    """Loss of each window, and the absmax of each linear layer's input, all of them in int8 if `ranges` are given."""
    seen: dict[str, Any] = {}
    model = assemble(config, parameters)
    for path, module in nnx.iter_modules(model.blocks):
        if isinstance(module, nnx.Linear):
            name = ".".join(map(str, path))
            module.dot_general = partial(_dot, seen, name, None if ranges is None else ranges[name])
    logits = model(windows[:, :-1])
    return next_token_losses(logits, windows[:, 1:]).mean(-1), seen


def _dot(seen, name, absmax, x, kernel, *args, **kwargs):
    """What a linear layer multiplies with: notes its input's absmax, and rounds the input if it is told one.

    A sink token's row goes through the same layer: the larger absmax counts.
    """
    largest = jnp.abs(x).max()
    seen[name] = jnp.maximum(seen[name], largest) if name in seen else largest
    return jax.lax.dot_general(x if absmax is None else fake_quantise(x, absmax), kernel, *args, **kwargs)
