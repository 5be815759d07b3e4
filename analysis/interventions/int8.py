"""What eight bits cost: the loss of a model whose linear layers compute with simulated int8, minus its own.

Weights and input activations of every linear layer in the blocks are rounded to multiples of absmax / 127, one absmax
per tensor (symmetric, per tensor, static: that of activations comes from calibration texts, larger values are clipped);
everything else stays in float. Embedding and output layer stay in float too, as do sums and norms. A tensor with one
massive entry leaves the others few of the 255 levels, which is why sinks matter here.

Axes: W windows, T tokens, V vocabulary. Losses are in nats per token, the mean over a window.
Source: Bondarenko et al. 2023, Quantizable Transformers (arXiv 2306.12929), sections 2 and 5, whose activations have a
zero point (asymmetric); here they have none.
"""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from jattn.config import ModelConfig
from jattn.errors import InputError
from jattn.model import assemble
from jattn.taps import SINK_SITES, Seen
from train.losses import next_token_losses
from train.windows import predicts_next

LEVELS = 127  # of each sign
READ = ("attn_in", "z", "mlp_in", "mlp_hidden")  # what the linear layers of a layer read


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
    if config.mlp.experts:
        raise InputError(
            f"int8: the matrices of model.mlp.experts = {config.mlp.experts} are not quantised; no number is given"
        )
    small = quantise_weights(parameters)
    read, calibrate = jnp.asarray(windows), jnp.asarray(calibration)
    by_name = {
        "full": _loss(config, parameters, read, None),
        "weights": _loss(config, small, read, None),
        "activations": _loss(config, parameters, read, _ranges(config, parameters, calibrate)),
        "both": _loss(config, small, read, _ranges(config, small, calibrate)),
    }
    return {name: np.asarray(loss, np.float64) for name, loss in by_name.items()}


@partial(jax.jit, static_argnums=0)
def _ranges(config: ModelConfig, parameters: Any, windows: Any) -> dict[str, Float[Array, " L"]]:
    """The absmax of what the linear layers read, by site; the larger one where a sink token's row is read as well."""

    def observe(seen: Seen):
        of = {site: jnp.abs(seen[site]).max() for site in (*READ, *SINK_SITES) if site in seen.arrays}
        return {site: jnp.maximum(of[site], of.get(f"sink_{site}", 0)) for site in READ}

    return assemble(config, parameters)(windows[:, :-1], observe=observe)[1]


@partial(jax.jit, static_argnums=0)
def _loss(
    config: ModelConfig, parameters: Any, windows: Any, ranges: dict[str, Float[Array, " L"]] | None
) -> Float[Array, " W"]:
    """Loss of each window, the inputs of all linear layers in int8 if `ranges` are given."""

    def quantise(site: str, array: Any, layer: Any):
        absmax = (ranges or {}).get(site.removeprefix("sink_"))
        return array if absmax is None else fake_quantise(array, absmax[layer])

    logits = assemble(config, parameters)(windows[:, :-1], edit=None if ranges is None else quantise)
    return next_token_losses(logits, windows[:, 1:]).mean(-1)
