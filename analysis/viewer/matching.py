"""Which head of the first side does most nearly what a head of another side does, on the text that both read.

Heads of another seed have another order, so head n of two models share nothing but their number. Within each layer
`measures.agreement.match` finds the one-to-one matching of least distance; across layers it would take L times as long.
"""

import numpy as np
from jaxtyping import Float

from analysis.measures.agreement import SKIPPED, match
from analysis.viewer.attention import Attention
from analysis.viewer.layer import Layer

QUERIES = 128  # that are compared, evenly spaced

Partners = list[list[tuple[int, int]]]  # [layer][head] -> (layer, head) of the first side


def alike(side: Attention, first: Attention) -> bool:
    """Whether their heads can be matched."""
    shapes = ([layer.weights.shape for layer in a.layers] for a in (side, first))
    return next(shapes) == next(shapes) and side.tokens.same(first.tokens)


def partners(side: Attention, first: Attention) -> Partners | None:
    """The head of `first` beside each head of `side`; None where their shapes or texts differ."""
    if not alike(side, first):
        return None
    queries = _queries(side.T)
    pairs = []
    for i, (own, other) in enumerate(zip(side.layers, first.layers, strict=True)):
        partner = match(_outcomes(own, queries), _outcomes(other, queries)).partner[0]
        pairs.append([(i, int(head)) for _, head in partner])
    return pairs


def _queries(T: int) -> np.ndarray:
    """The first queries, which `match` passes over, and evenly spaced ones of the rest."""
    rest = np.arange(SKIPPED, T)
    return np.concatenate([np.arange(min(SKIPPED, T)), rest[:: max(1, -(-len(rest) // QUERIES))]])


def _outcomes(layer: Layer, queries: np.ndarray) -> Float[np.ndarray, "1 1 N t outcomes"]:
    """One window of one layer as `match` takes it: column 0 the null."""
    return np.concatenate([layer.null_mass[..., None], layer.weights], -1)[None, None, :, queries]
