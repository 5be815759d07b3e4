"""The state dict and activations against a forward pass written from TransformerLens's formulas, in NumPy float64.

TransformerLens itself is not needed: what is checked is that its names, shapes and equations give our logits.
"""

from dataclasses import replace
from math import erf

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jattn.interop import transformer_lens as lens
from jattn.model import assemble
from tests.configs import changed, model_config
from tests.small import arrays as drawn

SIZE = {"vocab_size": 13, "context": 16, "heads": 4, "width": 12}
GPT2 = model_config(
    **SIZE, layers=2, mlp__activation="gelu_tanh", positions="learned", norm__kind="layernorm", norm__qk=False
)
GPT2 = changed(GPT2, bias__norm=True, bias__qkv=True, bias__out=True, bias__mlp=True)
LLAMA = model_config(
    **SIZE, layers=2, kv_heads=2, head_size=6, mlp__activation="swiglu", output__tied=False, norm__qk=False
)
CASES = {
    "gpt2-1": replace(GPT2, layers=1),
    "gpt2-2": GPT2,
    "gpt2-plain": changed(GPT2, bias__qkv=False, bias__out=False, bias__mlp=False, bias__norm=False, bias__output=True),
    "llama-1": changed(LLAMA, layers=1, bias__qkv=True),
    "llama-2": changed(LLAMA, rope__theta=500.0),
    "windows": changed(LLAMA, attention="local:3,standard", score__soft_cap=3.0, output__soft_cap=2.0),
    "alibi": changed(GPT2, positions="alibi", mlp__activation="gelu"),
    "attention-only": changed(LLAMA, mlp__activation="none", positions="none", kv_heads=None),
    "qk-norm": changed(LLAMA, norm__qk=True),
}
TEXT = np.random.default_rng(0).integers(0, 13, (2, 9))
NULLS = ["null", "logit+local:4", "key_value", "token", "local:3"]


def model_of(config, parameters):
    return assemble(config, jax.tree.map(jnp.asarray, parameters))


def norm(config, w, name, x):
    if config["normalization_type"] == "LN":
        x = x - x.mean(-1, keepdims=True)
    x = x / np.sqrt((x**2).mean(-1, keepdims=True) + config["eps"])
    return x * w[f"{name}.w"] + w.get(f"{name}.b", 0.0)


def rotate(config, x):
    """cos x + sin (-x2, x1) with angles position / base^(2 i / H), the same for both halves."""
    half = x.shape[-1] // 2
    angle = np.arange(x.shape[1])[:, None] / config["rotary_base"] ** (np.arange(half) / half)
    angle = np.concatenate([angle, angle], -1)[:, None]
    return np.cos(angle) * x + np.sin(angle) * np.concatenate([-x[..., half:], x[..., :half]], -1)


def activation(name, x):
    if name == "silu":
        return x / (1 + np.exp(-x))
    if name == "gelu":
        return x * 0.5 * (1 + np.vectorize(erf)(x / 2**0.5))
    assert name == "gelu_new"
    return 0.5 * x * (1 + np.tanh((2 / np.pi) ** 0.5 * (x + 0.044715 * x**3)))


def scores(config, q, k, layer):
    """Scores [B N T S] with soft cap, ALiBi and mask."""
    T = q.shape[1]
    s = np.einsum("btnh,bsnh->bnts", q, k) / config["d_head"] ** 0.5
    cap = config.get("attn_scores_soft_cap", -1.0)
    s = cap * np.tanh(s / cap) if cap > 0 else s
    behind = np.arange(T)[:, None] - np.arange(T)
    if config["positional_embedding_type"] == "alibi":
        first = 2 ** (-8 / config["n_heads"])
        s = s - (first ** (1 + np.arange(config["n_heads"])))[:, None, None] * behind
    local = config.get("use_local_attn", False) and config["attn_types"][layer] == "local"
    return np.where((behind >= 0) & (behind < (config["window_size"] if local else T)), s, -np.inf)


