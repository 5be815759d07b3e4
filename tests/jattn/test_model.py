"""The model equals an independent forward pass in plain NumPy, for every architecture and every kind of attention.

The oracle below knows neither merge nor kernels: a null is one more column of the score matrix, the sink token one more
row of text before the first. B, T, S, N, K, H, D, V as in the axis legend.
"""

from functools import partial
from math import erf

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jattn.config import ModelConfig, NullConfig
from jattn.errors import InputError
from jattn.model import assemble, build, init_parameters, parameter_shapes, parameters_of
from tests.configs import changed, model_config
from tests.small import SIZES, TOKENS, B, T, V, logits, tiny
from tests.small import drawn as weights

# The oracle ----------------------------------------------------------------------------------------------------------


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


ACTIVATION = {
    "gelu": np.vectorize(lambda x: x * (1 + erf(x / 2**0.5)) / 2),
    "gelu_tanh": lambda x: x * sigmoid(2 * np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)),
    "relu2": lambda x: np.maximum(x, 0) ** 2,
    "swiglu": lambda x: x * sigmoid(x),
}


def oracle(c, p, tokens, *, types=None, ids=None):
    """Logits (B T V) from the parameters `p`, read by name."""
    tokens = np.asarray(tokens)
    p = {name: np.asarray(a) for name, a in p.items()}
    B, T = tokens.shape
    x = p["token_rows"][tokens]
    if c.positions == "learned":
        x = x + p["position_rows"][:T]
    if c.token_types:
        x = x + p["type_rows"][types]
    if c.norm.position == "post":
        x = normed(c, p, "embed_norm", x)
    places = np.arange(T)
    if c.sink_token:
        x = np.concatenate([np.broadcast_to(p["sink_row"], (B, 1, c.width)), x], 1)
        places = np.arange(-1, T)
        ids = None if ids is None else np.concatenate([np.zeros((B, 1)), ids], 1)
    for i in range(c.layers):
        layer = f"blocks.{i}"
        parts = [
            (f"{layer}.attention_norm", partial(self_attention, c, c.layer(i), p, f"{layer}.attention", places, ids))
        ]
        if c.mlp.activation != "none":
            parts.append((f"{layer}.mlp_norm", partial(mlp, c, p, f"{layer}.mlp")))
        for norm, part in parts:
            pre = c.norm.position == "pre"
            x = x + part(normed(c, p, norm, x)) if pre else normed(c, p, norm, x + part(x))
    x = x[:, -T:]
    if c.norm.position == "pre":
        x = normed(c, p, "final_norm", x)
    x = x @ (p["token_rows"].T if c.output.tied else p["head.kernel"])
    return x if c.output.soft_cap is None else c.output.soft_cap * np.tanh(x / c.output.soft_cap)


def normed(c, p, name, x):
    if c.norm.kind == "layernorm":
        x = x - x.mean(-1, keepdims=True)
    x = x / np.sqrt((x**2).mean(-1, keepdims=True) + c.norm.eps) * p[f"{name}.scale"]
    return x + p.get(f"{name}.bias", 0.0)


def project(p, name, x):
    return x @ p[f"{name}.kernel"] + p.get(f"{name}.bias", 0.0)


def mlp(c, p, name, x):
    act, up = ACTIVATION[c.mlp.activation], project(p, f"{name}.up", x)
    hidden = act(project(p, f"{name}.gate", x)) * up if c.mlp.activation == "swiglu" else act(up)
    return project(p, f"{name}.down", hidden)


def rotated(c, x, places):
    """Pairs of halves as complex numbers, turned by place * theta^(-2i/H)."""
    half = c.H // 2
    turn = np.exp(1j * places[:, None] * c.rope.theta ** (-np.arange(half) / half))[:, None, :]
    z = (x[..., :half] + 1j * x[..., half:]) * turn
    return np.concatenate([z.real, z.imag], -1)


