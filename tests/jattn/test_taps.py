"""Taps show what the layer computed and put back what an edit returns; without them nothing is computed for them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jattn.errors import InputError
from jattn.functional import attend
from jattn.mlp import Experts
from jattn.model import assemble
from jattn.positions import rope
from jattn.scores import alibi_slopes
from jattn.taps import SINK_SITES, SITES, at
from tests.configs import model_config
from tests.small import SIZES, TOKENS, B, D, H, K, L, N, T, V, close, tiny
from tests.small import drawn as weights

NULLS = ["zero", "logit", "key", "key_value", "fixed_value:2"]
KINDS = ["standard", *NULLS, "token", "token+local:2+gate", "first:1+local:2", "value_bias", "gate:headwise"]
SHAPES = {
    "resid_pre": (B, T, D),
    "attn_in": (B, T, D),
    "q": (B, T, N, H),
    "k": (B, T, K, H),
    "v": (B, T, K, H),
    "s_null": (B, T, N),
    "v_null": (N, H),
    "lse": (B, T, N),
    "z": (B, T, N, H),
    "attn_out": (B, T, D),
    "resid_mid": (B, T, D),
    "mlp_in": (B, T, D),
    "mlp_hidden": (B, T, 4 * D),
    "mlp_out": (B, T, D),
    "resid_post": (B, T, D),
}
SINK_SHAPES = {
    "sink_attn_in": (1, 1, D),
    "sink_z": (1, 1, N, H),
    "sink_mlp_in": (1, 1, D),
    "sink_mlp_hidden": (1, 1, 4 * D),
}


def run(config, parameters=None, **options):
    return assemble(config, weights(config) if parameters is None else parameters)(TOKENS, **options)


def everything(seen):
    return seen.arrays | {"weights": seen.weights(), "null_mass": seen.null_mass}


# Nothing without taps ------------------------------------------------------------------------------------------------


def program(config, **options) -> str:
    model = assemble(config, weights(config))
    return str(jax.make_jaxpr(lambda tokens: model(tokens, **options))(TOKENS))


def test_without_taps_nothing_is_computed_for_them():
    """A sigmoid is a merge with a null: the tapped standard model has one in each layer, the plain one none."""
    config = model_config(**SIZES)
    plain, tapped = program(config), program(config, observe=lambda seen: seen["z"])
    assert "logistic" not in plain and "logistic" in tapped
    assert plain == program(config, observe=None, edit=None)


def test_what_is_not_asked_for_adds_no_output(x64):
    model = assemble(tiny(), weights(tiny()))
    shape = jax.eval_shape(lambda tokens: model(tokens, observe=lambda seen: {"z": seen["z"][:, -1]}), TOKENS)
    assert jax.tree.map(lambda a: a.shape, shape) == ((B, T, V), {"z": (L, B, N, H)})
    assert jax.eval_shape(model, TOKENS).shape == (B, T, V)


@pytest.mark.parametrize("attention", [*KINDS, "sigmoid"])
def test_watching_and_putting_back_leave_the_logits_equal_in_every_bit(x64, attention):
    config = tiny(attention)
    plain = run(config)
    watched, seen = run(config, observe=everything, edit=lambda site, array, layer: array)
    assert np.array_equal(watched, plain)
    assert np.array_equal(seen["z"], run(config, observe=lambda seen: seen["z"])[1])


# What is seen --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("attention", "changes"),
    [
        ("standard", {"mlp__activation": "none"}),
        ("key_value+gate", {}),
        ("token", {"positions": "learned", "norm__position": "post"}),
        ("sigmoid", {}),
    ],
)
def test_every_site_has_its_documented_shape(attention, changes):
    config = model_config(**SIZES | changes, attention=attention)
    model = assemble(config, weights(config))
    _, seen = jax.eval_shape(lambda tokens: model(tokens, observe=lambda seen: seen.arrays), TOKENS)
    shapes = SHAPES | (SINK_SHAPES if attention == "token" else {})
    assert {site: a.shape for site, a in seen.items()} == {site: (L, *shape) for site, shape in shapes.items()}
    assert set(SHAPES) == set(SITES) and set(SINK_SHAPES) == set(SINK_SITES)


def test_residual_stream_adds_up_before_its_norms(x64):
    logits, seen = run(tiny("null"), observe=everything)
    close(seen["resid_mid"], seen["resid_pre"] + seen["attn_out"])
    close(seen["resid_post"], seen["resid_mid"] + seen["mlp_out"])
    close(seen["resid_pre"][1:], seen["resid_post"][:-1])
    close(seen["resid_pre"][0], weights(tiny("null"))["token_rows"][TOKENS])
    close(assemble(tiny("null"), weights(tiny("null"))).unembed(seen["resid_post"][-1]), logits)


def test_residual_stream_is_normed_after_each_part_under_post_norm(x64):
    config = tiny(norm__position="post")
    p, (_, seen) = weights(config), run(config, observe=everything)
    for before, added, after, norm in (
        ("resid_pre", "attn_out", "resid_mid", "attention_norm"),
        ("resid_mid", "mlp_out", "resid_post", "mlp_norm"),
    ):
        x = seen[before] + seen[added]
        scale = jnp.stack([p[f"blocks.{i}.{norm}.scale"] for i in range(L)])[:, None, None]
        close(seen[after], x / jnp.sqrt((x**2).mean(-1, keepdims=True) + config.norm.eps) * scale)


def test_what_attention_adds_is_the_heads_outputs_projected(x64):
    _, seen = run(tiny("key_value+gate"), observe=everything)
    out = weights(tiny("key_value+gate"))["blocks.1.attention.out.kernel"]
    close(seen["attn_out"][1], seen["z"][1].reshape(B, T, N * H) @ out)


@pytest.mark.parametrize("norm_position", ["pre", "post"])
def test_what_the_linear_layers_read_makes_what_they_write(x64, norm_position):
    config = tiny("gate", norm__position=norm_position, norm__qk=False, bias__mlp=True)
    p, (_, seen) = weights(config), run(config, observe=everything)
    of = lambda name: p[f"blocks.1.{name}"]
    for site, name in (("q", "q"), ("k", "k"), ("v", "v")):
        close(seen[site][1].reshape(B, T, -1), seen["attn_in"][1] @ of(f"attention.{name}.kernel"))
    gate = jax.nn.sigmoid(seen["attn_in"][1] @ of("attention.gate.kernel"))
    heads = jnp.einsum("bnts,bsnh->btnh", seen["weights"][1], jnp.repeat(seen["v"][1], N // K, 2))
    close(seen["z"][1], heads * gate.reshape(B, T, N, H))
    up = seen["mlp_in"][1] @ of("mlp.up.kernel") + of("mlp.up.bias")
    close(seen["mlp_hidden"][1], jnp.maximum(up, 0) ** 2)
    close(seen["mlp_out"][1], seen["mlp_hidden"][1] @ of("mlp.down.kernel") + of("mlp.down.bias"))


def test_hidden_of_the_experts_is_one_for_each(x64):
    config = tiny(mlp__activation="swiglu_clamped", mlp__experts=3, mlp__hidden=5)
    observe = lambda seen: (seen["mlp_hidden"], seen["mlp_in"], seen["mlp_out"])
    _, (hidden, read, wrote) = run(config, observe=observe, edit=at("mlp_hidden", jnp.zeros_like))
    assert hidden.shape == (L, B, T, 3, 5)
    experts = assemble(config, weights(config)).blocks[1].mlp
    assert isinstance(experts, Experts)
    close(wrote[1], experts.shares(read[1]) @ experts.down_bias[...])  # all that is left without them


def test_what_a_sink_tokens_row_reads_makes_its_key_and_value(x64):
    config = tiny("token", norm__qk=False)
    p, (_, seen) = weights(config), run(config, observe=everything)
    for layer in range(L):
        v = (seen["sink_attn_in"][layer, 0, 0] @ p[f"blocks.{layer}.attention.v.kernel"]).reshape(K, H)
        close(seen["v_null"][layer], jnp.repeat(v, N // K, 0))
        close(seen["sink_z"][layer, 0, 0], jnp.repeat(v, N // K, 0))  # it sees itself alone
    row = p["sink_row"][0] + seen["sink_z"][0, 0, 0].reshape(-1) @ p["blocks.0.attention.out.kernel"]
    normed = row / jnp.sqrt((row**2).mean() + config.norm.eps) * p["blocks.0.mlp_norm.scale"]
    close(seen["sink_mlp_in"][0, 0, 0], normed)
    close(seen["sink_mlp_hidden"][0, 0, 0], jnp.maximum(normed @ p["blocks.0.mlp.up.kernel"], 0) ** 2)


MASKS = {
    "whole text": {},
    "documents": {"documents": jnp.asarray([[1, 1, 1, 2, 2, 2, 2], [3, 3, 3, 3, 3, 4, 4]])},
    "both sides": {"causal": False},
}


@pytest.mark.parametrize(
    ("attention", "mask"),
    [
        *((kind, "whole text") for kind in KINDS),
        *((kind, "documents") for kind in ("standard", "key_value", "token+local:2+gate")),
        *((kind, "both sides") for kind in ("standard", "logit", "first:1+local:2")),
    ],
)
def test_weights_of_a_query_sum_to_one_minus_its_null_mass(x64, attention, mask):
    options = dict(MASKS[mask])
    config = tiny(attention, causal=options.pop("causal", True))
    _, seen = run(config, observe=everything, **options)
    close(seen["weights"].sum(-1).swapaxes(2, 3), 1 - seen["null_mass"])
    has_null = any(name in attention for name in ("token", *(n.partition(":")[0] for n in NULLS)))
    assert (np.min(seen["null_mass"]) > 0) == has_null and (np.max(seen["null_mass"]) > 0) == has_null
    close(seen["null_mass"], np.exp(seen["s_null"] - np.logaddexp(seen["s_null"], seen["lse"])))


@pytest.mark.parametrize("attention", ["key_value+local:3", "token", "sigmoid"])
@pytest.mark.parametrize("mask", ["whole text", "documents"])
def test_weights_of_blocks_of_queries_are_those_of_the_whole(x64, attention, mask):
    def blocks(seen):
        parts = [seen.weights(start, min(3, T - start)) for start in range(0, T, 3)]
        return seen.weights(), jnp.concatenate(parts, 2), seen.weights(5)

    _, (whole, parts, rest) = run(tiny(attention), observe=blocks, **MASKS[mask])
    assert whole.shape == (L, B, N, T, T)
    close(parts, whole)
    close(rest, whole[..., 5:, :])


def test_a_block_of_queries_needs_no_square_matrix():
    """Under a window of 5 the kernel works in blocks of 32, so 40 x 40 appears only where all weights are asked for."""
    config = model_config(**SIZES, attention="null+local:5", compute__implementation="blocks")
    model, tokens = assemble(config, weights(config)), jnp.zeros((1, 40), int)

    def program(observe):
        return str(jax.make_jaxpr(lambda: model(tokens, observe=observe))())

    peak = program(lambda seen: jnp.stack([seen.weights(i, 8).max() for i in range(0, 40, 8)]))
    assert "8,40]" in peak and "40,40]" not in peak
    assert "40,40]" in program(lambda seen: seen.weights().max())


@pytest.mark.parametrize("attention", ["standard", "local:3", "sigmoid", "zero", "logit", "key"])
def test_weights_times_values_are_the_heads_outputs(x64, attention):
    """With a null of value zero the weights fall short of one by its share."""
    _, seen = run(tiny(attention), observe=everything)
    v = jnp.repeat(seen["v"], N // K, 3)
    close(seen["z"], jnp.einsum("lbnts,lbsnh->lbtnh", seen["weights"], v))


def test_null_mass_times_null_value_is_what_the_null_adds_to_the_heads_outputs(x64):
    config = tiny("key_value")
    _, seen = run(config, observe=everything)
    p, v = weights(config), jnp.repeat(seen["v"], N // K, 3)
    v_null = jnp.stack([p[f"blocks.{i}.attention.null.value"] for i in range(L)])[:, None, None]
    real = jnp.einsum("lbnts,lbsnh->lbtnh", seen["weights"], v)
    close(seen["z"], real + seen["null_mass"][..., None] * v_null)


def test_misspelt_site_is_answered_with_the_nearest_name(x64):
    with pytest.raises(
        InputError, match=r"site: unknown value 'resid_psot'. Did you mean 'resid_post'\? Choose from: "
    ):
        at("resid_psot", jnp.zeros_like)
    with pytest.raises(InputError, match=r"site: unknown value 'snull'. Did you mean 's_null'\?"):
        run(tiny(), observe=lambda seen: seen["snull"])


# What is changed -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("site", [*SITES, *SINK_SITES])
def test_edit_of_any_site_reaches_the_logits_and_is_what_is_seen(x64, site):
    """What the last layer does to a sink token's row is read by nobody, so that row is edited in the first."""
    config = tiny("token" if site in SINK_SITES else "key_value")
    noise = jnp.asarray(np.random.default_rng(1).normal(size=(SHAPES | SINK_SHAPES)[site]))
    layer = int(site not in SINK_SITES)
    plain, seen = run(config, observe=everything)
    logits, changed = run(config, observe=everything, edit=at(site, lambda a: a + noise, layer=layer))
    assert np.abs(logits - plain).max() > 1e-3
    close(changed[site][layer], seen[site][layer] + noise)
    if site in SINK_SITES:
        return
    assert np.array_equal(changed["resid_post"][0], seen["resid_post"][0])


