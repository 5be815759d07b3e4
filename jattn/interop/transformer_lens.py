"""Weights and activations under the names and shapes of TransformerLens's HookedTransformer (its versions before 4).

    config_of       the fields of HookedTransformerConfig that are not at their defaults
    state_dict      embed.W_E [V D], blocks.{l}.attn.W_Q [N D H], ..., unembed.W_U [D V]; rows times matrices, as here
    activations     blocks.{l}.attn.hook_pattern [B N T S] and the other hooks, of a model of any kind

B batch, T queries, S keys, N heads, K key/value heads, H head size, D model width, F hidden, V vocabulary.
"""

from typing import Any

import numpy as np
from jaxtyping import Int

from jattn.config import ModelConfig
from jattn.config_groups import flatten
from jattn.interop.unsupported import attention_features

ACTIVATIONS = {"gelu": "gelu", "gelu_tanh": "gelu_new", "swiglu": "silu", "none": None}
SITES = ("q", "k", "v", "z")
STREAM = ("resid_pre", "attn_out", "resid_mid", "mlp_out", "resid_post")


def cannot_hold(config: ModelConfig) -> list[str]:
    """The fields of a model that a HookedTransformer has no place for, each as `model.name = value (why)`."""
    c, fields = config, []
    pattern = [c.layer(i) for i in range(c.layers)]
    windows = {layer.window for layer in pattern} - {None}
    beyond = any(layer.has_null or layer.first or layer.value_bias or layer.gate or layer.sigmoid for layer in pattern)
    if beyond or len(windows) > 1:
        fields.append(f"model.attention = {c.attention!r} ({attention_features(c)})")
    power_of_two = c.heads & (c.heads - 1) == 0
    if c.positions == "alibi" and not power_of_two:
        fields.append(
            f"model.positions = 'alibi' with model.heads = {c.heads} (its slopes are those of a power of two)"
        )
    refused = {
        "mlp.activation": c.mlp.activation not in ACTIVATIONS,
        "mlp.experts": c.mlp.experts > 0,
        "bias.mlp": c.mlp.activation == "swiglu" and c.bias.mlp,
        "rope.scaling": c.positions == "rope" and c.rope.scaling != "none",
        "norm.position": c.norm.position != "pre",
        "norm.qk": c.norm.qk and c.norm.kind != "rmsnorm",
        "output.kind": c.output.kind != "linear",
        "causal": not c.causal,
        "token_types": c.token_types > 0,
        "score.kind": c.score.kind != "softmax",
    }
    why = {
        "mlp.activation": f"it has {', '.join(str(a) for a in ACTIVATIONS)}",
        "bias.mlp": "its gated MLP has none",
        "rope.scaling": "it has plain frequencies",
        "norm.qk": "it has RMSNorm for it",
    }
    for name, is_refused in refused.items():
        if is_refused:
            fields.append(f"model.{name} = {flatten(c)[name]!r} ({why.get(name, 'it has none')})")
    return fields


def config_of(config: ModelConfig) -> dict[str, Any]:
    """The arguments of HookedTransformerConfig for a model that it can hold."""
    c = config
    written: dict[str, Any] = {
        "n_layers": c.layers,
        "d_model": c.width,
        "n_ctx": c.context,
        "d_head": c.H,
        "n_heads": c.heads,
        "d_mlp": None if c.mlp.activation == "none" else c.F,
        "act_fn": ACTIVATIONS[c.mlp.activation],
        "attn_only": c.mlp.activation == "none",
        "d_vocab": c.vocab_size,
        "eps": c.norm.eps,
        "normalization_type": "RMS" if c.norm.kind == "rmsnorm" else "LN",
        "positional_embedding_type": {"rope": "rotary", "alibi": "alibi"}.get(c.positions, "standard"),
        "attention_dir": "causal",
        "gated_mlp": c.mlp.activation == "swiglu",
        "original_architecture": "jattn",
        "default_prepend_bos": False,
        "init_weights": False,
    }
    if c.N_kv != c.heads:
        written["n_key_value_heads"] = c.N_kv
    if c.positions == "rope":
        theta = int(c.rope.theta) if c.rope.theta == int(c.rope.theta) else c.rope.theta
        written |= {"rotary_base": theta, "rotary_dim": c.H, "rotary_adjacent_pairs": False}
    window = next((kind.window for kind in c.pattern if kind.window), None)
    if window:
        types = ["local" if c.layer(i).window else "global" for i in range(c.layers)]
        written |= {"use_local_attn": True, "window_size": window, "attn_types": types}
    if c.norm.qk:
        written["use_qk_norm"] = True
    if c.score.soft_cap:
        written["attn_scores_soft_cap"] = c.score.soft_cap
    if c.output.soft_cap:
        written["output_logits_soft_cap"] = c.output.soft_cap
    return written


