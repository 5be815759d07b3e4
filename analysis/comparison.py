"""Groups of runs x measures -> a Comparison: plain tables of numbers with their provenance.

The first group is the baseline. A run with another seed is one observation: intervals are over seeds, differences are
paired by seed, and one seed carries no interval. Heads of two runs are not matched: head 3 of one and head 3 of another
share nothing but the initial weights.
"""

import reprlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count, islice
from textwrap import shorten
from typing import Any

from analysis.capture.truth import Truth, truth
from analysis.chapter_type import Chapter, Measure, Measurements, Reading, Results, Unfit
from analysis.comparable import check_comparable
from analysis.drawing.style import COLOURS
from analysis.estimates import Estimate, estimates_between, estimates_of
from analysis.record import Record
from jattn.errors import InputError, at_least
from train import data
from train.progress import Tick
from train.runs import Run
from train.windows import text_of, windows_of

LONGEST = 128  # tokens of a window by default, or the runs' context if shorter


@dataclass(frozen=True)
class Comparison:
    """Runs compared. left_out: chapters that could not be read from a group, and why."""

    title: str
    groups: dict[str, list[Run]]
    chapters: Sequence[Chapter[Any]]  # those that were read from at least one group
    results: dict[str, Results[Any]]  # by chapter
    estimates: list[Estimate]
    truths: dict[str, list[Truth]]
    reading: Reading
    warnings: list[str]
    left_out: list[str]

    def __repr__(self) -> str:
        lines = [f"{shorten(self.title, 80)}: {self.reading!r}"]
        for group, runs in islice(self.groups.items(), 5):
            names = reprlib.repr([run.config.name for run in runs])
            lines.append(f"  {shorten(group, 40)}: {len(runs)} run{'s' * (len(runs) != 1)}, {shorten(names, 80)}")
        if len(self.groups) > 5:
            lines.append(f"  and {len(self.groups) - 5} more groups")
        lines.append(f"  chapters: {', '.join(self.results)}")
        lines.append(f"  {len(self.estimates)} estimates, {len(self.warnings)} warnings, {len(self.left_out)} left out")
        return "\n".join(lines)

    @property
    def baseline(self) -> str:
        """The first group."""
        return next(iter(self.groups))

    def has_null(self, group: str) -> bool:
        """Whether the runs of a group have a null or a sink token."""
        return self.groups[group][0].config.model.has_null

    @property
    def measures(self) -> dict[str, Measure]:
        """Every measure that the chapters may give, in the order of the tables."""
        return {name: measure for chapter in self.chapters for name, measure in chapter.measures.items()}

    @property
    def records(self) -> dict[str, list[Record]]:
        """What the streamed capture brought back, by group."""
        return {g: [m.detail for m in several] for g, several in self.results["text"].measured.items()}

    @property
    def corpus(self) -> str:
        """The name of the text that was read."""
        return self.reading.corpus

    @property
    def windows(self) -> int:
        """How many windows were read."""
        return len(self.reading.windows)

    @property
    def tokens(self) -> int:
        """Tokens of a window."""
        return self.reading.tokens

    def estimate(self, measure: str, group: str) -> Estimate:
        """The estimate of one measure in one group, which must have it; `find` where it may not."""
        return next(e for e in self.estimates if (e.measure, e.group) == (measure, group))

    def find(self, measure: str, group: str) -> Estimate | None:
        """The estimate of one measure in one group, or None where there is none."""
        return next((e for e in self.estimates if (e.measure, e.group) == (measure, group)), None)

    def has(self, measure: str) -> bool:
        """Whether any group has the measure."""
        return any(e.measure == measure for e in self.estimates)


def read_groups(
    title: str,
    groups: dict[str, list[Run]],
    chapters: Sequence[Chapter[Any]],
    windows: int,
    tokens: int | None,
    corpus: str | None,
    tick: Tick,
) -> Comparison:
    """The chapters read from every run, and their estimates; see `analysis.report.compare`.

    Raises InputError for runs that cannot be compared.
    """
    warnings = check_comparable(groups)
    reading = _reading(groups, windows, tokens, corpus)
    results, left_out = _read(groups, chapters, reading, tick)
    base = next(iter(groups))
    estimates: list[Estimate] = []
    there = [c for c in chapters if c.name in results]
    for c in there:
        estimates += estimates_of(results[c.name], [*c.measures], base)
        estimates += estimates_between(c.between(results[c.name]), [*c.measures], base) if c.between else []
    rows = reading.rows
    truths = {} if rows is None else {name: [truth(run, rows) for run in runs] for name, runs in groups.items()}
    return Comparison(title, groups, there, results, estimates, truths, reading, warnings, left_out)


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
    groups: dict[str, list[Run]],
    asked: Sequence[Chapter[Any]],
    reading: Reading,
    tick: Tick,
) -> tuple[dict[str, Results[Any]], list[str]]:
    """Every chapter read from every run; a group of which one run is unfit is left out of that chapter, and told."""
    colours = {g: COLOURS[i % len(COLOURS)] for i, g in enumerate(groups)}
    total = 100 * len(asked) * sum(map(len, groups.values()))
    results, left_out, begun = {}, [], count()
    for chapter in asked:
        measured: dict[str, list[Measurements[Any]]] = {}
        for group, runs in groups.items():
            try:
                measured[group] = []
                for run in runs:
                    before = next(begun)
                    label = f"{chapter.name}, {group}"
                    of_run = lambda done, of, b=before, w=label: tick(w, 100 * b + 100 * done // of, total)
                    measured[group].append(chapter.read(run, reading, of_run))
            except Unfit as reason:
                del measured[group]
                left_out.append(f"{chapter.title}, {group}: {reason}")
        if measured:
            fit = {g: groups[g] for g in measured}
            results[chapter.name] = Results(fit, measured, reading, colours)
    return results, left_out
