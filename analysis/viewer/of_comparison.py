"""The page that a comparison's report holds: the maps that its capture kept, so that no model runs again."""

import shlex

import numpy as np

from analysis.comparison import Comparison
from analysis.record import Record
from analysis.viewer import words
from analysis.viewer.attention import Attention, Layer
from analysis.viewer.page import Page
from analysis.viewer.show import draw
from train.checkpoint import Run

LIMIT = 3.0  # MB


def comparison_page(comparison: Comparison) -> Page | None:
    """The first run of each group on one window, the most varied of those kept; None where none was kept or read."""
    if "text" not in comparison.results:
        return None
    records = {group: of_group[0] for group, of_group in comparison.records.items()}
    kept = min((len(r.maps) for r in records.values()), default=0)
    if not kept:
        return None
    tokens = next(iter(records.values())).tokens
    window = max(range(kept), key=lambda w: len(set(np.asarray(tokens[w]).tolist())))
    sides = [_side(group, comparison.groups[group][0], record, window) for group, record in records.items()]
    runs = [f"{group}={comparison.groups[group][0].path}" for group in records]
    command = f"jattn view {shlex.join(runs)} --text TEXT --neurons {{heads}}"
    return draw(sides, title=comparison.title, command=command, limit_mb=LIMIT)


def _side(group: str, run: Run, record: Record, window: int) -> Attention:
    config, maps = run.config.model, record.maps[window].astype(np.float32)
    kinds = [config.layer(i) for i in range(config.layers)]
    layers = tuple(
        Layer(
            maps[i, ..., 1:],
            maps[i, ..., 0] if kind.has_null else None,
            number=i,
            heads=tuple(range(config.heads)),
            window=kind.window,
            first=kind.first,
        )
        for i, kind in enumerate(kinds)
    )
    ids = np.asarray(record.tokens[window, : maps.shape[2]])
    shown = words.of_ids(run.tokenizer, ids)
    told = (("run", str(run.path)), ("step", str(run.step)), ("attention", config.attention))
    return Attention(group, layers, shown, causal=config.causal, run=group, step=run.step, source=told)
