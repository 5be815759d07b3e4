"""Comparison -> a folder: report.html (one file, no network, no script), PNG figures, JSON and CSV.

Text that comes from runs (names, tokens) reaches the page through autoescaping only.
"""

import base64
import csv
import html
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from analysis import figures, findings, layer_figures, tables
from analysis.comparison import Comparison
from analysis.record import EPS
from analysis.sinks import alpha_floor
from jattn.errors import InputError
from train.metrics import read_metrics

GRID = 64  # heads up to which each map has a title of its own


@dataclass(frozen=True)
class Picture:
    """A figure of the page: file name, caption, PNG bytes."""

    name: str
    caption: str
    data: bytes
    half: bool = False  # two of them fit side by side

    @property
    def uri(self) -> str:
        return "data:image/png;base64," + base64.b64encode(self.data).decode()


def write(
    comparisons: list[Comparison],
    out: str | Path,
    *,
    title: str | None = None,
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
        json.dumps([tables.to_json(c) for c in comparisons], indent=1, allow_nan=False) + "\n"
    )
    _csv(folder / "measures.csv", [row for c in comparisons for row in tables.measures_table(c)])
    for name, table in (("heads.csv", tables.heads_table), ("layers.csv", tables.layers_table)):
        _csv(folder / name, [{"comparison": c.title, **row} for c in comparisons for row in table(c)])
    if title is None:
        null = any(_nulls(c) for c in comparisons)
        title = "Attention with and without a null token" if null else "What attention heads do"
    page = folder / "report.html"
    page.write_text(_template("report.html").render(title=title, lesson=lesson, sections=sections), encoding="utf-8")
    return page


def notebook_html(comparison: Comparison) -> str:
    """The comparison as a notebook shows it: the page in a frame of its own, so that styles do not mix."""
    page = _template("report.html").render(title=comparison.title, lesson=False, sections=[_section(comparison, "")])
    style = "width:100%;height:80vh;border:1px solid #ddd"
    return f'<iframe srcdoc="{html.escape(page)}" sandbox="" style="{style}"></iframe>'


def _csv(path: Path, rows: list[dict[str, Any]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]) if rows else ["measure"])
        writer.writeheader()
        writer.writerows(rows)


def _section(comparison: Comparison, prefix: str) -> dict[str, Any]:
    verdict = findings.verdict(comparison)
    return {
        "comparison": comparison,
        "verdict": verdict,
        "headlines": verdict[: len(_nulls(comparison)) if comparison.truths else 2],
        "unchanged": findings.unchanged(comparison),
        "pictures": _pictures(comparison, prefix),
        "readouts": tables.readout_rows(comparison),
        "masses": tables.mass_rows(comparison),
        "table": tables.measure_rows(comparison),
        "runs": [tables.provenance(g, r) for g, rs in comparison.groups.items() for r in rs],
    }


def _pictures(comparison: Comparison, prefix: str) -> list[Picture]:
    layer, head = _busiest(comparison)
    example = (
        f"One text in every group, layer {layer}, head {head}: rows are queries, columns keys. The orange column is "
        "the null; an empty one means that the group has none."
    )
    if comparison.truths:
        example += " Red letters are triggers, the only queries with something to attend to."
    made = [Picture(f"{prefix}example.png", example, figures.png(figures.example(comparison, layer, head)))]

    def add(name: str, figure: figures.Figure, caption: str, half: bool = False) -> None:
        made.append(Picture(f"{prefix}{name}.png", caption, figures.png(figure), half))

    several = comparison.records[comparison.baseline][0].mean_map[..., 0, 0].size > 1
    if comparison.truths:
        if (histogram := figures.null_histogram(comparison)) is not None:
            add("null-mass", histogram, "Null mass of every query of the held-out sequences.")
        add(
            "readouts",
            figures.readout_plot(comparison),
            "How well each readout tells the queries that have something to attend to from those that have not. "
            "Filled and hollow together at the right is best.",
        )
    else:
        if several:
            add("layers", layer_figures.layer_maps(comparison), _layers_caption(comparison))
        for group in comparison.groups:
            add(f"heads-{_slug(group)}", *_heads(comparison, group))
    if several:
        strips = ["null_share", "first_token_share", "previous", "local", "entropy_nats", "mean_distance_tokens"]
        strips += ["induction", "duplicate_score", "entropy_normalised"]
        strips = strips if _nulls(comparison) else ["cls_share", "sep_share", *strips[1:]]
        caption = "Each dot is a head of a run, the bar the mean over them; dotted: what uniform attention would give."
        add("measures", figures.measure_strips(comparison, strips), caption)
    if any(read_metrics(run.path) for runs in comparison.groups.values() for run in runs):
        caption = "Loss while training (thin: training, smoothed; dots: validation)."
        add("loss", figures.loss_curves(comparison), caption)
    return made


def _heads(comparison: Comparison, group: str) -> tuple[figures.Figure, str, bool]:
    """The mean map of every head, its caption, and whether two such pictures fit side by side."""
    L, N = comparison.records[group][0].mean_map.shape[:2]
    caption = f"{group}: the mean map of every head over {comparison.windows} windows"
    if L * N > GRID:
        return figures.head_mosaic(comparison, group), f"{caption}: layers down, heads across.", False
    beside = f"beside its name (layer.head) the share of attention that goes to {_place(comparison, group)}."
    return figures.head_grid(comparison, group), f"{caption}; {beside}", True


def _layers_caption(comparison: Comparison) -> str:
    several = " first run of each group;" if any(len(runs) > 1 for runs in comparison.groups.values()) else ""
    return (
        f"Where sinks sit, layers down and heads across;{several} means over {comparison.windows} windows of "
        f"T = {comparison.tokens} tokens. Sink rate: share of windows in which alpha_1, the mean attention to position "
        f"1, is above eps = {EPS[-1]}; even attention of a causal model would give alpha_1 = "
        f"{alpha_floor(comparison.tokens):.3f}. Value norm: that of the value at position 1 over the mean of the "
        "others, purple where it is smaller. Right, on a log scale: the residual stream after each layer, the norm of "
        "position 1 over the mean of the others, and its largest entry over the median one. Dotted: 1."
    )


def _nulls(comparison: Comparison) -> list[str]:
    return [g for g in comparison.groups if figures.has_null(comparison.groups[g][0])]


def _place(comparison: Comparison, group: str) -> str:
    return "the null (∅)" if figures.has_null(comparison.groups[group][0]) else "the first token (1st)"


def _slug(name: str) -> str:
    return "".join(c if c.isalnum() or c in "-_" else "_" for c in name)


def _busiest(comparison: Comparison) -> tuple[int, int]:
    """The head to show, one that every group has: the one with the largest null share in any, else with the largest
    first-token share."""
    sizes = [records[0].mean_map.shape[:2] for records in comparison.records.values()]
    L, N = (min(size) for size in zip(*sizes, strict=True))
    best = (-1.0, (0, 0))
    for records in comparison.records.values():
        for name in ("null_share", "first_token_share"):
            means = records[0].values[name].mean(0)[:L, :N]
            at = divmod(int(means.argmax()), N)
            value = float(means[at]) + (1.0 if name == "null_share" and means[at] > 0 else 0.0)
            best = max(best, (value, at))
    return best[1]


def _template(name: str):
    loader = PackageLoader("analysis", "templates")
    return Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True).get_template(name)
