"""What cause keeps of a run, and the verdict read off it: is real attention told apart from none?"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from analysis.chapter_type import Results
from analysis.measures.cause_scores import Margin, Score, margin


@dataclass(frozen=True)
class Detail:
    """What `show` needs. pooled, by_head: silencing -> readout -> scores. heads: (layer, head) of each, [P, 2].

    sample: 1 - null mass (without a null: 1 - mass on position 1) and the cause in nats (zero) of up to
    `SAMPLE` queries and heads. queries, texts: how many were read.
    """

    pooled: Mapping[str, Mapping[str, Score | None]]
    by_head: Mapping[str, Mapping[str, list[Score | None]]]
    heads: np.ndarray
    sample: np.ndarray
    queries: int
    texts: int


def told_apart(results: Results[Detail], silenced: str = "zero") -> dict[str, Margin]:
    """The verdict *real attention is told apart from none*: `margin` of each group with a null against the first group.

    silenced: "zero" or "mean". Groups that have no margin are left out.
    """
    by_seed = {
        group: {
            run.config.seed: m.detail.pooled[silenced] for run, m in zip(results.runs[group], measured, strict=True)
        }
        for group, measured in results.measured.items()
    }
    first = next(iter(results.runs))
    margins = {g: margin(s, by_seed[first]) for g, s in by_seed.items() if g != first} if first in by_seed else {}
    return {group: margin for group, margin in margins.items() if margin is not None}