def forward(config, w, tokens):
    """Logits and the named activations of a HookedTransformer with these weights."""
    seen = {"hook_embed": w["embed.W_E"][tokens]}
    x = seen["hook_embed"]
    if config["positional_embedding_type"] == "standard":
        seen["hook_pos_embed"] = np.broadcast_to(w["pos_embed.W_pos"][: tokens.shape[1]], x.shape)
        x = x + seen["hook_pos_embed"]
    for i in range(config["n_layers"]):
        at, mlp = f"blocks.{i}.attn", f"blocks.{i}.mlp"
        seen[f"blocks.{i}.hook_resid_pre"] = x
        inner = norm(config, w, f"blocks.{i}.ln1", x)
        mark = "_" if "n_key_value_heads" in config else ""
        for name, m in (("q", ""), ("k", mark), ("v", mark)):
            made = np.einsum("btd,ndh->btnh", inner, w[f"{at}.{m}W_{name.upper()}"]) + w[f"{at}.{m}b_{name.upper()}"]
            made = norm(config, w, f"{at}.{name}_norm", made) if config.get("use_qk_norm") and name != "v" else made
            seen[f"{at}.hook_{name}"] = made
        q, k, v = (seen[f"{at}.hook_{n}"] for n in "qkv")
        if config["positional_embedding_type"] == "rotary":
            q, k = rotate(config, q), rotate(config, k)
        k, v = (np.repeat(a, config["n_heads"] // a.shape[2], 2) for a in (k, v))
        s = scores(config, q, k, i)
        pattern = np.exp(s - s.max(-1, keepdims=True))
        pattern /= pattern.sum(-1, keepdims=True)
        z = np.einsum("bnts,bsnh->btnh", pattern, v)
        added = np.einsum("btnh,nhd->btd", z, w[f"{at}.W_O"]) + w[f"{at}.b_O"]
        seen |= {f"{at}.hook_pattern": pattern, f"{at}.hook_z": z, f"blocks.{i}.hook_attn_out": added}
        x = x + added
        if not config["attn_only"]:
            seen[f"blocks.{i}.hook_resid_mid"] = x
            inner = norm(config, w, f"blocks.{i}.ln2", x)
            if config["gated_mlp"]:
                hidden = activation(config["act_fn"], inner @ w[f"{mlp}.W_gate"]) * (inner @ w[f"{mlp}.W_in"])
                hidden = hidden + w[f"{mlp}.b_in"]
            else:
                hidden = activation(config["act_fn"], inner @ w[f"{mlp}.W_in"] + w[f"{mlp}.b_in"])
            seen[f"blocks.{i}.hook_mlp_out"] = hidden @ w[f"{mlp}.W_out"] + w[f"{mlp}.b_out"]
            x = x + seen[f"blocks.{i}.hook_mlp_out"]
        seen[f"blocks.{i}.hook_resid_post"] = x
    logits = norm(config, w, "ln_final", x) @ w["unembed.W_U"] + w["unembed.b_U"]
    cap = config.get("output_logits_soft_cap", -1.0)
    return (cap * np.tanh(logits / cap) if cap > 0 else logits), seen


@pytest.fixture(scope="module", params=CASES)
def both(request):
    """The model, its config in TransformerLens's words, their logits and activations, from its state dict."""
    config = CASES[request.param]
    assert lens.cannot_hold(config) == []
    parameters = drawn(config)
    told = lens.config_of(config)
    weights = {n: a.astype(np.float64) for n, a in lens.state_dict(config, parameters).items()}
    return model_of(config, parameters), told, weights, *forward(told, weights, TEXT)


def close(got, expected):
    return got.shape == expected.shape and np.abs(got - expected).max() < 2e-6 * max(np.abs(expected).max(), 1)


def test_equations_of_transformer_lens_on_the_state_dict_give_our_logits(both):
    model, _, _, logits, _ = both
    assert close(np.asarray(model(TEXT)), logits)


def test_activations_are_those_that_its_hooks_would_see(both):
    model, _, _, _, expected = both
    got = lens.activations(model, TEXT)
    own = {"hook_tokens", "ln_final.hook_scale", "ln_final.hook_normalized"}
    assert got.keys() - own - {n for n in got if n.endswith("hook_null_mass")} == expected.keys()
    assert {n: np.abs(got[n] - a).max() for n, a in expected.items() if not close(got[n], a)} == {}
    np.testing.assert_array_equal(got["hook_tokens"], TEXT)
    np.testing.assert_array_equal(got["blocks.0.attn.hook_null_mass"], np.zeros((*TEXT.shape, 4)))


def test_final_norm_and_its_scale_give_the_logits(both):
    """LN's hook stands after its weights, RMSNorm's before them."""
    model, told, weights, logits, _ = both
    seen = lens.activations(model, TEXT)
    out, scale = seen["ln_final.hook_normalized"], seen["ln_final.hook_scale"]
    last = seen[f"blocks.{told['n_layers'] - 1}.hook_resid_post"]
    if told["normalization_type"] == "RMS":
        np.testing.assert_allclose(out * scale, last, atol=1e-5)
        out = out * weights["ln_final.w"]
    else:
        centred = last - last.mean(-1, keepdims=True)
        np.testing.assert_allclose(out, centred / scale * weights["ln_final.w"] + weights["ln_final.b"], atol=1e-5)
    cap = told.get("output_logits_soft_cap")
    got = out @ weights["unembed.W_U"] + weights["unembed.b_U"]
    np.testing.assert_allclose(cap * np.tanh(got / cap) if cap else got, logits, atol=1e-5)
    assert scale.shape == (*TEXT.shape, 1)


def test_names_and_shapes_are_those_of_a_hooked_transformer():
    """[N D H] for W_Q, [K D H] under an underscore for grouped keys and values, [N H D] for W_O."""
    weights = lens.state_dict(LLAMA, drawn(LLAMA))
    shapes = {n: a.shape for n, a in weights.items() if not n.startswith("blocks.1.")}
    assert shapes == {
        "embed.W_E": (13, 12),
        "unembed.W_U": (12, 13),
        "unembed.b_U": (13,),
        "ln_final.w": (12,),
        "blocks.0.ln1.w": (12,),
        "blocks.0.ln2.w": (12,),
        "blocks.0.attn.W_Q": (4, 12, 6),
        "blocks.0.attn.b_Q": (4, 6),
        "blocks.0.attn._W_K": (2, 12, 6),
        "blocks.0.attn._b_K": (2, 6),
        "blocks.0.attn._W_V": (2, 12, 6),
        "blocks.0.attn._b_V": (2, 6),
        "blocks.0.attn.W_O": (4, 6, 12),
        "blocks.0.attn.b_O": (12,),
        "blocks.0.mlp.W_in": (12, 32),
        "blocks.0.mlp.W_gate": (12, 32),
        "blocks.0.mlp.W_out": (32, 12),
        "blocks.0.mlp.b_in": (32,),
        "blocks.0.mlp.b_out": (12,),
    }


@pytest.mark.parametrize("attention", NULLS)
def test_pattern_has_real_keys_only_and_lacks_the_mass_of_the_null(attention):
    config = changed(LLAMA, attention=attention, mlp__activation="relu2")
    seen = lens.activations(model_of(config, drawn(config)), TEXT)
    for i in range(2):
        mass = seen[f"blocks.{i}.attn.hook_null_mass"]
        pattern = seen[f"blocks.{i}.attn.hook_pattern"]
        assert mass.shape == (2, 9, 4) and pattern.shape == (2, 4, 9, 9)
        np.testing.assert_allclose(pattern.sum(-1), 1 - mass.swapaxes(1, 2), atol=1e-6)
        assert (mass > 0).all() if attention != "local:3" else (mass == 0).all()


def test_stream_of_a_model_with_norms_after_each_part_is_before_them_and_after_them():
    """hook_resid_post is the sum, hook_normalized_resid_post what the next layer gets."""
    config = changed(GPT2, norm__position="post", causal=False, token_types=2)
    seen = lens.activations(model_of(config, drawn(config)), TEXT)
    block = {n.removeprefix("blocks.0.hook_"): a for n, a in seen.items() if n.startswith("blocks.0.hook_")}
    np.testing.assert_allclose(block["resid_mid"], block["resid_pre"] + block["attn_out"], atol=1e-6)
    np.testing.assert_allclose(block["resid_post"], block["normalized_resid_mid"] + block["mlp_out"], atol=1e-6)
    np.testing.assert_array_equal(block["normalized_resid_post"], seen["blocks.1.hook_resid_pre"])
    assert np.abs(block["resid_mid"] - block["normalized_resid_mid"]).max() > 0.1


REFUSED = {
    "attention": {"attention": "null"},
    "mlp.activation": {"mlp__activation": "relu2"},
    "bias.mlp": {"bias__mlp": True},
    "rope.scaling": {"rope__scaling": "linear", "rope__factor": 2.0},
    "norm.position": {"norm__position": "post"},
    "norm.qk": {"norm__qk": True, "norm__kind": "layernorm"},
    "output.kind": {"output__kind": "none"},
    "causal": {"causal": False},
    "token_types": {"token_types": 2},
    "score.kind": {"score__kind": "sigmoid_normalised"},
    "mlp.experts": {"mlp__activation": "swiglu_clamped", "mlp__experts": 2},
    "positions": {"positions": "alibi", "heads": 6, "kv_heads": 2},
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_a_hooked_transformer_has_no_place_for_is_named(name):
    found = lens.cannot_hold(changed(LLAMA, **REFUSED[name]))
    assert any(reason.startswith(f"model.{name} = ") for reason in found)
    assert len(found) == (2 if name == "mlp.experts" else 1)


@pytest.mark.parametrize("part", ["gate", "value_bias", "token", "sigmoid", "first:2+local:4", "local:3,local:5"])
def test_attention_that_it_has_not_is_refused(part):
    assert "model.attention" in lens.cannot_hold(replace(LLAMA, attention=part))[0]
