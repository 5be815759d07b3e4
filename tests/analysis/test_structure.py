"""Entropy and distance against closed forms (uniform attention) and scipy's entropy row by row."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.measures import structure
from analysis.measures.sinks import first_token_as_null
from jattn.errors import InputError

T = 10
CAUSAL = jnp.arange(1, T + 1)


def random_weights(seed, B=2, N=2):
    rng = np.random.default_rng(seed)
    rows = rng.gamma(0.5, size=(B, N, T, T + 1)) + 1e-3
    rows[..., :T] *= np.tril(np.ones((T, T)))
    rows /= rows.sum(-1, keepdims=True)
    return jnp.asarray(rows[..., :T], jnp.float32), jnp.asarray(rows[..., T], jnp.float32)


def uniform(T, window=None, null=0):
    """Even attention over the last `window` keys and `null` null columns: (weights, null_mass, visible)."""
    i, j = np.arange(T)[:, None], np.arange(T)
    seen = (j <= i) & (i - j < (window or T))
    visible = seen.sum(-1)
    weights = seen / (visible + null)[:, None]
    as_array = lambda x: jnp.asarray(x[None, None], jnp.float32)
    return as_array(weights), as_array(null / (visible + null)), jnp.asarray(visible)


@pytest.mark.parametrize("size, nats", [(64, 3.21), (256, 4.56)])
def test_uniform_attention_has_the_mean_log_of_the_visible_keys(size, nats):
    weights, null_mass, _ = uniform(size)
    entropy = structure.entropy_real(weights, null_mass)
    np.testing.assert_allclose(entropy, np.log(np.arange(1, size + 1)).mean(), rtol=1e-5)
    np.testing.assert_allclose(entropy, nats, atol=0.005)


def test_uniform_attention_with_a_null_counts_it_as_one_outcome_more():
    weights, null_mass, _ = uniform(T, null=1)
    np.testing.assert_allclose(
        structure.entropy_with_null(weights, null_mass), np.log(np.arange(2, T + 2)).mean(), rtol=1e-5
    )
    np.testing.assert_allclose(
        structure.entropy_real(weights, null_mass), np.log(np.arange(1, T + 1)).mean(), rtol=1e-5
    )


@pytest.mark.parametrize("window", [None, 1, 2, 4])
def test_normalised_entropy_of_uniform_attention_is_one_under_any_window(window):
    weights, null_mass, visible = uniform(T, window, null=1)
    np.testing.assert_allclose(structure.entropy_with_null(weights, null_mass, visible), 1, rtol=1e-5)
    real = structure.entropy_real(weights, null_mass, visible)
    if window == 1:  # every query has one outcome: no entropy to normalise
        assert jnp.isnan(real).all()
    else:
        np.testing.assert_allclose(real, 1, rtol=1e-5)


def test_attention_on_one_key_has_no_entropy_and_half_null_has_log_two():
    weights, null_mass = jnp.eye(T)[None, None], jnp.zeros((1, 1, T))
    np.testing.assert_array_equal(structure.entropy_real(weights, null_mass), 0)
    np.testing.assert_array_equal(structure.entropy_real(weights, null_mass, CAUSAL), 0)
    half = weights / 2, jnp.full((1, 1, T), 0.5)
    np.testing.assert_allclose(structure.entropy_with_null(*half), np.log(2), rtol=1e-6)
    np.testing.assert_array_equal(structure.entropy_real(*half), 0)


def test_entropies_agree_with_scipy_row_by_row():
    weights, null_mass = random_weights(0)
    A, null = np.asarray(weights, np.float64), np.asarray(null_mass, np.float64)
    whole = scipy.stats.entropy(np.concatenate([A, null[..., None]], -1), axis=-1)
    real = np.asarray(scipy.stats.entropy(A, axis=-1))  # scipy normalises its rows
    np.testing.assert_allclose(structure.entropy_with_null(weights, null_mass), whole.mean(-1), rtol=1e-5)
    np.testing.assert_allclose(structure.entropy_real(weights, null_mass), real.mean(-1), rtol=1e-5)
    shares = (real[..., 1:] / np.log(np.arange(2, T + 1))).mean(-1)
    np.testing.assert_allclose(structure.entropy_real(weights, null_mass, CAUSAL), shares, rtol=1e-5)


def test_filtered_entropy_leaves_out_queries_mostly_on_the_null():
    weights, null_mass, _ = uniform(T)
    share = jnp.where(jnp.arange(T) % 2 == 0, 0.95, 0.5)[None, None]
    weights, null_mass = weights * (1 - share)[..., None], share
    kept = np.log(np.arange(1, T + 1))[1::2].mean()
    np.testing.assert_allclose(structure.entropy_filtered(weights, null_mass), kept, rtol=1e-5)
    everyone = structure.entropy_filtered(weights, null_mass, max_null=0.96)
    np.testing.assert_allclose(everyone, structure.entropy_real(weights, null_mass), rtol=1e-6)


def test_the_rule_for_a_standard_model_is_the_rule_for_a_null_in_place_of_its_first_token():
    weights, null_mass = random_weights(1)
    standard = jnp.concatenate([null_mass[..., None], weights], -1)  # a text one token longer, the first one a sink
    standard = jnp.pad(standard, ((0, 0), (0, 0), (1, 0), (0, 0))).at[..., 0, 0].set(1)
    as_null = first_token_as_null(standard, jnp.zeros(standard.shape[:-1]))
    for measure in (structure.entropy_filtered, structure.entropy_real):
        np.testing.assert_allclose(measure(*as_null), measure(weights, null_mass), rtol=1e-5)
    np.testing.assert_allclose(structure.mean_distance(as_null[0]), structure.mean_distance(weights), rtol=1e-5)


@given(st.integers(0, 10_000), st.floats(0, 0.99))
@settings(deadline=None, max_examples=15)
def test_a_constant_null_share_leaves_conditional_structure_alone(seed, share):
    weights, null_mass = random_weights(seed)
    thinned, fuller = weights * (1 - share), 1 - (1 - null_mass) * (1 - share)
    np.testing.assert_allclose(
        structure.entropy_real(thinned, fuller), structure.entropy_real(weights, null_mass), rtol=1e-4
    )
    np.testing.assert_allclose(structure.mean_distance(thinned), structure.mean_distance(weights), rtol=1e-4)


@given(st.integers(0, 10_000))
@settings(deadline=None, max_examples=15)
def test_entropy_splits_into_null_or_not_and_what_is_left(seed):
    """H(keys and null) = H(null, 1 - null) + (1 - null) H(keys given not null), query by query."""
    weights, null_mass = random_weights(seed)
    real, kept = structure.query_entropy_real(weights, null_mass)
    null = np.asarray(null_mass, np.float64)
    coin = scipy.stats.entropy(np.stack([null, 1 - null]), axis=0)
    assert kept.all()
    np.testing.assert_allclose(
        structure.query_entropy_with_null(weights, null_mass), coin + (1 - null) * np.asarray(real), atol=1e-5
    )


def test_entropy_does_not_see_the_order_of_keys_and_distance_does():
    weights, null_mass, _ = uniform(T)
    row = jnp.zeros(T).at[jnp.asarray([0, 2, 5])].set(jnp.asarray([0.5, 0.3, 0.2]))
    near, far = weights.at[0, 0, -1].set(row[::-1]), weights.at[0, 0, -1].set(row)
    np.testing.assert_allclose(
        structure.entropy_real(near, null_mass), structure.entropy_real(far, null_mass), rtol=1e-6
    )
    assert structure.mean_distance(near)[0, 0] < structure.mean_distance(far)[0, 0]


@pytest.mark.parametrize("size", [8, 64])
def test_uniform_attention_reaches_back_a_quarter_of_the_text(size):
    np.testing.assert_allclose(structure.mean_distance(uniform(size)[0]), (size - 1) / 4, rtol=1e-5)


@pytest.mark.parametrize("offset", [0, 1, 4])
def test_a_head_with_a_fixed_offset_has_that_distance(offset):
    np.testing.assert_allclose(structure.mean_distance(jnp.eye(T, k=-offset)[None, None]), offset, rtol=1e-6)


def test_a_head_wholly_on_the_null_has_no_structure():
    silent, null_mass = jnp.zeros((1, 1, T, T)), jnp.ones((1, 1, T))
    np.testing.assert_array_equal(structure.entropy_with_null(silent, null_mass), 0)
    for value in (structure.entropy_real(silent, null_mass), structure.mean_distance(silent)):
        assert jnp.isnan(value).all()


def test_entropy_is_the_same_under_jit():
    weights, null_mass = random_weights(2)
    for measure in (structure.entropy_with_null, structure.entropy_real, structure.entropy_filtered):
        eager = measure(weights, null_mass, CAUSAL)
        np.testing.assert_allclose(jax.jit(measure)(weights, null_mass, CAUSAL), eager, rtol=1e-6)


def test_distance_has_no_direction_where_both_sides_are_seen():
    """Uniform attention over all T keys: the mean of |i - j| is (T^2 - 1) / 3T; signed it would be 0."""
    everywhere = jnp.full((1, 1, T, T), 1 / T)
    np.testing.assert_allclose(structure.mean_distance(everywhere), (T * T - 1) / (3 * T), rtol=1e-6)


# Across inputs -------------------------------------------------------------------------------------------------------

P = 10


def maps_on_keys(keys):
    """One-hot causal maps [W, 1, P, P] from the key of every query, [W, P]."""
    return np.eye(P)[np.asarray(keys)][:, None]


def test_a_head_that_goes_by_position_does_not_vary_across_inputs():
    maps = maps_on_keys([np.maximum(np.arange(P) - 1, 0)] * 5)
    np.testing.assert_array_equal(structure.variability(maps, np.zeros((5, 1, P))), 0)
    even = np.broadcast_to(np.tril(np.ones((P, P))) / np.arange(1, P + 1)[:, None], (5, 1, P, P))
    np.testing.assert_allclose(structure.variability(even, np.zeros((5, 1, P))), 0, atol=1e-12)


def test_a_head_with_a_key_of_its_own_in_each_of_two_inputs_varies_by_half():
    """At most 1 - 1/W: the mean over W inputs of one-hot rows keeps 1/W of each."""
    first, own = np.zeros(P, int), np.arange(P)
    both = structure.variability(maps_on_keys([first, own]), np.zeros((2, 1, P)))
    np.testing.assert_allclose(both, 0.5 * (P - 1) / P)  # query 1 has no choice
    many = structure.variability(np.eye(P)[:, None, None, :] * np.ones((1, 1, P, 1)), np.zeros((P, 1, P)))
    np.testing.assert_allclose(many, 1 - 1 / P)


def test_variability_of_real_attention_does_not_see_how_much_is_null():
    rng = np.random.default_rng(0)
    maps = np.tril(rng.random((4, 2, P, P)) + 0.1)
    maps /= maps.sum(-1, keepdims=True)
    null = rng.random((4, 2, P))
    plain = structure.variability(maps, np.zeros((4, 2, P)))
    np.testing.assert_allclose(structure.variability(maps * (1 - null)[..., None], null), plain)
    by_hand = np.abs(maps - maps.mean(0)).sum((-2, -1)) / (2 * maps.sum((-2, -1)))
    np.testing.assert_allclose(plain, by_hand)


def test_inputs_without_a_real_row_have_no_variability_and_count_for_no_other():
    maps = maps_on_keys([np.arange(P)] * 3)
    maps[2] = 0
    null = np.zeros((3, 1, P))
    null[2] = 1
    np.testing.assert_array_equal(structure.variability(maps, null)[:, 0], [0, 0, np.nan])


def test_one_input_cannot_vary():
    with pytest.raises(InputError, match="number of inputs W to compare must be >= 2, got 1"):
        structure.variability(np.ones((1, 1, P, P)), np.zeros((1, 1, P)))
    with pytest.raises(InputError, match="number of inputs W to compare must be >= 2, got 1"):
        structure.cosine_across_inputs(jnp.ones((1, 4, 1, 2)))
    with pytest.raises(InputError, match="tokens T of a text must be >= 2, got 1"):
        structure.cosine_across_tokens(jnp.ones((4, 1, 1, 2)))


def test_cosines_are_those_of_all_pairs():
    x = np.random.default_rng(1).normal(size=(4, 6, 2, 3)).astype(np.float32)
    u = x / np.linalg.norm(x, axis=-1, keepdims=True)
    tokens, inputs = np.einsum("btnh,bsnh->bnts", u, u), np.einsum("btnh,ctnh->bcnt", u, u).mean(-1)
    off = lambda a, n: (a.sum((-2, -1)) - n) / (n * (n - 1))
    np.testing.assert_allclose(structure.cosine_across_tokens(jnp.asarray(x)), off(tokens, 6), atol=1e-6)
    found = structure.cosine_across_inputs(jnp.asarray(x))
    np.testing.assert_allclose(found, (inputs.sum(1) - 1) / 3, atol=1e-6)
    np.testing.assert_allclose(found.mean(0), off(inputs.transpose(2, 0, 1), 4), atol=1e-6)


def test_equal_queries_have_cosine_one_whatever_their_length():
    x = jnp.ones((3, 5, 1, 4)) * jnp.arange(1.0, 6)[:, None, None]
    np.testing.assert_allclose(structure.cosine_across_tokens(x), 1, rtol=1e-6)
    np.testing.assert_allclose(structure.cosine_across_inputs(x), 1, rtol=1e-6)
    opposite = jnp.asarray([[1.0], [-1.0]])[None, :, :, None]
    np.testing.assert_allclose(structure.cosine_across_tokens(opposite), -1)
