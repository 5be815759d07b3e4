"""A comparison as tables: JSON with every run's provenance, CSV rows, and the rows of the page."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import numpy as np

from analysis.capture.truth import SCORED, Truth
from analysis.chapter_type import Measurements
from analysis.comparison import Comparison
from analysis.estimates import per_head, per_layer
from analysis.measures.readouts import READOUTS
from analysis.report.told import Told
from train.runs import Run


def to_json(told: Told) -> dict[str, Any]:
    """Everything a reader needs to recompute or plot the numbers, and what is told of them."""
    comparison = told.comparison
    return {
        "title": comparison.title,
        "baseline": comparison.baseline,
        "corpus": comparison.corpus,
        "windows": comparison.windows,
        "tokens": comparison.tokens,
        "warnings": comparison.warnings,
        "left_out": comparison.left_out,
        "findings": told.verdict,
        "claims": [asdict(claim) for claim in told.claims],
        "measures": [asdict(row) for row in comparison.estimates],
        "truth": {g: [_truth_json(t) for t in ts] for g, ts in comparison.truths.items()},
        "runs": [provenance(g, run) for g, runs in comparison.groups.items() for run in runs],
        "heads": _by_run(comparison, per_head),
        "layers": _by_run(comparison, per_layer),
    }


def measures_table(comparison: Comparison) -> list[dict[str, Any]]:
    """One row per measure and group."""
    rows = []
    for estimate in comparison.estimates:
        d = estimate.difference
        rows.append(
            {
                "comparison": comparison.title,
                "measure": estimate.measure,
                "title": comparison.measures[estimate.measure].title,
                "unit": comparison.measures[estimate.measure].unit,
                "group": estimate.group,
                "mean": estimate.value.mean,
                "low": estimate.value.low,
                "high": estimate.value.high,
                "texts_low": estimate.bounds and estimate.bounds[0],
                "texts_high": estimate.bounds and estimate.bounds[1],
                "seeds": estimate.value.n,
                "largest_head": estimate.best_head,
                "uniform": estimate.floor,
                "difference": d and d.mean,
                "difference_low": d and d.low,
                "difference_high": d and d.high,
                "difference_texts_low": estimate.difference_bounds and estimate.difference_bounds[0],
                "difference_texts_high": estimate.difference_bounds and estimate.difference_bounds[1],
                "effect": estimate.effect,
            }
        )
    return rows


def _truth_json(t: Any) -> dict[str, Any]:
    return {k: v for k, v in asdict(t).items() if k not in ("masses", "labels")}


def provenance(group: str, run: Any) -> dict[str, Any]:
    """Where a run comes from; `imported` and `valid_loss` are None where it was not, or has none."""
    return {
        "group": group,
        "run": str(run.path),
        "step": run.step,
        **{k: run.meta[k] for k in ("config", "corpus", "versions", "machine", "parameters")},
        **{k: run.meta.get(k) for k in ("imported", "valid_loss")},
    }


def _by_run(comparison: Comparison, measured: Any) -> list[dict[str, Any]]:
    """Every measure of every run as nested lists, layers first; None where it is undefined."""
    return [
        {"group": g, "run": str(run.path), "chapter": chapter}
        | {name: _rounded(values) for name, values in measured(measurements).items()}
        for chapter, g, run, measurements in _of_every_run(comparison)
        if measured(measurements)
    ]


def _of_every_run(comparison: Comparison) -> Iterator[tuple[str, str, Run, Measurements[Any]]]:
    """(chapter, group, run, what was measured in it), in order."""
    for name, results in comparison.results.items():
        for group, runs in results.runs.items():
            for run, measurements in zip(runs, results.measured[group], strict=True):
                yield name, group, run, measurements


def _rounded(values: np.ndarray) -> list[Any]:
    return [_rounded(v) if np.ndim(v) else _cell(v) for v in values]


def _cell(value: float) -> float | None:
    return round(float(value), 6) if np.isfinite(value) else None


def heads_table(comparison: Comparison) -> list[dict[str, Any]]:
    """One row per group, run, measure, layer and head: what the CSV holds."""
    return [
        _where(group, run) | {"layer": at[0], "head": at[1], "measure": measure, "value": _cell(value)}
        for _, group, run, measurements in _of_every_run(comparison)
        for measure, values in per_head(measurements).items()
        for at, value in np.ndenumerate(values)
    ]


def layers_table(comparison: Comparison) -> list[dict[str, Any]]:
    """One row per group, run, measure and layer, for what is measured after a whole layer."""
    return [
        _where(group, run) | {"layer": layer, "measure": measure, "value": _cell(value)}
        for _, group, run, measurements in _of_every_run(comparison)
        for measure, values in per_layer(measurements).items()
        for layer, value in enumerate(values)
    ]


def _where(group: str, run: Run) -> dict[str, Any]:
    return {"group": group, "run": str(run.path), "seed": run.config.seed}


def readout_rows(comparison: Comparison) -> list[dict[str, Any]]:
    """One row per readout: for each group (AUROC, accuracy, balanced accuracy), means over seeds, or None."""
    rows = []
    for name in SCORED:
        cells = {
            g: [float(x) for x in np.mean([t.scores[name] for t in ts], 0)] if name in ts[0].scores else None
            for g, ts in comparison.truths.items()
        }
        rows.append({"name": READOUTS[name], "cells": cells})
    return rows if comparison.truths else []


def mass_rows(comparison: Comparison) -> list[dict[str, Any]]:
    def mean(ts: list[Truth], name: str):
        values = [getattr(t, name) for t in ts]
        return None if values[0] is None else float(np.mean(values))

    names = (
        "null_elsewhere",
        "null_on_triggers",
        "first_elsewhere",
        "first_on_triggers",
        "loss_nats",
        "loss_on_triggers_nats",
        "best_loss_nats",
    )
    return [{"group": g, **{n: mean(ts, n) for n in names}} for g, ts in comparison.truths.items()]


def measure_rows(comparison: Comparison) -> list[dict[str, Any]]:
    """One row per measure, a cell per group, as text."""
    rows = []
    for measure, about in comparison.measures.items():
        if not comparison.has(measure):
            continue
        cells = []
        digits = about.digits
        for g in comparison.groups:
            estimate = comparison.find(measure, g)
            cells.append(
                {
                    "value": f"{estimate.value:.{digits}f}" if estimate else "–",
                    "difference": f"{estimate.difference:+.{digits}f}" if estimate and estimate.difference else "",
                    "texts": _bounds(estimate.bounds, digits) if estimate else "",
                    "effect": "" if estimate is None or estimate.effect is None else f"g {estimate.effect:+.1f}",
                    "top": f"{estimate.best_head:.{min(digits, 2)}f}"
                    if estimate and estimate.best_head is not None
                    else "",
                    "floor": "" if estimate is None or estimate.floor is None else f"{estimate.floor:.2f}",
                }
            )
        rows.append({"title": about.title, "unit": about.unit, "cells": cells})
    return rows


def _bounds(bounds: tuple[float, float] | None, digits: int) -> str:
    """The bootstrap's interval over seeds and texts, or nothing."""
    return "" if bounds is None else f"texts [{bounds[0]:.{digits}f}, {bounds[1]:.{digits}f}]"
