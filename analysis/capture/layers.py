"""What the measures need to know of each layer: what its queries see, whether it has a null, its attention."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jattn import masks
from jattn.config import ModelConfig
from jattn.taps import Seen


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
    layers = [masks.of_layer(config.layer(i), causal=config.causal) for i in range(config.layers)]
    return np.stack([mask.dense(positions, positions)[0, 0] for mask in layers])


def attention_of(seen: Seen, config: ModelConfig) -> tuple[Float[Array, "B N T T"], Float[Array, "B N T"]]:
    """Weights on real keys and null mass of a layer, together 1 for every query."""
    weights, null = seen.weights(), seen.null_mass.swapaxes(1, 2)
    if rows_that_sum_to_one(config).all():
        return weights, null
    softmax = jnp.asarray(rows_that_sum_to_one(config))[seen.layer]
    return jnp.where(softmax, weights, weights / weights.sum(-1, keepdims=True)), null
