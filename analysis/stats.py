"""Numbers with intervals. A run with another seed is one observation; windows and heads are not.

Sources: Student's t interval, and the paired one for two groups of runs that share their seeds; the bootstrap over two
crossed factors, seeds and texts (Owen 2007, The pigeonhole bootstrap); Hedges 1981 (effect size); Schuirmann 1987 (two
one-sided tests of equivalence).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, SupportsFloat

import numpy as np
from jaxtyping import Array, Float
from scipy.stats import t as student

from jattn.errors import InputError

Values = Sequence[SupportsFloat] | Float[np.ndarray, "n"] | Float[Array, "n"]


@dataclass(frozen=True)
class Interval:
    """A mean over n seeds and its confidence interval; low and high are None for n = 1, which carries none."""

    mean: float
    low: float | None
    high: float | None
    n: int

    def __format__(self, spec: str) -> str:
        """Mean and bounds in that format: f"{x:+.3f}" is +0.012 [-0.003, +0.027], or +0.012 alone for one seed."""
        mean = format(self.mean, spec)
        return mean if self.low is None else f"{mean} [{format(self.low, spec)}, {format(self.high, spec)}]"


def interval(values: Values, level: float = 0.95) -> Interval:
    """mean +- t_{(1+level)/2, n-1} * sd / sqrt(n), with the unbiased sd, in the unit of the values.

    Raises InputError for other than one number per seed, values that are not finite, or a level outside (0, 1).
    """
    values = np.asarray(values, np.float64)
    if not 0 < level < 1:
        raise InputError(f"level must lie between 0 and 1, got {level}; 0.95 is usual")
    if values.ndim != 1 or values.size == 0:
        raise InputError(f"values: shape {values.shape}; give one number per seed, and at least one seed")
    if not np.isfinite(values).all():
        raise InputError(f"values must be finite, got {values.tolist()}; leave out the seeds that have no value")
    mean, n = float(values.mean()), values.size
    if n == 1:
        return Interval(mean, None, None, 1)
    half = float(student.ppf((1 + level) / 2, n - 1) * values.std(ddof=1) / np.sqrt(n))
    return Interval(mean, mean - half, mean + half, n)


def paired(a: Values, b: Values, level: float = 0.95) -> Interval:
    """`interval` of a_i - b_i, where a_i and b_i are runs with the same seed (and data order), in the same order.

    Raises InputError if the lengths differ, and as `interval` does.
    """
    if len(a) != len(b):
        raise InputError(f"paired: {len(a)} and {len(b)} values; give one value per seed for both, in the same order")
    return interval(np.asarray(a, np.float64) - np.asarray(b, np.float64), level)


def known_mean(values: Any, axis: int | tuple[int, ...] | None = None) -> Any:
    """The mean of what is defined, over some axes or all; NaN where nothing is."""
    values = np.asarray(values, np.float64)
    known = np.isfinite(values)
    count = known.sum(axis)
    return np.where(count > 0, np.where(known, values, 0).sum(axis) / np.maximum(count, 1), np.nan)


def bootstrap(
    values: Float[np.ndarray, "S X"], level: float = 0.95, resamples: int = 2000, seed: int = 0
) -> tuple[float, float] | None:
    """Percentile interval of the mean of one number per seed and text: seeds and texts both drawn with replacement.

    Every seed reads the same texts, so a resample draws S seeds and X texts and takes the mean of their crossing. Give
    differences for the interval of a difference. With one seed it is over texts alone; None with one seed and one text.
    NaN (undefined) is left out. Few seeds make it too narrow: read it beside `interval`.
    """
    S, X = values.shape
    if S * X < 2 or not np.isfinite(values).any():
        return None
    rng = np.random.default_rng(seed)
    seeds = rng.multinomial(S, np.full(S, 1 / S), resamples).astype(float)
    texts = rng.multinomial(X, np.full(X, 1 / X), resamples).astype(float)
    known = np.isfinite(values)
    total = np.einsum("rs,sx,rx->r", seeds, np.where(known, values, 0), texts)
    count = np.einsum("rs,sx,rx->r", seeds, known.astype(float), texts)
    means = total[count > 0] / count[count > 0]
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def jackknife_pairs(values: Float[np.ndarray, " P"], level: float = 0.95) -> Interval:
    """Mean of one number per pair of n runs (P = n (n - 1) / 2, in the order of itertools.combinations), with the
    jackknife interval over runs: each run left out in turn with all its pairs, Student's t with n - 1 degrees.

    n of the Interval is the number of runs; no bounds for fewer than three. Source: Efron and Tibshirani 1993, ch. 11.
    """
    n = round((1 + np.sqrt(1 + 8 * len(values))) / 2)
    mean = float(np.mean(values))
    if n < 3:
        return Interval(mean, None, None, n)
    pairs = np.array(list(combinations(range(n), 2)))
    without = np.array([values[(pairs != run).all(1)].mean() for run in range(n)])
    error = np.sqrt((n - 1) / n * ((without - without.mean()) ** 2).sum())
    half = float(student.ppf((1 + level) / 2, n - 1) * error)
    return Interval(mean, mean - half, mean + half, n)


def effect_size(a: Sequence[SupportsFloat], b: Sequence[SupportsFloat]) -> float | None:
    """Hedges' g of two groups of seeds: (mean a - mean b) / pooled sd, times 1 - 3 / (4 (n_a + n_b) - 9).

    In standard deviations over seeds. None where a group has one seed or no seed differs from another.
    """
    x, y = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if min(x.size, y.size) < 2:
        return None
    pooled = np.sqrt(((x.size - 1) * x.var(ddof=1) + (y.size - 1) * y.var(ddof=1)) / (x.size + y.size - 2))
    if pooled < 1e-12 * max(1.0, abs(x.mean())):
        return None
    return float((x.mean() - y.mean()) / pooled * (1 - 3 / (4 * (x.size + y.size) - 9)))


def equivalent(difference: Values, bound: float, level: float = 0.95) -> bool | None:
    """Two one-sided t tests: True if the mean difference lies within +- bound at this level, False if it lies outside.

    The same as asking whether the interval of level 2 level - 1 lies within (outside) the bounds. None if neither, or
    with one seed, which decides nothing.
    """
    around = interval(difference, 2 * level - 1)
    if around.low is None or around.high is None:
        return None
    if -bound < around.low and around.high < bound:
        return True
    return False if around.low > bound or around.high < -bound else None
