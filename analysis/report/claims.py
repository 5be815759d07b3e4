"""Vig's claims about a null token, each with a threshold set before looking: supported, not supported, inconclusive.

    told apart   real attention is told apart from none better than any readout of the baseline does it
    cleaner      structure is cleaner, the sinks left out in all models alike
    loss         the loss does not pay for it

A difference counts only with an interval over seeds that excludes 0, so one seed decides nothing.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from analysis.chapter_type import Measure
from analysis.chapters.cause_margin import told_apart
from analysis.comparison import Comparison
from analysis.estimates import Estimate, run_value
from analysis.measures.cause_scores import MARGIN
from analysis.measures.readouts import READOUTS
from analysis.stats import Interval, equivalent, interval

LOSS_BOUND = 0.02  # nats: a smaller difference either way is no price
TOLD_APART = "Real attention is told apart from none"
SUPPORTED, NOT, UNDECIDED = "supported", "not supported", "inconclusive"


@dataclass(frozen=True)
class Claim:
    """What is claimed of a group, its threshold, the outcome, and the numbers behind it in one sentence."""

    claim: str
    group: str
    outcome: str
    threshold: str
    why: str


def claims(comparison: Comparison) -> list[Claim]:
    """Every claim for every group with a null, against the baseline; none if the baseline itself has one."""
    if comparison.has_null(comparison.baseline):
        return []
    groups = [g for g in list(comparison.groups)[1:] if comparison.has_null(g)]
    made = [(_told_apart, "cause"), (_cleaner, "text"), (_loss, "text")]
    return [make(comparison, g) for g in groups for make, needs in made if needs in comparison.results]


def _told_apart(comparison: Comparison, group: str) -> Claim:
    """The null's AUROC against cause, minus that of the baseline's best readout, by seed (cause_scores.py)."""
    threshold = (
        f"1 - null mass must find the queries at which a head matters by {MARGIN} of AUROC better than the baseline's "
        "best readout, chosen with hindsight"
    )
    margin = told_apart(comparison.results["cause"]).get(group)
    if margin is None:
        return Claim(TOLD_APART, group, UNDECIDED, threshold, "No seed of both groups has heads that matter and not.")
    why = f"AUROC {margin.null:.3f} against {margin.other:.3f} ({READOUTS[margin.readout]})"
    return Claim(TOLD_APART, group, margin.verdict, threshold, f"{why}; margin {margin.difference:+.3f}.")


def _cleaner(comparison: Comparison, group: str) -> Claim:
    """Which of the measures that take a side moved, leaving out those that a null pinned at random improves too."""
    threshold = (
        "more measures must become cleaner than not, and none the other way; one that a null of random mass improves "
        "as well, or for which that was not tried, is not counted as cleaner"
    )
    better, worse, level, fooled = [], [], [], []
    for estimate, measure in _sided_measures(comparison, group):
        assert estimate.difference is not None
        moved = _sided(_times(estimate.difference, measure.cleaner))
        told = f"{measure.title} {estimate.difference:+.3f}"
        if moved == NOT:
            worse.append(told)
        elif moved == UNDECIDED:
            level.append(measure.title)
        elif _control_improves(comparison, estimate, measure):
            fooled.append(told)
        else:
            better.append(told)
    parts = [("cleaner", better), ("less clean", worse), ("no difference that can be told from chance", level)]
    parts.append(("not counted, a random null improves it too", fooled))
    why = "; ".join(f"{what}: {', '.join(names)}" for what, names in parts if names) or "no measure could be read"
    outcome = UNDECIDED
    if worse and len(worse) >= len(better):
        outcome = NOT
    elif better and not worse and len(better) > len(level):
        outcome = SUPPORTED
    return Claim("Structure is cleaner", group, outcome, threshold, f"{why[0].upper()}{why[1:]}.")


def _loss(comparison: Comparison, group: str) -> Claim:
    claim = "The loss does not pay for it"
    threshold = f"the 90 % interval of the difference must lie below +{LOSS_BOUND} nats (one-sided t test, level 0.05)"
    for measure in ("valid_loss", "window_loss"):
        own, base = (_by_seed(comparison, "text", g, measure) for g in (group, comparison.baseline))
        common = sorted(own.keys() & base.keys())
        if common:
            differences = [own[s] - base[s] for s in common]
            around, outcome = interval(differences, 0.9), UNDECIDED
            if around.low is not None and around.high is not None:
                outcome = SUPPORTED if around.high < LOSS_BOUND else NOT if around.low > LOSS_BOUND else UNDECIDED
            same = {True: "equivalent", False: "not equivalent", None: "equivalence is open"}
            why = f"Loss differs by {around:+.4f} nats (90 % interval); both ways within {LOSS_BOUND}: "
            return Claim(claim, group, outcome, threshold, f"{why}{same[equivalent(differences, LOSS_BOUND)]}.")
    return Claim(claim, group, UNDECIDED, threshold, "No loss could be read from both groups.")


def _sided_measures(comparison: Comparison, group: str) -> Iterator[tuple[Estimate, Measure]]:
    for name, measure in comparison.measures.items():
        estimate = comparison.find(name, group) if measure.cleaner else None
        if estimate is not None and estimate.difference is not None:
            yield estimate, measure


def _control_improves(comparison: Comparison, estimate: Estimate, measure: Measure) -> bool:
    """Whether the baseline with a null of random mass is cleaner by this measure than the baseline as it is.

    By more than a tenth of the difference seen: the random null is one draw, whose own chance is far below that. True
    where the control was not run, so that nothing counts that was not tried.
    """
    values = _control(comparison, estimate.measure)
    if values is None or estimate.difference is None:
        return True
    control, plain = values
    return measure.cleaner * (control - plain) > 0.1 * abs(estimate.difference.mean)


def _control(comparison: Comparison, measure: str) -> tuple[float, float] | None:
    """The baseline's value with a null pinned at random, and as it is; means over seeds."""
    name, base = f"{measure}_control", comparison.baseline
    for chapter in comparison.chapters:
        results = comparison.results[chapter.name]
        if measure not in chapter.measures or base not in results.measured:
            continue
        pairs = chapter.between(results).get(base, {}) if chapter.between else {}
        if name in pairs:
            return float(np.mean(pairs[name])), float(np.mean(pairs[measure]))
        measured = [m for m in results.measured[base] if name in m.heads or name in m.values]
        if measured:
            control, plain = ([run_value(m, which) for m in measured] for which in (name, measure))
            return float(np.mean(control)), float(np.mean(plain))
    return None


def _by_seed(comparison: Comparison, chapter: str, group: str, measure: str) -> dict[int, float]:
    results = comparison.results[chapter]
    pairs = zip(results.runs[group], results.measured[group], strict=True)
    values = {run.config.seed: run_value(measured, measure) for run, measured in pairs}
    return {seed: value for seed, value in values.items() if np.isfinite(value)}


def _sided(difference: Interval) -> str:
    if difference.low is None or difference.high is None:
        return UNDECIDED
    return SUPPORTED if difference.low > 0 else NOT if difference.high < 0 else UNDECIDED


def _times(x: Interval, sign: int) -> Interval:
    if x.low is None or x.high is None:
        return Interval(sign * x.mean, None, None, x.n)
    low, high = sorted((sign * x.low, sign * x.high))
    return Interval(sign * x.mean, low, high, x.n)
