"""What a model loses in a format: the fields that its config, written there and read again, would not say."""

from dataclasses import fields
from typing import Any

from jattn.config import ModelConfig
from jattn.kinds import LayerAttention

# What a file of weights need not say: how parameters start, how they are computed, dropout while training.
_FREE = {
    *("init_std", "zero_init", "null", "dtype", "param_dtype", "layer_loop", "implementation"),
    *("embed_dropout", "resid_dropout", "mlp_dropout"),
}
# Fields that mean nothing apart from another: where that one differs, it alone is named.
_PART_OF = {
    "rope": "positions",
    "rope_theta": "positions",
    "norm_bias": "norm",
    "hidden": "mlp",
    "swiglu_limit": "mlp",
    "experts_per_token": "experts",
}
_NULLS = {
    "zero": "a null of score 0",
    "logit": "a sink logit per head",
    "key": "a null key",
    "key_value": "a null key and value",
    "fixed_value": "a null of fixed value",
}


def lost(config: ModelConfig, again: ModelConfig) -> list[str]:
    """The fields in which a model and what is read again differ in meaning, as `model.name = value (why)`."""
    found = []
    for f in fields(config):
        whole = _PART_OF.get(f.name, f.name)
        same = _meaning(config, f.name) == _meaning(again, f.name)
        if f.name in _FREE or same or (whole != f.name and _meaning(config, whole) != _meaning(again, whole)):
            continue
        if f.name == "attention":
            found.append(f"model.attention = {config.attention!r} ({attention_features(config, again)})")
        else:
            ours, theirs = getattr(config, f.name), _meaning(again, f.name)
            found.append(f"model.{f.name} = {ours!r} (it has {getattr(again, f.name) if theirs is None else theirs!r})")
    return found


def attention_features(config: ModelConfig, again: ModelConfig | None = None) -> str:
    """In words, what the layers' attention has that `again` (plain attention, if not given) has not."""
    theirs = [again.layer(i) if again else LayerAttention() for i in range(config.layers)]
    found: dict[str, None] = {}
    for i, other in enumerate(theirs):
        found |= dict.fromkeys(_features(config.layer(i), other))
    return ", ".join(found) or "another pattern of layers"


def _features(layer: LayerAttention, other: LayerAttention) -> list[str]:
    found = []
    if layer.null != other.null:
        found.append(_NULLS[layer.null] if layer.null else "a layer without a sink logit")
    if (layer.window, layer.first) != (other.window, other.first):
        found.append(f"a window of {layer.window}" if layer.window else "a layer without a window")
    if layer.first:
        found.append("first tokens that a window keeps")
    named = {"token": "a sink token", "value_bias": "a value bias", "gate": "an output gate"}
    named["sigmoid"] = "sigmoid attention"
    return found + [words for name, words in named.items() if getattr(layer, name) != getattr(other, name)]


def _meaning(config: ModelConfig, name: str) -> Any:
    """A field by what it means: sizes that follow from others, the attention layer by layer, rope where it is used."""
    meant = {"head_size": config.H, "kv_heads": config.N_kv, "hidden": config.F}
    if name == "attention":
        return [config.layer(i) for i in range(config.layers)]
    if name in ("rope", "rope_theta") and config.positions != "rope":
        return None
    if name == "hidden" and config.mlp == "none":
        return None
    if name == "swiglu_limit" and config.mlp != "swiglu_clamped":
        return None
    if name == "experts_per_token" and not config.experts:
        return None
    if name == "norm_bias" and config.norm == "rmsnorm":
        return None
    return meant.get(name, getattr(config, name))
