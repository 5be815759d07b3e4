"""What a chapter may show: figures, tables, and cards with passages of text."""

from collections.abc import Sequence
from dataclasses import dataclass

from analysis.drawing.style import Figure


@dataclass(frozen=True)
class Plot:
    """A figure with the sentence that says how to read it. half: two of them fit side by side."""

    name: str  # file name without its ending; unique within the chapter
    figure: Figure
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
class Card:
    """A head (or whatever `title` names): a few facts and the passages that go with them."""

    title: str
    facts: Sequence[tuple[str, str]]
    passages: Sequence[Passage] = ()


@dataclass(frozen=True)
class Cards:
    """Several cards under one caption."""

    name: str
    caption: str
    cards: Sequence[Card]


Element = Plot | Table | Cards
