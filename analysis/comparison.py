"""Groups of runs x measures -> a Comparison: plain tables of numbers with their provenance.

The first group is the baseline. A run with another seed is one observation: intervals are over seeds, differences are
paired by seed, and one seed carries no interval. Heads of two runs are not matched: head 3 of one and head 3 of another
share nothing but the initial weights.
"""

import reprlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count, islice
from pathlib import Path
from textwrap import shorten
from typing import Any

from analysis import chapters as table
from analysis.capturing import check_finite
from analysis.chapter import Chapter, Found, Measure, Reading, Results, Unfit
from analysis.measures.truth import Truth, truth
from analysis.record import Record
from analysis.rows import Row, rows_between, rows_of
from jattn.errors import InputError, at_least, one_of
from train import data
from train.checkpoint import Run, load
from train.folders import find_runs
from train.windows import predicts_next, text_name, text_of, windows_of

WINDOWS = 256  # read by default
LONGEST = 128  # tokens of a window by default, or the runs' context if shorter
COLOURS = ("#5f6b7a", "#d9730d", "#1f5fa8", "#2f8f5b", "#8c4a9e", "#b8860b", "#c2334d", "#3aa0a8")  # of groups


@dataclass(frozen=True)
class Comparison:
    """Runs compared. In a notebook it shows itself; `write` gives the whole report."""

    title: str
    groups: dict[str, list[Run]]
    results: dict[str, Results]  # by chapter
    rows: list[Row]
    truths: dict[str, list[Truth]]
    reading: Reading
    warnings: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)  # chapters that could not be read from a group, and why

    def __repr__(self) -> str:
        lines = [f"{shorten(self.title, 80)}: {self.reading!r}"]
        for group, runs in islice(self.groups.items(), 5):
            names = reprlib.repr([run.config.name for run in runs])
            lines.append(f"  {shorten(group, 40)}: {len(runs)} run{'s' * (len(runs) != 1)}, {shorten(names, 80)}")
        if len(self.groups) > 5:
            lines.append(f"  and {len(self.groups) - 5} more groups")
        lines.append(f"  chapters: {', '.join(self.results)}")
        lines.append(f"  {len(self.rows)} rows, {len(self.warnings)} warnings, {len(self.left_out)} left out")
        return "\n".join(lines)

    @property
    def baseline(self) -> str:
        return next(iter(self.groups))

    def has_null(self, group: str) -> bool:
        """Whether the runs of a group have a null or a sink token."""
        return self.groups[group][0].config.model.has_null

    @property
    def chapters(self) -> list[Chapter]:
        return [table.chapter(name) for name in self.results]

    @property
    def measures(self) -> dict[str, Measure]:
        """Every measure that the chapters may give, in the order of the tables."""
        return {name: measure for chapter in self.chapters for name, measure in chapter.measures.items()}

    @property
    def records(self) -> dict[str, list[Record]]:
        """What the streamed capture brought back, by group."""
        return {g: [f.detail for f in found] for g, found in self.results["text"].found.items()}

    @property
    def corpus(self) -> str:
        return self.reading.corpus

    @property
    def windows(self) -> int:
        return len(self.reading.windows)

    @property
    def tokens(self) -> int:
        return self.reading.tokens

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
    chapters: Sequence[str] | None = None,
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
    chapters: which parts of the analysis to run (analysis/chapters), None for all; "text" is always among them.
    progress(what, done, total) is called as it goes, a hundred steps for a chapter of a run.
    Raises InputError for runs that cannot be compared.
    """
    asked = [table.chapter(name) for name in _chosen(chapters)]
    loaded = {name: _runs(value) for name, value in {**(groups or {}), **named}.items()}
    if not loaded:
        raise InputError("compare: no groups; give at least one, such as standard='runs/*-standard-*'")
    warnings = _check_comparable(loaded)
    reading = _reading(loaded, windows, tokens, corpus)
    results, left_out = _read(loaded, asked, reading, progress or (lambda *_: None))
    base = next(iter(loaded))
    rows = []
    for c in (c for c in asked if c.name in results):
        rows += rows_of(results[c.name], [*c.measures], base)
        rows += rows_between(c.between(results[c.name]), [*c.measures], base) if c.between else []
    held_out = reading.rows
    truths = {} if held_out is None else {n: [truth(r, held_out) for r in rs] for n, rs in loaded.items()}
    return Comparison(title, loaded, results, rows, truths, reading, warnings, left_out)


def _chosen(names: Sequence[str] | None) -> list[str]:
    """The chapters asked for in the order of the report."""
    if names is None:
        return list(table.NAMES)
    wanted = {"text", *(one_of("chapter", name, table.NAMES) for name in names)}
    return [name for name in table.NAMES if name in wanted]


def _reading(groups: dict[str, list[Run]], windows: int, tokens: int | None, corpus: str | None) -> Reading:
    """The windows that every run reads, from the baseline's text."""
    base = next(iter(groups.values()))[0]
    T = at_least("tokens", tokens, 2) if tokens is not None else min(LONGEST, base.config.model.context)
    shortest = min((r for rs in groups.values() for r in rs), key=lambda r: r.config.model.context)
    if (context := shortest.config.model.context) < T:
        raise InputError(
            f"--tokens must be at most the context of every run, got {T}; that of {shortest.path} is {context}"
        )
    text = text_of(base, corpus)
    encoded = data.encode_corpus(text, base.tokenizer)
    rows = encoded.valid if base.config.data.corpus == "backcopy" else None
    read = windows_of(base, encoded.valid, T, at_least("windows", windows, 1))
    name = base.meta["corpus"]["name"] if base.meta["corpus"]["sha256"] else text.name
    return Reading(read, T, name, rows)


