"""Comparison -> a folder: report.html (one file, no network, no script), PNG figures, JSON and CSV.

Text that comes from runs (names, tokens) reaches the page through autoescaping only.
"""

import base64
import csv
import html
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from matplotlib.figure import Figure

from analysis import figures, findings
from analysis.comparison import TITLES, Comparison, heads_table
from analysis.truth import READOUTS
from jattn.errors import InputError


@dataclass(frozen=True)
class Picture:
    """A figure of the page: file name, caption, PNG bytes."""

    name: str
    caption: str
    data: bytes

    @property
    def uri(self) -> str:
        return "data:image/png;base64," + base64.b64encode(self.data).decode()


def write(
    comparisons: list[Comparison],
    out: str | Path,
    *,
    title: str = "Attention with and without a null token",
    lesson: bool = False,
) -> Path:
    """Write the report of one or several comparisons; returns the path of report.html.

    lesson: begin with what null attention is, for a reader who has not met it.
    """
    folder = Path(out)
    if folder.exists() and not folder.is_dir():
        raise InputError(f"out: {str(folder)!r} is a file; name a folder")
    folder.mkdir(parents=True, exist_ok=True)
    sections = [_section(c, f"{i + 1}-" if len(comparisons) > 1 else "") for i, c in enumerate(comparisons)]
    for section in sections:
        for picture in section["pictures"]:
            (folder / picture.name).write_bytes(picture.data)
    (folder / "comparison.json").write_text(
        json.dumps([to_json(c) for c in comparisons], indent=1, allow_nan=False) + "\n"
    )
    _csv(folder / "measures.csv", [row for c in comparisons for row in measures_table(c)])
    _csv(folder / "heads.csv", [{"comparison": c.title, **row} for c in comparisons for row in heads_table(c)])
    page = folder / "report.html"
    page.write_text(_template("report.html").render(title=title, lesson=lesson, sections=sections), encoding="utf-8")
    return page


def notebook_html(comparison: Comparison) -> str:
    """The comparison as a notebook shows it: the page in a frame of its own, so that styles do not mix."""
    page = _template("report.html").render(title=comparison.title, lesson=False, sections=[_section(comparison, "")])
    style = "width:100%;height:80vh;border:1px solid #ddd"
    return f'<iframe srcdoc="{html.escape(page)}" sandbox="" style="{style}"></iframe>'


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
        "runs": [_provenance(g, run) for g, runs in comparison.groups.items() for run in runs],
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


def _provenance(group: str, run: Any) -> dict[str, Any]:
    return {
        "group": group,
        "run": str(run.path),
        "step": run.step,
        **{k: run.meta[k] for k in ("config", "corpus", "versions", "machine", "parameters", "valid_loss")},
    }


def _csv(path: Path, rows: list[dict[str, Any]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]) if rows else ["measure"])
        writer.writeheader()
        writer.writerows(rows)


def _section(comparison: Comparison, prefix: str) -> dict[str, Any]:
    return {
        "comparison": comparison,
        "verdict": findings.verdict(comparison),
        "unchanged": findings.unchanged(comparison),
        "pictures": _pictures(comparison, prefix),
        "readouts": _readout_rows(comparison),
        "masses": _mass_rows(comparison),
        "table": _measure_rows(comparison),
        "runs": [_provenance(g, r) for g, rs in comparison.groups.items() for r in rs],
    }


def _pictures(comparison: Comparison, prefix: str) -> list[Picture]:
    layer, head = _busiest(comparison)
    made: list[tuple[str, Figure | None, str]] = [
        (
            "example",
            figures.example(comparison, layer, head),
            f"One text in every group, layer {layer}, head {head}: rows are queries, columns keys. The orange column is "
            "the null; an empty one means that the group has none."
            + (" Red letters are triggers, the only queries with something to attend to." if comparison.truths else ""),
        )
    ]
    if comparison.truths:
        made += [
            ("null-mass", figures.null_histogram(comparison), "Null mass of every query of the held-out sequences."),
            (
                "readouts",
                figures.readout_plot(comparison),
                "How well each readout tells the queries that have something to "
                "attend to from those that have not. Filled and hollow together at the right is best.",
            ),
        ]
    else:
        made += [
            (
                f"heads-{_slug(g)}",
                figures.head_grid(comparison, g),
                f"{g}: the mean map of every head over "
                f"{comparison.windows} windows; ∅ is the share of attention on the null, 1st that on the first token.",
            )
            for g in comparison.groups
        ]
    strips = ["null_share", "first_token_share", "previous", "local", "entropy_nats", "mean_distance_tokens"]
    if not comparison.truths:
        strips += ["induction", "duplicate_score", "entropy_normalised"]
    made += [
        (
            "measures",
            figures.measure_strips(comparison, strips),
            "Each dot is a head of a run, the bar the mean over them; dotted: what uniform attention would give.",
        ),
        ("loss", figures.loss_curves(comparison), "Loss while training (thin: training, smoothed; dots: validation)."),
    ]
    return [Picture(f"{prefix}{name}.png", caption, figures.png(f)) for name, f, caption in made if f is not None]


def _slug(name: str) -> str:
    return "".join(c if c.isalnum() or c in "-_" else "_" for c in name)


def _busiest(comparison: Comparison) -> tuple[int, int]:
    """The head to show: the one with the largest null share in any group, else with the largest first-token share."""
    best = (-1.0, (0, 0))
    for records in comparison.records.values():
        for name in ("null_share", "first_token_share"):
            means = records[0].values[name].mean(0)
            at = divmod(int(means.argmax()), means.shape[1])
            value = float(means[at]) + (1.0 if name == "null_share" and means[at] > 0 else 0.0)
            best = max(best, (value, at))
    return best[1]


def _readout_rows(comparison: Comparison) -> list[dict[str, Any]]:
    """One row per readout: for each group (AUROC, accuracy, balanced accuracy), means over seeds, or None."""
    import numpy as np

    rows = []
    for name in READOUTS:
        cells = {
            g: [float(x) for x in np.mean([t.scores[name] for t in ts], 0)] if name in ts[0].scores else None
            for g, ts in comparison.truths.items()
        }
        rows.append({"name": name, "cells": cells})
    return rows if comparison.truths else []


def _mass_rows(comparison: Comparison) -> list[dict[str, Any]]:
    import numpy as np

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


def _measure_rows(comparison: Comparison) -> list[dict[str, Any]]:
    """One row per measure, a cell per group, as text."""
    rows = []
    for measure, (title, unit) in TITLES.items():
        if not comparison.has(measure):
            continue
        cells = []
        for g in comparison.groups:
            found = [r for r in comparison.rows if (r.measure, r.group) == (measure, g)]
            digits = 4 if measure == "valid_loss" else 3
            cells.append(
                {
                    "value": findings.number(found[0].value, digits) if found else "–",
                    "difference": findings.signed(found[0].difference, digits) if found else "",
                    "top": f"{found[0].best_head:.2f}" if found and measure != "valid_loss" else "",
                }
            )
        floor = next((r.floor for r in comparison.rows if r.measure == measure), None)
        rows.append({"title": title, "unit": unit, "cells": cells, "floor": "" if floor is None else f"{floor:.3f}"})
    return rows


def _template(name: str):
    loader = PackageLoader("analysis", "templates")
    return Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True).get_template(name)
