"""When a head is active: how often it attends to something, whether it is either dormant or active, and on which texts.

`real` is a readout between 0 and 1 per query, high for "attends to something": 1 - null mass in a layer with a null,
the sharpness of real attention in one without. A query is active above 0.5, a threshold that nobody fitted.

The two readouts differ, so shares of active queries of the two kinds of model are not on one scale. Of the readouts
that need no null, sharpness tells best, or nearly so, where a head changes the output (docs/measures/cause.md); 1 -
mass on position 1 tells worst on text, and calls every head active where there is no sink. Even attention is dormant by
sharpness (0 at every query) and active by 1 - null mass (the null gets 1/(t + 1)): there "active" says not dormant, and
is no proof of a purpose. The first queries, which have few keys to choose from, do not count: `counted_queries`.

Axes: B windows, L layers, N heads, T queries. `counted` says which queries count.

Source: active and dormant heads, Guo et al. 2024 (arXiv 2410.13835); the null as a readout, Vig 2019.
"""

from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Num

from analysis.measures.patterns import uniform_over
from analysis.measures.readouts import sharpness_conditional
from jattn.errors import InputError, at_least

FIRST_QUERY = 5  # queries before it do not count: even attention would give more than 1/5 to position 1 or the null
BINS = 40  # of the histogram of `real`
ACTIVE, UNDECIDED = 0.5, (0.1, 0.9)
FLAT = 1e-3  # a smaller standard deviation has no shape

Mask = Bool[Array | np.ndarray, "T T"]
Real = Float[Array | np.ndarray, "B N T"]


def off_null(null_mass: Float[Array, "B N T"]) -> Float[Array, "B N T"]:
    """1 - null mass: the readout of a layer with a null."""
    return 1 - null_mass


def sharp(weights: Float[Array, "B N T T"], null_mass: Float[Array, "B N T"], visible: Mask) -> Float[Array, "B N T"]:
    """1 - H(A / (1 - null mass)) / log(visible keys): the readout of a layer without a null. NaN where one is visible.

    It does not ask where the mass is: a query wholly on a sink is as sharp as one wholly on a word.
    """
    keys = jnp.asarray(visible).sum(-1)
    return jnp.where(keys > 1, jnp.clip(sharpness_conditional(weights, null_mass, keys), 0, 1), jnp.nan)


def of_even(visible: Mask, null: bool) -> Float[np.ndarray, " T"]:
    """A layer's readout of attention spread evenly over the keys a query sees, and the null; NaN where undefined."""
    even = uniform_over(visible, null)[None, None]
    if null:
        return np.asarray(off_null(1 / (jnp.asarray(visible).sum(-1) + 1.0)[None, None]))[0, 0]
    return np.asarray(sharp(even, jnp.zeros((1, 1, len(visible))), visible))[0, 0]


def counted_queries(visible: Mask, null: bool, first: int = FIRST_QUERY) -> Bool[np.ndarray, " T"]:
    """Queries t >= first for which the layer's readout is defined under this mask.

    Raises InputError if no query is left.
    """
    even = of_even(visible, null)
    counted = (np.arange(len(even)) >= at_least("first (query)", first, 1) - 1) & np.isfinite(even)
    if not counted.any():
        raise InputError(f"windows: no query from {first} on counts at T = {len(even)} and this mask; read longer ones")
    return counted


def active_share(real: Real, counted: Bool[Array | np.ndarray, " T"]) -> Float[Array, "B N"]:
    """Share of the counted queries with real > 0.5. In [0, 1]; even attention has 1 by `off_null`, 0 by `sharp`."""
    return jnp.asarray(real > ACTIVE).mean(-1, where=counted)


def undecided_share(real: Real, counted: Bool[Array | np.ndarray, " T"]) -> Float[Array, "B N"]:
    """Share of the counted queries with 0.1 <= real <= 0.9. In [0, 1]; 0 if a head is either dormant or active."""
    return jnp.asarray((real >= UNDECIDED[0]) & (real <= UNDECIDED[1])).mean(-1, where=counted)


def power_sums(real: Real, counted: Bool[Array | np.ndarray, " T"]) -> Float[Array, "B N 5"]:
    """sum over the counted queries of (real - 1/2)^p, p = 0 ... 4: all that `bimodality` needs; add them over windows
    (in float64)."""
    return jnp.stack([jnp.where(counted, (real - 0.5) ** p, 0).sum(-1) for p in range(5)], -1)


