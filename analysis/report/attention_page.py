"""The page that a comparison's report holds: the first run of each group on one of the windows that it read."""

import shlex

import numpy as np

from analysis.comparison import Comparison
from analysis.viewer import budget
from analysis.viewer.page import Page
from analysis.viewer.read import Encoded, read_encoded
from analysis.viewer.show import draw
from train.corpora import backcopy

LIMIT = 3.0  # MB


def comparison_page(comparison: Comparison) -> Page | None:
    """One window in the first run of each group; None where none was kept or read."""
    if "text" not in comparison.results:
        return None
    records = {group: of_group[0] for group, of_group in comparison.records.items()}
    kept = min((len(r.maps) for r in records.values()), default=0)
    if not kept:
        return None
    runs = {group: comparison.groups[group][0] for group in records}
    first = next(iter(records))
    T = records[first].maps.shape[3]
    windows = np.asarray(records[first].tokens)[:kept, :T]
    ids = windows[_telling(windows, backcopy_text=bool(comparison.truths))]
    encoded = Encoded(ids, np.zeros(len(ids), np.int32))
    sides = [read_encoded(run, encoded, name=group) for group, run in runs.items()]
    tokenizer = runs[first].tokenizer
    before, after = (len(ends) for ends in tokenizer.frame)
    text = tokenizer.decode(ids[before : len(ids) - after])
    named = shlex.join(f"{group}={run.path}" for group, run in runs.items())
    command = f"jattn view {named} --text {shlex.quote(text)} --neurons {{heads}}"
    limit = max(LIMIT, budget.smallest(sides) / budget.MB)  # of many heads, thumbnails alone
    return draw(sides, title=comparison.title, command=command, limit_mb=limit)


def _telling(windows: np.ndarray, backcopy_text: bool) -> int:
    """The window to show: with the most queries that have something to attend to, or else the most varied."""
    if backcopy_text:
        return int(np.argmax([backcopy.is_trigger(w).sum() for w in windows]))
    return int(np.argmax([len(np.unique(w)) for w in windows]))