def state_dict(config: ModelConfig, parameters: dict[str, Any]) -> dict[str, np.ndarray]:
    """The parameters by TransformerLens's names; a bias or position that the model lacks is zero.

    Grouped keys and values are stored once per group, as `_W_K` and `_W_V` [K D H]. Buffers (masks, rotary angles) are
    left to TransformerLens, which makes them itself.
    """
    c, dtype = config, np.dtype(config.compute.param_dtype)
    of = {name: np.asarray(p) for name, p in parameters.items()}
    zeros = lambda name, *shape: of[name] if name in of else np.zeros(shape, dtype)
    table = of["token_rows"]
    arrays = {
        "embed.W_E": table,
        "unembed.W_U": of.get("head.kernel", table.T),
        "unembed.b_U": zeros("output_bias", c.vocab_size),
    }
    if c.positions in ("learned", "none"):
        arrays["pos_embed.W_pos"] = zeros("position_rows", c.context, c.width)

    def norm(theirs: str, ours: str) -> None:
        arrays[f"{theirs}.w"] = of[f"{ours}.scale"]
        if c.norm.kind == "layernorm":
            arrays[f"{theirs}.b"] = zeros(f"{ours}.bias", c.width)

    norm("ln_final", "final_norm")
    for i in range(c.layers):
        block, attn, ours = f"blocks.{i}", f"blocks.{i}.attn", f"blocks.{i}.attention"
        norm(f"{block}.ln1", f"blocks.{i}.attention_norm")
        for name in "qkv":
            heads = c.heads if name == "q" else c.N_kv
            mark = "_" if heads != c.heads else ""
            kernel = of[f"{ours}.{name}.kernel"].reshape(c.width, heads, c.H)
            arrays[f"{attn}.{mark}W_{name.upper()}"] = kernel.transpose(1, 0, 2)
            bias = zeros(f"{ours}.{name}.bias", heads * c.H)
            arrays[f"{attn}.{mark}b_{name.upper()}"] = bias.reshape(heads, c.H)
        arrays[f"{attn}.W_O"] = of[f"{ours}.out.kernel"].reshape(c.heads, c.H, c.width)
        arrays[f"{attn}.b_O"] = zeros(f"{ours}.out.bias", c.width)
        if c.norm.qk:
            arrays |= {f"{attn}.{name}_norm.w": of[f"{ours}.{name}_norm.scale"] for name in "qk"}
        if c.mlp.activation == "none":
            continue
        norm(f"{block}.ln2", f"blocks.{i}.mlp_norm")
        mlp = f"blocks.{i}.mlp"
        arrays |= {f"{mlp}.W_in": of[f"{mlp}.up.kernel"], f"{mlp}.W_out": of[f"{mlp}.down.kernel"]}
        arrays |= {f"{mlp}.b_in": zeros(f"{mlp}.up.bias", c.F), f"{mlp}.b_out": zeros(f"{mlp}.down.bias", c.width)}
        if c.mlp.activation == "swiglu":
            arrays[f"{mlp}.W_gate"] = of[f"{mlp}.gate.kernel"]
    return {name: np.ascontiguousarray(array) for name, array in arrays.items()}


def activations(model: Any, tokens: Int[Any, "B T"]) -> dict[str, np.ndarray]:
    """What TransformerLens's `run_with_cache` would hold of the tokens, for a model of any kind, by hook name.

    hook_q and hook_k are before the rotation and after QK-norm. hook_pattern [B N T S] has the real keys only: its rows
    sum to 1 - blocks.{l}.attn.hook_null_mass [B T N]. Not in it: what is inside the MLP, scores, rotated q and k.
    """
    import jax

    c = model.config

    def observe(seen: Any):
        shown = {site: seen[site] for site in (*SITES, *STREAM)}
        return shown | {"pattern": seen.weights(), "null_mass": seen.null_mass}

    seen = jax.jit(lambda model, tokens: model(tokens, observe=observe)[1])(model, tokens)
    of = {name: np.asarray(array) for name, array in (seen or {}).items()}
    hooks = {"hook_tokens": np.asarray(tokens)}
    if c.norm.position == "pre":
        hooks["hook_embed"] = np.asarray(model.token_rows[...])[np.asarray(tokens)]
        if c.positions in ("learned", "none"):
            rows = 0.0 if c.positions == "none" else np.asarray(model.position_rows[...])[: tokens.shape[1]]
            hooks["hook_pos_embed"] = np.zeros_like(hooks["hook_embed"]) + rows
    for i in range(c.layers):
        block = f"blocks.{i}"
        hooks |= {f"{block}.attn.hook_{n}": of[n][i] for n in (*SITES, "pattern", "null_mass")}
        stream = {n: of[n][i] for n in STREAM if c.mlp.activation != "none" or n not in ("resid_mid", "mlp_out")}
        if c.norm.position == "post":  # its hooks stand before the norms, ours after
            stream["normalized_resid_mid"], stream["normalized_resid_post"] = of["resid_mid"][i], of["resid_post"][i]
            stream["resid_mid"] = of["resid_pre"][i] + of["attn_out"][i]
            stream["resid_post"] = of["resid_mid"][i] + of["mlp_out"][i]
        hooks |= {f"{block}.hook_{n}": a for n, a in stream.items()}
    last = of["resid_post"][-1] if c.layers else None
    if last is not None and c.norm.position == "pre":
        hooks |= _final_norm(model, last)
    return hooks


def _final_norm(model: Any, x: np.ndarray) -> dict[str, np.ndarray]:
    """Scale [B T 1] of the last norm, and what it gives: before its weights for RMSNorm, after them for LayerNorm."""
    import jax.numpy as jnp

    c = model.config
    centred = x - x.mean(-1, keepdims=True) if c.norm.kind == "layernorm" else x
    scale = np.sqrt(np.mean(np.square(centred), -1, keepdims=True) + c.norm.eps, dtype=x.dtype)
    assert model.final_norm is not None
    out = np.asarray(model.final_norm(jnp.asarray(x))) if c.norm.kind == "layernorm" else centred / scale
    return {"ln_final.hook_scale": scale, "ln_final.hook_normalized": out}
