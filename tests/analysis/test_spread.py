"""Spread of distance, keys that hold 90 %, sparsity: closed forms for even and one-key attention, sorting as oracle."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from analysis.measures import spread
from analysis.measures.sinks import first_token_as_null

T = 20


def even(T=T, null=0.0):
    """Even causal attention with a constant share on the null."""
    weights = np.tril(np.ones((T, T))) / np.arange(1, T + 1)[:, None] * (1 - null)
    return jnp.asarray(weights[None, None], jnp.float32), jnp.full((1, 1, T), null, jnp.float32)


def random_weights(seed, shape=0.5, B=2, N=3, T=T):
    rng = np.random.default_rng(seed)
    rows = np.tril(rng.gamma(shape, size=(B, N, T, T)) + 1e-4)
    null = rng.random((B, N, T))
    rows *= (1 - null)[..., None] / rows.sum(-1, keepdims=True)
    return jnp.asarray(rows, jnp.float32), jnp.asarray(null, jnp.float32)


@pytest.mark.parametrize("null", [0.0, 0.7])
def test_even_attention_spreads_by_the_deviation_of_a_uniform_distribution(null):
    t = np.arange(2, T + 1)
    np.testing.assert_allclose(spread.distance_spread(*even(null=null)), np.sqrt((t**2 - 1) / 12).mean(), rtol=1e-5)


def test_one_key_per_query_has_no_spread_and_two_have_half_their_gap():
    none = jnp.zeros((1, 1, T))
    np.testing.assert_array_equal(spread.distance_spread(jnp.eye(T)[None, None], none), 0)
    pair = jnp.eye(T)[None, None].at[0, 0, 8].set(0).at[0, 0, 8, jnp.asarray([2, 8])].set(0.5)
    np.testing.assert_allclose(spread.distance_spread(pair, none), 3 / (T - 1), rtol=1e-6)


@pytest.mark.parametrize("null", [0.0, 0.7])
def test_even_attention_needs_nine_tenths_of_its_keys(null):
    expected = np.mean([math.ceil(0.9 * t - 1e-9) for t in range(1, T + 1)])
    np.testing.assert_allclose(spread.keys_that_hold(*even(null=null)), expected, rtol=1e-6)


def test_one_key_per_query_needs_one_key():
    np.testing.assert_array_equal(spread.keys_that_hold(jnp.eye(T)[None, None], jnp.zeros((1, 1, T))), 1)


@pytest.mark.parametrize("shape", [0.05, 0.5, 5.0])
def test_the_count_of_keys_is_that_of_sorting(shape):
    weights, null = random_weights(0, shape, T=64)
    rows = np.asarray(weights, np.float64)
    rows /= rows.sum(-1, keepdims=True)
    held = np.cumsum(-np.sort(-rows), -1)
    expected = 1 + (held < 0.9 - 1e-6).sum(-1)
    count, kept = spread.query_keys_that_hold(weights, null)
    assert kept.all()
    np.testing.assert_array_equal(count, expected)


def test_of_keys_with_equal_weight_only_those_needed_are_counted():
    row = jnp.asarray([0.5, *[0.1] * 5])  # 0.5 + four of the five
    weights = jnp.broadcast_to(row, (1, 1, 6, 6))
    count, _ = spread.query_keys_that_hold(weights, jnp.zeros((1, 1, 6)))
    np.testing.assert_array_equal(count, 5)


def test_sparsity_is_the_share_of_visible_keys_with_next_to_nothing():
    t = np.arange(1, T + 1)
    none = jnp.zeros((1, 1, T))
    np.testing.assert_array_equal(spread.sparsity(*even()), 0)
    np.testing.assert_allclose(spread.sparsity(jnp.eye(T)[None, None], none), (1 - 1 / t).mean(), rtol=1e-6)
    weights = jnp.broadcast_to(jnp.asarray([0.9981, 9e-4, 1e-3, 0.0]), (1, 1, 4, 4))
    everywhere = jnp.full(4, 4)
    np.testing.assert_allclose(spread.sparsity(weights, jnp.zeros((1, 1, 4)), everywhere), 0.5)


def test_a_null_makes_a_head_sparse():
    weights, null = even(null=0.99)  # 0.01 / t is below 0.001 for t > 10
    np.testing.assert_allclose(spread.sparsity(weights, null), 0.5)


@pytest.mark.parametrize("measure", [spread.distance_spread, spread.keys_that_hold])
def test_a_constant_null_share_leaves_the_real_attention_alone(measure):
    weights, null = random_weights(1)
    np.testing.assert_allclose(measure(weights / 8, 1 - (1 - null) / 8), measure(weights, null), rtol=1e-3)


@pytest.mark.parametrize("measure", [spread.distance_spread, spread.keys_that_hold])
def test_a_sink_on_the_first_token_counts_like_a_null(measure):
    weights, null = random_weights(2)
    standard = jnp.concatenate([null[..., None], weights], -1)  # a text one token longer, its first token the sink
    standard = jnp.pad(standard, ((0, 0), (0, 0), (1, 0), (0, 0))).at[..., 0, 0].set(1)
    visible = jnp.arange(1, T + 2)
    as_null = measure(*first_token_as_null(standard, jnp.zeros(standard.shape[:-1])), visible - 1)
    np.testing.assert_allclose(as_null, measure(weights, null), rtol=1e-4)


def test_a_head_wholly_on_the_null_has_no_spread_and_needs_no_keys():
    silent, null = jnp.zeros((1, 1, T, T)), jnp.ones((1, 1, T))
    for measure in (spread.distance_spread, spread.keys_that_hold):
        assert jnp.isnan(measure(silent, null)).all()
    np.testing.assert_array_equal(spread.sparsity(silent, null), 1)


def test_spread_is_the_same_under_jit():
    weights, null = random_weights(3)
    for measure in (spread.distance_spread, spread.keys_that_hold, spread.sparsity):
        np.testing.assert_allclose(jax.jit(measure)(weights, null), measure(weights, null), rtol=1e-5)
