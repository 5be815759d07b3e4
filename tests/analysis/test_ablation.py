"""Ablation, eviction and patching against parameters and maps changed by hand."""

import jax.numpy as jnp
import numpy as np
import pytest

from analysis.interventions import ablation
from jattn.errors import InputError
from jattn.model import assemble
from jattn.taps import at
from tests.configs import model_config
from tests.small import close
from tests.small import drawn as weights

B, T, V, N, K, H, L = 3, 6, 11, 4, 2, 2, 2
WINDOWS = jnp.asarray(np.random.default_rng(0).integers(0, V, (B, T + 1)))
HEADS = jnp.asarray(list(np.ndindex(L, N)))
SIZES = {"vocab_size": V, "context": T, "layers": L, "heads": N, "kv_heads": K, "width": N * H}
DOUBLE = {"compute__dtype": "float64", "compute__param_dtype": "float64"}


def tiny(attention="standard", **changes):
    return model_config(**SIZES | DOUBLE | {"attention": attention} | changes)


def loss(config, parameters=None, **options):
    return ablation.loss_nats(assemble(config, parameters or weights(config)), WINDOWS, **options)


def evicted(config, parameters=None):
    parameters = parameters or weights(config)
    return ablation.evict(config, parameters, WINDOWS, ablation.means(config, parameters, WINDOWS[:, :-1]))


# Heads ---------------------------------------------------------------------------------------------------------------


def test_ablation_is_the_loss_with_the_heads_rows_of_the_output_projection_at_zero(x64):
    config = tiny("key_value")
    p, whole = weights(config), loss(config)
    found = ablation.ablate(config, p, WINDOWS, HEADS, jnp.zeros((len(HEADS), H)))
    for (layer, head), effect in zip(np.ndindex(L, N), found, strict=True):
        name = f"blocks.{layer}.attention.out.kernel"
        without = p | {name: p[name].at[head * H : (head + 1) * H].set(0.0)}
        close(effect, loss(config, without) - whole)


@pytest.mark.parametrize("layer_loop", ["python", "scan"])
def test_a_head_with_nothing_to_say_is_not_missed(x64, layer_loop):
    config = tiny(compute__layer_loop=layer_loop, kv_heads=N)
    name = "blocks.1.attention.v.kernel"
    p = weights(config)
    p = p | {name: p[name].at[:, 2 * H : 3 * H].set(0.0)}
    found = ablation.ablate(config, p, WINDOWS, HEADS, jnp.zeros((len(HEADS), H)))
    assert np.array_equal(found[N + 2], np.zeros(B))
    assert np.abs(np.delete(found, N + 2, 0)).min() > 0


