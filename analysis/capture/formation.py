"""When heads form: measures along the checkpoints of one run.

At every saved step the same windows of text and the same repeated random tokens are read. A measure's onset is the
first saved step at which it has come half of the way from its chance value to its value at the last saved step. A
measure that ends less than NEGLIGIBLE from chance has no onset. Nothing is interpolated: an onset is known to within
the distance of two checkpoints.

Axes: S saved steps, L layers, N heads, W windows, T queries.
Source: Olsson et al. 2022, In-context Learning and Induction Heads, "phase change" (induction heads and the
in-context-learning score change together, in a narrow stretch of training); Gu et al. 2024 for the sink's onset.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from analysis.measures import patterns, sinks
from analysis.measures.incontext import icl_score, said_twice, second_copy_gain
from jattn.config import ModelConfig
from jattn.errors import InputError
from jattn.model import assemble
from jattn.taps import Seen
from train import checkpoint
from train.folders import finished_steps
from train.losses import next_token_losses
from train.runs import Run
from train.windows import predicts_next

NEGLIGIBLE = 0.05  # of a share, or nats
TEXTS, REPEATS = 16, 16  # windows that are read at every checkpoint

# Measure -> its chance value. Those of heads are of the head that has the most of it in that step, or a mean.
MEASURES = ("loss", "icl", "second_copy", "induction", "previous", "alpha_1", "first_token_share", "null_share")


@dataclass(frozen=True)
class Formation:
    """Measures along one run.

    values: measure -> [S].  heads: "induction" and "previous" of every head, [S, L, N].  chance: measure -> its value
    under even attention (shares) or without any use of context (losses: 0; "loss" itself: log V).
    """

    steps: Int[np.ndarray, " S"]
    tokens_per_step: int
    values: Mapping[str, Float[np.ndarray, " S"]]
    heads: Mapping[str, Float[np.ndarray, "S L N"]]
    chance: Mapping[str, float]

    @property
    def tokens(self) -> Int[np.ndarray, " S"]:
        """Tokens of training text seen at each saved step."""
        return self.steps * self.tokens_per_step

    def onset(self, measure: str) -> float:
        """Tokens seen when the measure formed (`onset_index`); NaN if it did not."""
        index = onset_index(self.values[measure], self.chance[measure])
        return float("nan") if index is None else float(self.tokens[index])


def onset_index(values: Float[np.ndarray, " S"], chance: float, negligible: float = NEGLIGIBLE) -> int | None:
    """The first index at which half of the way from chance to the last value is passed; None if that way is short.

    A way of less than `negligible` (a share, or nats) is none at all. NaN before the end is "not yet".
    """
    way = values[-1] - chance
    if not abs(way) >= negligible:
        return None
    return int(np.argmax((values - chance) / way >= 0.5))


def formation(
    run: Run | str | Path, windows: Int[np.ndarray, "W columns"], progress: Callable[[int, int], Any] | None = None
) -> Formation:
    """All measures at every saved step of a run; `windows` [W, T + 1] of its own token ids, the first TEXTS are read.

    Raises InputError for a model that was not trained here, one that predicts no next token, and a
    run with fewer than two checkpoints (train with a lower --save-every and a higher --keep).
    """
    last = run if isinstance(run, Run) else checkpoint.load(run)
    config = last.config.model
    steps = _saved_steps(last)
    if not predicts_next(config):
        raise InputError(f"formation: {last.path} predicts no next token, so it has no loss to follow")
    windows, T = windows[:TEXTS], windows.shape[1] - 1
    repeated = said_twice(last.tokenizer.ordinary, REPEATS, T)
    measured, heads = [], []
    for done, step in enumerate(steps, 1):
        parameters = last.parameters if step == last.step else checkpoint.load(last.path, step).parameters
        values, of_heads = _at_step(config, parameters, windows, repeated)
        if not np.isfinite(values["loss"]):
            raise InputError(f"formation: the loss of {last.path} at step {step} is not finite")
        measured.append(values)
        heads.append(of_heads)
        if progress:
            progress(done, len(steps))
    return Formation(
        np.array(steps),
        last.config.data.batch * last.config.length,
        {name: np.array([v[name] for v in measured]) for name in MEASURES},
        {name: np.stack([h[name] for h in heads]) for name in heads[0]},
        _chance(config, T, repeated),
    )


def _saved_steps(run: Run) -> list[int]:
    if "imported" in run.meta or run.step == 0:
        raise InputError(f"formation: {run.path} was not trained here, it has no checkpoints along the way")
    steps = finished_steps(run.path)
    if len(steps) < 2:
        raise InputError(
            f"formation: {run.path} has one checkpoint, at least 2 are needed; train with a lower --save-every and a "
            "higher --keep"
        )
    return steps


def _at_step(config: ModelConfig, parameters: Any, windows: Any, repeated: Any):
    """Measures of one checkpoint, and the shares of every head [L, N]."""
    losses, seen = (jax.device_get(a) for a in _text(config, parameters, jnp.asarray(windows)))
    twice, seen_twice = (jax.device_get(a) for a in _repeats(config, parameters, jnp.asarray(repeated)))
    heads = {**(seen or {}), **(seen_twice or {})}
    share = lambda name, of: float(of(heads[name])) if name in heads else float("nan")
    values = {
        "loss": float(losses.mean()),
        "icl": float(icl_score(losses).mean()),
        "second_copy": float(second_copy_gain(twice).mean()),
        "induction": share("induction", np.max),
        "previous": share("previous", np.max),
        "alpha_1": share("alpha_1", np.mean),
        "first_token_share": share("first_token_share", np.mean),
        "null_share": share("null_share", np.mean),
    }
    return values, {name: np.asarray(a) for name, a in heads.items()}


@partial(jax.jit, static_argnums=0)
def _text(config: ModelConfig, parameters: Any, windows: Any):
    def observe(seen: Seen):
        weights, null = seen.weights(), seen.null_mass.swapaxes(1, 2)
        return {
            "previous": patterns.raw_mass(weights, patterns.previous_pattern(weights.shape[-1])).mean(0),
            "alpha_1": sinks.alpha(weights).mean(0),
            "first_token_share": sinks.first_token_share(weights).mean(0),
            "null_share": sinks.null_share(null).mean(0),
        }

    return _losses(config, parameters, windows, observe)


@partial(jax.jit, static_argnums=0)
def _repeats(config: ModelConfig, parameters: Any, tokens: Any):
    pattern = patterns.induction_pattern(tokens[:, :-1])
    return _losses(
        config, parameters, tokens, lambda seen: {"induction": patterns.raw_mass(seen.weights(), pattern).mean(0)}
    )


def _losses(config: ModelConfig, parameters: Any, tokens: Any, observe: Any):
    """The loss of every target, and what `observe` saw."""
    logits, seen = assemble(config, parameters)(tokens[:, :-1], observe=observe)
    return next_token_losses(logits, tokens[:, 1:]), seen


def _chance(config: ModelConfig, T: int, repeated: np.ndarray) -> dict[str, float]:
    """Even attention over all that is before, the null left out; no use of context; a guess among all tokens."""
    pattern = patterns.induction_pattern(jnp.asarray(repeated[:, :-1]))
    return {
        "loss": float(np.log(config.vocab_size)),
        "icl": 0.0,
        "second_copy": 0.0,
        "induction": float(patterns.chance_mass(pattern).mean()),
        "previous": float(patterns.chance_mass(patterns.previous_pattern(T))[0, 0]),
        "alpha_1": sinks.alpha_floor(T),
        "first_token_share": float(np.mean(1 / np.arange(2, T + 1))),
        "null_share": 0.0,
    }
