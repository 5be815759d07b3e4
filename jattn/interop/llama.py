"""The Llama family: Llama and SmolLM2, Mistral, Qwen2, Qwen3. RMSNorm, rotary positions, gated MLPs, grouped heads."""

from dataclasses import replace
from typing import Any

from jattn.config import BiasConfig, MlpConfig, ModelConfig, NormConfig, OutputConfig, RopeConfig
from jattn.errors import InputError
from jattn.interop.config_keys import Keys
from jattn.interop.family import Family
from jattn.interop.layout import Entry, entry, linear
from jattn.interop.patterns import repeating, windows

MEMBERS = ("llama", "mistral", "qwen2", "qwen3")
PREFIX = "model."
NAMES = {
    "heads": "num_attention_heads",
    "kv_heads": "num_key_value_heads",
    "width": "hidden_size",
    "head_size": "head_dim",
    "norm.eps": "rms_norm_eps",
    "rope.factor": "factor",
    "rope.original_context": "original_max_position_embeddings",
}
CONTEXT = {"llama": 2048, "mistral": 131_072, "qwen2": 32_768, "qwen3": 32_768}
KV_HEADS = {"mistral": 8, "qwen2": 32, "qwen3": 32}  # if the key is absent; null, and Llama's default: as many as heads
COPIES = {"lm_head.weight": "model.embed_tokens.weight"}  # stored again by some, though tied


def config(keys: Keys, kind: str) -> ModelConfig:
    """The config of a member of the family; defaults are those of its class in transformers."""
    keys.only("hidden_act", "silu")
    keys.only("pretraining_tp", 1)
    keys.only("rope_interleaved", False)
    keys.only("use_mrope", False)
    layers, heads = keys("num_hidden_layers", int), keys("num_attention_heads", int)
    context = keys("max_position_embeddings", int, CONTEXT[kind])
    if kind in KV_HEADS:
        keys.values.setdefault("num_key_value_heads", KV_HEADS[kind])
    bias = {"mistral": False, "qwen2": True}.get(kind)
    if bias is None:
        bias = keys("attention_bias", bool, False)
    rope = rotary(keys, context)
    return ModelConfig(
        attention=_attention(keys, kind, layers),
        vocab_size=keys("vocab_size", int),
        context=context,
        layers=layers,
        heads=heads,
        kv_heads=keys("num_key_value_heads", int, heads),
        width=keys("hidden_size", int),
        head_size=keys("head_dim", int, 128 if kind == "qwen3" else None),
        positions="rope",
        mlp=MlpConfig("swiglu", keys("intermediate_size", int)),
        rope=rope,
        norm=NormConfig("rmsnorm", eps=keys("rms_norm_eps", float, 1e-6), qk=kind == "qwen3"),
        bias=BiasConfig(
            qkv=bias,
            out=bias and kind != "qwen2",
            mlp=keys("mlp_bias", bool, False) if kind == "llama" else False,
        ),
        output=OutputConfig(tied=keys("tie_word_embeddings", bool, False)),
    )


def _attention(keys: Keys, kind: str, layers: int) -> str:
    """The attention string: which layers see a window only."""
    if kind == "llama":
        keys.only("layer_types", ["full_attention"] * layers)
        return "standard"
    keys.values.setdefault("sliding_window", 4096)  # the classes' default; null is no window
    window = keys("sliding_window", int, None)
    if kind == "mistral":
        keys.only("layer_types", ["sliding_attention" if window else "full_attention"] * layers)
        return f"local:{window}" if window else "standard"
    if not keys("use_sliding_window", bool, False):
        window = None
    first = keys("max_window_layers", int, 28, least=0)
    default = ["sliding_attention" if window and i >= first else "full_attention" for i in range(layers)]
    return repeating(windows(layer_types(keys, layers, default), window))


def layer_types(keys: Keys, layers: int, default: list[str]) -> list[str]:
    """The list of "full_attention" and "sliding_attention", one per layer."""
    types = keys("layer_types", list, default)
    if len(types) != layers or not set(types) <= {"full_attention", "sliding_attention"}:
        raise InputError(
            f"{keys.where}: 'layer_types' must name full_attention or sliding_attention for each of {layers} layers, "
            f"got {len(types)}: {', '.join(sorted(set(map(repr, types))))}"
        )
    return types


def rotary(keys: Keys, context: int, theta: float = 10_000.0) -> RopeConfig:
    """The rotary frequencies, in transformers' older spelling (rope_scaling) and its newer one."""
    theta = keys("rope_theta", float, theta)
    old, new = keys("rope_scaling", dict, {}), keys("rope_parameters", dict, {})
    keys.only("partial_rotary_factor", 1, 1.0)
    rope = Keys(old | new, f"{keys.where}: rope parameters")
    theta = rope("rope_theta", float, theta)
    rope.only("partial_rotary_factor", 1, 1.0)
    named = rope.values.pop("type", "default"), rope.values.pop("rope_type", None)
    kind = named[1] or named[0]
    if kind == "default":
        config = RopeConfig(theta)
    elif kind == "linear":
        config = RopeConfig(theta, "linear", rope("factor", float))
    elif kind == "llama3":
        config = RopeConfig(
            theta,
            "llama3",
            rope("factor", float),
            rope("original_max_position_embeddings", int, context),
            low_freq_factor=rope("low_freq_factor", float),
            high_freq_factor=rope("high_freq_factor", float),
        )
    elif kind == "yarn":
        config = _yarn(rope, context, theta)
    else:
        raise InputError(f"{rope.where}: rope_type {kind!r} is not supported, only default, linear, llama3, yarn")
    rope.done()
    return config


