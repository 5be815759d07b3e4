"""Annotated sentences as arrays: which pairs of words a dependency joins, which words are of a class or of a side.

Axes: S sentences, W words (the longest sentence's; shorter ones are padded with False).
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool

from jattn.errors import InputError
from train.corpora.annotated import Annotated, Pair

CONTENT = ("NOUN", "VERB", "ADJ", "ADV", "PROPN")  # classes of words that carry content


def dependencies(sentences: Sequence[Annotated], W: int) -> dict[str, Bool[np.ndarray, "S W W"]]:
    """Pairs (i, j) that a dependency joins: `parent` (j is the head of i), `child` (i of j), `either`.

    DepAl (eq. 4) is the attention on them over all attention. Raises InputError if no word has a head.
    """
    parent = np.zeros((len(sentences), W, W), bool)
    for s, sentence in enumerate(sentences):
        for i, head in enumerate(sentence.heads):
            if head >= 0:
                parent[s, i, head] = True
    if not parent.any():
        raise InputError("sentences: no word has a head; alignment needs dependencies, give annotated text")
    child = parent.swapaxes(1, 2)
    return {"parent": parent, "child": child, "either": parent | child}


def members(sentences: Sequence[Annotated], W: int) -> dict[str, Bool[np.ndarray, "S W"]]:
    """Word class -> which words are of it. P(class) (eq. 3) is the attention to them, or from them, over all.

    Raises InputError if all words are of one class: every share would be 1.
    """
    names = sorted({name for sentence in sentences for name in sentence.classes})
    if len(names) < 2:
        raise InputError(f"sentences: all words are of one class, {names}; shares by class need two or more")
    members = {name: np.zeros((len(sentences), W), bool) for name in names}
    for s, sentence in enumerate(sentences):
        for i, name in enumerate(sentence.classes):
            members[name][s, i] = True
    return members


def backward(links: Sequence[Pair]) -> dict[int, set[int]]:
    """Links as later word -> the earlier words that it belongs to: what a model that reads left to right can find."""
    earlier: dict[int, set[int]] = {}
    for a, b in links:
        if a != b:
            earlier.setdefault(max(a, b), set()).add(min(a, b))
    return earlier


def sides(sentences: Sequence[Annotated], W: int) -> tuple[Bool[np.ndarray, "S W"], Bool[np.ndarray, "S W"]]:
    """Which words are of sentence A, and which of B. Raises InputError for a text without a second sentence."""
    a, b = np.zeros((2, len(sentences), W), bool)
    for s, sentence in enumerate(sentences):
        if sentence.second is None:
            raise InputError(
                f"sentences: {sentence.text[:40]!r} has no second sentence; set `second` to its first word"
            )
        a[s, : sentence.second] = True
        b[s, sentence.second : len(sentence.spans)] = True
    return a, b


def matches(
    sentences: Sequence[Annotated], W: int, link: str
) -> tuple[Bool[np.ndarray, "S W W"], Bool[np.ndarray, "S W W"]]:
    """Pairs of a word of B that has this link and the word of A that it matches; and of it and any content word of A.

    A head that finds the match puts the same attention on both; one that gives A's content words alike puts
    1 / (content words of A) of it on the first: other pairs of content words are the baseline.
    """
    matched, content = np.zeros((2, len(sentences), W, W), bool)
    for s, sentence in enumerate(sentences):
        of_a = [j for j in range(sentence.second or 0) if sentence.classes[j] in CONTENT]
        for i, targets in backward(sentence.links.get(link, ())).items():
            matched[s, i, sorted(targets)] = True
            content[s, i, of_a] = True
    return matched, content
