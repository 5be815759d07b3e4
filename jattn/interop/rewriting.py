"""A model in other words: the same function of its tokens, in a form that somebody's format has.

A null of score 0 is a sink logit of 0, a missing bias is one of zeros, and a gated MLP is one expert of gpt-oss's kind.
"""

from dataclasses import fields, replace
from typing import Any

import numpy as np

from jattn.config import CLAMPED_GAIN, BiasConfig, MlpConfig, ModelConfig

Parameters = dict[str, Any]
NO_LIMIT = 1e30  # nothing that float32 computes of a text comes near
LIFT = 1024.0  # a power of two, so that scaling by it loses nothing


def for_gpt_oss(config: ModelConfig) -> ModelConfig:
    """The config with sink logits for nulls of score 0, and with one expert for a gated MLP."""
    layers = (
        "+".join("logit" if part.strip() == "zero" else part.strip() for part in layer.split("+"))
        for layer in config.attention.split(",")
    )
    config = replace(config, attention=",".join(layers))
    if config.mlp.experts or config.mlp.activation not in ("swiglu", "swiglu_clamped"):
        return config
    limit = NO_LIMIT if config.mlp.activation == "swiglu" else config.mlp.limit
    one = MlpConfig("swiglu_clamped", config.F, limit, experts=1, experts_per_token=1)
    return replace(config, mlp=one, bias=replace(config.bias, mlp=False))


def filled(config: ModelConfig, other: ModelConfig) -> ModelConfig:
    """The config with the biases and token types of another as well: those that it lacks can be zero."""
    bias = {f.name: getattr(config.bias, f.name) or getattr(other.bias, f.name) for f in fields(BiasConfig)}
    return replace(config, bias=BiasConfig(**bias), token_types=config.token_types or other.token_types)


def filled_in(config: ModelConfig, other: ModelConfig) -> int:
    """How many kinds of parameters `filled` has added."""
    added = sum(getattr(config.bias, f.name) != getattr(other.bias, f.name) for f in fields(BiasConfig))
    return added + (config.token_types != other.token_types)


def parameters_for(target: ModelConfig, config: ModelConfig, parameters: Parameters) -> Parameters:
    """The parameters of a model for a config that says the same in other words; what is new in it is zero."""
    from jattn.model import parameter_shapes

    if target.mlp.experts and not config.mlp.experts:
        parameters = one_expert(config, parameters)
    shapes = parameter_shapes(target)
    return {n: parameters[n] if n in parameters else np.zeros(s.shape, s.dtype) for n, s in shapes.items()}


def one_expert(config: ModelConfig, parameters: Parameters) -> Parameters:
    """The parameters with each gated MLP as one expert of the form g sigmoid(1.702 g) (u + 1).

    silu(g) u = 1.702 (g / 1.702) sigmoid(1.702 (g / 1.702)) ((u - 1) + 1): `gate` is divided by 1.702, the bias of `up`
    loses 1, `down` is multiplied by 1.702, and no limit clamps. Rounding u - 1 would cost a small u its digits, so u is
    first lifted by 1024 and `down` lowered by it, which is exact.
    """
    gain, lift, one = (CLAMPED_GAIN, LIFT, 1.0) if config.mlp.activation == "swiglu" else (1.0, 1.0, 0.0)
    made = {n: p for n, p in parameters.items() if ".mlp." not in n}
    for i in range(config.layers):
        mlp = f"blocks.{i}.mlp"
        kernel = {n: np.asarray(parameters[f"{mlp}.{n}.kernel"], np.float64) for n in ("gate", "up", "down")}
        bias = {n: np.asarray(parameters.get(f"{mlp}.{n}.bias", np.zeros(k.shape[1]))) for n, k in kernel.items()}
        arrays = {
            "gate": kernel["gate"] / gain,
            "gate_bias": bias["gate"] / gain,
            "up": kernel["up"] * lift,
            "up_bias": bias["up"] * lift - one,
            "down": kernel["down"] * (gain / lift),
            "down_bias": bias["down"],
        }
        made |= {f"{mlp}.{n}": a[None].astype(config.compute.param_dtype) for n, a in arrays.items()}
    return made
