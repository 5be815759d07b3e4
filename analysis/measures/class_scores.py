"""The scores that classes.py decides on: what share of a head's attention, sinks aside, follows each pattern.

"Sinks aside", in every model alike: the null and position 1 are taken out and the rest of each row is made whole. All
queries with any real attention count, also mostly-null ones: without those a model with a null would be read on other
queries than one without. A query is asked where it sees a key of the pattern other than position 1. Each score comes
with its chance: even attention over the same keys.

Axes: B windows, N heads, T queries and T keys (the same text). `weights` rows sum to 1 - null_mass.
"""

from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from analysis.measures import patterns
from analysis.measures.row_sums import LOCAL_WIDTH, LONG
from analysis.measures.sinks import MIN_REAL_MASS, first_token_as_null
from analysis.measures.text_patterns import block_pattern, delimiter_pattern, topic_mass
from analysis.stats import known_mean
from analysis.texts.annotations import fitting, grammar
from analysis.texts.word_maps import WordMaps, read_words
from jattn.errors import InputError
from train.checkpoint import Run
from train.corpora.annotated import Annotated
from train.corpora.grammar import topic_of
from train.corpora.grammar_words import OF

SENTENCES, LEAST = 128, 64  # of the grammar that are read for topics; with fewer the baseline has too few pairs
Scores = dict[str, Float[Array, "B N"]]


def text_scores(
    weights: Float[Array, "B N T T"],
    null_mass: Float[Array, "B N T"],
    visible: Bool[Array, "T T"],
    marks: Bool[Array, "B T"],
    blocks: Int[Array, "B T"],
) -> tuple[Scores, Scores]:
    """Scores on running text and their chance: self, previous, next, local, long, delimiter, block. In [0, 1].

    marks: which tokens delimit; blocks: the paragraph of each (text_patterns.py). NaN where no query is asked.
    """
    T = weights.shape[-1]
    fixed = {
        "self": patterns.self_pattern(T),
        "previous": patterns.previous_pattern(T),
        "next": patterns.next_pattern(T),
        "local": patterns.near_pattern(T, LOCAL_WIDTH),
        "long": patterns.far_pattern(T, LONG),
    }
    return _scores(
        weights, null_mass, visible, fixed, {"delimiter": delimiter_pattern(marks), "block": block_pattern(blocks)}
    )


def repeat_scores(
    weights: Float[Array, "B N T T"],
    null_mass: Float[Array, "B N T"],
    visible: Bool[Array, "T T"],
    tokens: Int[Array, "B T"],
) -> tuple[Scores, Scores]:
    """Scores on repeated random tokens and their chance: duplicate, induction. In [0, 1]."""
    of_text = {"duplicate": patterns.duplicate_pattern(tokens), "induction": patterns.induction_pattern(tokens)}
    return _scores(weights, null_mass, visible, {}, of_text)


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
    found = topic_mass(*flat, kept=kept.reshape(S, L * N, W))
    mass, baseline = (known_mean(np.asarray(a), 0).reshape(L, N) for a in found)
    return mass - baseline, baseline


def _words(sentence: Annotated) -> list[str]:
    return [sentence.text[start:end] for start, end in sentence.spans]


def _of_two_nouns(sentences: Sequence[Annotated]) -> list[Annotated]:
    """Those with at least two different nouns that have a topic: the others say nothing of it."""
    nouns = lambda s: {OF[w.lower()].one for w in _words(s) if topic_of(w) is not None}  # noqa: E731
    return [s for s in sentences if len(nouns(s)) > 1]


def _scores(weights, null_mass, visible, fixed, of_text) -> tuple[Scores, Scores]:
    rest, nothing = first_token_as_null(weights, null_mass)
    visible = visible.at[:, 0].set(False)
    real = patterns.real_mass(rest, nothing)
    kept = real >= MIN_REAL_MASS
    scores, levels = {}, {}
    for name, pattern in of_text.items():
        seen = pattern & visible
        rows = patterns.pattern_rows(rest, seen)
        scores[name] = patterns.conditional_from_rows(rows, real, kept & seen.any(-1)[:, None])
        levels[name] = patterns.chance(pattern, visible)[:, None]
    if fixed:
        stack = jnp.stack(list(fixed.values())) & visible
        asked = kept[:, :, None] & stack.any(-1)
        found = patterns.conditional_from_rows(patterns.stack_rows(rest, stack), real, asked)
        even = patterns.chance(stack, visible)
        for i, name in enumerate(fixed):
            scores[name], levels[name] = found[..., i], even[i]
    return scores, {name: jnp.broadcast_to(level, weights.shape[:2]) for name, level in levels.items()}
