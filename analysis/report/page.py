"""Comparison -> a folder: report.html (one file, no network), figures as PNG and SVG, JSON and CSV.

Text that comes from runs (names, tokens) reaches the page through autoescaping only. The one script that its content
security policy lets run is the interactive page's, in a frame without rights; that page stands beside the report too.
"""

import base64
import csv
import html
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from analysis.comparison import Comparison
from analysis.drawing import style
from analysis.elements import Element, Plot, Table
from analysis.report import findings, overview, tables
from analysis.report.attention_page import comparison_page
from analysis.report.told import Told
from analysis.viewer.page import FRAME_RIGHTS, script_hash
from jattn.errors import InputError


@dataclass(frozen=True)
class Picture:
    """A figure of the page: caption and PNG bytes; the SVG goes beside the page."""

    caption: str
    data: bytes
    svg: bytes
    half: bool = False  # two of them fit side by side

    @property
    def uri(self) -> str:
        return "data:image/png;base64," + base64.b64encode(self.data).decode()


def write(
    told: Sequence[Told],
    out: str | Path,
    *,
    title: str | None = None,
    lesson: bool = False,
) -> Path:
    """Write the report of one or several comparisons as told; returns the path of report.html.

    lesson: begin with what null attention is, for a reader who has not met it.
    """
    folder = Path(out)
    if folder.exists() and not folder.is_dir():
        raise InputError(f"out: {str(folder)!r} is a file; name a folder")
    folder.mkdir(parents=True, exist_ok=True)
    comparisons = [t.comparison for t in told]
    sections = [_section(t, f"{i + 1}-" if len(told) > 1 else "") for i, t in enumerate(told)]
    for section in sections:
        for element in [*section["overview"], *(e for c in section["chapters"] for e in c["elements"])]:
            _keep(folder, element)
        if section["look"]:
            section["look"].write(folder / section["look_name"])
    numbers = json.dumps([tables.to_json(t) for t in told], indent=1, allow_nan=False)
    (folder / "comparison.json").write_text(numbers + "\n")
    _csv(folder / "measures.csv", [row for c in comparisons for row in tables.measures_table(c)])
    for name, table in (("heads.csv", tables.heads_table), ("layers.csv", tables.layers_table)):
        _csv(folder / name, [{"comparison": c.title, **row} for c in comparisons for row in table(c)])
    if title is None:
        null = any(overview.nulls(c) for c in comparisons)
        title = "Attention with and without a null token" if null else "What attention heads do"
    page = folder / "report.html"
    page.write_text(_render(title, lesson, sections), encoding="utf-8")
    return page


def notebook_html(told: Told) -> str:
    """The comparison as a notebook shows it: the page in a frame of its own, so that styles do not mix."""
    page = _render(told.comparison.title, False, [_section(told, "")])
    style = "width:100%;height:80vh;border:1px solid #ddd"
    return f'<iframe srcdoc="{html.escape(page)}" sandbox="{FRAME_RIGHTS}" style="{style}"></iframe>'


def _render(title: str, lesson: bool, sections: list[dict[str, Any]]) -> str:
    """The page; without an interactive part no script at all may run in it."""
    script = script_hash() if any(section["look"] for section in sections) else None
    return _template("report.html").render(title=title, lesson=lesson, sections=sections, script=script)


def _csv(path: Path, rows: list[dict[str, Any]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]) if rows else ["measure"])
        writer.writeheader()
        writer.writerows(rows)


def _section(told: Told, prefix: str) -> dict[str, Any]:
    comparison = told.comparison
    return {
        "comparison": comparison,
        "verdict": told.verdict,
        "claims": told.claims,
        "headlines": told.verdict[: len(overview.nulls(comparison)) if comparison.truths else 2],
        "unchanged": findings.unchanged(comparison),
        "look": comparison_page(comparison),
        "look_name": f"{prefix}attention.html",
        "overview": [_element(plot, prefix) for plot in overview.overview_plots(comparison)],
        "chapters": [c for c in _chapters(comparison, prefix) if c["elements"]],
        "readouts": tables.readout_rows(comparison),
        "masses": tables.mass_rows(comparison),
        "table": tables.measure_rows(comparison),
        "runs": [tables.provenance(g, r) for g, rs in comparison.groups.items() for r in rs],
    }


def _chapters(comparison: Comparison, prefix: str) -> list[dict[str, Any]]:
    """What each chapter shows, its pictures drawn."""
    return [
        {"chapter": c, "elements": [_element(e, f"{prefix}{c.name}-") for e in c.show(comparison.results[c.name])]}
        for c in comparison.chapters
    ]


def _element(element: Element, prefix: str) -> dict[str, Any]:
    """An element as the template takes it: `kind` says which."""
    name = prefix + overview.slug(element.name)
    if isinstance(element, Plot):
        drawn = style.png(element.figure), style.svg(element.figure)
        return {"kind": "plot", "name": name, "plot": Picture(element.caption, *drawn, element.half)}
    kind = "table" if isinstance(element, Table) else "cards"
    return {"kind": kind, "name": name, kind: element}


def _keep(folder: Path, element: dict[str, Any]) -> None:
    """Write a figure as PNG and SVG, a table as CSV, cards as JSON."""
    path = folder / element["name"]  # not with_suffix: a name may hold a dot
    if element["kind"] == "plot":
        Path(f"{path}.png").write_bytes(element["plot"].data)
        Path(f"{path}.svg").write_bytes(element["plot"].svg)
    elif element["kind"] == "table":
        table: Table = element["table"]
        _csv(Path(f"{path}.csv"), [dict(zip(table.columns, row, strict=True)) for row in table.rows])
    else:
        told = json.dumps([asdict(card) for card in element["cards"].cards], indent=1)
        Path(f"{path}.json").write_text(told + "\n", encoding="utf-8")


def _template(name: str):
    loader = FileSystemLoader(Path(__file__).parent / "templates")
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    environment.filters["cell"] = _cell
    return environment.get_template(name)


def _cell(value: str | float | int | None) -> str:
    """A table's cell as text: a dash for nothing, at most four digits that say something."""
    if value is None or (isinstance(value, float) and value != value):
        return "–"
    return f"{value:.4g}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else value
