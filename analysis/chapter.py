"""A chapter of a comparison: some measures of each run, and how they are shown. One file each in `analysis/chapters`.

`read` looks at one run and returns numbers; `show` draws what was found in all groups. Between the two, comparison.py
turns every number into a row: the mean over seeds, the paired difference to the baseline, intervals.

Axes: X texts (resampled for an interval over texts; runs of a comparison read the same ones), L layers, N heads.
"""

import reprlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from train.checkpoint import Run

if TYPE_CHECKING:
    import analysis.drawing.figures

Progress = Callable[[int, int], Any]  # (done, total)


class Unfit(Exception):
    """A chapter cannot be read from a run; the message says why in one line, and the report prints it."""


@dataclass(frozen=True)
class Measure:
    """What a number is called, its unit or range, and how it is printed.

    cleaner: +1 if more of it is cleaner structure, -1 if less is, 0 if the measure takes no side in that claim.
    """

    title: str
    unit: str
    digits: int = 3
    cleaner: int = 0


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
class Found:
    """What a chapter found in one run; NaN where a measure is undefined.

    heads: measure -> [X, L, N].  layers: measure -> [X, L].  values: measure -> [X].  X is 1 for what has no texts.
    chance: measure -> what a head that attends evenly (or a guess) would score.  detail: what only `show` needs.
    """

    heads: Mapping[str, np.ndarray] = field(default_factory=dict)
    layers: Mapping[str, np.ndarray] = field(default_factory=dict)
    values: Mapping[str, np.ndarray] = field(default_factory=dict)
    chance: Mapping[str, float] = field(default_factory=dict)
    detail: Any = None

    def __repr__(self) -> str:
        of = {"heads": self.heads, "layers": self.layers, "values": self.values}
        return f"Found({'; '.join(f'{what}: {reprlib.repr(list(names))}' for what, names in of.items() if names)})"


@dataclass(frozen=True)
class Results:
    """What a chapter found in all groups, seeds in the order of `runs`; a group that was unfit is in neither."""

    runs: Mapping[str, Sequence[Run]]
    found: Mapping[str, Sequence[Found]]
    reading: Reading
    colours: Mapping[str, str]  # of each group, the same in every figure

    def __repr__(self) -> str:
        groups = {group: len(found) for group, found in self.found.items()}
        return f"Results({self.reading!r}; runs: {reprlib.repr(groups)})"


@dataclass(frozen=True)
class Plot:
    """A figure with the sentence that says how to read it. half: two of them fit side by side."""

    name: str  # file name without its ending; unique within the chapter
    figure: "analysis.drawing.figures.Figure"
    caption: str
    half: bool = False


@dataclass(frozen=True)
class Table:
    """Rows of text or numbers under a heading; written as CSV too."""

    name: str
    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str | float | int | None]]


@dataclass(frozen=True)
class Passage:
    """Some tokens as text, one of them the query, and the share of attention that each token gets from it (0 to 1)."""

    tokens: Sequence[str]
    query: int
    weights: Sequence[float]
    note: str = ""


@dataclass(frozen=True)
class Cards:
    """A card per head (or whatever `title` names): a few facts and the passages that go with them."""

    name: str
    caption: str
    cards: Sequence["Card"]


@dataclass(frozen=True)
class Card:
    title: str
    facts: Sequence[tuple[str, str]]
    passages: Sequence[Passage] = ()


Element = Plot | Table | Cards


@dataclass(frozen=True)
class Chapter:
    """name: as in `--only`. title and lead: the heading and the sentence below it. measures: the rows it may give.

    read(run, reading, progress) raises Unfit where the chapter makes no sense for a run. between: for measures of pairs
    of runs, group -> measure -> one number per pair; none for a group of one run.
    """

    name: str
    title: str
    lead: str
    measures: Mapping[str, Measure]
    read: Callable[[Run, Reading, Progress], Found]
    show: Callable[[Results], Sequence[Element]]
    between: Callable[[Results], Mapping[str, Mapping[str, np.ndarray]]] | None = None
