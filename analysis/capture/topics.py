"""Attention between nouns of one topic, on sentences of the synthetic grammar whose topics are known.

Axes: S sentences, L layers, N heads, W words.
"""

from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from analysis.capture.words import WordMaps, read_words
from analysis.measures.text_patterns import topic_mass
from analysis.stats import known_mean
from analysis.texts.annotations import fitting, grammar
from jattn.errors import InputError
from train.corpora.annotated import Annotated
from train.corpora.grammar import topic_of
from train.corpora.grammar_words import OF
from train.runs import Run

SENTENCES, LEAST = 128, 64  # of the grammar that are read for topics; with fewer the baseline has too few pairs


def topic_scores(run: Run) -> dict[str, Float[np.ndarray, "L N"]]:
    """`topic`, attention between nouns of one topic minus its matched baseline, and `topic_baseline`; [L, N] each.

    On sentences of the synthetic grammar with two nouns or more, of what goes to neither the null nor the first token.
    NaN for a run whose tokenizer cannot write the grammar, or whose context is too short for it.
    """
    config = run.config.model
    try:
        encoded = fitting(_of_two_nouns(grammar(3 * SENTENCES))[:SENTENCES], run.tokenizer, config)
    except InputError:  # not one sentence can be written: the measure is undefined for this run
        encoded = []
    if len(encoded) < LEAST:
        return dict.fromkeys(("topic", "topic_baseline"), np.full((config.layers, config.heads), np.nan))
    score, baseline = topics_between_words(read_words(run, encoded))
    return {"topic": score, "topic_baseline": baseline}


def topics_between_words(maps: WordMaps) -> tuple[Float[np.ndarray, "L N"], Float[np.ndarray, "L N"]]:
    """(mass - baseline, baseline) of `topic_mass` between nouns, [L, N] each: the mean over sentences.

    The words of a topic count as one token in all their forms; frequency is above or below the median noun's.
    """
    rows, kept = maps.rows
    S, L, N, W = kept.shape
    nouns, topics = np.full((2, S, W), -1)
    numbers: dict[str | None, int] = {}
    for s, sentence in enumerate(maps.sentences):
        for i, word in enumerate(_words(sentence)):
            if (topic := topic_of(word)) is not None:
                topics[s, i] = numbers.setdefault(topic, len(numbers))
                nouns[s, i] = numbers.setdefault(f"noun {OF[word.lower()].one}", len(numbers))
    often = np.bincount(nouns[nouns >= 0], minlength=1)[nouns]
    frequent = ((nouns >= 0) & (often > np.median(often[nouns >= 0]))).astype(int)
    flat = jnp.asarray(rows.reshape(S, L * N, W, W)), topics, nouns, maps.visible, frequent
    masses = topic_mass(*flat, kept=kept.reshape(S, L * N, W))
    mass, baseline = (known_mean(np.asarray(a), 0).reshape(L, N) for a in masses)
    return mass - baseline, baseline


def _words(sentence: Annotated) -> list[str]:
    return [sentence.text[start:end] for start, end in sentence.spans]


def _of_two_nouns(sentences: Sequence[Annotated]) -> list[Annotated]:
    """Those with at least two different nouns that have a topic: the others say nothing of it."""
    nouns = lambda s: {OF[w.lower()].one for w in _words(s) if topic_of(w) is not None}
    return [s for s in sentences if len(nouns(s)) > 1]
