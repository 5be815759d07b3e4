"""Text of which it is known what each word is and what it belongs to: the gold that measures of language need."""

from collections.abc import Mapping
from dataclasses import dataclass, field

Pair = tuple[int, int]  # two words of one text, by index


@dataclass(frozen=True)
class Annotated:
    """A sentence (or a line of code, or a sentence pair) with its truth, word by word, W words.

    spans: where each word stands in `text`, [start, end) in characters.  classes: the word class of each.
    heads: the word that each depends on, by index, -1 for a root and for a word without a head.
    links: named relations, each a list of (from, to) pairs of words: "agreement", "pronoun-antecedent", ...
    senses: word index -> sense, for words of several.  second: the index of the first word of sentence B; None without
    one.  gold: False for silver annotation, made by a program that guesses.
    """

    text: str
    spans: tuple[Pair, ...]
    classes: tuple[str, ...]
    heads: tuple[int, ...]
    links: Mapping[str, tuple[Pair, ...]] = field(default_factory=dict)
    senses: Mapping[int, str] = field(default_factory=dict)
    second: int | None = None
    gold: bool = True
