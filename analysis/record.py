"""What one run does on some windows of text, and what of a model's configuration the measures need to know."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Sums:
    """A measure summed over the windows of each block in which it is defined, and how many those are: [X, ...]."""

    total: np.ndarray
    count: np.ndarray

    def __repr__(self) -> str:
        return f"Sums({list(self.total.shape)})"

    @property
    def blocks(self) -> np.ndarray:
        """The mean in each block of windows, [X, ...]; NaN where it is undefined in all of them."""
        return _ratio(self.total, self.count)

    @property
    def mean(self) -> np.ndarray:
        """The mean over all windows in which the measure is defined."""
        return _ratio(self.total.sum(0), self.count.sum(0))


@dataclass(frozen=True)
class Record:
    """What one run does on W windows, in X blocks of consecutive ones (X = W if they are few).

    heads: measure -> Sums [X, L, N].  layers: measures of the residual stream after each layer, Sums [X, L].
    loss_nats: Sums [X], None for a model that predicts no next token.  mean_map: [L, N, T, 1 + T], column 0 the null.
    maps: the same for the first windows, [w, L, N, T, 1 + T].  tokens: the windows as they were given.
    repeats: the measures on repeated random tokens, Sums [X, L, N], none for a model that sees both sides.
    """

    tokens: np.ndarray
    heads: Mapping[str, Sums]
    layers: Mapping[str, Sums]
    loss_nats: Sums | None
    mean_map: np.ndarray
    maps: np.ndarray
    repeats: Mapping[str, Sums] = field(default_factory=dict)

    def __repr__(self) -> str:
        L, N, T, _ = self.mean_map.shape
        measures = f"{len(self.heads) + len(self.repeats)} measures of a head, {len(self.layers)} of a layer"
        return f"Record({len(self.tokens):,} windows of {T} tokens, {L} layers of {N} heads: {measures})"

    def per_head(self) -> dict[str, np.ndarray]:
        """Every measure of a head, [L, N]: the mean over windows."""
        return {name: sums.mean for name, sums in {**self.heads, **self.repeats}.items()}

    def per_layer(self) -> dict[str, np.ndarray]:
        """Every measure of the residual stream, [L]: the mean over windows."""
        return {name: sums.mean for name, sums in self.layers.items()}


def _ratio(total: Any, count: Any) -> np.ndarray:
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
