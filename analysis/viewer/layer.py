"""The arrays of one layer and of one head, as the page shows them.

Axes: N heads, T queries, S keys, H head size.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float, Float32


@dataclass(frozen=True)
class Layer:
    """One layer: weights [N, T, S], null [N, T] where it has a null or a sink token.

    number, heads: what the layer and its heads are called, where some are left out. softmax: whether rows sum to 1.
    """

    weights: Float32[np.ndarray, "..."]  # any shape: the check's message says more than a shape
    null: Float32[np.ndarray, "..."] | None = None
    number: int = 0
    heads: tuple[int, ...] = ()
    window: int | None = None
    first: int = 0
    softmax: bool = True

    def __repr__(self) -> str:
        null = "" if self.null is None else ", with a null"
        return f"Layer({self.number}, weights {list(self.weights.shape)}{null})"

    @property
    def null_mass(self) -> Float32[np.ndarray, "N T"]:
        """What each query gives to the null, 0 where the layer has none."""
        return np.zeros(self.weights.shape[:2], np.float32) if self.null is None else self.null


@dataclass(frozen=True)
class Vectors:
    """Queries and keys of one head as they meet (after rotation); score = f(scale q . k), as in jattn/scores.py.

    bias: of unnormalised sigmoid attention, added to the score.
    """

    q: Float[np.ndarray, "T H"]
    k: Float[np.ndarray, "S H"]
    s_null: Float[np.ndarray, " T"] | None = None
    scale: float = 1.0
    cap: float | None = None
    slope: float | None = None
    normaliser: Literal["softmax", "log-sigmoid", "sigmoid"] = "softmax"
    bias: float = 0.0