def self_attention(c, kind, p, name, places, ids, x):
    heads = lambda part, n: project(p, f"{name}.{part}", x).reshape(*x.shape[:2], n, c.H)
    q, k, v = heads("q", c.heads), heads("k", c.N_kv), heads("v", c.N_kv)
    if c.norm.qk:
        q, k = normed(c, p, f"{name}.q_norm", q), normed(c, p, f"{name}.k_norm", k)
    q_null = q
    if c.positions == "rope":
        q, k = rotated(c, q, places), rotated(c, k, places)
    if c.null.rotary == "after":
        q_null = q
    k, v = (np.repeat(a, c.heads // c.N_kv, 2) for a in (k, v))

    t, s = places[:, None], places[None, :]
    score = np.einsum("btnh,bsnh->bnts", q, k) / np.sqrt(c.H)
    if c.score.soft_cap:
        score = c.score.soft_cap * np.tanh(score / c.score.soft_cap)
    if c.positions == "alibi":
        score = score - 2.0 ** (-8 * (np.arange(c.heads)[:, None, None] + 1) / c.heads) * np.abs(t - s)
    if c.score.kind == "sigmoid_normalised":
        score = np.log(sigmoid(score))
    seen = np.ones((1, 1, *score.shape[2:]), bool)
    if kind.window is not None:
        seen = seen & ((np.abs(t - s) < kind.window) | (s < kind.first))
    if ids is not None:
        seen = seen & (ids[:, None, :, None] == ids[:, None, None, :])
    seen = (seen | (s == -1)) & ((s <= t) if c.causal else True)  # place -1 is the sink token: every mask shows it

    if kind.sigmoid:
        w = np.where(seen, sigmoid(score - np.log(c.context)), 0.0)
    else:
        e = np.where(seen, np.exp(score), 0.0)
        s_null, v_null = explicit_null(c, kind, p, f"{name}.null", q_null)
        e_null = np.exp(s_null).swapaxes(1, 2)[..., None]
        total = e.sum(-1, keepdims=True) + e_null
        w, w_null = e / total, e_null / total
    z = np.einsum("bnts,bsnh->btnh", w, v)
    if not kind.sigmoid:
        z = z + w_null.swapaxes(1, 2) * v_null
    if kind.value_bias:
        z = z + p[f"{name}.value_bias"]
    if kind.gate:
        z = z * sigmoid(x @ p[f"{name}.gate.kernel"]).reshape(*z.shape[:3], -1)
    return project(p, f"{name}.out", z.reshape(*z.shape[:2], -1))


def explicit_null(c, kind, p, name, q):
    """Score (B T N) and value (N H) of the null column; without a null its score is -inf."""
    s = np.zeros(q.shape[:-1])
    if kind.null is None:
        s = s - np.inf
    if kind.null in ("key", "key_value", "fixed_value"):
        s = (q * p[f"{name}.key"]).sum(-1) / np.sqrt(c.H)
    if kind.null not in (None, "zero"):
        s = s + p[f"{name}.logit"]
    v = np.zeros((c.heads, c.H))
    if kind.null == "key_value":
        v = p[f"{name}.value"]
    if kind.null == "fixed_value":
        v[:, 0] = kind.null_number
    return s, v


# Against the oracle --------------------------------------------------------------------------------------------------

BIASES = {"bias__qkv": True, "bias__out": True, "bias__mlp": True, "bias__norm": True}
GPT2 = {
    "positions": "learned",
    "norm__kind": "layernorm",
    "mlp__activation": "gelu_tanh",
    "norm__qk": False,
    "kv_heads": None,
    **BIASES,
}
BERT = {**GPT2, "mlp__activation": "gelu", "norm__position": "post", "causal": False, "token_types": 2}
ARCHITECTURES = {
    "default": {},
    "gpt2": GPT2,
    "bert": BERT,
    "llama": {"mlp__activation": "swiglu", "output__tied": False, "norm__qk": False, "rope__theta": 500_000.0},
    "gemma": {"score__soft_cap": 0.7, "output__soft_cap": 2.0, "head_size": 6, "kv_heads": 1},
    "bloom": {**GPT2, "positions": "alibi"},
    "attention only": {"mlp__activation": "none", "positions": "none", "mlp__hidden": 5},
    "normalised sigmoid": {"score__kind": "sigmoid_normalised", "norm__kind": "layernorm"},
    "post-norm rope": {"norm__position": "post", "mlp__hidden": 5},
}
KINDS = {
    "local:3": {},
    "first:1+local:2": {},
    "zero": {},
    "logit": {},
    "key": {},
    "key_value": {},
    "fixed_value:2.5": {},
    "null+local:2": {},
    "local:3,null": {"layers": 3},
    "null+gate": {"positions": "none"},
    "gate:headwise": {},
    "value_bias": {},
    "key_value+gate+value_bias+first:1+local:2": {"positions": "alibi", "score__soft_cap": 0.7},
    "sigmoid": {},
    "sigmoid+local:3+gate": {"positions": "alibi", "kv_heads": 1},
}
SINK_TOKENS = {
    "token": {},
    "token+local:2": {},
    "token+local:2,token": {"layers": 3},
    "token+first:1+local:2": {"positions": "learned"},
    "token+gate+value_bias": {"positions": "alibi", "score__soft_cap": 0.7},
    "token+gate:headwise": {"positions": "none", "score__kind": "sigmoid_normalised"},
    "token+value_bias": {**GPT2},
    "token+local:3": {"norm__position": "post", "kv_heads": 1, "mlp__activation": "swiglu"},
    "token+gate": {"mlp__activation": "none", "output__tied": False},
}


def agrees_with_the_oracle(config, **arrays):
    p = weights(config)
    got = logits(config, p, **arrays)
    expected = oracle(config, p, TOKENS, types=arrays.get("token_types"), ids=arrays.get("documents"))
    assert got.dtype == jnp.float64
    np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-12 * np.abs(expected).max())


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_architecture_equals_the_forward_pass_in_numpy(x64, name):
    config = tiny(**ARCHITECTURES[name])
    types = {"token_types": np.random.default_rng(1).integers(0, 2, (B, T))} if config.token_types else {}
    agrees_with_the_oracle(config, **types)


@pytest.mark.parametrize("attention", KINDS)
def test_kind_of_attention_equals_the_forward_pass_in_numpy(x64, attention):
    agrees_with_the_oracle(tiny(attention, **{"layers": 1, **KINDS[attention]}))


def test_null_key_after_rotation_is_a_key_at_position_zero_that_is_not_rotated(x64):
    agrees_with_the_oracle(tiny("null", null=NullConfig(rotary="after")))


@pytest.mark.parametrize("attention", SINK_TOKENS)
def test_sink_token_equals_a_real_first_row_at_position_minus_one(x64, attention):
    agrees_with_the_oracle(tiny(attention, **SINK_TOKENS[attention]))


@pytest.mark.parametrize("attention", ["key_value+local:3", "token", "sigmoid"])
def test_packed_texts_equal_the_forward_pass_in_numpy(x64, attention):
    documents = np.array([[1, 1, 1, 2, 2, 2, 2], [5, 5, 5, 5, 5, 3, 3]])
    agrees_with_the_oracle(tiny(attention), documents=documents)


@pytest.mark.parametrize("attention", ["local:2", "null"])
def test_two_sided_attention_equals_the_forward_pass_in_numpy(x64, attention):
    agrees_with_the_oracle(tiny(attention, causal=False))


# Structure -----------------------------------------------------------------------------------------------------------


def test_zero_layers_are_the_bigram_model(x64):
    """Logits depend on the current token only: one row of logits per token, whatever stands before it."""
    config = tiny(layers=0)
    p = weights(config)
    table = logits(config, p, np.arange(V)[:, None])[:, 0]
    assert np.array_equal(logits(config, p), table[TOKENS])
    x = np.asarray(p["token_rows"])
    x = x / np.sqrt((x**2).mean(-1, keepdims=True) + config.norm.eps) * np.asarray(p["final_norm.scale"])
    np.testing.assert_allclose(table, x @ np.asarray(p["token_rows"]).T, rtol=1e-12, atol=1e-12)


def test_fresh_model_with_zero_outputs_is_the_bigram_model(x64):
    config, bigram = tiny("null", layers=1), tiny(layers=0)
    fresh = init_parameters(config)
    shared = {name: fresh[name] for name in parameter_shapes(bigram)}
    assert np.array_equal(logits(config, fresh), logits(bigram, shared))


def test_fresh_weights_are_normal_and_those_that_write_to_the_stream_smaller_by_sqrt_2_layers():
    config = model_config(
        vocab_size=64, width=64, heads=2, layers=2, init__std=0.1, init__zero_outputs=False, output__tied=False
    )
    p = init_parameters(config, seed=1)
    std = {name: 0.1 for name in p if name.endswith(("kernel", "rows"))}
    std |= {name: 0.1 / (2 * 2) ** 0.5 for name in p if name.endswith(("out.kernel", "down.kernel"))}
    for name in std:
        n = p[name].size
        assert abs(p[name].mean()) < 5 * std[name] / n**0.5
        assert abs(p[name].std() / std[name] - 1) < 5 / (2 * n) ** 0.5
    assert all(np.all(p[name] == 1) for name in p.keys() - std.keys())
    for name in (name for name in std if name.startswith("blocks.0.")):
        assert not np.any(p[name] == p[name.replace("blocks.0", "blocks.1")])


def test_built_model_is_its_parameters_assembled_and_the_seed_decides():
    config = model_config(
        **SIZES | {"layers": 1}, attention="null", mlp__activation="none", norm__qk=False, init__zero_outputs=False
    )
    p, other = init_parameters(config, seed=2), init_parameters(config, seed=3)
    built = parameters_of(build(config, seed=2))
    assert p.keys() == built.keys() == parameter_shapes(config).keys()
    for name, shape in parameter_shapes(config).items():
        assert np.array_equal(p[name], built[name]) and (p[name].shape, p[name].dtype) == (shape.shape, shape.dtype)
        assert name.endswith(("scale", "logit")) or not np.any(p[name] == other[name])


def test_parameters_that_do_not_fit_are_refused_by_name():
    p = weights(model_config(**SIZES))
    with pytest.raises(InputError, match=r"missing \['blocks\.0\.attention\.null\.key'.*not known \[\]"):
        assemble(model_config(**SIZES, attention="null"), p)
    with pytest.raises(InputError, match=r"missing \[\], not known \['blocks\.1\.attention\.k\.kernel'"):
        assemble(model_config(**SIZES | {"layers": 1}), p)


def test_model_without_a_vocabulary_is_refused():
    with pytest.raises(InputError, match=r"^model\.vocab_size must be >= 1 to build a model, got 0"):
        build(ModelConfig())


def test_learned_positions_refuse_a_text_longer_than_the_context():
    model = build(model_config(**SIZES | {"layers": 0, "positions": "learned"}))
    assert model(jnp.zeros((1, 9), int)).shape == (1, 9, V)
    with pytest.raises(InputError, match=r"^text of 10 tokens is longer than model\.context = 9$"):
        model(jnp.zeros((1, 10), int))


def test_rotary_model_runs_past_its_context(x64):
    config = tiny("null", context=3)
    agrees_with_the_oracle(config)


def test_tokens_are_of_type_zero_unless_types_are_given(x64):
    config = tiny(token_types=2, layers=1)
    p = weights(config)
    zeros = np.zeros_like(TOKENS)
    assert np.array_equal(logits(config, p), logits(config, p, token_types=zeros))
    assert np.abs(logits(config, p) - logits(config, p, token_types=zeros + 1)).max() > 0.01


def test_logits_stay_below_their_soft_cap(x64):
    p = weights(tiny())
    assert np.abs(logits(tiny(), p)).max() > 1.5
    assert np.abs(logits(tiny(output__soft_cap=1.5), p)).max() < 1.5


def test_scale_of_query_and_key_projections_is_lost_under_qk_norm(x64):
    """RMSNorm divides it out, up to its epsilon."""
    for qk_norm, same in ((True, True), (False, False)):
        config = tiny("null", norm__qk=qk_norm, norm__eps=1e-14)
        p = weights(config)
        larger = {name: 7 * a if name.endswith(("q.kernel", "k.kernel")) else a for name, a in p.items()}
        change = np.abs(logits(config, p) - logits(config, larger)).max()
        assert (change < 1e-10) if same else (change > 0.01)


# Precision -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("attention", ["key_value+gate", "sigmoid"])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_error_of_low_precision_is_a_few_times_that_of_rounded_weights(x64, attention, dtype):
    """Rounding the weights rounds once per product. Computing in low precision rounds at most some 16 times on the way
    through a part: norm 4, projection 2, rotation 3, score 2, softmax 3, sum 1, addition 1."""
    config = tiny(attention)
    p = weights(config)
    exact = logits(config, p)
    rounded = {name: a.astype(dtype).astype(jnp.float64) for name, a in p.items()}
    unit = np.abs(logits(config, rounded) - exact).max()
    single = {name: a.astype(jnp.float32) for name, a in p.items()}
    low = logits(changed(config, compute__dtype=dtype, compute__param_dtype="float32"), single)
    assert low.dtype == jnp.float32
    assert 0 < np.abs(low - exact).max() < 16 * unit


# Dropout -------------------------------------------------------------------------------------------------------------


def test_key_without_a_rate_changes_nothing(x64):
    config = tiny("null")
    p = weights(config)
    assert np.array_equal(logits(config, p), logits(config, p, dropout_key=jax.random.key(0)))


@pytest.mark.parametrize("field", ["dropout__embed", "dropout__resid", "dropout__mlp"])
def test_dropout_acts_with_a_key_only_and_the_key_decides(x64, field):
    config = tiny("null", **{field: 0.5})
    p = weights(config)
    without = logits(config, p)
    first, again, second = (logits(config, p, dropout_key=jax.random.key(i)) for i in (0, 0, 1))
    assert np.array_equal(without, logits(tiny("null"), p))
    assert np.array_equal(first, again)
    assert np.abs(first - without).max() > 0.01 and np.abs(first - second).max() > 0.01


@pytest.mark.parametrize(
    ("field", "site"), [("dropout__embed", "resid_pre"), ("dropout__resid", "attn_out"), ("dropout__mlp", "mlp_out")]
)
def test_dropout_zeroes_its_share_and_keeps_the_mean(x64, field, site):
    rate, n = 0.3, 1000
    config = tiny(layers=1, mlp__activation="relu2", **{field: rate})
    model = assemble(config, weights(config))
    see = lambda key: model(jnp.asarray(TOKENS), dropout_key=key, observe=lambda seen: seen[site])[1][0]
    plain, drawn = see(None), jax.jit(jax.vmap(see))(jax.random.split(jax.random.key(0), n))
    zero = (drawn == 0).mean(0)
    assert np.abs(zero - rate).max() < 5 * (rate * (1 - rate) / n) ** 0.5
    # Each entry is x / (1 - r) with probability 1 - r, so its variance is x^2 r / (1 - r).
    np.testing.assert_array_less(np.abs(drawn.mean(0) - plain), 5 * np.abs(plain) * (rate / (1 - rate) / n) ** 0.5)


def test_every_part_of_every_layer_drops_entries_of_its_own(x64):
    config = tiny(dropout__resid=0.5, dropout__mlp=0.5)
    model = assemble(config, weights(config))
    observe = lambda seen: (seen["attn_out"] == 0, seen["mlp_out"] == 0)
    dropped = np.concatenate(model(jnp.asarray(TOKENS), dropout_key=jax.random.key(0), observe=observe)[1])
    # Two independent halves agree in half of the entries.
    agree = (dropped[:, None] == dropped[None]).mean((2, 3, 4))
    assert np.abs(agree - 0.5)[~np.eye(4, dtype=bool)].max() < 5 * 0.5 / dropped[0].size ** 0.5
