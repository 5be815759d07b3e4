"""Numbers per head for the text that is shown, and its pattern class: the project's own measures, in float32.

One text is one observation: these numbers describe the picture beside them. `jattn compare` reads many texts.

Axes: L layers, N heads, T queries, S keys.
"""

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from analysis.measures.class_scores import repeat_scores, text_scores
from analysis.measures.classes import NONE, classify
from analysis.measures.patterns import duplicate_pattern
from analysis.measures.row_sums import LOCAL_WIDTH, LONG
from analysis.measures.spread import keys_that_hold
from analysis.measures.structure import entropy_real
from analysis.measures.text_maps import Marks
from analysis.measures.text_measures import text_measures
from analysis.viewer.attention import Attention
from analysis.viewer.layer import Layer

FEWEST = 8  # queries with an earlier copy of themselves; with fewer a match may be an accident


@dataclass(frozen=True)
class Statistic:
    """A column: `measure` of text_measures, what it is called, whether it leaves the null out, and the pattern class
    that it is the score of."""

    measure: str
    name: str
    unit: str
    about: str
    without_null: bool = False
    pattern_class: str | None = None


COLUMNS = (
    Statistic(
        "null_share",
        "null mass",
        "share",
        "Attention that goes to the null, the mean over queries from the second on. 0 to 1.",
    ),
    Statistic(
        "first_token_share",
        "first token",
        "share",
        "Attention to the first token, the mean over queries from the second on; null not added back. 0 to 1.",
    ),
    Statistic(
        "previous_raw",
        "previous token",
        "share",
        "Attention to the token before, of all attention. 0 to 1.",
        pattern_class="previous token",
    ),
    Statistic(
        "self_raw",
        "own token",
        "share",
        "Attention of a query to its own position, of all attention. 0 to 1.",
        pattern_class="self",
    ),
    Statistic(
        "local_raw",
        f"last {LOCAL_WIDTH}",
        "share",
        f"Attention to the last {LOCAL_WIDTH} keys, own position included, of all attention. 0 to 1.",
        pattern_class="local",
    ),
    Statistic(
        "long_raw",
        f"{LONG}+ away",
        "share",
        f"Attention to keys at least {LONG} tokens away, of all attention, where there are any. 0 to 1.",
        pattern_class="long range",
    ),
    Statistic(
        "duplicate_raw",
        "duplicates",
        "share",
        "Attention to earlier copies of the query's token, of all attention, where there are any. 0 to 1.",
        pattern_class="duplicate token",
    ),
    Statistic(
        "follower_raw",
        "induction",
        "share",
        "Attention to what followed earlier copies of the query's token, of all attention. 0 to 1.",
        pattern_class="induction",
    ),
    Statistic(
        "delimiter_raw",
        "delimiters",
        "share",
        "Attention to punctuation, line ends and special tokens, without the first token and the query's own. 0 to 1.",
        pattern_class="delimiter",
    ),
    Statistic(
        "largest",
        "largest weight",
        "share",
        "The largest weight of a query, the null left out, the mean over queries. 0 to 1.",
    ),
    Statistic(
        "entropy_normalised",
        "entropy",
        "share",
        "Entropy of the real attention over the log of the visible keys: 0 one key, 1 even attention.",
        without_null=True,
    ),
    Statistic(
        "mean_distance_tokens",
        "distance",
        "tokens",
        "Mean distance from query to key of the real attention, in tokens.",
        without_null=True,
    ),
    Statistic(
        "keys_90",
        "keys for 90 %",
        "count",
        "How many keys hold 90 % of a query's real attention, the mean over queries.",
        without_null=True,
    ),
)


@dataclass(frozen=True)
class Measured:
    """Of the heads of one layer, [N] each: measures by name, the class, and how far a head is of that class."""

    values: dict[str, Float[np.ndarray, " N"]]
    pattern_class: np.ndarray
    score: Float[np.ndarray, " N"]


def measured(attention: Attention) -> list[Measured]:
    """Measures and classes of every head, one entry per layer; NaN where a measure is undefined."""
    return [_of_layer(attention, i) for i in range(len(attention.layers))]


