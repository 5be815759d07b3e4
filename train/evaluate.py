"""The loss on held-out text."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jattn.model import assemble
from jattn.taps import Seen
from train import step
from train.config import RunConfig

LARGEST_TOKENS, LARGEST_LOGITS = 1 << 14, 1 << 26  # of one batch of an evaluation


class Evaluation:
    """The mean validation loss in nats over fixed windows."""

    def __init__(self, config: RunConfig, windows: np.ndarray):
        self._step = step.make_eval_step(config.model)
        # A large vocabulary makes the logits of many tokens larger than the model.
        most = min(LARGEST_TOKENS, LARGEST_LOGITS // max(config.model.vocab_size, 1))
        size = min(len(windows), max(1, most // config.length))
        # Batches of one size, so one compiled program; what fills up the last one does not count.
        full = np.concatenate([windows, windows[: -len(windows) % size]])
        self.batches = full.reshape(-1, size, windows.shape[1])
        self._count = len(windows)
        self.tokens = int(windows.shape[0] * (windows.shape[1] - 1))

    def __call__(self, parameters: Any) -> float:
        sums = [np.asarray(self._step(parameters, jnp.asarray(batch)), np.float64) for batch in self.batches]
        return float(np.concatenate(sums)[: self._count].sum() / self.tokens)


WATCHED = 8  # windows on which sinks are watched


class SinkWatch:
    """Where attention without a use goes, on a few fixed windows: what `watch_sinks` adds to each evaluation.

    first_token_share, null_share: mean attention of queries t >= 2 to position 1 and to the null, over layers and
    heads. massive: the largest entry of a residual stream over its median, in magnitude, in the layer where that is
    largest (Sun et al. 2024, arXiv 2402.17762).
    """

    def __init__(self, config: RunConfig, windows: np.ndarray):
        self._windows = jnp.asarray(windows[:WATCHED, :-1])

        def observe(seen: Seen):
            size = jnp.abs(seen["resid_post"])
            first, null = seen.weights()[:, :, 1:, 0].mean(), seen.null_mass[:, 1:].mean()
            return first, null, jnp.max(size.max((1, 2)) / jnp.median(size, (1, 2)))

        self._see = jax.jit(lambda p, tokens: assemble(config.model, p)(tokens, observe=observe)[1])

    def __call__(self, parameters: Any) -> dict[str, float]:
        first, null, massive = self._see(parameters, self._windows)
        return {
            "first_token_share": float(first.mean()),
            "null_share": float(null.mean()),
            "massive": float(massive.max()),
        }


def evenly(windows: np.ndarray, most: int) -> np.ndarray:
    """At most so many windows, evenly spaced over the split."""
    return windows if len(windows) <= most else windows[np.linspace(0, len(windows) - 1, most).round().astype(int)]
