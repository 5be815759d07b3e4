"""What the measures of running text are made of: the maps of some windows, and what all measures need of their rows.

Axes: B windows, N heads, T queries and T keys (the same text). `weights` rows sum to 1 - null_mass.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from analysis.measures.patterns import duplicate_pattern, induction_pattern
from analysis.measures.row_sums import LOCAL_WIDTH, LONG, RowSums, row_sums, without
from analysis.measures.sinks import MOST_NULL
from analysis.measures.text_patterns import delimiter_pattern, paragraph_pattern


class Marks(NamedTuple):
    """What of a batch of texts is known besides its maps, [B, T] each, on the host or a device.

    tokens: ids, None for no text in particular.  shares: measure -> keys whose share of all attention it is.
    delimiters: punctuation and the like.  paragraphs: number of the paragraph.
    """

    tokens: Any = None
    shares: Mapping[str, Any] | None = None
    delimiters: Any = None
    paragraphs: Any = None


class Maps(NamedTuple):
    """The maps of a layer on some windows, and what measures need of them.

    sums: of each row, its real keys.  rest: the same without position 1.  asked: pattern -> which queries have a key of
    it.  few: the queries with at most 90 % on null and position 1.  shares: measure -> keys whose share it is.
    """

    weights: Float[Array, "B N T T"]
    null: Float[Array, "B N T"]
    visible: Bool[Array, "T T"]
    sums: RowSums
    rest: RowSums
    asked: Mapping[str, Array]
    few: Bool[Array, "B N T"]
    shares: Mapping[str, Any]


def maps_of(
    weights: Float[Array, "B N T T"],
    null: Float[Array, "B N T"],
    visible: Bool[Array, "T T"],
    marks: Marks | None = None,
    causal: bool = True,
) -> Maps:
    """The maps with the sums of their rows; `visible` says which keys each query sees."""
    T = weights.shape[-1]
    where = text_patterns(T, causal, marks)
    sums = row_sums(weights, where)
    i = jnp.arange(T)
    asked = {name: _asked(p) for name, p in where.items()} | {"self": jnp.ones(T, bool), "previous": i >= 1}
    first = sums.where["first"]
    touches = {name: _touches_first(p) for name, p in where.items()}
    touches |= {"self": i == 0, "previous": i == 1, "first": jnp.ones(T, bool)}
    rest = without(sums, first, i.astype(weights.dtype), touches)
    shares = (marks.shares if marks is not None else None) or {}
    return Maps(weights, null, visible, sums, rest, asked, null + first <= MOST_NULL, shares)


def text_patterns(T: int, causal: bool, marks: Marks | None) -> dict[str, Bool[Array, "*B T T"]]:
    """The patterns that need a mask: [T, T], or [B, T, T] where they depend on the text."""
    apart = jnp.arange(T)[:, None] - jnp.arange(T)
    seen = apart >= 0 if causal else jnp.ones((T, T), bool)
    patterns: dict[str, Array] = {
        "local": (apart >= 0) & (apart < LOCAL_WIDTH),
        "long": seen & (jnp.abs(apart) >= LONG),
    }
    if marks is not None:
        if marks.tokens is not None:
            patterns |= {"duplicate": duplicate_pattern(marks.tokens), "follower": induction_pattern(marks.tokens)}
        if marks.delimiters is not None:
            patterns["delimiter"] = seen & delimiter_pattern(marks.delimiters)
        if marks.paragraphs is not None:
            patterns["paragraph"] = seen & paragraph_pattern(marks.paragraphs)
    return patterns


def _asked(pattern: Array) -> Array:
    """Which queries have a key of the pattern: [T], or [B, 1, T]."""
    return pattern.any(-1) if pattern.ndim == 2 else pattern.any(-1)[:, None]


def _touches_first(pattern: Array) -> Array:
    return pattern[..., 0] if pattern.ndim == 2 else pattern[:, None, :, 0]
