"""What marks the first token besides attention: planted norms and entries, ratios that are known."""

import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from analysis.measures import outliers
from jattn.errors import InputError


def head_norm_ratio(x, heads):
    return outliers.head_norm_ratio(jnp.asarray(x), heads)


def residual_norm_ratio(x):
    return outliers.residual_norm_ratio(jnp.asarray(x))


def max_over_median(x):
    return outliers.max_over_median(jnp.asarray(x))


def unit(rng, *shape):
    x = rng.normal(size=shape)
    return (x / np.linalg.norm(x, axis=-1, keepdims=True)).astype(np.float32)


def test_a_head_whose_first_value_is_a_tenth_as_long_has_a_tenth():
    v = unit(np.random.default_rng(0), 3, 9, 2, 4)
    v[:, 0, 1] *= 0.1
    np.testing.assert_allclose(head_norm_ratio(v, 2), [[1, 0.1]] * 3, rtol=1e-5)


def test_query_heads_that_share_values_repeat_their_ratio_in_order():
    v = unit(np.random.default_rng(1), 2, 5, 3, 8)
    v[:, 0] *= np.array([2, 3, 5], np.float32)[:, None]
    np.testing.assert_allclose(head_norm_ratio(v, 6), [[2, 2, 3, 3, 5, 5]] * 2, rtol=1e-5)


def test_others_count_by_the_mean_of_their_norms():
    norms = np.array([6, 1, 2, 3], np.float32)
    x = (unit(np.random.default_rng(2), 1, 4, 7) * norms[:, None]).astype(np.float32)
    np.testing.assert_allclose(residual_norm_ratio(x), [6 / 2], rtol=1e-5)
    np.testing.assert_allclose(head_norm_ratio(x[:, :, None], 1), [[3]], rtol=1e-5)


def test_one_massive_entry_is_counted_in_medians():
    x = np.where(np.random.default_rng(3).random((2, 5, 8)) < 0.5, -0.5, 0.5).astype(np.float32)
    x[0, 0, 3], x[1, 4, 0] = -1500, 1
    np.testing.assert_allclose(max_over_median(x), [3000, 2])


def test_gaussian_entries_are_about_six_medians_at_most():
    """The largest of n = 32,768 Gaussians is near sqrt(2 log n) = 4.6; the median of |x| is 0.674."""
    x = np.random.default_rng(4).normal(size=(4, 64, 512)).astype(np.float32)
    assert ((max_over_median(x) > 5) & (max_over_median(x) < 9)).all()


@given(st.integers(0, 1000), st.floats(1e-3, 1e3))
def test_the_scale_of_a_layer_changes_no_ratio(seed, scale):
    x = np.random.default_rng(seed).normal(size=(2, 6, 5)).astype(np.float32)
    for measure in (residual_norm_ratio, max_over_median, lambda x: head_norm_ratio(x[:, :, None], 1)):
        np.testing.assert_allclose(measure(x * np.float32(scale)), measure(x), rtol=1e-4)


def test_nothing_over_nothing_is_undefined():
    zero = np.zeros((1, 4, 3), np.float32)
    assert np.isnan(residual_norm_ratio(zero)).all() and np.isnan(max_over_median(zero)).all()


def test_one_token_has_no_others():
    with pytest.raises(InputError, match="tokens T of a window must be >= 2"):
        residual_norm_ratio(np.ones((1, 1, 3), np.float32))


def test_gaussian_entries_have_kurtosis_three_and_two_values_one():
    x = np.random.default_rng(5).normal(size=(4, 64, 512)).astype(np.float32)
    np.testing.assert_allclose(outliers.kurtosis(jnp.asarray(x)), 3, atol=0.1)
    np.testing.assert_allclose(outliers.kurtosis(jnp.asarray(100 * np.sign(x))), 1, rtol=1e-3)


def test_one_entry_of_n_has_kurtosis_n():
    """A share p = 1/n of ones has kurtosis (1 - 3p + 3p^2) / (p (1 - p)), by the biased variance."""
    n, p = 400, 1 / 400
    x = np.zeros((1, 20, 20), np.float32)
    x[0, 3, 4] = 1000
    biased = (1 - 3 * p + 3 * p * p) / (p * (1 - p))
    np.testing.assert_allclose(outliers.kurtosis(jnp.asarray(x)), biased * (1 - 1 / n) ** 2, rtol=1e-4)
    np.testing.assert_array_equal(outliers.infinity_norm(jnp.asarray(-x)), [1000])


def test_kurtosis_is_scipys_with_the_unbiased_deviation_and_the_published_epsilon():
    x = np.random.default_rng(6).standard_t(5, size=(3, 8, 16)).astype(np.float32)
    flat = x.reshape(3, -1).astype(np.float64)
    s4 = flat.std(-1, ddof=1) ** 4
    expected = scipy.stats.kurtosis(flat, axis=-1, fisher=False) * flat.std(-1) ** 4 / (s4 + 1e-6)
    np.testing.assert_allclose(outliers.kurtosis(jnp.asarray(x)), expected, rtol=1e-4)


def test_a_silent_layer_has_no_kurtosis_and_no_infinity_norm():
    zero = jnp.zeros((2, 4, 8))
    np.testing.assert_array_equal(outliers.kurtosis(zero), 0)
    np.testing.assert_array_equal(outliers.infinity_norm(zero), 0)
