"""Norms folded into what reads them: the scale (and bias) of a norm moves into the next projection.

A norm's scale g and bias b and a projection W, c make x -> (g * n(x) + b) W + c = n(x) (diag(g) W) + (b W + c), so the
function is the same and log-probabilities do not change. It makes weights of different layers comparable: what a head
reads is then in its own W alone (TransformerLens's `fold_ln`).
"""

from dataclasses import replace
from typing import Any

import jax.numpy as jnp

from jattn.config import ModelConfig
from jattn.errors import InputError


def fold_norms(config: ModelConfig, parameters: dict[str, Any]) -> tuple[ModelConfig, dict[str, Any]]:
    """The same model with every norm before a projection at scale 1 and bias 0; a tied output layer becomes its own.

    Raises InputError where a norm stands after the part (BERT): its output goes into the residual stream itself.
    """
    if config.norm.position == "post":
        raise InputError(
            "fold norms: this model's norms stand after each part (BERT), so no projection reads them alone"
        )
    if config.output.kind == "none":
        raise InputError("fold norms: there is no output layer for the last norm; keep the raw weights")
    if any(layer.gate for layer in config.pattern) and config.norm.kind == "layernorm" and config.bias.norm:
        raise InputError("fold norms: the norms have biases and the gate has none; keep the raw weights")
    if config.mlp.experts:
        raise InputError("fold norms: experts are not supported; keep the raw weights")
    if any(layer.token for layer in config.pattern) and config.layers:
        raise InputError("fold norms: a sink token reads the same norms; keep the raw weights")
    biased = config.norm.kind == "layernorm" and config.bias.norm
    folded = replace(
        config,
        output=replace(config.output, tied=False),
        bias=replace(
            config.bias,
            qkv=config.bias.qkv or biased,
            mlp=config.bias.mlp or biased,
            output=config.bias.output or biased,
        ),
    )
    if biased and (not config.bias.mlp and config.mlp.activation != "none"):
        raise InputError("fold norms: the norms have biases and the MLP has none; keep the raw weights")
    p = dict(parameters)
    for i in range(config.layers):
        block = f"blocks.{i}"
        readers = [f"{block}.attention.{n}" for n in ("q", "k", "v", "gate")]
        _fold(p, f"{block}.attention_norm", [r for r in readers if f"{r}.kernel" in p], biased)
        _fold(
            p, f"{block}.mlp_norm", [r for r in (f"{block}.mlp.up", f"{block}.mlp.gate") if f"{r}.kernel" in p], biased
        )
    if config.output.tied:
        p["head.kernel"] = p["token_rows"].T
    _fold(p, "final_norm", ["head"], biased)
    if "head.bias" in p:
        p["output_bias"] = p.pop("head.bias") + p.get("output_bias", 0)
    return folded, p


def _fold(p: dict[str, Any], norm: str, readers: list[str], biased: bool) -> None:
    """Move a norm's scale and bias into the projections that read it."""
    if not readers:
        return
    scale, bias = p[f"{norm}.scale"], p.get(f"{norm}.bias")
    for reader in readers:
        kernel = p[f"{reader}.kernel"]
        if biased and bias is not None:
            p[f"{reader}.bias"] = bias @ kernel + p.get(f"{reader}.bias", 0)
        p[f"{reader}.kernel"] = scale[:, None] * kernel
    p[f"{norm}.scale"] = jnp.ones_like(scale)
    if bias is not None:
        p[f"{norm}.bias"] = jnp.zeros_like(bias)