def _yarn(rope: Keys, context: int, theta: float) -> RopeConfig:
    original = rope("original_max_position_embeddings", int, context)
    factor = rope("factor", float, context / original)
    scale, own, all_dim = (rope(n, float, None) for n in ("attention_factor", "mscale", "mscale_all_dim"))
    if scale is None and own and all_dim:
        import math

        of = lambda m: 0.1 * m * math.log(factor) + 1 if factor > 1 else 1.0
        scale = of(own) / of(all_dim)
    return RopeConfig(
        theta,
        "yarn",
        factor,
        original,
        beta_fast=rope("beta_fast", float, 32.0),
        beta_slow=rope("beta_slow", float, 1.0),
        truncate=rope("truncate", bool, True),
        attention_factor=scale,
    )


def rope_parameters(c: ModelConfig) -> dict[str, Any]:
    """The rotary part of a config to write."""
    r = c.rope
    kind = "default" if r.scaling == "none" else r.scaling
    common: dict[str, Any] = {"rope_type": kind, "rope_theta": c.rope.theta}
    if r.scaling == "none":
        return common
    common["factor"] = r.factor
    if r.scaling == "linear":
        return common
    common["original_max_position_embeddings"] = r.original_context
    if r.scaling == "llama3":
        return common | {"low_freq_factor": r.low_freq_factor, "high_freq_factor": r.high_freq_factor}
    scale = {} if r.attention_factor is None else {"attention_factor": r.attention_factor}
    return common | {"beta_fast": r.beta_fast, "beta_slow": r.beta_slow, "truncate": r.truncate} | scale


def attention_entries(c: ModelConfig, i: int) -> list[Entry]:
    """The projections of a layer's attention."""
    theirs, ours = f"model.layers.{i}.self_attn", f"blocks.{i}.attention"
    entries = [e for n in "qkv" for e in linear(f"{theirs}.{n}_proj", f"{ours}.{n}", c.bias.qkv)]
    entries += linear(f"{theirs}.o_proj", f"{ours}.out", c.bias.out)
    if c.norm.qk:
        entries += [entry(f"{theirs}.{n}_norm.weight", f"{ours}.{n}_norm.scale") for n in "qk"]
    return entries


def layout(c: ModelConfig) -> list[Entry]:
    """Where every parameter stands."""
    entries = [
        entry("model.embed_tokens.weight", "token_rows"),
        entry("model.norm.weight", "final_norm.scale"),
    ]
    if not c.output.tied:
        entries.append(entry("lm_head.weight", "head.kernel", "transposed"))
    for i in range(c.layers):
        theirs, ours = f"model.layers.{i}", f"blocks.{i}"
        entries += [
            entry(f"{theirs}.input_layernorm.weight", f"{ours}.attention_norm.scale"),
            entry(f"{theirs}.post_attention_layernorm.weight", f"{ours}.mlp_norm.scale"),
            *attention_entries(c, i),
        ]
        if c.mlp.experts == 0:
            for n in ("up", "gate", "down"):
                entries += linear(f"{theirs}.mlp.{n}_proj", f"{ours}.mlp.{n}", c.bias.mlp)
    return entries


def dropped(name: str) -> bool:
    """Arrays that the model does not need: frequencies that older versions stored, the copy of a tied output layer."""
    return name.endswith("rotary_emb.inv_freq") or name == "lm_head.weight"


def to_keys(c: ModelConfig, kind: str) -> dict[str, Any]:
    """The config.json of a member of the family that holds this model, if any does."""
    pattern = [c.layer(i) for i in range(c.layers)]
    window = max((layer.window or 0 for layer in pattern), default=0) or None
    types = ["sliding_attention" if layer.window else "full_attention" for layer in pattern]
    written = {
        "architectures": [{"mistral": "MistralForCausalLM"}.get(kind, f"{kind.capitalize()}ForCausalLM")],
        "model_type": kind,
        "vocab_size": c.vocab_size,
        "hidden_size": c.width,
        "intermediate_size": c.F,
        "num_hidden_layers": c.layers,
        "num_attention_heads": c.heads,
        "num_key_value_heads": c.N_kv,
        "head_dim": c.H,
        "hidden_act": "silu",
        "max_position_embeddings": c.context,
        "rms_norm_eps": c.norm.eps,
        "tie_word_embeddings": c.output.tied,
        "rope_parameters": rope_parameters(c),
    }
    if kind in ("llama", "qwen3"):
        written["attention_bias"] = c.bias.qkv
    if kind == "llama":
        written["mlp_bias"] = c.bias.mlp
    if kind in ("qwen2", "qwen3"):
        written |= {"use_sliding_window": window is not None, "sliding_window": window, "layer_types": types}
        written["max_window_layers"] = c.layers
    if kind == "mistral":
        written["sliding_window"] = window
    return written


def nearest(c: ModelConfig) -> ModelConfig:
    """Heads of an even size, for their rotation."""
    return replace(c, head_size=c.H + 1) if c.H % 2 else c


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
