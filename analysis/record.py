"""What one run does on some windows of text, and what of a model's configuration the measures need to know."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jattn.config import ModelConfig
from jattn.masks import Mask
from jattn.taps import Seen


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


def rows_that_sum_to_one(config: ModelConfig) -> np.ndarray:
    """Per layer, whether attention is a softmax; rows of sigmoid attention are divided by their sum before measuring.

    Those are proxy scores (Gu et al. 2024, section 7.4): how a query's attention is shared out, not how much there is.
    """
    return np.array([not config.layer(i).sigmoid for i in range(config.layers)])


def layers_with_null(config: ModelConfig) -> np.ndarray:
    """Per layer, whether it has a null or a sink token."""
    return np.array([config.layer(i).has_null for i in range(config.layers)], bool)


def visible_maps(config: ModelConfig, T: int) -> np.ndarray:
    """Which keys each query sees, per layer, [L, T, T]."""
    positions = np.arange(T)
    layers = [config.layer(i) for i in range(config.layers)]
    masks = [Mask(causal=config.causal, window=k.window, first=k.first) for k in layers]
    return np.stack([m.dense(positions, positions)[0, 0] for m in masks])


def attention_of(seen: Seen, config: ModelConfig) -> tuple[Float[Array, "B N T T"], Float[Array, "B N T"]]:
    """Weights on real keys and null mass of a layer, together 1 for every query."""
    weights, null = seen.weights(), seen.null_mass.swapaxes(1, 2)
    if rows_that_sum_to_one(config).all():
        return weights, null
    softmax = jnp.asarray(rows_that_sum_to_one(config))[seen.layer]
    return jnp.where(softmax, weights, weights / weights.sum(-1, keepdims=True)), null


def _ratio(total: Any, count: Any) -> np.ndarray:
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
