"""Every measure of attention on running text, from the sums of its rows: one number per window and head.

Three readings of the same head stand side by side, by suffix:

    _raw        of all its attention, the null's share not given back
    (none)      of what is not null: each row divided by 1 - null_mass
    _sinkless   of what goes to neither the null nor position 1, in every model alike, over all queries: leaving out
                those that are mostly null would leave other queries in a model with a null than in one without

Axes: B windows, N heads, T queries and T keys (the same text). `weights` rows sum to 1 - null_mass.
Formulas: docs/measures. Plain definitions: patterns.py, sinks.py, structure.py, which the tests hold against this.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from analysis.measures import sinks
from analysis.measures.patterns import duplicate_pattern, induction_pattern
from analysis.measures.row_sums import LOCAL_WIDTH, LONG, RowSums, entropy, row_sums, without
from analysis.measures.sinks import MIN_REAL_MASS, MOST_NULL
from analysis.measures.spread import FAINT, query_keys_that_hold
from analysis.measures.text_patterns import block_pattern, delimiter_pattern

EPS = (0.1, 0.2, 0.3)  # thresholds of the sink rate; 0.3 is Gu et al.'s
HALVINGS = 10  # in the search for the keys that hold 90 %: each is one pass over millions of rows
PATTERNS = ("self", "previous", "local", "long", "duplicate", "follower", "delimiter", "block")
SINKLESS = ("previous", "local", "follower")
CONTROLLED = ("entropy_sinkless", "keys_90_sinkless")  # what may count as cleaner structure, so needs the control


class Marks(NamedTuple):
    """What of a batch of texts is known besides its maps, [B, T] each, on the host or a device.

    tokens: ids, None for no text in particular.  shares: measure -> keys whose share of all attention it is.
    delimiters: punctuation and the like.  blocks: number of the paragraph.
    """

    tokens: Any = None
    shares: Mapping[str, Any] | None = None
    delimiters: Any = None
    blocks: Any = None


def text_patterns(T: int, causal: bool, marks: Marks | None) -> dict[str, Bool[Array, "*B T T"]]:
    """The patterns that need a mask: [T, T], or [B, T, T] where they depend on the text."""
    apart = jnp.arange(T)[:, None] - jnp.arange(T)
    seen = apart >= 0 if causal else jnp.ones((T, T), bool)
    found: dict[str, Array] = {
        "local": (apart >= 0) & (apart < LOCAL_WIDTH),
        "long": seen & (jnp.abs(apart) >= LONG),
    }
    if marks is not None:
        if marks.tokens is not None:
            found |= {"duplicate": duplicate_pattern(marks.tokens), "follower": induction_pattern(marks.tokens)}
        if marks.delimiters is not None:
            found["delimiter"] = seen & delimiter_pattern(marks.delimiters)
        if marks.blocks is not None:
            found["block"] = seen & block_pattern(marks.blocks)
    return found


def text_measures(
    weights: Float[Array, "B N T T"],
    null: Float[Array, "B N T"],
    visible: Bool[Array, "T T"],
    marks: Marks | None = None,
    causal: bool = True,
) -> dict[str, Float[Array, "B N"]]:
    """The measures, by name; `visible` says which keys each query sees. NaN where one is undefined."""
    T = weights.shape[-1]
    where = text_patterns(T, causal, marks)
    sums = row_sums(weights, where)
    asked = {name: _asked(p) for name, p in where.items()}
    i = jnp.arange(T)
    asked |= {"self": jnp.ones(T, bool), "previous": i >= 1}
    first = sums.where["first"]
    touches = {name: _touches_first(p) for name, p in where.items()}
    touches |= {"self": i == 0, "previous": i == 1, "first": jnp.ones(T, bool)}
    rest = without(sums, first, i.astype(weights.dtype), touches)
    few = null + first <= MOST_NULL
    values = {f"alpha_{k}": sinks.alpha(weights, k) for k in (1, 2, 3, 4) if k <= T}
    values |= {"alpha_null": sinks.alpha_null(null)}
    values |= sink_rates(values)
    if marks is not None:
        values |= {name: sinks.key_share(weights, keys) for name, keys in (marks.shares or {}).items()}
    values |= {"null_share": sinks.null_share(null), "first_token_share": sinks.first_token_share(weights)}
    values |= _patterns(sums, rest, asked, few)
    values |= _shape(weights, null, sums, rest, visible, few)
    return values


def pinned_at_random(
    weights: Float[Array, "B N T T"], null: Float[Array, "B N T"], layer: Int[Array, ""] | int
) -> tuple[Float[Array, "B N T T"], Float[Array, "B N T"]]:
    """The same attention with a null that knows nothing: for each query its mass is drawn from 0 to 1, and the real
    keys share the rest as before.

    The control of every claim that structure is cleaner with a null: a measure that this alone would improve shows
    that there is a null, not that heads became cleaner. The draw is fixed: one per head and query, whatever the text.
    """
    key = jax.random.fold_in(jax.random.key(0), layer)
    mass = jnp.broadcast_to(jax.random.uniform(key, null.shape[1:], null.dtype), null.shape)
    rows, _ = sinks.conditional_rows(weights, null)
    return rows * (1 - mass)[..., None], mass


def sink_rates(alphas: Mapping[str, Array]) -> dict[str, Array]:
    """1 where alpha is above eps, else 0: their mean over windows is the sink rate of the head (Gu et al. 2024)."""
    eps = {"alpha_1": EPS, "alpha_null": EPS}
    return {
        f"sink_{name.removeprefix('alpha_')}_{e}": (alpha > e).astype(alpha.dtype)
        for name, alpha in alphas.items()
        for e in eps.get(name, EPS[-1:])
    }


def _patterns(sums: RowSums, rest: RowSums, asked: Mapping[str, Array], few: Array) -> dict[str, Array]:
    values = {}
    for name in (n for n in PATTERNS if n in sums.where):
        values[f"{name}_raw"] = sums.where[name].mean(-1, where=jnp.broadcast_to(asked[name], few.shape))
        values[name] = _share(sums, name, asked[name])
        if name in SINKLESS:
            values[f"{name}_sinkless"] = _share(rest, name, asked[name])
    return values


def _share(sums: RowSums, name: str, asked: Array) -> Array:
    """Mean over the queries asked of the pattern's part of the real mass."""
    kept = sums.real >= MIN_REAL_MASS
    return (sums.where[name] / jnp.where(kept, sums.real, 1)).mean(-1, where=kept & asked)


