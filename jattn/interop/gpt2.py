"""GPT-2: learned positions, LayerNorm, one array for q, k and v."""

from dataclasses import replace
from typing import Any

from jattn.config import BiasConfig, MlpConfig, ModelConfig, NormConfig, OutputConfig
from jattn.interop.config_keys import Keys
from jattn.interop.family import Family
from jattn.interop.layout import Entry, entry

MEMBERS = ("gpt2",)
PREFIX = "transformer."
NAMES = {"heads": "n_head", "width": "n_embd", "norm.eps": "layer_norm_epsilon"}
COPIES = {"lm_head.weight": "transformer.wte.weight"}  # stored again by some, though tied


def config(keys: Keys, _: str) -> ModelConfig:
    """The config of a GPT-2; defaults are those of its class in transformers."""
    keys.only("activation_function", "gelu_new", "gelu_pytorch_tanh")
    keys.only("scale_attn_weights", True)
    keys.only("scale_attn_by_inverse_layer_idx", False)
    keys.only("add_cross_attention", False)
    width = keys("n_embd", int, 768)
    return ModelConfig(
        vocab_size=keys("vocab_size", int, 50257),
        context=keys("n_positions", int, 1024),
        layers=keys("n_layer", int, 12),
        heads=keys("n_head", int, 12),
        width=width,
        positions="learned",
        mlp=MlpConfig("gelu_tanh", keys("n_inner", int, 4 * width)),
        norm=NormConfig("layernorm", eps=keys("layer_norm_epsilon", float, 1e-5), qk=False),
        bias=BiasConfig(qkv=True, out=True, mlp=True, norm=True),
        output=OutputConfig(tied=keys("tie_word_embeddings", bool, True)),
    )


def layout(c: ModelConfig) -> list[Entry]:
    """Where every parameter stands. GPT-2's Conv1D stores (in, out), as we do."""
    entries = [
        entry("transformer.wte.weight", "token_rows"),
        entry("transformer.wpe.weight", "position_rows"),
        entry("transformer.ln_f.weight", "final_norm.scale"),
        entry("transformer.ln_f.bias", "final_norm.bias"),
    ]
    if not c.output.tied:
        entries.append(entry("lm_head.weight", "head.kernel", "transposed"))
    for i in range(c.layers):
        theirs, ours = f"transformer.h.{i}", f"blocks.{i}"
        for norm, name in (("ln_1", "attention_norm"), ("ln_2", "mlp_norm")):
            entries += [
                entry(f"{theirs}.{norm}.weight", f"{ours}.{name}.scale"),
                entry(f"{theirs}.{norm}.bias", f"{ours}.{name}.bias"),
            ]
        for stored, part in (("weight", "kernel"), ("bias", "bias")):
            qkv = tuple(f"{ours}.attention.{n}.{part}" for n in "qkv")
            entries += [
                Entry(f"{theirs}.attn.c_attn.{stored}", qkv, "joined"),
                entry(f"{theirs}.attn.c_proj.{stored}", f"{ours}.attention.out.{part}"),
                entry(f"{theirs}.mlp.c_fc.{stored}", f"{ours}.mlp.up.{part}"),
                entry(f"{theirs}.mlp.c_proj.{stored}", f"{ours}.mlp.down.{part}"),
            ]
    return entries


def dropped(name: str) -> bool:
    """Masks that older versions stored, and the copy of a tied output layer."""
    return name.endswith((".attn.bias", ".attn.masked_bias")) or name == "lm_head.weight"


def to_keys(c: ModelConfig, _: str) -> dict[str, Any]:
    """The config.json."""
    return {
        "architectures": ["GPT2LMHeadModel"],
        "model_type": "gpt2",
        "vocab_size": c.vocab_size,
        "n_positions": c.context,
        "n_embd": c.width,
        "n_layer": c.layers,
        "n_head": c.heads,
        "n_inner": c.F,
        "activation_function": "gelu_new",
        "layer_norm_epsilon": c.norm.eps,
        "tie_word_embeddings": c.output.tied,
    }


def nearest(c: ModelConfig) -> ModelConfig:
    """Heads that fill the width."""
    return replace(c, width=c.heads * c.H) if c.width % c.heads else c


FAMILY = Family(
    members=MEMBERS,
    prefix=PREFIX,
    names=NAMES,
    copies=COPIES,
    config=config,
    layout=layout,
    dropped=dropped,
    to_keys=to_keys,
    nearest=nearest,
)
