"""Ratios of things measured side by side in one run: they take turns, so that drift hits all of them alike."""

import statistics
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from train import step
from train.config import RunConfig


def interleaved(contenders: dict[str, Callable[[], Any]], rounds: int, warmup: int = 2) -> dict[str, list[float]]:
    """Seconds of each, round by round in turn; results are waited for."""
    for _ in range(warmup):
        for f in contenders.values():
            jax.block_until_ready(f())
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, f in contenders.items():
            began = time.perf_counter()
            jax.block_until_ready(f())
            times[name].append(time.perf_counter() - began)
    return times


def ratio(times: dict[str, list[float]], a: str, b: str) -> str:
    """The median over rounds of a / b, with the middle half of the rounds."""
    ratios = sorted(x / y for x, y in zip(times[a], times[b], strict=True))
    low, high = ratios[len(ratios) // 4], ratios[-1 - len(ratios) // 4]
    return f"{statistics.median(ratios):.3f} ({low:.3f} to {high:.3f})"


def ms(times: dict[str, list[float]], name: str) -> str:
    """The median in milliseconds."""
    return f"{1e3 * statistics.median(times[name]):.2f} ms"


def stepper(config: RunConfig) -> Callable[[], Any]:
    """A function that takes one training step on a resident batch of random tokens."""
    train_step = step.make_train_step(config)
    shape = (config.data.batch, config.model.context + 1)
    batch = jnp.asarray(np.random.default_rng(0).integers(0, config.model.vocab_size, shape), jnp.int32)
    held = {"state": step.init_state(config)}

    def run():
        held["state"], values = train_step(held["state"], batch)
        return values

    return run
