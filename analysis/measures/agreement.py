"""How alike are the heads of two runs: Jensen-Shannon distance of their attention, and the best one-to-one matching.

Heads of another seed have another order, so head n of one run is compared with the head it is matched to. Two readings
of a row: `real`, what it does with attention that is not null (in a layer without a null the first token is the null);
`with_null`, all outcomes, the null as one of them.

Axes: W windows, L layers, N heads, T queries, 1 + T outcomes (column 0 the null, all 0 in a layer without one).
Queries 1 and 2 are left out: they have next to no choice. Rows with less than 0.1 % of real attention have no `real`
reading. Sources: Lin 1991 (Jensen-Shannon divergence); Clark et al. 2019 (arXiv 1906.04341), section 6, between heads.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import rel_entr
from jaxtyping import Float, Int
from scipy.optimize import linear_sum_assignment

from analysis.stats import known_mean
from jattn.errors import InputError, at_least

MIN_REAL = 1e-3  # of a row: maps kept in float16 say no more about what is left
SKIPPED = 2  # queries at the start of a text

Maps = Float[np.ndarray, "W L N T outcomes"]
OtherMaps = Float[np.ndarray, "W2 L2 N2 T2 outcomes2"]  # of equal windows; the check's message says more than a shape


class Match(NamedTuple):
    """partner[l, n] = (layer, head) in b of head n of layer l in a, from 0; distance is between the two, NaN where no
    row of theirs can be compared."""

    partner: Int[np.ndarray, "L N 2"]
    distance: Float[np.ndarray, "L N"]


def head_distances(maps_a: Maps, maps_b: OtherMaps, with_null: bool = False) -> Float[np.ndarray, "L N L2 N2"]:
    """Distance of every head of a from every head of b: the mean over queries of the Jensen-Shannon distance.

    sqrt(JSD) in base 2, JSD(p, q) = (KL(p | m) + KL(q | m)) / 2, m = (p + q) / 2: 0 for equal rows, 1 for rows without
    a key in common. NaN for two heads that share no row to compare. Raises InputError unless both maps are of equal
    windows, and for values that are not finite.
    """
    _check(maps_a, maps_b)
    (a, kept_a), (b, kept_b) = (_rows(np.asarray(m, np.float32), with_null) for m in (maps_a, maps_b))
    distances = np.asarray(_distances(a, kept_a, b, kept_b), np.float64)
    return distances.reshape(maps_a.shape[1], maps_a.shape[2], maps_b.shape[1], maps_b.shape[2])


def match(maps_a: Maps, maps_b: OtherMaps, *, with_null: bool = False, across_layers: bool = False) -> Match:
    """The one-to-one matching of a's heads to b's with the least mean distance: within each layer, or over all layers.

    Heads that cannot be compared count as 1 apart. Its mean is lower than that of any fixed matching also between
    unrelated runs, for it is the best of many: `agreement` finds it on one half of the windows and scores the other.
    Raises InputError unless both runs have equal windows, layers and heads.
    """
    return match_distances(_square(head_distances(maps_a, maps_b, with_null)), across_layers)


def match_distances(distance: Float[np.ndarray, "L N L N"], across_layers: bool = False) -> Match:
    """`match` from the distances of all pairs of heads."""
    L, N = distance.shape[:2]
    cost = np.nan_to_num(distance, nan=1.0)
    if across_layers:
        _, to = linear_sum_assignment(cost.reshape(L * N, L * N))
        partner = np.stack(np.divmod(to, N), -1).reshape(L, N, 2)
    else:
        heads = [linear_sum_assignment(cost[i, :, i])[1] for i in range(L)]
        partner = np.stack([np.broadcast_to(np.arange(L)[:, None], (L, N)), np.array(heads).reshape(L, N)], -1)
    return Match(partner.astype(int), _of(distance, partner))


def agreement(maps_a: Maps, maps_b: OtherMaps, *, with_null: bool = False) -> dict[str, Float[np.ndarray, " L"]]:
    """How alike two runs are, per layer of a; every distance a mean over its heads, those without one left out.

    matched     distance of matched heads, within layers        across    the same, matched over all layers
    identity    of heads with equal numbers                     random    of all pairs in the layer: a random matching
    agreement   1 - matched / random: 1 equal up to the order of heads, 0 no more alike than chance. NaN if random is 0,
                and for one head, which has one matching

    Matched on the even windows and scored on the odd ones, so that chance is `random`, without luck. Raises InputError
    as `match` does, and for fewer than two windows.
    """
    at_least("maps: number of windows W", maps_a.shape[0], 2)
    matching, scored = (_square(head_distances(maps_a[i::2], maps_b[i::2], with_null)) for i in (0, 1))
    L, N = scored.shape[:2]
    layer = np.arange(L)
    own = np.stack(np.broadcast_arrays(layer[:, None], np.arange(N)), -1)
    chosen = {
        "matched": match_distances(matching).partner,
        "across": match_distances(matching, across_layers=True).partner,
        "identity": own,
    }
    result = {name: known_mean(_of(scored, partner), -1) for name, partner in chosen.items()}
    random = known_mean(scored[layer, :, layer].reshape(L, -1), -1)
    known = (random > 0) & (N > 1)
    share = np.where(known, 1 - result["matched"] / np.where(known, random, 1), np.nan)
    return result | {"random": random, "agreement": share}


def _rows(maps: np.ndarray, with_null: bool):
    """Distributions [L N, rows, outcomes] and which of them can be compared, [L N, rows].

    Whether a layer has a null shows in its column: one is 0 everywhere only where there is none.
    """
    L, N = maps.shape[1:3]
    if not with_null:
        null = (maps[..., 0] > 0).any((0, 2, 3))[:, None, None]
        maps = maps.copy()
        maps[..., 0] = 0
        maps[..., 1] = np.where(null, maps[..., 1], 0)
    maps = maps[..., SKIPPED:, :]
    total = maps.sum(-1)
    kept = total >= MIN_REAL
    rows = maps / np.where(kept, total, 1)[..., None]
    return (x.swapaxes(0, 1).swapaxes(1, 2).reshape(L * N, -1, *x.shape[4:]) for x in (rows, kept))


@jax.jit
def _distances(a: Any, kept_a: Any, b: Any, kept_b: Any):
    """Mean over the rows that both have; one head of a at a time, some rows at a time."""

    def of_head(head: Any):
        p, kept = head

        def to_head(other: Any):
            q, kept_q = other
            middle = (p + q) / 2
            jsd = (rel_entr(p, middle) + rel_entr(q, middle)).sum(-1) / (2 * jnp.log(2.0))
            return jnp.sqrt(jnp.clip(jsd, 0, 1)).mean(where=kept & kept_q)

        return jax.lax.map(to_head, (b, kept_b))

    return jax.lax.map(of_head, (a, kept_a))


def _of(distance: np.ndarray, partner: np.ndarray):
    L, N = partner.shape[:2]
    return distance[np.arange(L)[:, None], np.arange(N), partner[..., 0], partner[..., 1]]


def _square(distance: np.ndarray):
    if distance.shape[:2] != distance.shape[2:]:
        raise InputError(
            f"maps: runs of {distance.shape[0]} x {distance.shape[1]} and {distance.shape[2]} x {distance.shape[3]} "
            "layers and heads have no one-to-one matching; compare runs of equal shape"
        )
    return distance


def _check(maps_a: Maps, maps_b: OtherMaps) -> None:
    of = lambda m: (m.shape[0], *m.shape[3:])
    if of(maps_a) != of(maps_b):
        raise InputError(
            f"maps: windows and tokens differ, {of(maps_a)} and {of(maps_b)}; read the same text with both"
        )
    bad = sum(int((~np.isfinite(m)).sum()) for m in (np.asarray(maps_a), np.asarray(maps_b)))
    if bad:
        raise InputError(f"maps: {bad} values are not finite; are the weights NaN?")
