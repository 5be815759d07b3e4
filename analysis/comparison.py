"""Groups of runs x measures -> a Comparison: plain tables of numbers with their provenance.

The first group is the baseline. A run with another seed is one observation: intervals are over seeds, differences are
paired by seed, and one seed carries no interval. Heads of two runs are not matched: head 3 of one and head 3 of another
share nothing but the initial weights.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from analysis.record import EPS, Record, capture, uniform_values
from analysis.stats import Interval, interval, paired
from analysis.truth import Truth, truth
from jattn.errors import InputError, at_least
from train import data
from train.checkpoint import Run, load
from train.folders import find_runs
from train.windows import predicts_next, text_name, text_of, windows_of

WINDOWS = 256  # read by default
LONGEST = 128  # tokens of a window by default, or the runs' context if shorter

# What is compared, in the order of the tables: measure -> (title, unit or range).
TITLES = {
    "valid_loss": ("validation loss", "nats"),
    "window_loss": ("loss on the windows read", "nats"),
    "null_share": ("null share: attention that goes to the null (t >= 2)", "0-1"),
    "first_token_share": ("first-token share: attention that goes to position 1 (t >= 2)", "0-1"),
    "cls_share": ("[CLS] share: attention that goes to what stands before the text (t >= 2)", "0-1"),
    "sep_share": ("[SEP] share: attention that goes to what stands after the text (t >= 2)", "0-1"),
    **{f"alpha_{k}": (f"alpha_{k}: mean attention to position {k}", "0-1") for k in (1, 2, 3, 4)},
    "alpha_null": ("alpha of the null", "0-1"),
    **{f"sink_1_{e}": (f"sink rate, position 1, eps {e}", "0-1") for e in EPS},
    **{f"sink_null_{e}": (f"sink rate, null, eps {e}", "0-1") for e in EPS},
    "previous_raw": ("previous token, mass", "0-1"),
    "previous": ("previous token, conditional on non-null", "0-1"),
    "local_raw": ("last 8 keys, mass", "0-1"),
    "local": ("last 8 keys, conditional on non-null", "0-1"),
    "entropy_with_null_nats": ("entropy, the null one outcome", "nats"),
    "entropy_nats": ("entropy, conditional on real keys", "nats"),
    "entropy_filtered_nats": ("entropy, conditional, without queries above 90 % null (no null: first token)", "nats"),
    "entropy_normalised": ("entropy, conditional, over the log of visible keys", "0-1"),
    "mean_distance_tokens": ("mean distance of attention", "tokens"),
    "previous_score": ("previous-token score, repeated random tokens", "0-1"),
    "duplicate_score": ("duplicate-token score, repeated random tokens", "0-1"),
    "induction_score": ("induction score, repeated random tokens", "0-1"),
    "induction_raw": ("induction, mass per query that has a match", "0-1"),
    "induction": ("induction, conditional on non-null", "0-1"),
    "value_norm_ratio": ("norm of the value at position 1 over the mean of the others", "ratio"),
    "key_norm_ratio": ("norm of the key at position 1 over the mean of the others", "ratio"),
    "residual_norm_ratio": ("residual stream: norm of position 1 over the mean of the others, per layer", "ratio"),
    "residual_max_over_median": ("residual stream: largest entry over the median one, per layer", "ratio"),
}


@dataclass(frozen=True)
class Row:
    """One measure of one group: the mean over heads (or layers) and windows per run, then over seeds."""

    measure: str
    group: str
    value: Interval
    difference: Interval | None  # to the baseline, paired by seed; None for the baseline or without common seeds
    best_head: float  # the largest head's (or layer's) value, mean over seeds
    floor: float | None  # what attention spread evenly over all that a query sees would give, null included


@dataclass(frozen=True)
class Comparison:
    """Runs compared. In a notebook it shows itself; `write` gives the whole report."""

    title: str
    groups: dict[str, list[Run]]
    records: dict[str, list[Record]]
    rows: list[Row]
    truths: dict[str, list[Truth]]
    windows: int
    tokens: int
    corpus: str
    warnings: list[str] = field(default_factory=list)

    @property
    def baseline(self) -> str:
        return next(iter(self.groups))

    def row(self, measure: str, group: str) -> Row:
        """The row of one measure and group, which must have it; `find` where it may not."""
        return next(r for r in self.rows if (r.measure, r.group) == (measure, group))

    def find(self, measure: str, group: str) -> Row | None:
        """The row of one measure and group, or None where it has none."""
        return next((r for r in self.rows if (r.measure, r.group) == (measure, group)), None)

    def has(self, measure: str) -> bool:
        return any(r.measure == measure for r in self.rows)

    def write(self, out: str | Path) -> Path:
        """report.html, PNG figures, JSON and CSV into a folder; the path of the report."""
        from analysis.report import write

        return write([self], out)

    def _repr_html_(self) -> str:
        from analysis.report import notebook_html

        return notebook_html(self)


def compare(
    groups: Mapping[str, str | Path | Sequence[str | Path | Run]] | None = None,
    *,
    title: str = "Comparison",
    windows: int = WINDOWS,
    tokens: int | None = None,
    corpus: str | None = None,
    progress: Callable[[str, int, int], Any] | None = None,
    **named: str | Path | Sequence[str | Path | Run],
) -> Comparison:
    """Compare groups of runs: compare(standard="runs/*-standard-*", null="runs/*-null-*"); the first is the baseline.

    A group is a path, a glob, or a list of paths or loaded runs; a path may be a model of another library. All are read
    on the validation text of the baseline's corpus (`corpus` names another place of the same text), on `windows`
    windows of `tokens` tokens. An imported baseline reads `pydoc`, or any text that `corpus` names.
    progress(what, done, total) is called as it goes. Raises InputError for runs that cannot be compared.
    """
    loaded = {name: _runs(value) for name, value in {**(groups or {}), **named}.items()}
    if not loaded:
        raise InputError("compare: no groups; give at least one, such as standard='runs/*-standard-*'")
    warnings = _check_comparable(loaded)
    base = next(iter(loaded.values()))[0]
    T = at_least("tokens", tokens, 2) if tokens is not None else min(LONGEST, base.config.model.context)
    if min(r.config.model.context for rs in loaded.values() for r in rs) < T:
        raise InputError(f"tokens must be at most the context of every run, got {T}")
    text = text_of(base, corpus)
    encoded = data.encode_corpus(text, base.tokenizer)
    rows = encoded.valid if base.config.data.corpus == "backcopy" else None
    read = windows_of(base, encoded.valid, T, at_least("windows", windows, 1))
    total = sum(map(len, loaded.values())) * len(read)
    records: dict[str, list[Record]] = {}
    done = 0
    for name, runs in loaded.items():
        records[name] = []
        for run in runs:
            tick = (lambda n, name=name, done=done: progress(name, done + n, total)) if progress else None
            records[name].append(capture(run, read, progress=tick))
            done += len(read)
    truths = {n: [truth(r, rows) for r in rs] for n, rs in loaded.items()} if rows is not None else {}
    name = base.meta["corpus"]["name"] if base.meta["corpus"]["sha256"] else text.name
    return Comparison(title, loaded, records, _rows(loaded, records, T), truths, len(read), T, name, warnings)


def _runs(value: Any) -> list[Run]:
    if isinstance(value, Run):
        return [value]
    found = []
    for item in [value] if isinstance(value, str | Path) else value:
        found += [item] if isinstance(item, Run) else [load(p) for p in find_runs(str(item))]
    return found


def _check_comparable(groups: dict[str, list[Run]]) -> list[str]:
    """Refuse runs with different tokenizers; say what else makes a comparison weaker."""
    runs = [r for rs in groups.values() for r in rs]
    first = runs[0]
    for run in runs[1:]:
        if run.tokenizer.sha256 != first.tokenizer.sha256:
            raise InputError(
                f"{run.path} and {first.path} have different tokenizers "
                f"({run.tokenizer.vocab_size} and {first.tokenizer.vocab_size} tokens); their losses cannot be compared"
            )
        if _sort(run) != _sort(first):
            raise InputError(f"{run.path} is a {_sort(run)}, {first.path} a {_sort(first)}: compare them apart")
    warnings = []
    if len({r.meta["corpus"]["sha256"] for r in runs}) > 1:
        names = sorted({text_name(r) for r in runs})
        warnings.append(
            f"The runs were trained on different text ({'; '.join(names)}): differences may come from that."
        )
    seeds = {name: sorted(r.config.seed for r in rs) for name, rs in groups.items()}
    for name, s in seeds.items():
        if len(set(s)) < len(s):
            twice = next(n for n in s if s.count(n) > 1)
            raise InputError(
                f"group {name!r} holds {s.count(twice)} runs of seed {twice}; a seed is one observation, so give them "
                "groups of their own"
            )
    if len({tuple(s) for s in seeds.values()}) > 1:
        told = "; ".join(f"{name}: {', '.join(map(str, s))}" for name, s in seeds.items())
        warnings.append(f"The groups have different seeds ({told}): only seeds that two groups share are paired.")
    if len(runs) == 1:
        warnings.append("One run: its numbers carry no interval.")
    elif max(map(len, seeds.values())) == 1:
        warnings.append("One seed per group: these numbers carry no interval, and a difference may be chance.")
    for name, rs in groups.items():
        if len({r.config.model.attention for r in rs}) > 1:
            warnings.append(f"Group {name!r} mixes attentions: {', '.join({r.config.model.attention for r in rs})}.")
        if any(kind.sigmoid for r in rs for kind in r.config.model.pattern):
            warnings.append(
                f"Group {name!r} uses sigmoid attention, whose rows do not sum to 1: they are divided by their sum."
            )
    if len({(r.step, r.config.tokens_per_step) for r in runs}) > 1:
        warnings.append("The runs saw different numbers of tokens.")
    return warnings


def _sort(run: Run) -> str:
    """What must agree for windows to be the same."""
    if not run.config.model.causal:
        return "model that sees both sides"
    return "causal model" if predicts_next(run.config.model) else "causal model without an output layer"


def _rows(groups: dict[str, list[Run]], records: dict[str, list[Record]], T: int) -> list[Row]:
    means = {g: {r.config.seed: _means(r, rec) for r, rec in zip(groups[g], records[g], strict=True)} for g in groups}
    tops = {g: [_tops(rec) for rec in records[g]] for g in groups}
    base = means[next(iter(groups))]
    floors = {g: uniform_values(groups[g][0].config.model, T, groups[g][0].tokenizer.frame) for g in groups}
    rows = []
    for measure in TITLES:
        for g in groups:
            values = {seed: m[measure] for seed, m in means[g].items() if np.isfinite(m.get(measure, np.nan))}
            if not values:
                continue
            common = sorted(
                s for s in values if g != next(iter(groups)) and np.isfinite(base.get(s, {}).get(measure, np.nan))
            )
            difference = paired([values[s] for s in common], [base[s][measure] for s in common]) if common else None
            best = float(np.mean([t.get(measure, values[next(iter(values))]) for t in tops[g]]))
            rows.append(Row(measure, g, interval(list(values.values())), difference, best, floors[g].get(measure)))
    return rows


def per_head(record: Record) -> dict[str, np.ndarray]:
    """Every measure of a run as [L, N]: the mean over windows, and sink rates."""
    with np.errstate(all="ignore"):
        heads = {n: _nanmean(v) for n, v in {**record.values, **record.repeats}.items()}
    for e in EPS:
        heads[f"sink_1_{e}"] = (record.values["alpha_1"] > e).mean(0)
        heads[f"sink_null_{e}"] = (record.values["alpha_null"] > e).mean(0)
    return heads


def _nanmean(values: np.ndarray) -> np.ndarray:
    """Mean over windows, leaving out those where a measure is undefined; NaN where it always is."""
    known = np.isfinite(values)
    count = known.sum(0)
    return np.where(count > 0, np.where(known, values, 0).sum(0) / np.maximum(count, 1), np.nan)


def per_layer(record: Record) -> dict[str, np.ndarray]:
    """Every measure of the residual stream as [L]: the mean over windows."""
    return {name: _nanmean(values) for name, values in record.layers.items()}


def _known(record: Record) -> dict[str, np.ndarray]:
    """What heads and layers have a value for."""
    return {n: v for n, v in (per_head(record) | per_layer(record)).items() if np.isfinite(v).any()}


def _means(run: Run, record: Record) -> dict[str, float]:
    losses = {} if record.loss_nats is None else {"window_loss": float(record.loss_nats.mean())}
    if "valid_loss" in run.meta:
        losses["valid_loss"] = run.meta["valid_loss"]
    return losses | {n: float(np.nanmean(v)) for n, v in _known(record).items()}


def _tops(record: Record) -> dict[str, float]:
    return {n: float(np.nanmax(v)) for n, v in _known(record).items()}
