"""gpt-oss: the Llama family with a sink logit per head, windows in every other layer, and experts.

Source: OpenAI 2025, arXiv 2508.10925. The sink logit is the null of this project's kind `logit`.
"""

from dataclasses import replace
from typing import Any

from jattn.config import CLAMPED_GAIN, BiasConfig, MlpConfig, ModelConfig, NormConfig, OutputConfig
from jattn.interop import llama
from jattn.interop.config_keys import Keys
from jattn.interop.family import Family
from jattn.interop.layout import Entry, entry
from jattn.interop.patterns import repeating, windows
from jattn.interop.rewriting import for_gpt_oss

MEMBERS = ("gpt_oss",)
PREFIX = "model."
YARN = {
    "rope_type": "yarn",
    "factor": 32.0,
    "beta_fast": 32.0,
    "beta_slow": 1.0,
    "truncate": False,
    "original_max_position_embeddings": 4096,
}


def config(keys: Keys, _: str) -> ModelConfig:
    """The config of a gpt-oss; defaults are those of its class in transformers."""
    keys.only("hidden_act", "silu")
    keys.only("swiglu_alpha", CLAMPED_GAIN)
    keys.only(
        "experts_per_token", *([keys.values["num_experts_per_tok"]] if "num_experts_per_tok" in keys.values else [])
    )
    layers = keys("num_hidden_layers", int, 36)
    context = keys("max_position_embeddings", int, 131072)
    if not keys.values.get("rope_parameters") and not keys.values.get("rope_scaling"):
        keys.values["rope_parameters"] = YARN
    rope = llama.rotary(keys, context, 150_000.0)
    window = keys("sliding_window", int, 128)
    default = ["sliding_attention" if i % 2 == 0 else "full_attention" for i in range(layers)]
    windowed = windows(llama.layer_types(keys, layers, default), window)
    bias = keys("attention_bias", bool, True)
    return ModelConfig(
        attention=repeating([f"logit+{k}" if k != "standard" else "logit" for k in windowed]),
        vocab_size=keys("vocab_size", int, 201088),
        context=context,
        layers=layers,
        heads=keys("num_attention_heads", int, 64),
        kv_heads=keys("num_key_value_heads", int, 8),
        width=keys("hidden_size", int, 2880),
        head_size=keys("head_dim", int, 64),
        positions="rope",
        mlp=MlpConfig(
            "swiglu_clamped",
            hidden=keys("intermediate_size", int, 2880),
            limit=keys("swiglu_limit", float, 7.0),
            experts=keys("num_local_experts", int, 128),
            experts_per_token=keys("num_experts_per_tok", int, 4),
        ),
        rope=rope,
        norm=NormConfig("rmsnorm", eps=keys("rms_norm_eps", float, 1e-5), qk=False),
        bias=BiasConfig(qkv=bias, out=bias),
        output=OutputConfig(tied=keys("tie_word_embeddings", bool, False)),
    )


def layout(c: ModelConfig) -> list[Entry]:
    """Where every parameter stands."""
    entries = llama.layout(c)
    for i in range(c.layers):
        theirs, ours = f"model.layers.{i}", f"blocks.{i}"
        experts, mlp = f"{theirs}.mlp.experts", f"{ours}.mlp"
        entries += [
            entry(f"{theirs}.self_attn.sinks", f"{ours}.attention.null.logit"),
            entry(f"{theirs}.mlp.router.weight", f"{mlp}.router.kernel", "transposed"),
            entry(f"{theirs}.mlp.router.bias", f"{mlp}.router.bias"),
            Entry(f"{experts}.gate_up_proj", (f"{mlp}.gate", f"{mlp}.up"), "interleaved"),
            Entry(f"{experts}.gate_up_proj_bias", (f"{mlp}.gate_bias", f"{mlp}.up_bias"), "interleaved"),
            entry(f"{experts}.down_proj", f"{mlp}.down"),
            entry(f"{experts}.down_proj_bias", f"{mlp}.down_bias"),
        ]
    return entries


def to_keys(c: ModelConfig, _: str) -> dict[str, Any]:
    """The config.json."""
    written = llama.to_keys(c, "gpt_oss")
    pattern = [c.layer(i) for i in range(c.layers)]
    return written | {
        "architectures": ["GptOssForCausalLM"],
        "model_type": "gpt_oss",
        "attention_bias": c.bias.qkv,
        "num_local_experts": max(c.mlp.experts, 1),
        "num_experts_per_tok": c.mlp.experts_per_token,
        "swiglu_limit": c.mlp.limit,
        # transformers makes the mask of a window even where no layer has one
        "sliding_window": max((layer.window or 0 for layer in pattern), default=0) or c.context,
        "layer_types": ["sliding_attention" if layer.window else "full_attention" for layer in pattern],
    }


def nearest(c: ModelConfig) -> ModelConfig:
    """Heads of an even size, experts of its one kind, a linear output layer."""
    c = llama.nearest(c)
    if c.mlp.experts:
        return c
    mlp = replace(c.mlp, activation="swiglu_clamped", experts=1, experts_per_token=1)
    return replace(c, mlp=mlp, output=replace(c.output, kind="linear"))


FAMILY = Family(
    members=MEMBERS,
    prefix=PREFIX,
    names=llama.NAMES,
    copies=llama.COPIES,
    config=config,
    layout=layout,
    dropped=llama.dropped,
    to_keys=to_keys,
    nearest=nearest,
    rewritten=for_gpt_oss,
)
