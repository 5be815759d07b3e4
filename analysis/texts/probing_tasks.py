"""What probes are asked about a word: facts of its surface, of syntax, of content, and the words that are asked.

Content is what the word itself does not tell: a topic is asked of words that are no nouns, a sense is scored above what
the homonym alone gives away. Number is asked between a subject and its verb, where it must be remembered.

Axes: S texts, T tokens, M words. A word is read at its last token, where a model that reads from left to right has all
of it.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from analysis.texts import annotations
from analysis.texts.annotations import Encoded
from jattn.config import ModelConfig
from jattn.errors import InputError
from train.corpora import grammar
from train.corpora.annotated import Annotated
from train.tokenizers import Tokenizer

POOL = 2400  # sentences drawn, of which these many are read:
GENERAL, ATTRACTORS, HOMONYMS, PARAPHRASES = 150, 90, 160, 60
CLASSES = 30  # commonest tokens that a probe names
FAR = 4  # words: distances to the head beyond it count as it
PARTS = 8  # of the positions of a text


@dataclass(frozen=True)
class Fact:
    """One thing to know of a word. given_word: guessing knows the word, so that a probe must know more."""

    title: str
    rung: str
    given_word: bool = False


SURFACE, SYNTAX, CONTENT = "surface", "syntax", "content"
FACTS = {
    "position": Fact("position in the text", SURFACE),
    "token": Fact("the token itself", SURFACE),
    "previous": Fact("the token before", SURFACE),
    "class": Fact("word class", SYNTAX),
    "distance": Fact("distance to its head", SYNTAX),
    "number": Fact("number of the subject", SYNTAX),
    "topic": Fact("topic of the text", CONTENT),
    "sense": Fact("sense of a homonym", CONTENT, given_word=True),
}
PARAPHRASE = Fact("paraphrase, at the last word", CONTENT)


@dataclass(frozen=True)
class Asked:
    """The words that a fact is asked of, as indices into all words, and what is right for each."""

    items: np.ndarray
    labels: np.ndarray


@dataclass(frozen=True)
class Words:
    """Texts as a model reads them, and words of them. text, column, kind: [M], kind the word (or token) itself.

    lengths [S]: tokens of each text, the rest of `ids` [S, T] is filling. pairs: the last 2 * pairs texts are
    paraphrases, one after the other. homonym: of the words with a sense, the homonym.
    """

    ids: np.ndarray
    types: np.ndarray
    lengths: np.ndarray
    text: np.ndarray
    column: np.ndarray
    kind: np.ndarray
    asked: dict[str, Asked]
    pairs: int = 0
    homonym: np.ndarray | None = None


def of_grammar(tokenizer: Tokenizer, config: ModelConfig, limit: int, share: float = 1.0, seed: int = 0) -> Words:
    """Words of sentences of the synthetic grammar that the tokenizer can write in `limit` tokens.

    share: how many of the usual number of sentences. Raises InputError where fewer than a quarter can be written.
    """
    fits = lambda a: _length(tokenizer, a.text) + 2 <= limit
    pool = [a for a in annotations.grammar(POOL, seed) if fits(a)]
    drawn = grammar.paraphrases(4 * PARAPHRASES, np.random.default_rng([seed, 3]))
    pairs = [pair for pair in drawn if all(map(fits, pair))][: int(PARAPHRASES * share)]
    if len(pool) < POOL // 4 or len(pairs) < 10:
        raise InputError(
            f"grammar: the tokenizer writes only {len(pool)} of {POOL} sentences in {limit} tokens; give a larger T or "
            "another tokenizer"
        )
    chosen = pool[: int(GENERAL * share)]
    rest = pool[len(chosen) :]
    chosen += [a for a in rest if "agreement across attractor" in a.links][: int(ATTRACTORS * share)]
    chosen += [a for a in rest if a.senses][: int(HOMONYMS * share)]
    texts = [annotations.encode(a, tokenizer, config) for a in (*chosen, *(a for pair in pairs for a in pair))]
    rows = [row for s, text in enumerate(texts) for row in _rows(s, text, s < int(GENERAL * share))]
    column = lambda name: np.array([row[name] for row in rows])
    asked = {name: _asked(name, [row.get(name) for row in rows]) for name in FACTS}
    known = {name: labels for name, labels in asked.items() if labels is not None}
    ids, types, lengths = _filled([t.ids for t in texts], [t.types for t in texts])
    return Words(
        ids,
        types,
        lengths,
        column("text"),
        column("column"),
        column("kind"),
        known,
        len(pairs),
        np.array([row.get("homonym", "") for row in rows]),
    )


def of_windows(windows: np.ndarray, limit: int, most: int = 1200) -> Words:
    """Tokens of running text, with the facts of the surface alone: for a tokenizer that cannot write the grammar."""
    ids = windows[:, :limit]
    S, T = ids.shape
    per_text = max(1, min(T - 1, most // S))
    draw = np.random.default_rng(0)
    columns = np.concatenate([np.sort(draw.choice(np.arange(1, T), per_text, replace=False)) for _ in range(S)])
    text = np.repeat(np.arange(S), per_text)
    kind = ids[text, columns]
    values = {"position": columns, "token": kind, "previous": ids[text, columns - 1]}
    asked = {name: _asked(name, list(labels)) for name, labels in values.items()}
    known = {name: items for name, items in asked.items() if items is not None}
    return Words(*_filled(list(ids), list(np.zeros_like(ids))), text, columns, kind, known)


def _length(tokenizer: Tokenizer, text: str) -> float:
    """Tokens of a text; infinite if it has a character that the tokenizer lacks."""
    try:
        return float(len(tokenizer.encode(text)))
    except InputError:
        return float("inf")


def _rows(s: int, text: Encoded, general: bool) -> Iterator[dict[str, Any]]:
    """What is known of each word of a text; general: of the sentences that stand for the language as a whole."""
    a, forms = text.annotated, [text.annotated.text[start:end].lower() for start, end in text.annotated.spans]
    number, topic = _numbers(a, forms), _topics(a, forms)
    for w, form in enumerate(forms):
        columns = np.flatnonzero(text.word_of == w)
        if not len(columns):
            continue
        t = int(columns[-1])
        row: dict[str, Any] = {"text": s, "column": t, "kind": form, "word": w, "number": number.get(w)}
        if w in a.senses:
            row["homonym"], row["sense"] = a.senses[w].split(".")
        if general:
            row |= {"position": t, "token": int(text.ids[t]), "previous": int(text.ids[t - 1])}
            row |= {"class": a.classes[w], "topic": topic[w]}
            if a.heads[w] >= 0:
                row["distance"] = int(np.clip(a.heads[w] - w, -FAR, FAR))
        yield row


def _numbers(a: Annotated, forms: Sequence[str]) -> dict[int, str]:
    """The number of the subject at each word between it and its verb."""
    numbers = {}
    for name in ("agreement", "agreement across attractor"):
        for verb, noun in a.links.get(name, ()):
            known = grammar.words.OF.get(forms[noun])
            if known is not None:
                many = "plural" if forms[noun] == known.many else "singular"
                numbers |= dict.fromkeys(range(noun + 1, verb), many)
    return numbers


def _topics(a: Annotated, forms: Sequence[str]) -> list[str | None]:
    """At each word that is no noun the commonest topic of the nouns before it, the latest if level."""
    before: list[str] = []
    topics: list[str | None] = []
    for form, word_class in zip(forms, a.classes, strict=True):
        topics.append(Counter[str](reversed(before)).most_common(1)[0][0] if before and word_class != "NOUN" else None)
        before += [topic] if (topic := grammar.topic_of(form)) else []
    return topics


def _asked(name: str, values: Sequence[Any]) -> Asked | None:
    """The words that have a value, as one class each; None if there are fewer than two classes."""
    items = np.array([i for i, value in enumerate(values) if value is not None], int)
    labels = np.array([values[i] for i in items])
    if name == "position" and len(items):
        labels = np.searchsorted(np.quantile(labels, np.arange(1, PARTS) / PARTS), labels)
    if name in ("token", "previous") and len(items):
        common = [value for value, _ in Counter(labels.tolist()).most_common(CLASSES)]
        keep = np.isin(labels, common)
        items, labels = items[keep], labels[keep]
    return Asked(items, labels) if len(np.unique(labels)) > 1 else None


def _filled(ids: list[np.ndarray], types: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Texts of different lengths in one array; what fills them up is behind them."""
    lengths = np.array([len(text) for text in ids])
    fill = lambda rows: np.stack([np.pad(row, (0, lengths.max() - len(row))) for row in rows]).astype(np.int32)
    return fill(ids), fill(types), lengths
