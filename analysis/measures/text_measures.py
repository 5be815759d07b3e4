"""Every measure of attention on running text: one number per window and head. A row of MEASURES is a measure.

Three readings of the same head stand side by side, by suffix:

    _raw        of all its attention, the null's share not given back
    (none)      of what is not null: each row divided by 1 - null_mass
    _sinkless   of what goes to neither the null nor position 1, in every model alike, over all queries: leaving out
                those that are mostly null would leave other queries in a model with a null than in one without

Axes: B windows, N heads, T queries and T keys (the same text). `weights` rows sum to 1 - null_mass.
Formulas: docs/measures. Plain definitions: patterns.py, sinks.py, structure.py, which the tests hold against this.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from analysis.measures import sinks
from analysis.measures.measure import Measure
from analysis.measures.row_sums import LOCAL_WIDTH, LONG, RowSums, entropy
from analysis.measures.sinks import EPS, MIN_REAL_MASS
from analysis.measures.spread import FAINT, query_keys_that_hold
from analysis.measures.text_maps import Maps, Marks, maps_of

HALVINGS = 10  # in the search for the keys that hold 90 %: each is one pass over millions of rows
SHARE, NATS = "0-1", "nats"
REAL, SINKLESS = "conditional on non-null", "without null and position 1"

Of = Callable[[Maps], Array | None]  # [B, N], NaN where it is undefined; None where the text offers no such thing


def text_measures(
    weights: Float[Array, "B N T T"],
    null: Float[Array, "B N T"],
    visible: Bool[Array, "T T"],
    marks: Marks | None = None,
    causal: bool = True,
) -> dict[str, Float[Array, "B N"]]:
    """The measures, by name; `visible` says which keys each query sees. NaN where one is undefined."""
    maps = maps_of(weights, null, visible, marks, causal)
    values = {name: of(maps) for name, (_, of) in MEASURES.items()}
    return {name: value for name, value in values.items() if value is not None}


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


def _sink_rate(alpha: Of, eps: float) -> Of:
    return lambda m: None if (value := alpha(m)) is None else sinks.sink_rate(value, eps)


def _alpha(k: int) -> Of:
    return lambda m: sinks.alpha(m.weights, k) if k <= m.weights.shape[-1] else None


def _alpha_null(m: Maps) -> Array:
    return sinks.alpha_null(m.null)


def _key_share(name: str) -> Of:
    return lambda m: sinks.key_share(m.weights, m.shares[name]) if name in m.shares else None


def _pattern(name: str, title: str, sinkless: bool = False) -> dict[str, tuple[Measure, Of]]:
    """A pattern's readings: raw, conditional, and where it has one without the sinks (the one that may be cleaner)."""

    def raw(m: Maps) -> Array:
        return m.sums.where[name].mean(-1, where=jnp.broadcast_to(m.asked[name], m.few.shape))

    def known(of: Callable[[Maps], Array]) -> Of:
        return lambda m: of(m) if name in m.sums.where else None

    readings = {
        f"{name}_raw": (Measure(f"{title}, mass", SHARE), known(raw)),
        name: (Measure(f"{title}, {REAL}", SHARE), known(lambda m: _share(m.sums, name, m.asked[name]))),
    }
    if sinkless:
        of_rest = known(lambda m: _share(m.rest, name, m.asked[name]))
        readings[f"{name}_sinkless"] = (Measure(f"{title}, {SINKLESS}", SHARE), of_rest)
    return readings


def _share(sums: RowSums, name: str, asked: Array) -> Array:
    """Mean over the queries asked of the pattern's part of the real mass."""
    kept = sums.real >= MIN_REAL_MASS
    return (sums.where[name] / jnp.where(kept, sums.real, 1)).mean(-1, where=kept & asked)


def _entropy_with_null(m: Maps) -> Array:
    return (-m.sums.plogp - m.null * jnp.log(jnp.maximum(m.null, 1e-30))).mean(-1)


def _entropy(m: Maps) -> Array:
    row, kept = entropy(m.sums)
    return row.mean(-1, where=kept)


def _entropy_filtered(m: Maps) -> Array:
    row, kept = entropy(m.rest)
    return row.mean(-1, where=kept & m.few)


def _entropy_normalised(m: Maps) -> Array:
    (row, kept), keys = entropy(m.sums), m.visible.sum(-1)
    return _over_log(row, keys).mean(-1, where=kept & (keys > 1))


def _entropy_sinkless(m: Maps) -> Array:
    (row, kept), keys = entropy(m.rest), _others(m)
    return _over_log(row, keys).mean(-1, where=kept & (keys > 1))


def _mean_distance(m: Maps) -> Array:
    total = m.sums.real.sum(-1)
    enough = total >= MIN_REAL_MASS * m.weights.shape[-1]
    return jnp.where(enough, m.sums.distance.sum(-1) / total, jnp.nan)


