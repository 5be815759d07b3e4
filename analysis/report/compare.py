"""`compare`: groups of runs -> a Report, a comparison that shows itself in a notebook and writes its page."""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from functools import cached_property
from inspect import signature
from pathlib import Path
from typing import Any

from analysis.chapter_type import Chapter
from analysis.chapters import ALWAYS, NAMES, chapter
from analysis.comparison import Comparison, read_groups
from analysis.report import page
from analysis.report.told import Told, tell
from jattn.errors import InputError, one_of
from train.checkpoint import load
from train.folders import find_runs
from train.progress import Tick, ticking
from train.runs import Run

WINDOWS = 256  # read by default


class Report(Comparison):
    """A comparison that shows itself."""

    @cached_property
    def told(self) -> Told:
        """What its numbers say."""
        return tell(self)

    def write(self, out: str | Path) -> Path:
        """report.html, PNG figures, JSON and CSV into a folder; the path of the report."""
        return page.write([self.told], out)

    def _repr_html_(self) -> str:
        return page.notebook_html(self.told)


def compare(
    groups: Mapping[str, str | Path | Run | Sequence[str | Path | Run]] | None = None,
    *,
    title: str = "Comparison",
    only: str | Sequence[str] | None = None,
    windows: int = WINDOWS,
    tokens: int | None = None,
    corpus: str | None = None,
    progress: bool | Tick | None = None,
    **named: str | Path | Run | Sequence[str | Path | Run],
) -> Report:
    """Compare groups of runs: compare(standard="runs/*-standard-*", null="runs/*-null-*"); the first is the baseline.

    A group is a path, a glob, or a list of paths or loaded runs; a path may be a model of another library. All are read
    on the validation text of the baseline's corpus (`corpus` names another place of the same text), on `windows`
    windows of `tokens` tokens. An imported baseline reads `pydoc`, or any text that `corpus` names.
    only: the chapters of the analysis to read (analysis/chapters), None for all; "text" is always among them.
    progress: None shows a bar in a terminal or a notebook, False none, True plain lines elsewhere too; a function
    progress(what, done, total) is called as it goes, a hundred steps for a chapter of a run.
    Raises InputError for runs that cannot be compared.
    """
    asked = _chosen(only)
    check_names(named)
    loaded = {name: _runs(value) for name, value in {**(groups or {}), **named}.items()}
    if not loaded:
        raise InputError("compare: no groups; give at least one, such as standard='runs/*-standard-*'")
    with ticking(progress, title) as tick:
        return Report(**vars(read_groups(title, loaded, asked, windows, tokens, corpus, tick)))


def check_names(named: Mapping[str, Any]) -> None:
    """A keyword is an argument or a group: one that holds no runs is an argument that there is not."""
    for name, value in named.items():
        several = value if isinstance(value, Sequence) else [value]
        if not all(isinstance(item, str | Path | Run) for item in several):
            known = [n for n in signature(compare).parameters if n != "named"]
            near = get_close_matches(name, known, n=1)
            hint = f"; did you mean {near[0]}?" if near else f"; the arguments are {', '.join(known)}"
            raise InputError(
                f"compare: {name!r} is no argument, and {value!r} is no group (a path, a run, or a list of them){hint}"
            )


def _chosen(names: str | Sequence[str] | None) -> list[Chapter[Any]]:
    """The chapters asked for, and those that every report has, in the order of the report."""
    if names is None:
        return [chapter(name) for name in NAMES]
    asked = names.split(",") if isinstance(names, str) else names
    wanted = {*ALWAYS, *(one_of("chapter", name, NAMES) for name in asked)}
    return [chapter(name) for name in NAMES if name in wanted]


def _runs(value: Any) -> list[Run]:
    if isinstance(value, Run):
        return [value]
    runs = []
    for item in [value] if isinstance(value, str | Path) else value:
        runs += [item] if isinstance(item, Run) else [load(p) for p in find_runs(str(item))]
    return runs