def test_edit_without_a_layer_acts_in_all(x64):
    _, seen = run(tiny("null"), observe=everything, edit=at("z", jnp.zeros_like))
    assert not np.any(seen["z"]) and not np.any(seen["attn_out"])


def test_edit_is_told_each_site_of_each_layer_once(x64):
    calls = []

    def note(site, array, layer):
        calls.append((layer, site))
        return array

    model = assemble(tiny(), weights(tiny()))
    jax.eval_shape(lambda tokens: model(tokens, edit=note), TOKENS)
    assert sorted(calls) == sorted((layer, site) for layer in range(L) for site in SITES)


@pytest.mark.parametrize("attention", ["standard", "key_value+local:3", "token", "gate"])
def test_attention_put_in_place_gets_what_the_models_own_gets(x64, attention):
    close(run(tiny(attention), attend=attend), run(tiny(attention)))
    half = lambda q, k, v, **options: attend(0.5 * q, k, v, **options)
    assert np.abs(run(tiny(attention), attend=half) - run(tiny(attention))).max() > 1e-3


@pytest.mark.parametrize("layer_loop", ["python", "scan"])
def test_attention_put_in_place_acts_in_every_layer_and_before_the_null(x64, layer_loop):
    """One that sees no key leaves all of the attention to the null."""

    def none(q, k, v, **options):
        real = attend(q, k, v, **options)
        return real._replace(out=jnp.zeros_like(real.out), lse=jnp.full_like(real.lse, -jnp.inf))

    _, seen = run(
        tiny("key_value", compute__layer_loop=layer_loop), attend=none, observe=lambda s: (s["z"], s["v_null"])
    )
    z, v_null = seen
    close(z, jnp.broadcast_to(v_null[:, None, None], z.shape))


