"""What a format cannot say of a model: the fields that its config, written there and read again, would not say."""

from typing import Any

from jattn.config import ModelConfig
from jattn.config_groups import flatten
from jattn.variants import NULLS, LayerAttention

# What a file of weights need not say: how parameters start, how they are computed, dropout while training.
_FREE = ("init", "null", "compute", "dropout")
# Fields that mean nothing apart from another: where that one differs, it alone is named.
_PART_OF = {
    "bias.norm": "norm.kind",
    "mlp.hidden": "mlp.activation",
    "mlp.limit": "mlp.activation",
    "mlp.experts_per_token": "mlp.experts",
}


def unsupported(config: ModelConfig, again: ModelConfig) -> list[str]:
    """The fields in which a model and what is read again differ in meaning, as `model.name = value (why)`."""
    fields = []
    ours, theirs = _meanings(config), _meanings(again)
    for name, value in flatten(config).items():
        group = name.partition(".")[0]
        whole = "positions" if group == "rope" else _PART_OF.get(name, name)
        if group in _FREE or ours[name] == theirs[name] or (whole != name and ours[whole] != theirs[whole]):
            continue
        if name == "attention":
            fields.append(f"model.attention = {value!r} ({attention_features(config, again)})")
        else:
            other = flatten(again)[name] if theirs[name] is None else theirs[name]
            fields.append(f"model.{name} = {value!r} (it has {other!r})")
    return fields


def attention_features(config: ModelConfig, again: ModelConfig | None = None) -> str:
    """In words, what the layers' attention has that `again` (plain attention, if not given) has not."""
    theirs = [again.layer(i) if again else LayerAttention() for i in range(config.layers)]
    features: dict[str, None] = {}
    for i, other in enumerate(theirs):
        features |= dict.fromkeys(_features(config.layer(i), other))
    return ", ".join(features) or "another pattern of layers"


def _features(layer: LayerAttention, other: LayerAttention) -> list[str]:
    features = []
    if layer.null != other.null:
        features.append(NULLS[layer.null].described if layer.null else "a layer without a sink logit")
    if (layer.window, layer.first) != (other.window, other.first):
        features.append(f"a window of {layer.window}" if layer.window else "a layer without a window")
    if layer.first:
        features.append("first tokens that a window keeps")
    named = {"token": "a sink token", "value_bias": "a value bias", "gate": "an output gate"}
    named["sigmoid"] = "sigmoid attention"
    return features + [words for name, words in named.items() if getattr(layer, name) != getattr(other, name)]


def _meanings(config: ModelConfig) -> dict[str, Any]:
    """The fields by what they mean: sizes that follow from others, the attention layer by layer, None where unused."""
    told = flatten(config) | {"head_size": config.H, "kv_heads": config.N_kv, "mlp.hidden": config.F}
    told["attention"] = [config.layer(i) for i in range(config.layers)]
    unused = {
        "rope.theta": config.positions != "rope",
        "mlp.hidden": config.mlp.activation == "none",
        "mlp.limit": config.mlp.activation != "swiglu_clamped",
        "mlp.experts_per_token": not config.mlp.experts,
        "bias.norm": config.norm.kind == "rmsnorm",
    }
    stretched = config.positions == "rope" and config.rope.scaling != "none"
    unused |= {name: not stretched for name in told if name.startswith("rope.") and name != "rope.theta"}
    return {name: None if unused.get(name) else value for name, value in told.items()}
