"""Products by distance against a double loop; planted decays are found, named and nothing else is."""

import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from analysis.measures import decay
from jattn.config import RopeConfig
from jattn.errors import InputError
from jattn.positions import rope

B, T, N, K, H = 2, 24, 2, 1, 4


def test_products_are_the_means_over_pairs_at_each_distance_without_key_one():
    rng = np.random.default_rng(0)
    q, k = rng.normal(size=(B, T, N, H)), rng.normal(size=(B, T, K, H))
    found = decay.products_by_distance(jnp.asarray(q), jnp.asarray(k), 7)
    for d in (0, 1, 7):
        expected = np.mean([q[:, t] * k[:, t - d] for t in range(d + 1, T)], axis=0)
        np.testing.assert_allclose(found[..., d], expected, atol=1e-5)


def test_a_sink_at_the_first_key_is_not_in_the_products():
    q, k = jnp.ones((1, T, 1, H)), jnp.ones((1, T, 1, H)).at[:, 0].set(1e4)
    np.testing.assert_allclose(decay.products_by_distance(q, k, T - 2), 1, rtol=1e-6)


def test_rotation_of_constant_vectors_gives_the_cosine_of_its_angle():
    """Dimensions i and i + H/2 of a turned pair sum to cos(d * frequency)."""
    ones = jnp.ones((1, T, 1, H))
    turned = rope(ones, jnp.arange(T), RopeConfig(theta=100.0))
    curves = np.asarray(decay.products_by_distance(turned, turned, T - 2))[0, 0]
    distance = np.arange(T - 1)
    np.testing.assert_allclose(curves[0] + curves[2], 2 * np.cos(distance), atol=1e-4)
    np.testing.assert_allclose(curves[1] + curves[3], 2 * np.cos(distance / 10), atol=1e-4)


def test_planted_decays_are_found_and_named_in_the_order_of_their_fall():
    distance = np.arange(12)
    flat, wave = np.zeros(12), np.cos(distance * 2.0)
    curves = np.stack([wave, 5.0 - distance, flat, np.exp(-distance), 1.0 * distance])
    found = decay.rank_correlation(curves)
    np.testing.assert_allclose(found[[1, 3, 4]], [-1, -1, 1])
    assert abs(found[0]) < 0.5 and np.isnan(found[2])
    assert decay.decaying_dimensions(curves) == [1, 3]
    np.testing.assert_allclose(decay.fall(curves)[[1, 2, 4]], [9, 0, -9])


def test_rank_correlation_is_that_of_scipy_with_ties():
    curves = np.random.default_rng(1).integers(0, 5, size=(3, 2, 9)).astype(float)
    expected = [[scipy.stats.spearmanr(c, np.arange(9))[0] for c in row] for row in curves]
    np.testing.assert_allclose(decay.rank_correlation(curves), expected)


def test_unrelated_values_correlate_as_much_as_chance():
    found = decay.rank_correlation(np.random.default_rng(2).normal(size=(4000, 17)))
    np.testing.assert_allclose([found.mean(), found.std()], [0, 1 / 4], atol=0.02)


def test_bad_inputs_are_one_line_each():
    with pytest.raises(InputError, match="number of distances D must be >= 4, got 3"):
        decay.rank_correlation(np.zeros((2, 3)))
    with pytest.raises(InputError, match="curves: 1 values are not finite"):
        decay.rank_correlation(np.array([1.0, np.nan, 2, 3]))
    with pytest.raises(InputError, match="need a text of at least 10 tokens, got T = 9"):
        decay.products_by_distance(jnp.ones((1, 9, 1, 2)), jnp.ones((1, 9, 1, 2)), 8)
