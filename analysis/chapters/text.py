"""Attention on running text: sinks and null, patterns, shape. What the streamed capture brings back, as rows."""

from collections.abc import Sequence

import numpy as np

from analysis.capture.capture import capture, marks_of, random_repeats
from analysis.capture.uniform import uniform_repeats, uniform_values
from analysis.chapter_type import Chapter, Measure, Measurements, Progress, Reading, Results
from analysis.chapters import text_figures
from analysis.elements import Element
from analysis.measures import text_measures
from analysis.measures.sinks import EPS
from analysis.measures.text_measures import NATS, SHARE
from analysis.record import Record
from train.runs import Run

CHANCE_TEXTS = 16  # texts that chance is taken over where it depends on the text
RATIO = "ratio"
MEASURES = {
    "valid_loss": Measure("validation loss", NATS, 4),
    "window_loss": Measure("loss on the windows read", NATS, 4),
    **{name: about for name, (about, _) in text_measures.MEASURES.items()},
    "previous_score": Measure("previous-token score, repeated random tokens", SHARE),
    "duplicate_score": Measure("duplicate-token score, repeated random tokens", SHARE),
    "induction_score": Measure("induction score, repeated random tokens", SHARE),
    "induction_raw": Measure("induction, mass per query that has a match", SHARE),
    "induction": Measure("induction, conditional on non-null", SHARE),
    "value_norm_ratio": Measure("norm of the value at position 1 over the mean of the others", RATIO),
    "key_norm_ratio": Measure("norm of the key at position 1 over the mean of the others", RATIO),
    "residual_norm_ratio": Measure(
        "residual stream: norm of position 1 over the mean of the others, per layer", RATIO, 1
    ),
    "residual_max_over_median": Measure("residual stream: largest entry over the median one, per layer", RATIO, 1),
}
OF_A_NULL = {"null_share", "alpha_null", *(f"sink_null_{e}" for e in EPS)}  # said only of models that have one


def read(run: Run, reading: Reading, progress: Progress) -> Measurements[Record]:
    """The capture of the reading's windows; detail is the Record."""
    total = len(reading.windows)
    record = capture(run, reading.windows, progress=lambda done: progress(done, total))
    heads = {name: sums.blocks for name, sums in {**record.heads, **record.repeats}.items()}
    if not run.config.model.has_null:
        heads = {name: values for name, values in heads.items() if name not in OF_A_NULL}
    layers = {name: sums.blocks for name, sums in record.layers.items()}
    config, T = run.config.model, reading.tokens
    some = marks_of(run, np.asarray(reading.windows[:CHANCE_TEXTS, :T], np.int32))
    chance = uniform_values(config, T, run.tokenizer.frame, some)
    if config.causal:
        chance |= uniform_repeats(config, random_repeats(run, T, CHANCE_TEXTS))
    return Measurements(record, heads, layers, _losses(run, record), chance)


def _losses(run: Run, record: Record) -> dict[str, np.ndarray]:
    losses = {} if record.loss_nats is None else {"window_loss": record.loss_nats.blocks}
    return losses | ({"valid_loss": np.array([run.meta["valid_loss"]])} if "valid_loss" in run.meta else {})


def show(results: Results[Record]) -> Sequence[Element]:
    """Where sinks sit, every head's mean map, and a dot a head for some measures."""
    return text_figures.figures(results, MEASURES)


CHAPTER = Chapter(
    "text",
    "Attention on running text",
    "Where attention goes, how it is spread, and which patterns the heads follow, over all windows that were read.",
    MEASURES,
    read,
    show,
)