def columns(measured: list[list[Measured]]) -> list[Statistic]:
    """The columns that at least one head has a number in."""
    values = [layer.values for side in measured for layer in side]
    return [c for c in COLUMNS if any(np.isfinite(v[c.measure]).any() for v in values if c.measure in v)]


def _of_layer(attention: Attention, index: int) -> Measured:
    layer, T = attention.layers[index], attention.T
    weights, null = _to_one(layer)
    if T < 2:  # one query has no choice, and no share from the second on
        return Measured({}, np.full(len(weights), NONE), np.full(len(weights), np.nan))
    if attention.keys is not None:
        values, scores, chance = _rectangular(weights, null), {}, {}
    else:
        values, scores, chance = _square(attention, weights, null, attention.visible(index))
    shares = {name: values[name][None] for name in ("null_share", "first_token_share")}
    classes = classify(shares | scores, chance)
    if layer.null is None:
        values["null_share"] = np.full(len(weights), np.nan)
    values["largest"] = weights.max(-1).mean(-1)
    return Measured(values, classes.name[0], np.nan_to_num(classes.score[0]))


def _to_one(layer: Layer) -> tuple[np.ndarray, np.ndarray]:
    """Weights and null mass, together 1 for every query: rows without a normaliser are divided by their sum."""
    if layer.softmax:
        return layer.weights, layer.null_mass
    return layer.weights / np.maximum(layer.weights.sum(-1, keepdims=True), 1e-30), layer.null_mass


def _square(attention: Attention, weights: np.ndarray, null: np.ndarray, visible: np.ndarray):
    """Of the same text on both sides: measures [N], and for the class scores and their chance, [1, N]."""
    tokens = attention.tokens
    marks = Marks(tokens.ids[None], {}, tokens.delimiters[None], tokens.paragraphs[None])
    values, scores, chance = jax.tree.map(
        lambda a: np.asarray(a, np.float64), _compiled(weights[None], null[None], visible, marks, attention.causal)
    )
    repeats = (np.asarray(duplicate_pattern(jnp.asarray(tokens.ids[None])))[0] & visible).any(-1).sum()
    known = [name for name in scores if name not in ("duplicate", "induction") or repeats >= FEWEST]
    return {n: v[0] for n, v in values.items()}, {n: scores[n] for n in known}, {n: chance[n] for n in known}


@partial(jax.jit, static_argnames="causal")
def _compiled(
    weights: Float[Array, "1 N T S"],
    null: Float[Array, "1 N T"],
    visible: Bool[Array, "T S"],
    marks: Marks,
    causal: bool,
):
    values = text_measures(weights, null, visible, marks, causal)
    asked = {
        c.measure: values[c.measure] for c in COLUMNS if c.measure in values
    }  # what is not asked for costs nothing
    scores, chance = text_scores(weights, null, visible, marks.delimiters, marks.paragraphs)
    repeated, by_chance = repeat_scores(weights, null, visible, marks.tokens)
    return asked, scores | repeated, chance | by_chance


def _rectangular(weights: np.ndarray, null: np.ndarray) -> dict[str, np.ndarray]:
    """What is defined where keys are another text: measures of a row alone. Padded to a square with empty rows and
    keys, which the measures leave out."""
    T, S = weights.shape[1:]
    size = max(T, S)
    padded = jnp.asarray(np.pad(weights, ((0, 0), (0, size - T), (0, size - S))))[None]
    beside = jnp.asarray(np.pad(null, ((0, 0), (0, size - T))))[None]
    keys = jnp.full(size, S)
    of_rows = {
        "entropy_normalised": entropy_real(padded, beside, keys),
        "keys_90": keys_that_hold(padded, beside, keys),
    }
    shares = {"null_share": null[:, 1:].mean(-1), "first_token_share": weights[:, 1:, 0].mean(-1)}
    return shares | {name: np.asarray(value[0], np.float64) for name, value in of_rows.items()}
