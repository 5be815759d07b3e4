"""The ladder of the chapter "depth": where in the layers the surface, syntax and content are known, and in which order.

Axes: X blocks of texts, R points of the stream.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from analysis.texts.probing_tasks import CONTENT, FACTS, PARAPHRASE, SURFACE, SYNTAX

RUNGS = (SURFACE, SYNTAX, CONTENT)
ALL = FACTS | {"paraphrase": PARAPHRASE}
SURE = 0.95  # share of resampled texts in which an order must hold (or not)
DRAWS = 1000  # resamples
KNOWN = 0.05  # a score that is nowhere above it is no knowledge, and has no centre


@dataclass(frozen=True)
class Ladder:
    """What the figures need. points: layers after which the stream was read, 0 before the first.

    scores: fact -> [X, R], 0 for the best guess and 1 for all right. selectivity, compression: fact -> [R].
    lens: measure -> [R], none without a next token. cka: [R, R]. parts: source -> share of the logit, in logit units;
    none where it is no sum. heads: the same per head, [L, N].
    """

    points: np.ndarray
    scores: dict[str, np.ndarray]
    selectivity: dict[str, np.ndarray]
    compression: dict[str, np.ndarray]
    lens: dict[str, np.ndarray]
    cka: np.ndarray
    parts: dict[str, float]
    heads: np.ndarray | None


def centre(points: np.ndarray, scores: np.ndarray) -> float:
    """Centre of gravity of what is known: sum of layer x score / sum of scores, in layers.

    Scores below 0 count as 0; NaN where none is above 0.05. A fact that fades has a low one, one that is made late a
    high one, one that is always known that of the middle. After Tenney et al. 2019 (arXiv 1905.05950), section 3.3,
    whose weights are learned and not measured layer by layer.
    """
    known = np.maximum(scores, 0)
    return float((points * known).sum() / known.sum()) if known.max() > KNOWN else float("nan")


def rung_centres(points: np.ndarray, scores: dict[str, np.ndarray]) -> np.ndarray:
    """Centre of each rung, the mean over its facts that are known anywhere; NaN for a rung with none. [3]"""
    centres = [[centre(points, scores[f]) for f in ALL if f in scores and ALL[f].rung == rung] for rung in RUNGS]
    return np.array([np.nanmean(known) if (known := [c for c in cs if np.isfinite(c)]) else np.nan for cs in centres])


def order_share(points: np.ndarray, scores: dict[str, np.ndarray], seed: int = 0) -> float:
    """Share of resamples of the blocks of texts, scores [X, R], in which surface < syntax < content by their centres.

    NaN if a rung is missing.
    """
    if not np.isfinite(rung_centres(points, {f: np.nanmean(s, 0) for f, s in scores.items()})).all():
        return float("nan")
    draw = np.random.default_rng(seed)
    means = {f: s[draw.integers(0, len(s), (DRAWS, len(s)))].mean(1) for f, s in scores.items()}  # [draws, R]
    drawn = np.array([rung_centres(points, {f: m[i] for f, m in means.items()}) for i in range(DRAWS)])
    return float(((drawn[:, 0] < drawn[:, 1]) & (drawn[:, 1] < drawn[:, 2])).mean())


def verdict(group: str, details: Sequence[Ladder]) -> str:
    """One sentence: the order of the three centres holds in these runs, does not, or is not settled by these texts."""
    centres = np.array([rung_centres(d.points, {f: np.nanmean(s, 0) for f, s in d.scores.items()}) for d in details])
    missing = [rung for i, rung in enumerate(RUNGS) if not np.isfinite(centres[:, i]).all()]
    if missing:
        return f"{group}: no order can be told, as nothing is known of {' and '.join(missing)}."
    shares = [order_share(d.points, d.scores) for d in details]
    says = "holds" if min(shares) >= SURE else "does not hold" if max(shares) <= 1 - SURE else "is not settled"
    where = ", ".join(f"{rung} {c:.2f}" for rung, c in zip(RUNGS, centres.mean(0), strict=True))
    among = f"{min(shares):.0%}" if len(shares) == 1 else f"{min(shares):.0%} to {max(shares):.0%}"
    return f"{group}: the order {says} ({where} layers; in {among} of resampled texts)."