def test_attention_put_in_place_has_no_weights_to_show_and_no_place_in_sigmoid_attention(x64):
    with pytest.raises(InputError, match="weights: `attend` is replaced"):
        run(tiny(), attend=attend, observe=lambda seen: seen.weights())
    with pytest.raises(InputError, match="attend: sigmoid attention has no softmax"):
        run(tiny("sigmoid"), attend=attend)


@pytest.mark.parametrize("attention", ["standard", "key_value+gate", "token"])
def test_silencing_a_head_is_zeroing_its_rows_of_the_output_projection(x64, attention):
    config, head = tiny(attention), 2
    p, name = weights(config), "blocks.1.attention.out.kernel"
    without = p | {name: p[name].at[head * H : (head + 1) * H].set(0.0)}
    # The projection also serves the sink token's own row, but of that row's last layer nothing is read.
    close(run(config, p, edit=at("z", lambda z: z.at[:, :, head].set(0.0), layer=1)), run(config, without))


@pytest.mark.parametrize("attention", [*NULLS, "token", "null+local:3"])
def test_null_of_score_minus_infinity_is_the_model_without_it(x64, attention):
    plain = tiny("local:3" if "local" in attention else "standard")
    close(run(tiny(attention), edit=at("s_null", lambda s: jnp.full_like(s, -jnp.inf))), run(plain))


