"""What is refused of a layer and of a head before anything is drawn.

Each refusal is one line: which model and layer, the value, what to do. Axes: N heads, T queries, S keys.
"""

import numpy as np
from jaxtyping import Bool, Float

from analysis.viewer.layer import Layer, Vectors
from jattn.errors import InputError

ROW = 1e-3  # how far a row's sum may be from 1
OUTSIDE = 1e-5  # how far a weight may be outside 0 to 1, and above 0 where the mask hides the key


def check_layer(where: str, layer: Layer, visible: Bool[np.ndarray, "T S"]) -> None:
    """InputError for weights or null mass that cannot be attention under this mask."""
    size = visible.shape
    w, null = layer.weights, layer.null
    if w.ndim != 3 or w.shape[1:] != size or not len(w):
        raise InputError(
            f"{where}: weights must be [heads, {size[0]}, {size[1]}] for {size[0]} query and {size[1]} key tokens, "
            f"got {w.shape}"
        )
    if len(layer.heads) != len(w):
        raise InputError(f"{where}: {len(layer.heads)} numbers for {len(w)} heads; give one for each")
    if null is not None and null.shape != w.shape[:2]:
        raise InputError(f"{where}: null must be {w.shape[:2]} (heads, queries), got {null.shape}")
    for what, values in (("weights", w), ("null", null)):
        if values is None:
            continue
        if bad := int((~np.isfinite(values)).sum()):
            raise InputError(f"{where}: {bad} {what} are NaN or infinite; is the model's output finite?")
        low, high = float(values.min()), float(values.max())
        if low < -OUTSIDE or high > 1 + OUTSIDE:
            raise InputError(
                f"{where}: {what} must be from 0 to 1, got {low:.4g} to {high:.4g}; give them after the softmax"
            )
    hidden = float(np.abs(w[:, ~visible]).max(initial=0))
    if hidden > OUTSIDE:
        raise InputError(
            f"{where}: a weight of {hidden:.4g} on a key that the mask hides; is it causal, is the window right?"
        )
    if layer.softmax:
        _check_sums(where, w.sum(-1) + (0 if null is None else null))


def check_vectors(where: str, v: Vectors, T: int, S: int) -> None:
    """InputError for queries and keys of another shape than their text."""
    H = v.q.shape[-1]
    if v.q.shape != (T, H) or v.k.shape != (S, H) or (v.s_null is not None and v.s_null.shape != (T,)):
        raise InputError(f"{where} must be q ({T}, H) and k ({S}, H), got {v.q.shape} and {v.k.shape}")


def _check_sums(where: str, total: Float[np.ndarray, "N T"]) -> None:
    head, query = np.unravel_index(np.abs(total - 1).argmax(), total.shape)
    if abs(worst := float(total[head, query]) - 1) > ROW:
        raise InputError(
            f"{where}: head {head}, query {query}: weights and null sum to {1 + worst:.4g}, not 1; give the null's "
            "share as null=, or softmax=False for attention without a normaliser"
        )
