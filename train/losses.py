"""The loss of every next token: what training lowers, evaluation reports and analysis compares."""

import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int


def next_token_losses(logits: Float[Array, "*B T V"], targets: Int[Array | np.ndarray, "*B T"]) -> Float[Array, "*B T"]:
    """Cross-entropy in nats of each target: logsumexp(logits) - logit of the target."""
    return optax.softmax_cross_entropy_with_integer_labels(logits, jnp.asarray(targets))
