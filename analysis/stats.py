"""Numbers with intervals over seeds. A run with another seed is one observation; windows and heads are not.

Source: Student's t interval, and the paired one for two groups of runs that share their seeds.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import SupportsFloat

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
