"""What the training loop adds to the compiled step, and what a null adds to the whole step; interleaved ratios.

python benchmarks/training.py
"""

import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

import jax
from timing import interleaved, ms, ratio, stepper

from train import loop, step
from train.config import override
from train.feed import feed_of
from train.material import prepare
from train.metrics import MetricsFile
from train.presets import preset
from train.progress import Bar
from train.reporter import Reporter

STEPS = 200


def loop_against_step(rounds: int = 9) -> None:
    """The loop (batches from Grain, metrics read and logged, the bar) against the same step on one resident batch."""
    material = prepare(override(preset("nanogpt-cpu"), {"steps": 1_000_000}))
    config = material.config
    train_step, feed = step.make_train_step(config), feed_of(material)
    resident = feed.put(feed.batches[0])
    running = SimpleNamespace(asked=False)
    state = step.init_state(config)
    done = 0
    looped, bare = [], []
    with (
        tempfile.TemporaryDirectory() as folder,
        MetricsFile(Path(folder)) as metrics,
        Bar("loop", 2 * STEPS * (rounds + 1)) as bar,
    ):
        report = Reporter(config, metrics, bar)
        for number in range(rounds + 1):
            began = time.perf_counter()
            steps = range(done, done + STEPS)
            state, done = loop.stretch(train_step, state, steps, feed, report, running)  # pyright: ignore[reportArgumentType]
            jax.block_until_ready(state.parameters)
            if number:
                looped.append(time.perf_counter() - began)
            began = time.perf_counter()
            for _ in range(STEPS):
                state, _values = train_step(state, resident)
            jax.block_until_ready(state.parameters)
            if number:
                bare.append(time.perf_counter() - began)
    times = {"loop": looped, "step": bare}
    print(f"nanogpt-cpu, {STEPS} steps: loop {ms(times, 'loop')}, step {ms(times, 'step')}; ", end="")
    print(f"loop / step {ratio(times, 'loop', 'step')}")


def null_against_none(rounds: int = 7) -> None:
    """The whole training step at nanogpt-gpu's shape, with a null key and value and with none."""
    contenders = {}
    for attention in ("standard", "key_value"):
        changes = {"model.attention": attention, "model.vocab_size": 65}
        contenders[attention] = stepper(override(preset("nanogpt-gpu"), changes))
    times = interleaved(contenders, rounds=rounds, warmup=1)
    print(f"nanogpt-gpu's shape: null {ms(times, 'key_value')}, none {ms(times, 'standard')}; ", end="")
    print(f"null / none {ratio(times, 'key_value', 'standard')}")


if __name__ == "__main__":
    print(f"jax {jax.__version__} on {jax.devices()[0].device_kind}")
    loop_against_step()
    null_against_none()
