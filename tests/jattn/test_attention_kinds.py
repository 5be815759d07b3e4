"""Laws of the kinds of attention inside the model: what a null, a sink token, a bias, a gate or a mask may change.

Their values are checked in test_model.py against NumPy; here each is checked against the others.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jattn.config import NullConfig
from jattn.model import assemble, init_parameters
from jattn.positions import rope
from jattn.taps import at
from tests.configs import model_config
from tests.small import SIZES, TOKENS, B, D, H, K, N, T, V, close, logits, tiny
from tests.small import drawn as weights

NULLS = ["zero", "logit", "key", "key_value", "fixed_value:2"]


def seen(config, parameters=None, tokens=TOKENS):
    """All that one layer shows: its sites, its weights (B N T S) and its null mass (B T N)."""

    def everything(seen):
        return seen.arrays | {"weights": seen.weights(), "null_mass": seen.null_mass}

    model = assemble(config, weights(config) if parameters is None else parameters)
    return jax.tree.map(lambda a: a[0], model(jnp.asarray(tokens), observe=everything)[1])


# The same start ------------------------------------------------------------------------------------------------------


def test_what_a_variant_shares_with_the_standard_model_starts_equal():
    small = SIZES | {"mlp__activation": "none", "init__zero_outputs": False}
    standard = init_parameters(model_config(**small), seed=5)
    for attention in ("key_value+gate+value_bias", "token+gate:headwise"):
        variant = init_parameters(model_config(**small, attention=attention), seed=5)
        assert standard.keys() < variant.keys()
        for name, a in standard.items():
            assert np.array_equal(a, variant[name]), (attention, name)


def test_null_parameters_start_as_configured():
    null = NullConfig(key_std=0.3, value_std=0.0, logit_init=-10.0)
    config = model_config(
        **SIZES | {"heads": 32, "kv_heads": 1, "width": 256, "layers": 1, "mlp__activation": "none"}, null=null
    )
    name = "blocks.0.attention"
    p = init_parameters(model_config(**vars(config) | {"attention": "key_value+value_bias"}))
    assert np.all(p[f"{name}.null.logit"] == -10) and p[f"{name}.null.logit"].shape == (32,)
    assert not np.any(p[f"{name}.null.value"]) and not np.any(p[f"{name}.value_bias"])
    key = p[f"{name}.null.key"]
    assert key.shape == (32, 8) and abs(key.std() / 0.3 - 1) < 5 / (2 * key.size) ** 0.5


# The null ------------------------------------------------------------------------------------------------------------


def with_logit(parameters, value):
    return {name: jnp.full_like(a, value) if name.endswith("logit") else a for name, a in parameters.items()}


@pytest.mark.parametrize("attention", [kind for kind in NULLS if kind != "zero"] + ["null+local:3"])
def test_null_of_very_low_logit_is_the_model_without_it(x64, attention):
    p = with_logit(weights(tiny(attention)), -1e4)
    plain = tiny("local:3" if "local" in attention else "standard")
    close(logits(tiny(attention), p), logits(plain))


def test_null_of_very_low_logit_leaves_all_gradients_as_they_are_without_it(x64):
    gradients = jax.grad(lambda p, config: jnp.sin(logits(config, p)).sum())
    p = with_logit(weights(tiny("key_value", layers=1)), -1e4)
    got, expected = gradients(p, tiny("key_value", layers=1)), gradients(weights(tiny(layers=1)), tiny(layers=1))
    for name, g in got.items():
        close(g, expected.get(name, np.zeros_like(g)))


@pytest.mark.parametrize("attention", NULLS[1:])
def test_null_of_very_high_logit_gives_every_head_its_value(x64, attention):
    config = tiny(attention, layers=1)
    p = with_logit(weights(config), 1e4)
    value = p.get("blocks.0.attention.null.value", np.zeros((N, H)))
    if "fixed" in attention:
        value = np.tile([2.0, 0.0], (N, 1))
    layer = seen(config, p)
    close(layer["z"], np.broadcast_to(value, (B, T, N, H)))
    assert np.all(layer["null_mass"] == 1) and not np.any(layer["weights"])


def test_logit_of_one_query_head_moves_that_head_alone_though_its_keys_are_shared(x64):
    config = tiny("null", layers=1)
    p = weights(config)
    name = "blocks.0.attention.null.logit"
    before, after = seen(config, p), seen(config, p | {name: p[name].at[2].add(1.0)})
    moved = np.abs(before["z"] - after["z"]).max((0, 1, 3)) > 1e-3
    assert moved.tolist() == [False, False, True, False]


def test_score_of_the_null_is_the_same_at_every_position_for_one_hidden_vector(x64):
    """A text of one repeated token: the queries differ by their rotation only, and the null is read before it."""
    layer = seen(tiny("null"), tokens=np.full((B, T), 3))
    close(layer["s_null"], np.broadcast_to(layer["s_null"][:, :1], (B, T, N)))
    assert np.abs(layer["lse"][:, 1:] - layer["lse"][:, :-1]).min() > 1e-3


def test_null_read_after_rotation_is_a_key_at_position_zero(x64):
    config = tiny("null", null=NullConfig(rotary="after"))
    p, layer = weights(config), seen(config)
    k, logit = (p[f"blocks.0.attention.null.{name}"] for name in ("key", "logit"))
    turned = rope(layer["q"], jnp.arange(T))
    close(layer["s_null"], jnp.einsum("btnh,nh->btn", turned, k) / np.sqrt(H) + logit)
    # A key at position 0 lies at distance t: turning it back by t gives the same product with q unrotated.
    back = jnp.stack([rope(k[None, None], jnp.array([-t]))[0, 0] for t in range(T)])
    close(layer["s_null"], jnp.einsum("btnh,tnh->btn", layer["q"], back) / np.sqrt(H) + logit)


def test_neither_soft_cap_nor_alibi_touches_the_null(x64):
    plain = seen(tiny("null", positions="none"))
    changed = seen(tiny("null", positions="alibi", score__soft_cap=0.1))
    close(plain["s_null"], changed["s_null"])
    assert np.abs(plain["lse"] - changed["lse"]).max() > 0.1


# The sink token ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("attention", ["token", "token+local:2"])
def test_sink_token_is_seen_by_every_query_whatever_the_mask(x64, attention):
    mass = seen(tiny(attention))["null_mass"]
    assert mass.min() > 0.01 and mass.max() < 0.99


def test_sink_token_leaves_length_and_positions_of_the_text_alone(x64):
    """Where no query looks at it, the model is the one without: the token shifts nothing."""
    p = weights(tiny("token", layers=1, positions="learned"))
    off = lambda site, a, layer: jnp.full_like(a, -jnp.inf) if site == "s_null" else a
    silenced = assemble(tiny("token", layers=1, positions="learned"), p)(jnp.asarray(TOKENS), edit=off)
    close(silenced, logits(tiny(layers=1, positions="learned")))


# Bias, gate, sigmoid -------------------------------------------------------------------------------------------------


def test_value_bias_adds_itself_to_every_head_and_absorbs_nothing(x64):
    plain, biased = seen(tiny()), seen(tiny("value_bias"))
    close(biased["z"], plain["z"] + weights(tiny("value_bias"))["blocks.0.attention.value_bias"])
    for name in ("weights", "lse"):
        assert np.array_equal(plain[name], biased[name])
    assert not np.any(biased["null_mass"])


@pytest.mark.parametrize(("gate", "size"), [("elementwise", H), ("headwise", 1)])
def test_gate_multiplies_the_heads_outputs_by_the_sigmoid_of_the_normed_hidden_state(x64, gate, size):
    config = tiny(f"null+gate:{gate}")
    plain, gated, p = seen(tiny("null")), seen(config), weights(config)
    x = plain["resid_pre"]
    x = x / jnp.sqrt((x**2).mean(-1, keepdims=True) + config.norm.eps) * p["blocks.0.attention_norm.scale"]
    g = 1 / (1 + jnp.exp(-x @ p["blocks.0.attention.gate.kernel"]))
    close(gated["z"], plain["z"] * g.reshape(B, T, N, size))
    for name in ("weights", "lse", "s_null"):
        assert np.array_equal(plain[name], gated[name])


def test_sigmoid_judges_each_key_alone(x64):
    """Under a window the visible keys keep their weights; a softmax would share out what the hidden ones leave."""
    full, local = seen(tiny("sigmoid"))["weights"], seen(tiny("sigmoid+local:3"))["weights"]
    distance = np.subtract.outer(np.arange(T), np.arange(T))
    inside = (distance >= 0) & (distance < 3)
    close(local, np.where(inside, full, 0))
    assert np.all((full > 0) == (distance >= 0))


def test_sigmoid_at_zero_score_weighs_each_key_by_sigmoid_of_minus_log_context(x64):
    config = tiny("sigmoid", layers=1, norm__qk=False)
    p = {name: 0 * a if name.endswith("q.kernel") else a for name, a in weights(config).items()}
    close(seen(config, p)["weights"], np.broadcast_to(np.tri(T) / (1 + config.context), (B, N, T, T)))


def test_normalised_sigmoid_weighs_by_sigmoid_over_their_sum(x64):
    layer = seen(tiny(score__kind="sigmoid_normalised", positions="none"))
    k = jnp.repeat(layer["k"], N // K, 2)
    w = np.tri(T) / (1 + np.exp(-np.einsum("btnh,bsnh->bnts", layer["q"], k) / np.sqrt(H)))
    close(layer["weights"], w / w.sum(-1, keepdims=True))


def test_queries_and_keys_have_unit_mean_square_under_qk_norm(x64):
    config = tiny("null", norm__eps=1e-14)
    p = {
        name: jnp.ones_like(a) if name.endswith(("q_norm.scale", "k_norm.scale")) else a
        for name, a in weights(config).items()
    }
    layer = seen(config, p)
    for site in "qk":
        np.testing.assert_allclose((layer[site] ** 2).mean(-1), 1, rtol=1e-9)


# What a token can reach ----------------------------------------------------------------------------------------------


ASKED = np.array([3, 6])  # one query in each row of the batch, so that one backward pass answers both


def influence(config, **arrays):
    """[row, s]: the largest gradient of the logits at ASKED[row] with respect to the embedding at s."""
    model = assemble(config, weights(config))
    r = jnp.asarray(np.random.default_rng(1).normal(size=V))

    def asked(change):
        out = model(jnp.asarray(TOKENS), edit=at("resid_pre", lambda x: x + change, layer=0), **arrays)
        return (out[np.arange(B), ASKED] @ r).sum()

    return np.abs(jax.grad(asked)(jnp.zeros((B, T, D)))).max(-1)


def chained(*masks):
    """[row, s]: whether a token can reach a query by way of the layers' masks, the first layer's first."""
    return (np.linalg.multi_dot([*(m.astype(int) for m in masks[::-1]), np.eye(T, dtype=int)]) > 0)[ASKED]


def visible(window=None, first=0, causal=True):
    t, s = np.arange(T)[:, None], np.arange(T)[None]
    near = np.ones((T, T), bool) if window is None else (np.abs(t - s) < window) | (s < first)
    return near & (s <= t) if causal else near


REACH = {
    **{kind: [visible()] for kind in ("standard", *NULLS, "token", "gate", "value_bias", "sigmoid")},
    **{kind: [visible(2)] for kind in ("local:2", "null+local:2", "token+local:2", "sigmoid+local:2")},
    "local:1": [visible(1)],
    "first:1+local:2": [visible(2, 1)],
    "local:3,null": [visible(3), visible()],
    "local:2,local:3": [visible(2), visible(3)],
}


@pytest.mark.parametrize("attention", REACH)
def test_a_token_reaches_what_the_masks_of_the_layers_chain_and_nothing_else(x64, attention):
    """Causality, windows and first keys, by exact zeros of the gradient; a null or sink token carries nothing over."""
    masks = REACH[attention]
    assert np.array_equal(influence(tiny(attention)) > 0, chained(masks[0], masks[-1]))


@pytest.mark.parametrize("attention", ["null", "local:2"])
def test_two_sided_models_see_both_sides(x64, attention):
    mask = visible(None if attention == "null" else 2, causal=False)
    assert np.array_equal(influence(tiny(attention, causal=False)) > 0, chained(mask, mask))


@pytest.mark.parametrize("attention", ["standard", "null+local:3", "token"])
def test_no_gradient_crosses_a_border_between_documents(x64, attention):
    ids = np.array([4, 4, 9, 9, 9, 9, 9])
    mask = visible(3 if "local" in attention else None) & (ids[:, None] == ids)
    got = influence(tiny(attention), documents=jnp.tile(jnp.asarray(ids), (B, 1)))
    assert np.array_equal(got > 0, chained(mask, mask))


@pytest.mark.parametrize(
    ("attention", "positions"), [("key_value", "rope"), ("sigmoid+local:3", "alibi"), ("token", "none")]
)
def test_packed_texts_equal_the_texts_alone(x64, attention, positions):
    """Positions run on through the row, but these see distances only (to a sink token too, so it needs `none`)."""
    config = tiny(attention, positions=positions)
    cut = 3
    packed = logits(config, documents=np.broadcast_to(np.arange(T) < cut, (B, T)).astype(int))
    close(packed[:, :cut], logits(config)[:, :cut])
    close(packed[:, cut:], logits(config, tokens=np.roll(TOKENS, -cut, 1))[:, : T - cut])


# Kernels -------------------------------------------------------------------------------------------------------------


def test_both_kernels_give_the_same_logits_and_gradients(x64):
    """Over 40 tokens: two blocks each way under a window of 5."""
    tokens = np.random.default_rng(2).integers(0, V, (2, 40))
    documents = np.sort(np.random.default_rng(3).integers(0, 3, (2, 40)))
    options = {"positions": "alibi", "score__soft_cap": 0.7, "mlp__activation": "none"}

    def both(implementation):
        config = tiny("token+first:2+local:5,token+gate", compute__implementation=implementation, **options)

        def value(p):
            out = logits(config, p, tokens, documents=documents)
            return jnp.sin(out).sum(), out

        return jax.jit(jax.value_and_grad(value, has_aux=True))(weights(config))

    ((_, out), gradients), ((_, expected), expected_gradients) = both("blocks"), both("dense")
    close(out, expected)
    for name, g in gradients.items():
        np.testing.assert_allclose(g, expected_gradients[name], rtol=1e-10, atol=1e-11, err_msg=name)
