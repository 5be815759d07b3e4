"""`compare`: groups of runs -> a Report, a comparison that shows itself in a notebook and writes its page."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from analysis.chapter import Chapter
from analysis.chapters import ALWAYS, NAMES, chapter
from analysis.comparison import Comparison, read_groups
from analysis.report import page
from jattn.errors import InputError, one_of
from train.checkpoint import Run, load
from train.folders import find_runs

WINDOWS = 256  # read by default


class Report(Comparison):
    """A comparison that shows itself."""

    def write(self, out: str | Path) -> Path:
        """report.html, PNG figures, JSON and CSV into a folder; the path of the report."""
        return page.write([self], out)

    def _repr_html_(self) -> str:
        return page.notebook_html(self)


def compare(
    groups: Mapping[str, str | Path | Sequence[str | Path | Run]] | None = None,
    *,
    title: str = "Comparison",
    chapters: Sequence[str] | None = None,
    windows: int = WINDOWS,
    tokens: int | None = None,
    corpus: str | None = None,
    progress: Callable[[str, int, int], Any] | None = None,
    **named: str | Path | Sequence[str | Path | Run],
) -> Report:
    """Compare groups of runs: compare(standard="runs/*-standard-*", null="runs/*-null-*"); the first is the baseline.

    A group is a path, a glob, or a list of paths or loaded runs; a path may be a model of another library. All are read
    on the validation text of the baseline's corpus (`corpus` names another place of the same text), on `windows`
    windows of `tokens` tokens. An imported baseline reads `pydoc`, or any text that `corpus` names.
    chapters: which parts of the analysis to run (analysis/chapters), None for all; "text" is always among them.
    progress(what, done, total) is called as it goes, a hundred steps for a chapter of a run.
    Raises InputError for runs that cannot be compared.
    """
    loaded = {name: _runs(value) for name, value in {**(groups or {}), **named}.items()}
    if not loaded:
        raise InputError("compare: no groups; give at least one, such as standard='runs/*-standard-*'")
    read = read_groups(title, loaded, _chosen(chapters), windows, tokens, corpus, progress or (lambda *_: None))
    return Report(**vars(read))


def _chosen(names: Sequence[str] | None) -> list[Chapter[Any]]:
    """The chapters asked for, and those that every report has, in the order of the report."""
    wanted = set(NAMES if names is None else [*ALWAYS, *(one_of("chapter", name, NAMES) for name in names)])
    return [chapter(name) for name in NAMES if name in wanted]


def _runs(value: Any) -> list[Run]:
    if isinstance(value, Run):
        return [value]
    found = []
    for item in [value] if isinstance(value, str | Path) else value:
        found += [item] if isinstance(item, Run) else [load(p) for p in find_runs(str(item))]
    return found
