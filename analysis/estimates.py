"""What chapters measured in groups of runs -> estimates: one per measure and group, with its intervals and difference.

A run with another seed is one observation. Two kinds of interval stand side by side: Student's over seeds, and the
bootstrap over seeds and texts, for the runs of a comparison read the same texts.

Axes: S seeds, X texts (blocks of windows), L layers, N heads.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from analysis.chapter_type import Measurements, Results
from analysis.stats import Interval, bootstrap, effect_size, interval, jackknife_pairs, known_mean, paired

Bounds = tuple[float, float] | None


@dataclass(frozen=True)
class Estimate:
    """One measure of one group: the mean over heads (or layers) and texts per run, then over seeds.

    value, difference: with Student's interval over seeds; the difference is to the baseline, paired by seed, None for
    the baseline or without common seeds. *_bounds: the bootstrap's, over seeds and texts. effect: Hedges' g, in
    standard deviations over seeds. best_head: the largest head's (or layer's) value, mean over seeds. floor: what
    attention spread evenly over all that a query sees would give, null included.
    """

    measure: str
    group: str
    value: Interval
    bounds: Bounds
    difference: Interval | None
    difference_bounds: Bounds
    effect: float | None
    best_head: float | None
    floor: float | None


def estimates_of(results: Results[Any], measures: Sequence[str], baseline: str) -> list[Estimate]:
    """The estimates of the measures that any group has, measure by measure, groups in their order."""
    estimates = []
    for measure in measures:
        texts = {g: _by_seed(results, g, measure) for g in results.measured}
        for group, own in texts.items():
            if own:
                base = {} if group == baseline else texts.get(baseline, {})
                estimates.append(_estimate(results, measure, group, own, base))
    return estimates


def _estimate(
    results: Results[Any], measure: str, group: str, own: dict[int, np.ndarray], base: dict[int, np.ndarray]
) -> Estimate:
    values = {seed: run_value(m, measure) for seed, m in _seeds(results, group).items() if seed in own}
    common = sorted(own.keys() & base.keys())
    difference = difference_bounds = effect = None
    if common:
        others = {seed: run_value(m, measure) for seed, m in _baseline(results, base).items()}
        difference = paired([values[s] for s in common], [others[s] for s in common])
        if len({a.shape for a in (*own.values(), *base.values())}) == 1:
            difference_bounds = bootstrap(np.stack([own[s] - base[s] for s in common]))
        effect = effect_size(list(values.values()), list(others.values()))
    tops = [t for t in (_top(m, measure) for m in results.measured[group]) if t is not None]
    chances = [m.chance[measure] for m in results.measured[group] if np.isfinite(m.chance.get(measure, np.nan))]
    same_texts = len({a.shape for a in own.values()}) == 1
    return Estimate(
        measure,
        group,
        interval(list(values.values())),
        bootstrap(np.stack(list(own.values()))) if same_texts else None,
        difference,
        difference_bounds,
        effect,
        float(np.mean(tops)) if tops else None,
        float(np.mean(chances)) if chances else None,
    )


def estimates_between(
    pairs: Mapping[str, Mapping[str, np.ndarray]], measures: Sequence[str], baseline: str
) -> list[Estimate]:
    """The estimates of measures of pairs of runs of one group, pairs in the order of itertools.combinations.

    Pairs share their runs, so the interval is the jackknife's over runs; a difference needs equal numbers of runs.
    """
    estimates = []
    for measure in measures:
        values = {g: scores[measure] for g, scores in pairs.items() if np.isfinite(scores.get(measure, np.nan)).all()}
        for group, own in values.items():
            base = values.get(baseline)
            compared = group != baseline and base is not None and len(base) == len(own)
            difference = jackknife_pairs(own - base) if compared else None
            estimates.append(Estimate(measure, group, jackknife_pairs(own), None, difference, None, None, None, None))
    return estimates


def run_value(measured: Measurements[Any], measure: str) -> float:
    """One number for a run: the mean over texts, then over heads or layers; NaN where it is undefined everywhere."""
    return float(known_mean(known_mean(_array(measured, measure), 0)))


def per_head(measured: Measurements[Any]) -> dict[str, np.ndarray]:
    """Every measure of a head, [L, N]: the mean over texts."""
    return {name: known_mean(values, 0) for name, values in measured.heads.items()}


def per_layer(measured: Measurements[Any]) -> dict[str, np.ndarray]:
    """Every measure of a layer, [L]: the mean over texts."""
    return {name: known_mean(values, 0) for name, values in measured.layers.items()}


def _by_seed(results: Results[Any], group: str, measure: str) -> dict[int, np.ndarray]:
    """seed -> one number per text, [X], for the runs in which the measure is defined."""
    by_seed = {}
    for seed, m in _seeds(results, group).items():
        if np.isfinite(run_value(m, measure)):
            values = _array(m, measure)
            by_seed[seed] = known_mean(values.reshape(len(values), -1), 1)
    return by_seed


def _baseline(results: Results[Any], base: Mapping[int, np.ndarray]) -> dict[int, Measurements[Any]]:
    group = next(iter(results.runs))
    return {seed: m for seed, m in _seeds(results, group).items() if seed in base}


def _seeds(results: Results[Any], group: str) -> dict[int, Measurements[Any]]:
    return {r.config.seed: m for r, m in zip(results.runs[group], results.measured[group], strict=True)}


def _array(measured: Measurements[Any], measure: str) -> np.ndarray:
    for part in (measured.heads, measured.layers, measured.values):
        if measure in part:
            return np.asarray(part[measure], np.float64)
    return np.full(1, np.nan)


def _top(measured: Measurements[Any], measure: str) -> float | None:
    if measure in measured.values or not np.isfinite(means := known_mean(_array(measured, measure), 0)).any():
        return None
    return float(np.nanmax(means))