def _distance_spread(m: Maps) -> Array:
    """The standard deviation of the distance of each row's real attention."""
    kept = m.sums.real >= MIN_REAL_MASS
    real = jnp.where(kept, m.sums.real, 1)
    row = jnp.sqrt(jnp.maximum(m.sums.squared / real - (m.sums.distance / real) ** 2, 0))
    return row.mean(-1, where=kept & (m.visible.sum(-1) > 1))


def _keys_90(m: Maps) -> Array:
    return _held(m.weights, m.null).mean(-1, where=m.sums.real >= MIN_REAL_MASS)


def _keys_90_sinkless(m: Maps) -> Array:
    kept = (m.rest.real >= MIN_REAL_MASS) & (_others(m) > 0)
    return _held(*sinks.first_token_as_null(m.weights, m.null)).mean(-1, where=kept)


def _held(weights: Array, null: Array) -> Array:
    """The keys that hold 90 % of each query, [B, N, T]. On a CPU one window at a time, which then stays in its cache
    through all passes of the search: four times as fast."""
    count = lambda w, n: query_keys_that_hold(w, n, halvings=HALVINGS)[0]
    if jax.default_backend() != "cpu":
        return count(weights, null)
    return jax.lax.map(lambda window: count(*(a[None] for a in window))[0], (weights, null))


def _others(m: Maps) -> Array:
    """How many keys each query sees besides position 1."""
    return m.visible.sum(-1) - m.visible[:, 0]


def _over_log(row: Array, outcomes: Array) -> Array:
    return row / jnp.log(jnp.maximum(outcomes, 2))


MEASURES: dict[str, tuple[Measure, Of]] = {
    "null_share": (
        Measure("null share: attention that goes to the null (t >= 2)", SHARE),
        lambda m: sinks.null_share(m.null),
    ),
    "first_token_share": (
        Measure("first-token share: attention that goes to position 1 (t >= 2)", SHARE),
        lambda m: sinks.first_token_share(m.weights),
    ),
    "cls_share": (
        Measure("[CLS] share: attention that goes to what stands before the text (t >= 2)", SHARE),
        _key_share("cls_share"),
    ),
    "sep_share": (
        Measure("[SEP] share: attention that goes to what stands after the text (t >= 2)", SHARE),
        _key_share("sep_share"),
    ),
    **{f"alpha_{k}": (Measure(f"alpha_{k}: mean attention to position {k}", SHARE), _alpha(k)) for k in (1, 2, 3, 4)},
    "alpha_null": (Measure("alpha of the null", SHARE), _alpha_null),
    **{
        f"sink_{k}_{e}": (Measure(f"sink rate, position {k}, eps {e}", SHARE), _sink_rate(_alpha(k), e))
        for k, eps in ((1, EPS), *((k, EPS[-1:]) for k in (2, 3, 4)))
        for e in eps
    },
    **{f"sink_null_{e}": (Measure(f"sink rate, null, eps {e}", SHARE), _sink_rate(_alpha_null, e)) for e in EPS},
    **_pattern("self", "the query's own token"),
    **_pattern("previous", "previous token", sinkless=True),
    **_pattern("local", f"last {LOCAL_WIDTH} keys", sinkless=True),
    **_pattern("long", f"keys {LONG} or more tokens away"),
    **_pattern("duplicate", "earlier copies of the query's token"),
    **_pattern("follower", "what followed earlier copies of the query's token", sinkless=True),
    **_pattern("delimiter", "delimiters"),
    **_pattern("paragraph", "the query's own paragraph"),
    "entropy_with_null_nats": (Measure("entropy, the null one outcome", NATS), _entropy_with_null),
    "entropy_nats": (Measure("entropy, conditional on real keys", NATS), _entropy),
    "entropy_filtered_nats": (
        Measure(f"entropy, {SINKLESS}, queries with over 90 % on them left out", NATS),
        _entropy_filtered,
    ),
    "kept_share": (
        Measure("queries with at most 90 % on null and position 1", SHARE),
        lambda m: m.few.astype(m.weights.dtype).mean(-1),
    ),
    "entropy_normalised": (Measure("entropy, conditional, over the log of visible keys", SHARE), _entropy_normalised),
    "entropy_sinkless": (
        Measure(f"entropy over the log of visible keys, {SINKLESS}", SHARE, cleaner=-1),
        _entropy_sinkless,
    ),
    "mean_distance_tokens": (Measure("mean distance of attention", "tokens"), _mean_distance),
    "distance_spread_tokens": (
        Measure("spread of a query's distances (standard deviation)", "tokens", 2),
        _distance_spread,
    ),
    "keys_90": (Measure("keys that hold 90 % of a query's real attention", "keys", 2), _keys_90),
    "keys_90_sinkless": (Measure(f"keys that hold 90 %, {SINKLESS}", "keys", 2, cleaner=-1), _keys_90_sinkless),
    "sparsity": (
        Measure("visible keys with a weight below 0.001", SHARE),
        lambda m: (1 - (m.weights >= FAINT).sum(-1) / jnp.maximum(m.visible.sum(-1), 1)).mean(-1),
    ),
}
CONTROLLED = tuple(name for name, (about, _) in MEASURES.items() if about.cleaner)  # each needs the control