def test_mean_ablation_of_a_head_that_always_says_the_same_changes_nothing(x64):
    """Values that are a bias alone: every query of every text gets the bias, which is the mean."""
    config = tiny(bias__qkv=True)
    p = weights(config)
    p = p | {f"blocks.{i}.attention.v.kernel": jnp.zeros_like(p["blocks.0.attention.v.kernel"]) for i in range(L)}
    mean = ablation.means(config, p, WINDOWS[:, :-1])
    close(mean.z[1].reshape(K, -1, H), jnp.broadcast_to(mean.v[1][:, None], (K, N // K, H)))
    close(ablation.ablate(config, p, WINDOWS, HEADS, mean.z.reshape(-1, H)), 0)
    assert np.abs(ablation.ablate(config, p, WINDOWS, HEADS, jnp.zeros((len(HEADS), H)))).min() > 1e-6
    assert all(np.abs(evicted(config, p)[name]).max() < 1e-10 for name in ("first_column", "first_value"))


# Eviction ------------------------------------------------------------------------------------------------------------


def test_evicting_a_null_that_gets_nothing_changes_nothing(x64):
    config = tiny("logit")
    p = weights(config)
    p = p | {f"blocks.{i}.attention.null.logit": jnp.full(N, -jnp.inf) for i in range(L)}
    found = evicted(config, p)
    assert not np.any(found["null_column"]) and not np.any(found["null_value"])


@pytest.mark.parametrize("attention", ["zero", "key", "key_value", "token", "null+local:3"])
def test_a_model_without_its_null_is_the_one_without_a_null(x64, attention):
    plain = tiny("local:3" if "local" in attention else "standard")
    close(evicted(tiny(attention))["null_column"], loss(plain) - loss(tiny(attention)))


@pytest.mark.parametrize("attention", ["key", "key_value"])
def test_a_null_with_a_mean_value_is_the_kind_that_has_one(x64, attention):
    config = tiny(attention)
    mean = ablation.means(config, weights(config), WINDOWS[:, :-1])
    values = {f"blocks.{i}.attention.null.value": jnp.repeat(mean.v[i], N // K, 0) for i in range(L)}
    close(evicted(config)["null_value"], loss(tiny("key_value"), weights(config) | values) - loss(config))


@pytest.mark.parametrize("attention", ["standard", "sigmoid", "value_bias"])
def test_there_is_no_null_to_evict_where_there_is_none(x64, attention):
    found = evicted(tiny(attention))
    assert not np.any(found["null_column"]) and not np.any(found["null_value"])
    assert np.abs(found["first_column"]).max() > 1e-4


@pytest.mark.parametrize("attention", ["standard", "null", "key_value", "local:3", "token", "sigmoid"])
def test_without_position_1_rows_are_renormalised_over_what_is_left(x64, attention):
    """One layer, its map edited by hand: column 1 out, all else, the null included, divided by 1 - A[t, 1]."""
    config = tiny(attention, layers=1, kv_heads=N, positions="none")
    p, tokens = weights(config), WINDOWS[:, :-1]

    def observe(seen):
        return seen.weights(), seen["v"], seen["z"]

    (A, v, z), *_ = (jnp.asarray(a)[0] for a in assemble(config, p)(tokens, observe=observe)[1]), None
    first = A[:, :, :, 0].swapaxes(1, 2)[..., None] * (jnp.arange(T) > 0)[:, None, None]
    without = z - first * v[:, None, 0] if attention == "sigmoid" else (z - first * v[:, None, 0]) / (1 - first)
    close(evicted(config, p)["first_column"], loss(config, p, edit=at("z", lambda _: without)) - loss(config, p))


def test_position_1_with_a_mean_value_is_its_value_set_by_hand(x64):
    config = tiny("null")
    mean = ablation.means(config, weights(config), WINDOWS[:, :-1])
    _, v = assemble(config, weights(config))(WINDOWS[:, :-1], observe=lambda seen: seen["v"])
    close(mean.v, v[:, :, 1:].mean((1, 2)))

    def edit(site, array, layer):
        return array.at[:, 0].set(mean.v[layer]) if site == "v" else array

    close(evicted(config)["first_value"], loss(config, edit=edit) - loss(config))


# Patching ------------------------------------------------------------------------------------------------------------

CLEAN, CORRUPTED = WINDOWS[:, :-1], WINDOWS[:, :-1].at[:, 2].add(1) % V


def patched(config, places, **options):
    places = {name: jnp.asarray(values) for name, values in places.items()}
    return ablation.patch(config, weights(config), CLEAN, CORRUPTED, places, **options)


@pytest.mark.parametrize(("site", "layer"), [("resid_pre", 0), ("resid_post", L - 1)])
def test_patching_everything_gives_the_clean_run(x64, site, layer):
    tokens = {"right": jnp.array([1, 2, 3]), "wrong": jnp.array([4, 5, 6])}
    found = patched(tiny("null"), {"layer": [layer]}, site=site, query=jnp.array([5, 4, 3]), **tokens)
    close(found.kl, 0)
    for metric in ("kl", "difference"):
        close(found.effect(metric), 1)


def test_patching_nothing_gives_the_corrupted_run(x64):
    found = patched(tiny("null"), {"layer": [0, 1], "head": [0, 1], "position": [0, 1]})
    close(found.effect("kl"), 0)  # positions before the corrupted token are equal in both runs
    close(found.kl[0], found.corrupted_kl)
    assert found.corrupted_kl.min() > 1e-4


def test_patching_all_positions_of_the_stream_one_by_one_moves_only_the_corrupted_one(x64):
    places = {"layer": [0] * T, "position": list(range(T))}
    effect = patched(tiny(compute__layer_loop="scan"), places, site="resid_pre").effect("kl")
    close(effect, (np.arange(T) == 2)[:, None] * np.ones(B))


def test_patching_a_head_is_its_edit_by_hand(x64):
    config = tiny("key_value")
    right, wrong = jnp.array([1, 2, 3]), jnp.array([4, 5, 6])
    found = patched(
        config, {"layer": [1], "head": [2], "position": [4]}, query=jnp.full(B, 4), right=right, wrong=wrong
    )
    model = assemble(config, weights(config))
    _, z = model(CLEAN, observe=lambda seen: seen["z"])
    logits = model(CORRUPTED, edit=at("z", lambda a: a.at[:, 4, 2].set(z[1, :, 4, 2]), layer=1))[:, 4]
    close(found.difference[0], logits[np.arange(B), right] - logits[np.arange(B), wrong])
    close(found.kl[0], ablation.kl_nats(model(CLEAN)[:, 4], logits))
    gain, whole = found.parts("difference")
    close(found.effect()[0], gain[0] / whole)


def test_equal_runs_have_no_effect_to_share(x64):
    config = tiny()
    found = ablation.patch(config, weights(config), CLEAN, CLEAN, {"layer": jnp.array([0])})
    assert np.isnan(found.effect()).all() and np.isnan(found.effect("kl")).all()


def test_patches_that_cannot_be_are_one_line(x64):
    with pytest.raises(InputError, match="site 'attn_out' has no heads"):
        patched(tiny(), {"layer": [0], "head": [0]}, site="attn_out")
    with pytest.raises(InputError, match=r"site: unknown value 'lse'"):
        patched(tiny(), {"layer": [0]}, site="lse")
    with pytest.raises(InputError, match="must be of one length"):
        ablation.patch(tiny(), {}, CLEAN, CORRUPTED[:, 1:], {"layer": jnp.array([0])})


def test_kl_is_the_closed_form_of_two_coins():
    p, q = 0.8, 0.3
    logits = lambda x: jnp.log(jnp.array([x, 1 - x])) + 7
    expected = p * np.log(p / q) + (1 - p) * np.log((1 - p) / (1 - q))
    close(ablation.kl_nats(logits(p), logits(q)), expected, 1e-5)
    assert ablation.kl_nats(logits(p), logits(p)) == 0
