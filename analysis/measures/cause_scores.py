"""Cause against readouts: how well attention says where a head does something, and the null's margin in that.

A cause above `POSITIVE` counts as the head doing something there. Every readout is scored against that in four ways;
no threshold is fitted but the one that AUROC grants each. The null's claim is a margin over the best readout of the
models without one, paired by seed.

Axes: M pairs of query and head, P heads, B texts, Q queries of a text.
"""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float
from scipy.stats import ConstantInputWarning, spearmanr

from analysis.measures import readouts
from analysis.measures.readouts import NEED_NULL, READOUTS
from analysis.stats import Interval, interval, paired
from jattn.errors import InputError

if TYPE_CHECKING:
    pass

POSITIVE = 0.05  # nats of cause above which a head does something at a query
MARGIN = 0.02  # AUROC by which the null's readout must beat the best of the standard model to be told apart


@dataclass(frozen=True)
class Score:
    """How well a readout says which causes are positive. NaN: one class only, or a constant readout (rank).

    auroc: 0.5 is chance. accuracy, balanced: at 0.5, a threshold that nobody fitted; always "no" has accuracy
    1 - positive share and balanced 0.5. rank: Spearman's correlation with the cause itself, -1 to 1.
    """

    auroc: float
    accuracy: float
    balanced: float
    rank: float
    positive_share: float


def score(readout: Float[np.ndarray, " M"], cause: Float[np.ndarray, " M"]) -> Score:
    """All scores of a readout against the cause in nats. Raises InputError where a number is not finite or none is."""
    if bad := int((~np.isfinite(cause)).sum()):
        raise InputError(f"cause: {bad} of {cause.size} are not finite; does the model have NaN weights?")
    labels = cause > POSITIVE
    accuracy = readouts.accuracy_at(readout, labels)  # refuses what is not finite
    both = bool(labels.any() and not labels.all())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConstantInputWarning)  # a constant has no rank: NaN says so
        rank = float(np.asarray(spearmanr(readout, cause))[0]) if len(cause) > 1 else float("nan")
    return Score(
        readouts.auroc(readout, labels) if both else float("nan"),
        accuracy,
        readouts.balanced_accuracy_at(readout, labels) if both else float("nan"),
        rank,
        float(labels.mean()),
    )


def score_heads(
    readout: Float[np.ndarray, "P B Q"], cause: Float[np.ndarray, "P B Q"], blocks: Sequence[np.ndarray] = ()
) -> tuple[Score | None, list[Score | None], list[Score | None]]:
    """The scores pooled over heads, of each head, and pooled again within each block of texts.

    Heads whose readout is NaN (no null there) are left out of the pool; None where that leaves none.
    """
    has = np.isfinite(readout).all((1, 2))
    pooled = lambda r, c: score(r[has].ravel(), c[has].ravel()) if has.any() else None
    heads = [score(readout[i].ravel(), cause[i].ravel()) if has[i] else None for i in range(len(has))]
    return pooled(readout, cause), heads, [pooled(readout[:, b], cause[:, b]) for b in blocks]


def best_readout(scores: Sequence[Mapping[str, Score | None]], *, other_than: Sequence[str] = ()) -> str:
    """The readout with the highest AUROC, mean over runs: chosen with hindsight, which favours whoever offers it."""

    def mean(name: str) -> float:
        values = [score.auroc for s in scores if (score := s.get(name)) is not None]
        return float(np.mean(values)) if len(values) == len(scores) and np.isfinite(values).all() else -np.inf

    return max((name for name in READOUTS if name not in other_than), key=mean)


@dataclass(frozen=True)
class Margin:
    """AUROC of 1 - null mass in a null group minus that of the best readout of the baseline group, paired by seed.

    verdict: "supported" if the whole interval lies above MARGIN, "not supported" if the whole of it lies below,
    "inconclusive" otherwise and with one seed.
    """

    readout: str  # the baseline's best
    null: Interval
    other: Interval
    difference: Interval
    verdict: str


def margin(
    null: Mapping[int, Mapping[str, Score | None]], baseline: Mapping[int, Mapping[str, Score | None]]
) -> Margin | None:
    """seed -> readout -> pooled score, of a group with a null and of the baseline. None where nothing can be paired:
    no common seed, no null, or a seed whose heads are all on one side of the threshold."""
    seeds = sorted(set(null) & set(baseline))
    if not seeds:
        return None
    rival = best_readout([baseline[s] for s in seeds], other_than=NEED_NULL)
    pairs = [(null[s].get("null"), baseline[s].get(rival)) for s in seeds]
    values = np.array([[x.auroc if x else np.nan for x in pair] for pair in pairs])
    if not np.isfinite(values).all():
        return None
    difference = paired(*values.T)
    verdict = "inconclusive"
    if difference.low is not None and difference.high is not None:
        verdict = "supported" if difference.low > MARGIN else verdict
        verdict = "not supported" if difference.high < MARGIN else verdict
    return Margin(rival, interval(values[:, 0]), interval(values[:, 1]), difference, verdict)