def bimodality(sums: Float[np.ndarray, "*N 5"]) -> Float[np.ndarray, "*N"]:
    """Sarle's coefficient of M values, (g^2 + 1) / (k + 3 (M - 1)^2 / ((M - 2)(M - 3))), from their `power_sums`.

    g, k: skewness and excess kurtosis, corrected for bias. In (0, 1]: two points 1, uniform 5/9, normal 1/3. Above 5/9
    suggests two modes, but so does a long tail (exponential: 5/9): read it beside `undecided_share`. NaN for fewer than
    4 values, or if they are all but equal (standard deviation below 0.001).
    Source: SAS/STAT, CLUSTER procedure; Pfister et al. 2013, Frontiers in Psychology 4:700.
    """
    sums = np.asarray(sums, np.float64)
    M = np.where(sums[..., 0] >= 4, sums[..., 0], np.nan)
    a, b, c, d = (sums[..., p] / M for p in range(1, 5))
    second, third, fourth = b - a**2, c - 3 * a * b + 2 * a**3, d - 4 * a * c + 6 * a**2 * b - 3 * a**4
    second = np.where(second >= FLAT**2, second, np.nan)
    g = third / second**1.5 * np.sqrt(M * (M - 1)) / (M - 2)
    k = ((M + 1) * (fourth / second**2 - 3) + 6) * (M - 1) / ((M - 2) * (M - 3))
    return (g**2 + 1) / (k + 3 * (M - 1) ** 2 / ((M - 2) * (M - 3)))


def histogram(real: Float[np.ndarray, "L B N T"], counted: Bool[np.ndarray, "L T"]) -> Int[np.ndarray, "L N bins"]:
    """How many counted queries of each head have `real` in each of 40 equal bins from 0 to 1; add them over batches."""
    L, _, N, _ = real.shape
    place = np.clip((real * BINS).astype(int), 0, BINS - 1)
    counts = np.zeros((L, N, BINS), int)
    for layer, head in np.ndindex(L, N):
        counts[layer, head] = np.bincount(place[layer, :, head][:, counted[layer]].ravel(), minlength=BINS)
    return counts


def both_ends(bars: Int[np.ndarray, "*N bins"]) -> Float[np.ndarray, "*N"]:
    """min(share of queries with real < 0.1, share with real >= 0.9): how clearly a head knows both states. In [0, 1/2].

    From its `histogram`. 0 for a head that is always active; Sarle's coefficient does not tell that from two
    states, if it has a tail.
    """
    low, high = bars[..., : BINS // 10].sum(-1), bars[..., -(BINS // 10) :].sum(-1)
    return np.minimum(low, high) / np.maximum(bars.sum(-1), 1)


@dataclass(frozen=True)
class Contexts:
    """The k queries of each head with the most real attention so far, most first; fewer while k have not been seen.

    real: [L, N, k], -1 for none yet.  window, query: where, both from 0.  weights: the query's row, [L, N, k, T].
    tokens: its window, [L, N, k, T].
    """

    real: Float[np.ndarray, "L N k"]
    window: Int[np.ndarray, "L N k"]
    query: Int[np.ndarray, "L N k"]
    weights: Float[np.ndarray, "L N k T"]
    tokens: Num[np.ndarray, "L N k T"]


def no_contexts(L: int, N: int, T: int, k: int = 20) -> Contexts:
    """Nothing seen yet. Memory is L N k T, whatever the length of the text."""
    places = lambda *last: np.zeros((L, N, k, *last), np.int32)
    return Contexts(np.full((L, N, k), -1.0), places(), places(), np.zeros((L, N, k, T), np.float32), places(T))


def candidates(
    real: Float[Array, "B N T"], weights: Float[Array, "B N T T"], counted: Bool[Array | np.ndarray, " T"]
) -> tuple[Float[Array, "B N"], Int[Array, "B N"], Float[Array, "B N T"]]:
    """The counted query of each window with the most real attention: (real, query from 0, its row). Of equals the one
    with the largest weight on a key, then the first. One of each window, so that the contexts of a head are so many
    texts and not one text's neighbours.
    """
    eligible = jnp.where(counted, real, -1)
    best = eligible.max(-1)
    query = jnp.where(eligible == best[..., None], weights.max(-1), -1).argmax(-1)
    row = jnp.take_along_axis(weights, query[..., None, None], -2)[..., 0, :]
    return best, query, row


def add_contexts(
    contexts: Contexts,
    real: Float[np.ndarray, "L B N"],
    query: Int[np.ndarray, "L B N"],
    rows: Float[np.ndarray, "L B N T"],
    tokens: Int[np.ndarray, "B T"],
    start: int,
) -> Contexts:
    """`contexts` with a batch of candidates; the batch's first window is number `start`. Of equals the one with the
    largest weight on a key goes first, then the earlier."""
    (L, B, N), k = real.shape, contexts.real.shape[-1]
    windows = np.broadcast_to(start + np.arange(B), (L, N, B))
    heads_first = lambda a: np.moveaxis(a, 1, 2)
    both = Contexts(
        np.concatenate([contexts.real, heads_first(real)], -1),
        np.concatenate([contexts.window, windows], -1).astype(np.int32),
        np.concatenate([contexts.query, heads_first(query)], -1),
        np.concatenate([contexts.weights, heads_first(rows)], -2),
        np.concatenate([contexts.tokens, np.broadcast_to(tokens, (L, N, *tokens.shape))], -2),
    )
    best = np.lexsort((-both.weights.max(-1), -both.real), axis=-1)[..., :k]
    pick = lambda a: np.take_along_axis(a, best if a.ndim == 3 else best[..., None], 2)
    return Contexts(*(pick(a) for a in (both.real, both.window, both.query, both.weights, both.tokens)))
