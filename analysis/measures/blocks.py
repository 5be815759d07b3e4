"""Sentence blocks: how much attention stays in its sentence, how much crosses, and does it find what matches.

Axes: S texts of two sentences, A and B, L layers, N heads, W words. B begins at the word `second`.
Source: the sentence blocks of BertViz's sentence-pair view (Vig 2019, arXiv 1904.02679, section 3.1), as numbers.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Bool, Float

from analysis.measures.linguistics import CONTENT, backward, mass_on
from analysis.texts.word_maps import WordMaps
from jattn.errors import InputError
from train.corpora.annotated import Annotated

Sums = tuple[Float[np.ndarray, "S ..."], Float[np.ndarray, "S ..."]]


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


def block_shares(maps: WordMaps) -> dict[str, Float[np.ndarray, "S L N"]]:
    """Mean over the words of A (of B) of the attention to A, to B, to the null, to tokens apart, and to the rest.

    "A to A", "A to B", ... "B to rest": each side's five add up to 1. A causal model has "A to B" = 0. In [0, 1].
    """
    both = dict(zip("AB", sides(maps.sentences, maps.weights.shape[-1]), strict=True))
    found = {}
    for name, here in both.items():
        count = here.sum(1)[:, None, None]
        rows = here[:, None, None]
        for other, there in both.items():
            pairs = here[:, :, None] & there[:, None, :]
            found[f"{name} to {other}"] = mass_on(maps.weights, pairs) / count
        found[f"{name} to null"] = (maps.null * rows).sum(-1) / count
        found[f"{name} to apart"] = (maps.apart * rows).sum(-1) / count
        found[f"{name} to rest"] = 1 - sum(found[f"{name} to {to}"] for to in ("A", "B", "null", "apart"))
    return found


def crossing(shares: Mapping[str, np.ndarray]) -> Float[np.ndarray, "S L N"]:
    """Of B's attention to words, the part that goes to A: (B to A) / (B to A + B to B). In [0, 1]; NaN without any.

    Null, special tokens and spaces are in neither term, so models with and without a null compare.
    """
    total = shares["B to A"] + shares["B to B"]
    return np.where(total > 1e-6, shares["B to A"] / np.where(total > 1e-6, total, 1), np.nan)


def cross_mass(maps: Float[np.ndarray, "S ... W W"], sentences: Sequence[Annotated], link: str) -> Sums:
    """Attention from the words of B that have this link to the word of A that they match, and to all content words
    of A, per sentence. Their ratio is 1 for a head that finds the match and 1 / (content words of A) for one that
    gives the content words of A alike: other pairs of content words are the baseline.
    """
    W = maps.shape[-1]
    matched, content = np.zeros((2, len(sentences), W, W), bool)
    for s, sentence in enumerate(sentences):
        of_a = [j for j in range(sentence.second or 0) if sentence.classes[j] in CONTENT]
        for i, targets in backward(sentence.links.get(link, ())).items():
            matched[s, i, sorted(targets)] = True
            content[s, i, of_a] = True
    return mass_on(maps, matched), mass_on(maps, content)
