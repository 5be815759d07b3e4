"""A chapter of a comparison: some measures of each run, and how they are shown. One file each in `analysis/chapters`.

`read` looks at one run and returns numbers; `show` draws what was measured in all groups. Between the two, estimates.py
turns every number into an estimate: the mean over seeds, the paired difference to the baseline, intervals.

Axes: X texts (resampled for an interval over texts; runs of a comparison read the same ones), L layers, N heads.
"""

import reprlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import numpy as np

from analysis.elements import Element
from analysis.measures.measure import Measure
from train.runs import Run

D = TypeVar("D")
"""What a chapter keeps of a run beside its numbers, for its own figures and tables."""
Progress = Callable[[int, int], Any]  # (done, total)


class Unfit(Exception):
    """A chapter cannot be read from a run; the message says why in one line, and the report prints it."""


@dataclass(frozen=True)
class Reading:
    """What every run of a comparison reads: windows of token ids [W, T + 1] (or [W, T] without targets), T, and the
    name of the text. rows: the held-out rows of a language whose truth is known, [rows, length], without a fixed first
    token; None for running text."""

    windows: np.ndarray
    tokens: int
    corpus: str
    rows: np.ndarray | None = None

    def __repr__(self) -> str:
        return f"Reading({len(self.windows)} windows of {self.tokens} tokens of {self.corpus!r})"


@dataclass(frozen=True)
class Measurements(Generic[D]):
    """What a chapter measured in one run; NaN where a measure is undefined.

    detail: what only `show` needs.  heads: measure -> [X, L, N].  layers: measure -> [X, L].  values: measure -> [X].
    X is 1 for what has no texts.  chance: measure -> what a head that attends evenly (or a guess) would score.
    """

    detail: D
    heads: Mapping[str, np.ndarray] = field(default_factory=dict)
    layers: Mapping[str, np.ndarray] = field(default_factory=dict)
    values: Mapping[str, np.ndarray] = field(default_factory=dict)
    chance: Mapping[str, float] = field(default_factory=dict)

    def __repr__(self) -> str:
        kinds = {"heads": self.heads, "layers": self.layers, "values": self.values}
        told = (f"{what}: {reprlib.repr(list(names))}" for what, names in kinds.items() if names)
        return f"Measurements({'; '.join(told)})"


@dataclass(frozen=True)
class Results(Generic[D]):
    """What a chapter measured in all groups, seeds in the order of `runs`; a group that was unfit is in neither."""

    runs: Mapping[str, Sequence[Run]]
    measured: Mapping[str, Sequence[Measurements[D]]]
    reading: Reading
    colours: Mapping[str, str]  # of each group, the same in every figure

    def __repr__(self) -> str:
        groups = {group: len(several) for group, several in self.measured.items()}
        return f"Results({self.reading!r}; runs: {reprlib.repr(groups)})"

    def first(self, group: str) -> tuple[Run, Measurements[D]]:
        """The first run of a group and what was measured in it: the one that maps are drawn of."""
        return self.runs[group][0], self.measured[group][0]

    def has_null(self, group: str) -> bool:
        """Whether the runs of a group have a null or a sink token."""
        return self.runs[group][0].config.model.has_null


@dataclass(frozen=True)
class Chapter(Generic[D]):
    """name: as in `--only`. title and lead: the heading and the sentence below it. measures: the rows it may give.

    read(run, reading, progress) raises Unfit where the chapter makes no sense for a run. between: for measures of pairs
    of runs, group -> measure -> one number per pair; none for a group of one run.
    """

    name: str
    title: str
    lead: str
    measures: Mapping[str, Measure]
    read: Callable[[Run, Reading, Progress], Measurements[D]]
    show: Callable[[Results[D]], Sequence[Element]]
    between: Callable[[Results[D]], Mapping[str, Mapping[str, np.ndarray]]] | None = None
