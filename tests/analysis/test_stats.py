"""Intervals against scipy's own t tests, tabulated quantiles, and the share of intervals that cover."""

import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.stats import Interval, bootstrap, effect_size, equivalent, interval, jackknife_pairs, paired
from jattn.errors import InputError

seeds = st.lists(st.floats(-10, 10), min_size=3, max_size=8).filter(lambda values: np.std(values) > 1e-3)


def test_three_seeds_use_the_tabulated_quantile():
    got = interval([1.0, 2.0, 3.0])
    half = 4.302653 / np.sqrt(3)  # t(0.975, 2 degrees of freedom); the sd is 1
    assert (got.mean, got.n) == (2.0, 3)
    assert (got.low, got.high) == pytest.approx((2 - half, 2 + half), rel=1e-6)


def test_one_seed_carries_no_interval():
    assert interval([0.25]) == Interval(0.25, None, None, 1)
    assert paired([0.75], [0.5]) == Interval(0.25, None, None, 1)


@given(seeds, st.sampled_from([0.5, 0.9, 0.99]))
@settings(deadline=None)
def test_interval_is_scipys(values, level):
    theirs = scipy.stats.ttest_1samp(values, 0).confidence_interval(level)
    got = interval(values, level)
    assert (got.low, got.high) == pytest.approx((theirs.low, theirs.high), rel=1e-9, abs=1e-9)


def test_paired_interval_is_scipys():
    rng = np.random.default_rng(0)
    a, b = rng.normal(1, 1, 6), rng.normal(0, 1, 6)
    theirs = scipy.stats.ttest_rel(a, b).confidence_interval(0.9)
    got = paired(a, b, 0.9)
    assert (got.low, got.high) == pytest.approx((theirs.low, theirs.high), rel=1e-9)


def test_what_a_seed_does_to_both_runs_cancels_in_pairs():
    luck = np.array([-3.0, 0.0, 5.0, 1.0])
    assert paired(luck + 0.5, luck) == Interval(0.5, 0.5, 0.5, 4)


@given(seeds, st.floats(-5, 5))
@settings(deadline=None)
def test_interval_moves_and_mirrors_with_the_values(values, shift):
    got, moved, mirrored = interval(values), interval(np.array(values) + shift), interval(-np.array(values))
    assert (moved.low, moved.high) == pytest.approx((got.low + shift, got.high + shift), abs=1e-9)
    assert (mirrored.low, mirrored.high) == pytest.approx((-got.high, -got.low), abs=1e-9)


def test_nineteen_of_twenty_intervals_cover_the_truth():
    draws = np.random.default_rng(0).normal(3, 2, (2000, 3))
    covered = np.mean([got.low < 3 < got.high for got in map(interval, draws)])
    assert abs(covered - 0.95) < 4 * np.sqrt(0.95 * 0.05 / 2000)


def test_values_may_be_jax_scalars_or_arrays():
    plain = interval([1.0, 2.0, 4.0])
    assert interval([jnp.float32(1), jnp.float32(2), jnp.float32(4)]) == plain
    assert interval(jnp.asarray([1.0, 2.0, 4.0])) == plain


def test_bad_values_are_refused_in_one_line():
    with pytest.raises(InputError, match=r"shape \(0,\); give one number per seed"):
        interval([])
    with pytest.raises(InputError, match=r"shape \(2, 1\); give one number per seed"):
        interval([np.ones(1), np.ones(1)])
    with pytest.raises(InputError, match="must be finite"):
        interval([1.0, float("nan")])
    with pytest.raises(InputError, match=r"level must lie between 0 and 1, got 95"):
        interval([1.0, 2.0], level=95.0)
    with pytest.raises(InputError, match="2 and 1 values; give one value per seed"):
        paired([1.0, 2.0], [1.0])


# Over seeds and texts ------------------------------------------------------------------------------------------------


def test_bootstrap_covers_the_mean_about_as_often_as_it_says():
    """Normal effects of 8 seeds and 40 texts around 0; a bootstrap of few seeds is a little too narrow."""
    rng = np.random.default_rng(0)
    inside = 0
    for i in range(200):
        values = rng.normal(0, 1, (8, 1)) + rng.normal(0, 1, (1, 40)) + rng.normal(0, 1, (8, 40))
        bounds = bootstrap(values, resamples=300, seed=i)
        assert bounds is not None
        low, high = bounds
        inside += low < 0 < high
    assert 0.82 < inside / 200 < 0.99


def test_bootstrap_of_equal_numbers_is_that_number():
    assert bootstrap(np.full((3, 5), 0.25)) == pytest.approx((0.25, 0.25))


def test_bootstrap_leaves_out_what_is_undefined_and_needs_two_numbers():
    values = np.array([[1.0, 2.0, np.nan], [1.0, 2.0, np.nan]])
    bounds = bootstrap(values)
    assert bounds is not None
    low, high = bounds
    assert 1 <= low <= high <= 2
    assert bootstrap(np.ones((1, 1))) is None and bootstrap(np.full((2, 2), np.nan)) is None


def test_one_seed_is_resampled_over_texts_alone():
    values = np.random.default_rng(0).normal(0, 1, (1, 400))
    bounds = bootstrap(values)
    assert bounds is not None
    low, high = bounds
    assert high - low == pytest.approx(2 * 1.96 * values.std() / 20, rel=0.15)


def test_effect_size_is_hedges_g():
    a, b = [1.0, 2.0, 3.0], [0.0, 1.0, 2.0]
    assert effect_size(a, b) == pytest.approx((1 - 3 / 15) * 1.0)  # means 1 apart, pooled sd 1, 4 (3 + 3) - 9 = 15
    assert effect_size(a[:1], b) is None and effect_size([1.0, 1.0], [1.0, 1.0]) is None


def test_equivalence_needs_the_interval_inside_the_bounds():
    assert equivalent([0.001, -0.001, 0.002], 0.02) is True
    assert equivalent([0.1, 0.101, 0.099], 0.02) is False
    assert equivalent([0.03, -0.03, 0.0], 0.02) is None
    assert equivalent([0.0], 0.02) is None


def test_equivalence_is_two_one_sided_t_tests():
    values = np.array([0.004, 0.012, -0.003, 0.009])
    p = max(
        scipy.stats.ttest_1samp(values, -0.02, alternative="greater")[1],
        scipy.stats.ttest_1samp(values, 0.02, alternative="less")[1],
    )
    assert equivalent(values, 0.02) is (True if p < 0.05 else None)


def test_jackknife_over_runs_is_that_of_a_mean_where_pairs_are_sums_of_their_runs():
    """If a pair's number is the sum of its two runs' own, leaving runs out is the jackknife of 2 times their mean."""
    own = np.array([0.1, 0.5, 0.2, 0.7])
    pairs = np.array([own[i] + own[j] for i in range(4) for j in range(i + 1, 4)])
    found, expected = jackknife_pairs(pairs), interval(2 * own)
    assert found.mean == pytest.approx(expected.mean) and found.n == 4
    assert found.high - found.low == pytest.approx(expected.high - expected.low)


def test_one_pair_of_runs_has_no_interval():
    assert jackknife_pairs(np.array([0.3])) == Interval(0.3, None, None, 2)
