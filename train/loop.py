"""One run from start or resume to its last step: dispatch step n, then read the metrics of step n - 1.

The device never waits for the host: a metric is read only once the next step is under way. Ctrl-C (or SIGTERM) finishes
the step, saves, and says how to go on.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax

from jattn.model import count_parameters
from train import checkpoint, folders, provenance, step
from train.config import RunConfig, to_dict
from train.devices import replicated
from train.evaluate import Evaluation, SinkWatch
from train.feed import Feed, feed_of
from train.interrupt import Interrupt
from train.material import Material, check_resumable, initial_parameters, prepare
from train.metrics import MetricsFile
from train.progress import Bar
from train.reporter import Reporter
from train.runs import Run


class Stopped(Exception):
    """Training was asked to stop and did, after saving."""


def run(
    config: RunConfig,
    out: str | Path | None = None,
    *,
    resume: bool = False,
    overwrite: bool = False,
    material: Material | None = None,
) -> Run:
    """Train one run into its folder (runs/<name> unless `out`), and load it.

    Deterministic in the config: the same seed gives the same weights and order of data, whatever the attention.
    Raises InputError for bad input, before anything is written; Stopped after a Ctrl-C, when all is saved.
    """
    folder = Path(out) if out is not None else Path("runs") / config.name
    material = material or prepare(config)
    config = material.config
    feed = feed_of(material)
    state, saved = _begin(config, folder, resume, overwrite, material)
    state = replicated(state)
    meta = {
        "config": to_dict(config),
        "tokenizer": material.tokenizer.to_json(),
        "corpus": material.corpus,
        "versions": provenance.versions(),
        "machine": provenance.machine(),
        "parameters": count_parameters(config.model),
    }
    if material.pretrained is not None and "special" in material.pretrained.meta:
        meta["special"] = material.pretrained.meta["special"]
    shown = {k: v for k, v in meta.items() if k != "tokenizer"}
    (folder / "config.json").write_text(json.dumps(shown, indent=2) + "\n", encoding="utf-8")
    with (
        Interrupt() as interrupt,  # outermost: a Ctrl-C while the last save is being written waits for it
        checkpoint.Writer(folder, config.keep) as writer,
        MetricsFile(folder) as metrics,
        Bar(folder.resolve().name, config.steps, start=saved or 0) as bar,
    ):
        _train(config, state, saved, feed, Outputs(writer, metrics, bar, meta), interrupt)
    if interrupt.asked:
        raise Stopped(str(folder))
    return checkpoint.load(folder)


def _begin(config: RunConfig, folder: Path, resume: bool, overwrite: bool, material: Material):
    """The state to start from, fresh or the latest checkpoint of the same run, and the step that is saved already."""
    if not resume:
        state = step.init_state(config, initial_parameters(material))
        folders.prepare_folder(folder, overwrite=overwrite)
        return state, None
    check_resumable(folder, material)
    state = checkpoint.load_state(folder, jax.eval_shape(lambda: step.init_state(config)))
    return state, int(state.step)


@dataclass(frozen=True)
class Outputs:
    """Where a run is written down as it goes; meta: what a checkpoint says of itself."""

    checkpoints: checkpoint.Writer
    metrics: MetricsFile
    bar: Bar
    meta: dict[str, Any]


def _train(
    config: RunConfig, state: step.TrainState, saved: int | None, feed: Feed, outputs: Outputs, interrupt: Interrupt
) -> None:
    """Stretches of steps, each up to the next evaluation or checkpoint; `saved` is the step that is on disk."""
    bar = outputs.bar
    train_step, evaluate = step.make_train_step(config), Evaluation(config, feed.windows)
    report = Reporter(config, outputs.metrics, bar)
    watch = SinkWatch(config, feed.windows) if config.watch_sinks else None
    done = saved or 0

    def measured() -> float:
        """The validation loss, written down with what is watched."""
        loss = report.finite("validation loss", evaluate(state.parameters), done)
        extra = watch(state.parameters) if watch else {}
        outputs.metrics.write(step=done, valid_loss=loss, valid_tokens=evaluate.tokens, **extra)
        return loss

    if done < config.steps:
        bar.note(f"{bar.title}: compiling, before the first step (a large model takes minutes)")
    if config.init_from is not None and saved is None:  # training from a model: what it was worth before
        bar.note(f"{bar.title}: step 0  validation loss {measured():.4f}")
    while done < config.steps:
        until = min(config.steps, *(every * (done // every + 1) for every in (config.eval_every, config.save_every)))
        state, done = stretch(train_step, state, range(done, until), feed, report, interrupt)
        last, valid_loss = done == config.steps, None
        if last or done % config.eval_every == 0:
            valid_loss = measured()
            bar.note(f"{bar.title}: step {done}  validation loss {valid_loss:.4f}")
        stops = interrupt.asked  # read once: a Ctrl-C from here on ends the next stretch
        if done != saved and (stops or last or done % config.save_every == 0):
            if valid_loss is None:
                valid_loss = report.finite("validation loss", evaluate(state.parameters), done)
            outputs.checkpoints.save(state, done, outputs.meta | {"valid_loss": valid_loss})
            saved = done
        if stops:
            break
        report.restart_clock(done)


def stretch(
    train_step: Callable[..., Any], state: Any, steps: range, feed: Feed, report: Reporter, interrupt: Interrupt
) -> tuple[Any, int]:
    """The hot loop: these steps, or those before an interrupt. The metrics of a step are read once the next one is
    under way."""
    pending, done = None, steps.start
    for n in steps:
        if interrupt.asked:
            break
        state, values = train_step(state, feed.put(feed.batches[n]))
        done = n + 1
        if pending is not None:
            report(*pending)
        pending = (done, values)
    if pending is not None:
        report(*pending)
    return state, done
