"""How alike vectors are: layers by linear CKA, texts of one meaning by cosine, words of two senses within and across.

One dimension can carry nearly all of a cosine (Timkey and van Schijndel 2021, arXiv 2109.04404), and the first token of
a text is often far from all others: leave position 1 out, and `standardise` before any cosine.

Axes: M items, P pairs, D and E dimensions. Sources: Kornblith et al. 2019 (arXiv 1905.00414), section 3; for the
unbiased estimate Song et al. 2012 (JMLR 13), section 4.1, as in Nguyen et al. 2021 (arXiv 2010.15327), section 3.
"""

from typing import Any

import numpy as np
from jaxtyping import Float, Shaped

from jattn.errors import InputError, at_least

Items = Float[np.ndarray, "M D"]


def standardise(x: Items) -> Items:
    """(x - mean) / standard deviation per dimension, over the items; a dimension that never varies becomes 0."""
    centred = x - x.mean(0)
    spread = x.std(0)
    return np.where(spread > 0, centred / np.where(spread > 0, spread, 1), 0)


def linear_cka(x: Items, y: Float[np.ndarray, "M E"]) -> float:
    """HSIC(X, Y) / sqrt(HSIC(X, X) HSIC(Y, Y)), each HSIC without bias; 1 if Y is X turned and scaled, 0 by chance.

    With K = XX', L = YY', diagonals 0:
    HSIC = [tr KL + 1'K1 1'L1 / ((M-1)(M-2)) - 2 1'KL1 / (M-2)] / (M (M-3)). A little below 0 happens by chance.
    The form with bias, ||Y'X||² / (||X'X|| ||Y'Y||), is too large where M is not far above D. Sources: Kornblith et al.
    2019, equation 4; Song et al. 2012. Raises InputError for fewer than 4 items, a NaN, or vectors all the same.
    """
    x, y = _ready(x), _ready(y)
    grams = [g - np.diag(np.diag(g)) for g in (x @ x.T, y @ y.T)]
    hsic = lambda k, g: _hsic(k, g, len(x))
    return float(hsic(*grams) / np.sqrt(hsic(grams[0], grams[0]) * hsic(grams[1], grams[1])))


def _hsic(k: Any, g: Any, m: Any):
    """Without the factor 1 / (M (M-3)), which a ratio does not need."""
    return np.sum(k * g) + k.sum() * g.sum() / ((m - 1) * (m - 2)) - 2 * (k.sum(0) @ g.sum(0)) / (m - 2)


def cosines(x: Float[np.ndarray, "M D"], y: Float[np.ndarray, "P D"]) -> Float[np.ndarray, "M P"]:
    """Cosine of every x with every y, -1 to 1; 0 where one of them is 0."""
    unit = lambda a: a / np.maximum(np.linalg.norm(a, axis=1, keepdims=True), 1e-30)
    return unit(x) @ unit(y).T


def paraphrases(
    first: Float[np.ndarray, "P D"], second: Float[np.ndarray, "P D"]
) -> tuple[Float[np.ndarray, " P"], Float[np.ndarray, " P"], Float[np.ndarray, " P"]]:
    """Of P pairs of texts: cosine of each with its paraphrase, mean cosine with the others', and how well they part.

    The last is AUROC per pair: the share of the other P - 1 whose cosine is lower, ties half; 0.5 by chance, 1 if the
    paraphrase is the nearest. Unrelated pairs are the same texts, so what all texts share cannot help.
    Raises InputError for fewer than 2 pairs.
    """
    P = at_least("pairs of paraphrases", len(first), 2)
    near = cosines(first, second)
    own, others = np.diag(near).copy(), ~np.eye(P, dtype=bool)
    below = (near < own[:, None]) + 0.5 * (near == own[:, None])
    return own, near.mean(1, where=others), below.mean(1, where=others)


def sense_separation(
    vectors: Items, words: Shaped[np.ndarray, " M"], senses: Shaped[np.ndarray, " M"]
) -> dict[str, float]:
    """Per word of several senses: mean cosine of two of its vectors within a sense minus across senses, -2 to 2.

    0 where the vectors do not tell the senses apart. A word needs two senses, two vectors of one of them; others are
    left out. Give standardised vectors. After Ethayarajh 2019 (arXiv 1909.00512), section 3.2 (self-similarity).
    """
    separation = {}
    for word in np.unique(words):
        of_word = words == word
        near = cosines(vectors[of_word], vectors[of_word])
        same = senses[of_word][:, None] == senses[of_word]
        pairs = ~np.eye(len(near), dtype=bool)
        if (same & pairs).any() and (~same).any():
            separation[str(word)] = float(near[same & pairs].mean() - near[~same].mean())
    return separation


def _ready(x: np.ndarray) -> np.ndarray:
    """Centred, in float64."""
    at_least("items of a CKA", len(x), 4)
    if not np.isfinite(x).all():
        raise InputError("vectors: a NaN or an infinity among them; are the weights of the run whole?")
    x = np.asarray(x, np.float64)
    x = x - x.mean(0)
    if np.abs(x).max() == 0:
        raise InputError(f"vectors: all {len(x)} are the same; CKA needs some that differ")
    return x