def _read(
    groups: dict[str, list[Run]], asked: list[Chapter], reading: Reading, progress: Callable[[str, int, int], Any]
) -> tuple[dict[str, Results], list[str]]:
    """Every chapter read from every run; a group of which one run is unfit is left out of that chapter, and told."""
    colours = {g: COLOURS[i % len(COLOURS)] for i, g in enumerate(groups)}
    total = 100 * len(asked) * sum(map(len, groups.values()))
    results, left_out, begun = {}, [], count()
    for chapter in asked:
        found: dict[str, list[Found]] = {}
        for group, runs in groups.items():
            try:
                found[group] = []
                for run in runs:
                    before = next(begun)
                    label = f"{chapter.name}, {group}"
                    tick = lambda done, of, b=before, w=label: progress(w, 100 * b + 100 * done // of, total)  # noqa: E731
                    found[group].append(chapter.read(run, reading, tick))
            except Unfit as reason:
                del found[group]
                left_out.append(f"{chapter.title}, {group}: {reason}")
        if found:
            fit = {g: groups[g] for g in found}
            results[chapter.name] = Results(fit, found, reading, colours)
    return results, left_out


def _runs(value: Any) -> list[Run]:
    if isinstance(value, Run):
        return [value]
    found = []
    for item in [value] if isinstance(value, str | Path) else value:
        found += [item] if isinstance(item, Run) else [load(p) for p in find_runs(str(item))]
    return found


def _check_comparable(groups: dict[str, list[Run]]) -> list[str]:
    """Refuse runs with different tokenizers; say what else makes a comparison weaker."""
    for name, rs in groups.items():
        if not rs:
            raise InputError(f"group {name!r} holds no run; give it at least one")
    runs = [r for rs in groups.values() for r in rs]
    for run in runs:
        check_finite(run)
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
    seen = {r.step * r.config.tokens_per_step: r for r in runs}
    if len(seen) > 1:
        (few, a), (many, b) = min(seen.items()), max(seen.items())
        told = f"{few:,} ({a.path.name}, step {a.step:,}) to {many:,} ({b.path.name}, step {b.step:,})"
        warnings.append(f"The runs saw different numbers of tokens: {told}; differences may come from that.")
    contexts = {r.config.model.context: r for r in runs}
    if len(contexts) > 1:
        told = "; ".join(f"{r.path.name}: {context}" for context, r in sorted(contexts.items()))
        warnings.append(f"The runs have different contexts (model.context, {told}).")
    return warnings


def _sort(run: Run) -> str:
    """What must agree for windows to be the same."""
    if not run.config.model.causal:
        return "model that sees both sides"
    return "causal model" if predicts_next(run.config.model) else "causal model without an output layer"
