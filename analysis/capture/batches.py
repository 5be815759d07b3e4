"""Rows of arrays a batch at a time, and which block of neighbouring rows each belongs to.

A block is what an interval over texts resamples: the mean of neighbouring windows.
"""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Int


def in_batches(size: int, *arrays: np.ndarray) -> Iterator[tuple[int, int, tuple[np.ndarray, ...]]]:
    """(where the batch starts, how many rows are its own, `size` rows of each array): the last batch is filled up with
    its last row, for one shape is one compiled program."""
    for start in range(0, len(arrays[0]), size):
        own = [np.asarray(a[start : start + size]) for a in arrays]
        n = len(own[0])
        yield start, n, tuple(np.pad(a, ((0, size - n), *[(0, 0)] * (a.ndim - 1)), mode="edge") for a in own)


def block_of(count: int, most: int) -> Int[np.ndarray, " count"]:
    """The block that each of `count` rows belongs to, from 0: at most `most` blocks of neighbours."""
    return np.arange(count) * min(most, count) // count
