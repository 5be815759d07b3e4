"""The pictures that open a report: one example, the readouts of a language whose truth is known, the loss."""

import numpy as np

from analysis.capture.truth import SCORED
from analysis.comparison import Comparison
from analysis.drawing.style import INK, NULL_COLOUR, PALE, REAL_COLOUR, Figure, draw_map, label, plain, wrapped
from analysis.measures.readouts import READOUTS
from train.corpora import backcopy
from train.metrics import read_metrics


def example(comparison: Comparison, layer: int, head: int, *, length: int = 32) -> Figure:
    """The same text in every group: one head's map with its tokens; on backcopy, triggers are red."""
    groups = list(comparison.groups)
    shared = comparison.records[groups[0]][0]  # the most varied of the windows that were kept
    window = max(range(len(shared.maps)), key=lambda w: len(set(shared.tokens[w, :length].tolist())))
    figure = Figure(figsize=(4.3 * len(groups), 4.6))
    axes = figure.subplots(1, len(groups), squeeze=False)[0]
    null = any(comparison.has_null(group) for group in groups)
    for axis, group in zip(axes, groups, strict=True):
        record, run = comparison.records[group][0], comparison.groups[group][0]
        T = min(length, record.maps.shape[3])
        draw_map(axis, record.maps[window, layer, head, :T, : T + 1], null=null)
        ids = record.tokens[window, :T]
        shown = [label(run.tokenizer.token(int(i))) for i in ids]
        size, upright = (6, 0) if max(map(len, shown)) < 3 else (4.6, 90)
        axis.set_yticks(np.arange(T) + 0.5, shown, fontsize=size, family="monospace")
        axis.set_xticks(np.arange(T) + 0.5, shown, fontsize=size, family="monospace", rotation=upright)
        axis.xaxis.tick_top()
        axis.tick_params(length=0, pad=1)
        if comparison.truths:
            for tick, trigger in zip(axis.get_yticklabels(), backcopy.is_trigger(ids), strict=True):
                if trigger:
                    tick.set_color("#c2334d")
                    tick.set_fontweight("bold")
        gap = max(1.0, T / 24)
        if null:
            axis.text(-1.5 * gap, T + 0.4, "∅", ha="center", va="top", color=NULL_COLOUR, fontsize=11)
        several = record.maps.shape[1] * record.maps.shape[2] > 1
        name = f"{group}, head {layer}.{head}" if several else group
        axis.set_title(name, fontsize=11, color=INK, pad=16)
    axes[0].set_ylabel("query", fontsize=8, color=INK)
    figure.tight_layout(pad=0.6)
    return figure


def readout_plot(comparison: Comparison) -> Figure:
    """Every readout on every group: AUROC (hollow) and balanced accuracy at 0.5 (filled), mean over seeds."""
    figure = Figure(figsize=(8.2, 0.62 * len(SCORED) + 1.2))
    axis = figure.subplots()
    groups = list(comparison.truths)
    for y, name in enumerate(SCORED):
        for i, group in enumerate(groups):
            scores = [t.scores[name] for t in comparison.truths[group] if name in t.scores]
            if not scores:
                continue
            auroc, _, balanced = np.mean(scores, 0)
            at = y + (i - (len(groups) - 1) / 2) * 0.22
            axis.plot([balanced, auroc], [at, at], color=_colour(comparison, group), lw=1, alpha=0.5)
            axis.scatter(auroc, at, s=34, facecolor="white", edgecolor=_colour(comparison, group), lw=1.4, zorder=3)
            axis.scatter(
                balanced,
                at,
                s=34,
                color=_colour(comparison, group),
                zorder=4,
                label=group if y == _label_row(group, comparison) else None,
            )
    axis.set_yticks(range(len(SCORED)), [wrapped(READOUTS[name], 34) for name in SCORED], fontsize=8)
    axis.get_yticklabels()[SCORED.index("null")].set_color(NULL_COLOUR)
    axis.invert_yaxis()
    axis.set_xlim(0, 1.02)
    axis.axvline(0.5, color=PALE, lw=0.8, zorder=0)
    axis.set_xlabel("filled: balanced accuracy at threshold 0.5, nothing fitted      hollow: AUROC", fontsize=8)
    axis.legend(fontsize=8, frameon=False, loc="lower left")
    plain(axis)
    figure.tight_layout()
    return figure


def null_histogram(comparison: Comparison) -> Figure | None:
    """Null mass of every query, on triggers and elsewhere, for each group that has a null (first run)."""
    groups = [g for g, ts in comparison.truths.items() if ts[0].masses is not None]
    if not groups:
        return None
    figure = Figure(figsize=(3.6 * len(groups), 2.4))
    axes = figure.subplots(1, len(groups), squeeze=False)[0]
    bins = np.linspace(0, 1, 41)
    for axis, group in zip(axes, groups, strict=True):
        t = comparison.truths[group][0]
        assert t.masses is not None
        for labels, name, c in ((~t.labels, "nothing to attend to", NULL_COLOUR), (t.labels, "trigger", REAL_COLOUR)):
            weights = np.full(labels.sum(), 1 / max(labels.sum(), 1))
            axis.hist(t.masses[labels], bins, weights=weights, color=c, alpha=0.75, label=name)
        axis.set_title(group, fontsize=9, color=INK)
        axis.set_xlabel("null mass of the query", fontsize=8)
        axis.set_ylabel("share of queries", fontsize=8)
        axis.legend(fontsize=7, frameon=False)
        plain(axis)
    figure.tight_layout()
    return figure


def loss_curves(comparison: Comparison) -> Figure:
    """Training loss (thin, smoothed) and validation loss (dots) of every run, by step."""
    figure = Figure(figsize=(7, 2.9))
    axis = figure.subplots()
    for group, runs in comparison.groups.items():
        for i, run in enumerate(runs):
            rows = read_metrics(run.path)
            train = [(r["step"], r["loss"]) for r in rows if "loss" in r]
            valid = [(r["step"], r["valid_loss"]) for r in rows if "valid_loss" in r]
            c = _colour(comparison, group)
            if len(train) > 8:
                steps, losses = np.array(train).T
                width = max(1, len(losses) // 30)
                smooth = np.convolve(losses, np.ones(width) / width, "valid")
                axis.plot(steps[width - 1 :], smooth, color=c, lw=0.9, alpha=0.6)
            if valid:
                axis.plot(*np.array(valid).T, "o-", color=c, ms=3.5, lw=1.2, label=group if i == 0 else None)
    axis.set_xlabel("step", fontsize=8)
    axis.set_ylabel("loss (nats)", fontsize=8)
    axis.legend(fontsize=8, frameon=False)
    plain(axis)
    figure.tight_layout()
    return figure


def _colour(comparison: Comparison, group: str) -> str:
    """The colour of a group in every figure: that of the first chapter's."""
    return next(iter(comparison.results.values())).colours[group]


def _label_row(group: str, comparison: Comparison) -> int:
    """The first readout that the group has, so that the legend names it once."""
    return next(i for i, n in enumerate(SCORED) if n in comparison.truths[group][0].scores)
