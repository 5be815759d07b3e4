"""Attention on running text: sinks and null, patterns, shape. What the streamed capture brings back, as rows."""

from collections.abc import Sequence

import numpy as np

from analysis.capture.capture import capture, marks_of, random_repeats
from analysis.capture.uniform import uniform_repeats, uniform_values
from analysis.chapter import Chapter, Measure, Measurements, Progress, Reading, Results
from analysis.chapters import text_figures
from analysis.elements import Element
from analysis.measures.row_sums import LOCAL_WIDTH, LONG
from analysis.measures.text_measures import EPS
from analysis.record import Record
from train.checkpoint import Run

CHANCE_TEXTS = 16  # texts that chance is taken over where it depends on the text
SHARE, NATS, RATIO = "0-1", "nats", "ratio"
REAL, SINKLESS = "conditional on non-null", "without null and position 1"


def _pattern(name: str, title: str, sinkless: bool = False) -> dict[str, Measure]:
    """A pattern's readings: raw, conditional, and where it has one without the sinks (the one that may be cleaner)."""
    found = {f"{name}_raw": Measure(f"{title}, mass", SHARE), name: Measure(f"{title}, {REAL}", SHARE)}
    return found | ({f"{name}_sinkless": Measure(f"{title}, {SINKLESS}", SHARE)} if sinkless else {})


MEASURES = {
    "valid_loss": Measure("validation loss", NATS, 4),
    "window_loss": Measure("loss on the windows read", NATS, 4),
    "null_share": Measure("null share: attention that goes to the null (t >= 2)", SHARE),
    "first_token_share": Measure("first-token share: attention that goes to position 1 (t >= 2)", SHARE),
    "cls_share": Measure("[CLS] share: attention that goes to what stands before the text (t >= 2)", SHARE),
    "sep_share": Measure("[SEP] share: attention that goes to what stands after the text (t >= 2)", SHARE),
    **{f"alpha_{k}": Measure(f"alpha_{k}: mean attention to position {k}", SHARE) for k in (1, 2, 3, 4)},
    "alpha_null": Measure("alpha of the null", SHARE),
    **{f"sink_1_{e}": Measure(f"sink rate, position 1, eps {e}", SHARE) for e in EPS},
    **{f"sink_{k}_{EPS[-1]}": Measure(f"sink rate, position {k}, eps {EPS[-1]}", SHARE) for k in (2, 3, 4)},
    **{f"sink_null_{e}": Measure(f"sink rate, null, eps {e}", SHARE) for e in EPS},
    **_pattern("self", "the query's own token"),
    **_pattern("previous", "previous token", sinkless=True),
    **_pattern("local", f"last {LOCAL_WIDTH} keys", sinkless=True),
    **_pattern("long", f"keys {LONG} or more tokens away"),
    **_pattern("duplicate", "earlier copies of the query's token"),
    **_pattern("follower", "what followed earlier copies of the query's token", sinkless=True),
    **_pattern("delimiter", "delimiters"),
    **_pattern("block", "the query's own paragraph"),
    "entropy_with_null_nats": Measure("entropy, the null one outcome", NATS),
    "entropy_nats": Measure("entropy, conditional on real keys", NATS),
    "entropy_filtered_nats": Measure(f"entropy, {SINKLESS}, queries with over 90 % on them left out", NATS),
    "kept_share": Measure("queries with at most 90 % on null and position 1", SHARE),
    "entropy_normalised": Measure("entropy, conditional, over the log of visible keys", SHARE),
    "entropy_sinkless": Measure(f"entropy over the log of visible keys, {SINKLESS}", SHARE, cleaner=-1),
    "mean_distance_tokens": Measure("mean distance of attention", "tokens"),
    "distance_spread_tokens": Measure("spread of a query's distances (standard deviation)", "tokens", 2),
    "keys_90": Measure("keys that hold 90 % of a query's real attention", "keys", 2),
    "keys_90_sinkless": Measure(f"keys that hold 90 %, {SINKLESS}", "keys", 2, cleaner=-1),
    "sparsity": Measure("visible keys with a weight below 0.001", SHARE),
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
