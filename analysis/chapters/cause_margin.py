"""Is real attention told apart from none? The null's margin over the best readout of the baseline, group by group."""

from analysis.chapter import Results
from analysis.measures.cause_scores import Margin, margin


def told_apart(results: Results, silenced: str = "zero") -> dict[str, Margin]:
    """The verdict *real attention is told apart from none*: `margin` of each group with a null against the first group.

    silenced: "zero" or "mean". Groups that have no margin are left out.
    """
    by_seed = {
        group: {run.config.seed: f.detail.pooled[silenced] for run, f in zip(results.runs[group], found, strict=True)}
        for group, found in results.measured.items()
    }
    first = next(iter(results.runs))
    found = {g: margin(s, by_seed[first]) for g, s in by_seed.items() if g != first} if first in by_seed else {}
    return {group: margin for group, margin in found.items() if margin is not None}
