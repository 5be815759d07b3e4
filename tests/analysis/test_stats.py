"""Intervals against scipy's own t tests, tabulated quantiles, and the share of intervals that cover."""

import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.stats import Interval, interval, paired
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
