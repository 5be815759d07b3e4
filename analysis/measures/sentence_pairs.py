"""Pairs of sentences: how much attention stays in its sentence, how much crosses, and does it find what matches.

Axes: S texts of two sentences, A and B, L layers, N heads, W words. B begins at the word `second`.
Source: the sentence blocks of BertViz's sentence-pair view (Vig 2019, arXiv 1904.02679, section 3.1), as numbers.
"""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Bool, Float

from analysis.measures.linguistics import mass_on


def block_shares(
    weights: Float[np.ndarray, "S L N W W"],
    null: Float[np.ndarray, "S L N W"],
    apart: Float[np.ndarray, "S L N W"],
    a: Bool[np.ndarray, "S W"],
    b: Bool[np.ndarray, "S W"],
) -> dict[str, Float[np.ndarray, "S L N"]]:
    """Mean over the words of A (of B) of the attention to A, to B, to the null, to tokens apart, and to the rest.

    "A to A", "A to B", ... "B to rest": each side's five add up to 1. A causal model has "A to B" = 0. In [0, 1].
    """
    both = {"A": a, "B": b}
    shares = {}
    for name, here in both.items():
        count = here.sum(1)[:, None, None]
        rows = here[:, None, None]
        for other, there in both.items():
            shares[f"{name} to {other}"] = mass_on(weights, here[:, :, None] & there[:, None, :]) / count
        shares[f"{name} to null"] = (null * rows).sum(-1) / count
        shares[f"{name} to apart"] = (apart * rows).sum(-1) / count
        shares[f"{name} to rest"] = 1 - sum(shares[f"{name} to {to}"] for to in ("A", "B", "null", "apart"))
    return shares


def crossing(shares: Mapping[str, np.ndarray]) -> Float[np.ndarray, "S L N"]:
    """Of B's attention to words, the part that goes to A: (B to A) / (B to A + B to B). In [0, 1]; NaN without any.

    Null, special tokens and spaces are in neither term, so models with and without a null compare.
    """
    total = shares["B to A"] + shares["B to B"]
    return np.where(total > 1e-6, shares["B to A"] / np.where(total > 1e-6, total, 1), np.nan)
