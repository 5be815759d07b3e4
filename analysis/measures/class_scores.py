"""The scores that classes.py decides on: what share of a head's attention, sinks aside, follows each pattern.

"Sinks aside", in every model alike: the null and position 1 are taken out and the rest of each row is made whole. All
queries with any real attention count, also mostly-null ones: without those a model with a null would be read on other
queries than one without. A query is asked where it sees a key of the pattern other than position 1. Each score comes
with its chance: even attention over the same keys.

Axes: B windows, N heads, T queries and T keys (the same text). `weights` rows sum to 1 - null_mass.
"""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from analysis.measures import patterns
from analysis.measures.row_sums import LOCAL_WIDTH, LONG
from analysis.measures.sinks import MIN_REAL_MASS, first_token_as_null
from analysis.measures.text_patterns import delimiter_pattern, paragraph_pattern

Scores = dict[str, Float[Array, "B N"]]


def text_scores(
    weights: Float[Array, "B N T T"],
    null_mass: Float[Array, "B N T"],
    visible: Bool[Array, "T T"],
    marks: Bool[Array, "B T"],
    paragraphs: Int[Array, "B T"],
) -> tuple[Scores, Scores]:
    """Scores on running text and their chance: self, previous, next, local, long, delimiter, paragraph. In [0, 1].

    marks: which tokens delimit; paragraphs: the paragraph of each (text_patterns.py). NaN where no query is asked.
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
        weights,
        null_mass,
        visible,
        fixed,
        {"delimiter": delimiter_pattern(marks), "paragraph": paragraph_pattern(paragraphs)},
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


def _scores(
    weights: Array, null_mass: Array, visible: Array, fixed: dict[str, Array], of_text: dict[str, Array]
) -> tuple[Scores, Scores]:
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
        shares = patterns.conditional_from_rows(patterns.stack_rows(rest, stack), real, asked)
        even = patterns.chance(stack, visible)
        for i, name in enumerate(fixed):
            scores[name], levels[name] = shares[..., i], even[i]
    return scores, {name: jnp.broadcast_to(level, weights.shape[:2]) for name, level in levels.items()}
