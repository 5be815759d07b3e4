"""The loss on held-out text."""

from typing import Any

import jax.numpy as jnp
import numpy as np

from train import step
from train.config import RunConfig


class Evaluation:
    """The mean validation loss in nats over fixed windows."""

    def __init__(self, config: RunConfig, windows: np.ndarray):
        self._step = step.make_eval_step(config.model)
        # Batches of one size, so one compiled program; the last few windows are a batch of their own.
        size = min(len(windows), max(1, 16_384 // config.length))
        self._batches = [windows[i : i + size] for i in range(0, len(windows), size)]
        self.tokens = int(windows.shape[0] * (windows.shape[1] - 1))

    def __call__(self, parameters: Any) -> float:
        sums = [self._step(parameters, jnp.asarray(batch)) for batch in self._batches]
        return float(sum(map(float, sums)) / self.tokens)


def evenly(windows: np.ndarray, most: int) -> np.ndarray:
    """At most so many windows, evenly spaced over the split."""
    return windows if len(windows) <= most else windows[np.linspace(0, len(windows) - 1, most).round().astype(int)]
