"""What a run says of its steps: lines in metrics.jsonl and the live bar, from the same values."""

import math
import time
from typing import Any

from jattn.errors import InputError
from train import optimizer
from train.config import RunConfig
from train.metrics import MetricsFile
from train.progress import Bar


class Reporter:
    """Called with a finished step and its metrics; writes every log_every-th, stops on a loss that is not finite."""

    def __init__(self, config: RunConfig, metrics: MetricsFile, bar: Bar):
        self._config, self._metrics, self._bar = config, metrics, bar
        o = config.optimizer
        peaks = {"learning_rate": o.learning_rate}
        if o.optimizer == "muon":
            peaks["muon_learning_rate"] = o.muon_learning_rate
        self._rates: dict[str, Any] = {name: optimizer.schedule(config, peak) for name, peak in peaks.items()}
        self._clock = Clock(config.tokens_per_step)

    def __call__(self, done: int, values: dict[str, Any]) -> None:
        if done % self._config.log_every and done != self._config.steps:
            return
        numbers = {name: float(value) for name, value in values.items()}
        self.finite("loss", numbers["loss"], done)
        rates = {name: float(rate(done - 1)) for name, rate in self._rates.items()}
        speed = self._clock.tokens_per_second(done)
        self._metrics.write(step=done, **rates, tokens_per_second=round(speed), **numbers)
        self._bar.update(
            done,
            loss=numbers["loss"],
            null_mass=numbers.get("null_mass"),
            grad=numbers["grad_norm"],
            lr=rates["learning_rate"],
            **{"tokens/s": f"{speed:,.0f}"},
        )

    def finite(self, what: str, value: float, done: int) -> float:
        """The value, or InputError where it has left the finite ones: that ends the run."""
        if math.isfinite(value):
            return value
        raise InputError(
            f"{self._bar.title}: {what} is {value} at step {done}; checkpoints saved before it are kept. "
            f"Lower optimizer.learning_rate (now {self._config.optimizer.learning_rate})"
        )

    def restart_clock(self, done: int) -> None:
        """Leave an evaluation or a save out of tokens per second."""
        self._clock.reset(done)


class Clock:
    """Tokens per second since the last reset; evaluations and saves do not count."""

    def __init__(self, tokens_per_step: int):
        self._tokens = tokens_per_step
        self._began, self._step = time.monotonic(), None

    def reset(self, done: int) -> None:
        self._began, self._step = time.monotonic(), done

    def tokens_per_second(self, done: int) -> float:
        if self._step is None:  # the first report starts the clock: compiling is not training
            self.reset(done)
            return 0.0
        return (done - self._step) * self._tokens / max(time.monotonic() - self._began, 1e-9)
