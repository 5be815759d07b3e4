"""What kind of head is this? A name from its scores, by one table of thresholds; "unclassified" is a usual answer.

Axes: L layers, N heads. Scores are means over texts, one number per head.

A head is a `sink` if most of all its attention goes to the null or to position 1. Which pattern it follows is asked of
the rest of its attention: conditional on neither of the two, in models with and without a null alike, and above chance.
So a head has two answers: what it mostly does, and what it does when it is active. Show the share of nothing with both.

    above chance    (score - chance) / (1 - chance): 0 for even attention, 1 for a perfect head, under any mask

In a layer whose window leaves no other choice, chance is 1 and the pattern decides nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Shaped

from analysis.measures.row_sums import LOCAL_WIDTH, LONG
from jattn.errors import InputError

SINK, NONE = "sink", "unclassified"
SINK_SHARE = 0.5  # of all attention, on the null and position 1 together


@dataclass(frozen=True)
class Rule:
    """A head is of the class if its score of `measure` lies at least `threshold` of the way from chance to 1.

    about: what such a head attends to, for people; "it" is the query's token.
    """

    name: str
    measure: str
    threshold: float
    about: str


# In this order, the particular before the general: the first that a head passes is its class. Induction and duplicate
# token are scored on repeated random tokens, where they are given; topic is a difference to a matched baseline.
RULES = (
    Rule("induction", "induction", 0.5, "what followed earlier copies of it"),
    Rule("duplicate token", "duplicate", 0.5, "earlier copies of it"),
    Rule("previous token", "previous", 0.5, "the token before it"),
    Rule("next token", "next", 0.5, "the token after it, in models that see both sides"),
    Rule("self", "self", 0.5, "its own position"),
    Rule("delimiter", "delimiter", 0.5, "punctuation, line ends and special tokens"),
    Rule("topic", "topic", 0.2, "words of its topic, more than words of others at the same distances"),
    Rule("local", "local", 0.5, f"the last {LOCAL_WIDTH} keys, its own position included"),
    Rule("paragraph", "paragraph", 0.5, "its own paragraph"),
    Rule("long range", "long", 0.5, f"keys at least {LONG} tokens away"),
)
NAMES = (SINK, *(rule.name for rule in RULES), NONE)

Heads = Float[np.ndarray, "L N"]
Words = Shaped[np.ndarray, "L N"]


@dataclass(frozen=True)
class Classes:
    """The classes of all heads, [L, N] each.

    name: the class.  decided: the measure that decided.  score: its value (a sink's share of nothing; else how far
    above chance).  active: the class apart from being a sink, with `active_decided` and `active_score`; of a head
    without a class they name what it came nearest to.  nothing: null share + first-token share.
    """

    name: Words
    decided: Words
    score: Heads
    active: Words
    active_decided: Words
    active_score: Heads
    nothing: Heads


def about(name: str) -> str:
    """What makes a head of this class, in one line."""
    if name == SINK:
        return "At least half of all its attention goes to the null and the first token together."
    rule = next((rule for rule in RULES if rule.name == name), None)
    return "No class's threshold is reached." if rule is None else f"A token attends to {rule.about}."


def classify(scores: Mapping[str, Heads], chance: Mapping[str, Heads | float] | None = None) -> Classes:
    """The class of every head: `sink` at a share of nothing >= 0.5, else the first of `RULES` it passes, else
    `unclassified`.

    scores: measure -> [L, N]; NaN where undefined, which passes no rule. null_share and first_token_share raw (one may
    be absent), the others as shares of what goes to neither (`<measure>_sinkless` is read where there is one, else
    `<measure>`); measures without a rule are not looked at. chance: the level of even attention under the same name,
    0 where absent. Raises InputError without either share, or where one is not finite.
    """
    nothing = _nothing(scores)
    known = _above_chance(scores, chance or {})
    active = np.full(nothing.shape, NONE, dtype=object)
    decided, score = np.full(nothing.shape, "", dtype=object), np.full(nothing.shape, np.nan)
    near = np.full(nothing.shape, -np.inf)
    for rule, name, value in known:  # for the unclassified: the nearest miss, as a share of what was asked
        nearer = value / rule.threshold > near
        near[nearer], decided[nearer], score[nearer] = (value / rule.threshold)[nearer], name, value[nearer]
    for rule, name, value in reversed(known):  # the first rule has the last word
        passed = value >= rule.threshold
        active[passed], decided[passed], score[passed] = rule.name, name, value[passed]
    sink = nothing >= SINK_SHARE
    return Classes(
        np.where(sink, SINK, active).astype(str),
        np.where(sink, "null_share + first_token_share", decided).astype(str),
        np.where(sink, nothing, score),
        active.astype(str),
        decided.astype(str),
        score,
        nothing,
    )


def _nothing(scores: Mapping[str, Heads]) -> Heads:
    shares = [np.asarray(scores[name], float) for name in ("null_share", "first_token_share") if name in scores]
    if not shares:
        raise InputError("scores: neither null_share nor first_token_share is given; a class needs at least one")
    nothing = np.sum(shares, 0)
    if not np.isfinite(nothing).all():
        layer, head = np.argwhere(~np.isfinite(nothing))[0]
        raise InputError(f"scores: the null or first-token share of head {layer}.{head} is no number; NaN weights?")
    return nothing


def _above_chance(scores: Mapping[str, Heads], chance: Mapping[str, Heads | float]) -> list[tuple[Rule, str, Heads]]:
    """For each rule whose measure is given: the name that it is given under, and how far above chance each head is."""
    known = []
    for rule in RULES:
        name = next((n for n in (f"{rule.measure}_sinkless", rule.measure) if n in scores), None)
        if name is None:
            continue
        value = np.asarray(scores[name], float)
        level = np.broadcast_to(np.asarray(chance.get(name, 0.0), float), value.shape)
        room = level < 1 - 1e-6  # no room above a chance of 1; NaN passes no rule
        known.append((rule, name, np.where(room, (value - level) / np.where(room, 1 - level, 1), np.nan)))
    return known
