"""Configs of runs written by earlier versions: their fields by today's names. One table, applied where one is read."""

from typing import Any

from train.config import to_nested

RENAMED = {
    "start": "init_from",
    "null_start": "null_init",
    # Once all fields of the model stood side by side.
    "model.mlp": "model.mlp.activation",
    "model.hidden": "model.mlp.hidden",
    "model.swiglu_limit": "model.mlp.limit",
    "model.experts": "model.mlp.experts",
    "model.experts_per_token": "model.mlp.experts_per_token",
    "model.rope_theta": "model.rope.theta",
    "model.norm": "model.norm.kind",
    "model.norm_position": "model.norm.position",
    "model.norm_eps": "model.norm.eps",
    "model.qk_norm": "model.norm.qk",
    "model.qkv_bias": "model.bias.qkv",
    "model.out_bias": "model.bias.out",
    "model.mlp_bias": "model.bias.mlp",
    "model.norm_bias": "model.bias.norm",
    "model.output_bias": "model.bias.output",
    "model.output": "model.output.kind",
    "model.tied": "model.output.tied",
    "model.logit_soft_cap": "model.output.soft_cap",
    "model.score": "model.score.kind",
    "model.attention_soft_cap": "model.score.soft_cap",
    "model.embed_dropout": "model.dropout.embed",
    "model.resid_dropout": "model.dropout.resid",
    "model.mlp_dropout": "model.dropout.mlp",
    "model.init_std": "model.init.std",
    "model.zero_init": "model.init.zero_outputs",
    "model.dtype": "model.compute.dtype",
    "model.param_dtype": "model.compute.param_dtype",
    "model.layer_loop": "model.compute.layer_loop",
    "model.implementation": "model.compute.implementation",
}


def renamed(values: dict[str, Any]) -> dict[str, Any]:
    """The nested values of a stored config under today's names; those that no version has known stay as they are."""
    return to_nested({RENAMED.get(name, name): value for name, value in _leaves(values).items()})


def _leaves(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """{"a": {"b": 1}} as {"a.b": 1}."""
    flat: dict[str, Any] = {}
    for name, value in values.items():
        flat |= _leaves(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: value}
    return flat
