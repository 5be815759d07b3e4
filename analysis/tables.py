"""A comparison as tables: JSON with every run's provenance, CSV rows, and the rows of the page."""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import numpy as np

from analysis import findings
from analysis.comparison import TITLES, Comparison, per_head, per_layer
from analysis.truth import READOUTS

# Decimals in the page's table; 3 for all else.
DIGITS = {"valid_loss": 4, "window_loss": 4, "residual_norm_ratio": 1, "residual_max_over_median": 1}


def to_json(comparison: Comparison) -> dict[str, Any]:
    """Everything a reader needs to recompute or plot the numbers."""
    return {
        "title": comparison.title,
        "baseline": comparison.baseline,
        "corpus": comparison.corpus,
        "windows": comparison.windows,
        "tokens": comparison.tokens,
        "warnings": comparison.warnings,
        "findings": findings.verdict(comparison),
        "measures": [asdict(row) for row in comparison.rows],
        "truth": {g: [_truth_json(t) for t in ts] for g, ts in comparison.truths.items()},
        "runs": [provenance(g, run) for g, runs in comparison.groups.items() for run in runs],
        "heads": _by_run(comparison, per_head),
        "layers": _by_run(comparison, per_layer),
    }


def measures_table(comparison: Comparison) -> list[dict[str, Any]]:
    """One row per measure and group."""
    rows = []
    for row in comparison.rows:
        d = row.difference
        rows.append(
            {
                "comparison": comparison.title,
                "measure": row.measure,
                "title": TITLES[row.measure][0],
                "unit": TITLES[row.measure][1],
                "group": row.group,
                "mean": row.value.mean,
                "low": row.value.low,
                "high": row.value.high,
                "seeds": row.value.n,
                "largest_head": row.best_head,
                "uniform": row.floor,
                "difference": d and d.mean,
                "difference_low": d and d.low,
                "difference_high": d and d.high,
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


def _by_run(comparison: Comparison, measured: Callable[[Any], dict[str, np.ndarray]]) -> list[dict[str, Any]]:
    """Every measure of every run as nested lists, layers first; None where it is undefined."""
    return [
        {"group": g, "run": str(run.path)} | {name: _rounded(values) for name, values in measured(record).items()}
        for g, runs in comparison.groups.items()
        for run, record in zip(runs, comparison.records[g], strict=True)
    ]


def _rounded(values: np.ndarray) -> list[Any]:
    return [_rounded(v) if np.ndim(v) else _cell(v) for v in values]


def _cell(value: float) -> float | None:
    return round(float(value), 6) if np.isfinite(value) else None


def heads_table(comparison: Comparison) -> list[dict[str, Any]]:
    """One row per group, run, layer, head and measure: what the CSV holds."""
    rows = []
    for group, runs in comparison.groups.items():
        for run, record in zip(runs, comparison.records[group], strict=True):
            for measure, values in per_head(record).items():
                for (layer, head), value in np.ndenumerate(values):
                    rows.append(
                        {
                            "group": group,
                            "run": str(run.path),
                            "seed": run.config.seed,
                            "layer": layer,
                            "head": head,
                            "measure": measure,
                            "value": _cell(value),
                        }
                    )
    return rows


def layers_table(comparison: Comparison) -> list[dict[str, Any]]:
    """One row per group, run, layer and measure of the residual stream."""
    return [
        {
            "group": group,
            "run": str(run.path),
            "seed": run.config.seed,
            "layer": layer,
            "measure": measure,
            "value": _cell(value),
        }
        for group, runs in comparison.groups.items()
        for run, record in zip(runs, comparison.records[group], strict=True)
        for measure, values in per_layer(record).items()
        for layer, value in enumerate(values)
    ]


def readout_rows(comparison: Comparison) -> list[dict[str, Any]]:
    """One row per readout: for each group (AUROC, accuracy, balanced accuracy), means over seeds, or None."""
    rows = []
    for name in READOUTS:
        cells = {
            g: [float(x) for x in np.mean([t.scores[name] for t in ts], 0)] if name in ts[0].scores else None
            for g, ts in comparison.truths.items()
        }
        rows.append({"name": name, "cells": cells})
    return rows if comparison.truths else []


def mass_rows(comparison: Comparison) -> list[dict[str, Any]]:
    def mean(ts, name):
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
    for measure, (title, unit) in TITLES.items():
        if not comparison.has(measure):
            continue
        cells = []
        digits = DIGITS.get(measure, 3)
        for g in comparison.groups:
            row = comparison.find(measure, g)
            cells.append(
                {
                    "value": findings.number(row.value, digits) if row else "–",
                    "difference": findings.signed(row.difference, digits) if row else "",
                    "top": f"{row.best_head:.{min(digits, 2)}f}" if row and not measure.endswith("_loss") else "",
                    "floor": "" if row is None or row.floor is None else f"{row.floor:.2f}",
                }
            )
        rows.append({"title": title, "unit": unit, "cells": cells})
    return rows