def test_null_of_a_score_that_an_edit_brings_in_is_the_model_with_that_null(x64):
    """Zero in place of -inf turns standard attention into softmax with one added to its denominator."""
    close(run(tiny(), edit=at("s_null", jnp.zeros_like)), run(tiny("zero")))


def test_score_of_the_null_at_one_query_moves_the_null_mass_of_that_query_alone(x64):
    """The log-odds of the null are s_null - lse, so adding 1 to the score adds 1 to them."""
    edit = at("s_null", lambda s: s.at[0, 3, 1].add(1.0), layer=1)
    before, after = (run(tiny("key_value"), observe=everything, edit=e)[1]["null_mass"][1] for e in (None, edit))
    log_odds = np.log(after / (1 - after)) - np.log(before / (1 - before))
    expected = np.zeros((B, T, N))
    expected[0, 3, 1] = 1.0
    np.testing.assert_allclose(log_odds, expected, atol=1e-10)


def test_swapping_the_stream_of_two_texts_swaps_their_logits(x64):
    """Patching at resid_post: all that follows depends on the stream alone."""
    swapped = run(tiny("null"), edit=at("resid_post", lambda x: x[::-1], layer=0))
    close(swapped, run(tiny("null"))[::-1])


def test_edits_are_differentiable(x64):
    """The gradient with respect to a gate on a head's output: Michel et al. 2019's head importance."""

    @jax.jit
    def value_and_slope(gate):
        def value(gate):
            return jnp.sin(run(tiny("null"), edit=at("z", lambda z: z * gate[:, None], layer=1))).sum()

        return jax.value_and_grad(value)(gate)

    step = 1e-5
    slope = value_and_slope(jnp.ones(N))[1]
    for head, e in enumerate(step * jnp.eye(N)):
        difference = value_and_slope(1 + e)[0] - value_and_slope(1 - e)[0]
        np.testing.assert_allclose(difference / (2 * step), slope[head], rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("positions", ["rope", "learned", "alibi"])
def test_rotated_queries_and_keys_meet_in_the_scores_of_the_weights(x64, positions):
    config = tiny("local:4", positions=positions)
    _, seen = run(config, observe=lambda seen: everything(seen) | {"rotated": seen.rotated()})
    q, k = seen["rotated"]
    assert np.array_equal(q, seen["q"]) == (positions != "rope")
    t = jnp.arange(T)
    turned = rope(seen["k"][1], t) if positions == "rope" else seen["k"][1]
    close(k[1], turned)
    slopes = np.asarray(alibi_slopes(N) if positions == "alibi" else [0.0] * N)[:, None, None]
    scores = jnp.einsum("btnh,bsnh->bnts", q[1], jnp.repeat(k[1], N // K, 2)) * H**-0.5
    scores = scores - slopes * np.abs(t[:, None] - t)
    apart = t[:, None] - t
    close(seen["weights"][1], jax.nn.softmax(jnp.where((apart >= 0) & (apart < 4), scores, -jnp.inf)))