def _shape(weights, null, sums: RowSums, rest: RowSums, visible, few) -> dict[str, Array]:
    keys = visible.sum(-1)
    others = keys - visible[:, 0]  # without position 1, for the queries that see it
    row, kept = entropy(sums)
    row_rest, kept_rest = entropy(rest)
    several, several_rest = keys > 1, others > 1
    held, held_rest = _held(weights, null), _held(*sinks.first_token_as_null(weights, null))
    total = sums.real.sum(-1)
    return {
        "entropy_with_null_nats": (-sums.plogp - null * jnp.log(jnp.maximum(null, 1e-30))).mean(-1),
        "entropy_nats": row.mean(-1, where=kept),
        "kept_share": few.astype(row.dtype).mean(-1),
        "entropy_filtered_nats": row_rest.mean(-1, where=kept_rest & few),
        "entropy_normalised": _over_log(row, keys).mean(-1, where=kept & several),
        "entropy_sinkless": _over_log(row_rest, others).mean(-1, where=kept_rest & several_rest),
        "mean_distance_tokens": jnp.where(
            total >= MIN_REAL_MASS * weights.shape[-1], sums.distance.sum(-1) / total, jnp.nan
        ),
        "distance_spread_tokens": _spread(sums).mean(-1, where=kept & several),
        "keys_90": held.mean(-1, where=kept),
        "keys_90_sinkless": held_rest.mean(-1, where=kept_rest & (others > 0)),
        "sparsity": (1 - (weights >= FAINT).sum(-1) / jnp.maximum(keys, 1)).mean(-1),
    }


def _held(weights: Array, null: Array) -> Array:
    """The keys that hold 90 % of each query, [B, N, T]. On a CPU one window at a time, which then stays in its cache
    through all passes of the search: four times as fast."""
    count = lambda w, n: query_keys_that_hold(w, n, halvings=HALVINGS)[0]
    if jax.default_backend() != "cpu":
        return count(weights, null)
    return jax.lax.map(lambda window: count(*(a[None] for a in window))[0], (weights, null))


def _spread(sums: RowSums) -> Array:
    """Standard deviation of the distance of each row's real attention."""
    real = jnp.where(sums.real >= MIN_REAL_MASS, sums.real, 1)
    return jnp.sqrt(jnp.maximum(sums.squared / real - (sums.distance / real) ** 2, 0))


def _over_log(row: Array, outcomes: Array) -> Array:
    return row / jnp.log(jnp.maximum(outcomes, 2))


def _asked(pattern: Array) -> Array:
    """Which queries have a key of the pattern: [T], or [B, 1, T]."""
    return pattern.any(-1) if pattern.ndim == 2 else pattern.any(-1)[:, None]


def _touches_first(pattern: Array) -> Array:
    return pattern[..., 0] if pattern.ndim == 2 else pattern[:, None, :, 0]
