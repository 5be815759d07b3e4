"""Pictures of a comparison, as matplotlib Figures. The only file that imports matplotlib; others take it from here.

In every map the null is a column of its own on the left, orange, apart from the real keys, blue: what goes to nothing
and what goes to a token are never the same colour.
"""

from io import BytesIO
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, LogNorm, Normalize, PowerNorm
from matplotlib.figure import Figure

from analysis.comparison import COLOURS, Comparison
from analysis.measures.truth import NULL_READOUT, READOUTS
from train.corpora import backcopy
from train.metrics import read_metrics

INK, PALE, NULL_COLOUR, REAL_COLOUR = "#1f2933", "#d5dae0", "#d9730d", "#1f5fa8"
REAL = LinearSegmentedColormap.from_list("real", ["#ffffff", "#c9dcf0", "#5b93cc", "#1f5fa8", "#0b2545"])
NULL = LinearSegmentedColormap.from_list("null", ["#ffffff", "#fbdcb8", "#f2a65a", "#d9730d", "#7a3c00"])
RATIO = LinearSegmentedColormap.from_list("ratio", ["#4a1d7a", "#9a7cc4", "#f7f7f5", "#6fb793", "#135c3a"])
SCALE = PowerNorm(0.5, 0, 1)  # square root: a weight of 0.04 is still seen


def png(figure: Figure) -> bytes:
    """The figure as PNG bytes; the same bytes for the same figure."""
    file = BytesIO()
    figure.savefig(file, format="png", dpi=150, bbox_inches="tight", facecolor="white", metadata={"Software": None})
    return file.getvalue()


def svg(figure: Figure) -> bytes:
    """The figure as SVG bytes, its text as text; the same bytes for the same figure."""
    file = BytesIO()
    with rc_context({"svg.hashsalt": "jattn", "svg.fonttype": "none"}):
        figure.savefig(file, format="svg", dpi=150, bbox_inches="tight", facecolor="white", metadata={"Date": None})
    return file.getvalue()


def colour(comparison: Comparison, group: str) -> str:
    return COLOURS[list(comparison.groups).index(group) % len(COLOURS)]


def share_norm() -> Normalize:
    """Colour by a share, from 0 to 1."""
    return Normalize(0, 1)


def ratio_norm(most: float) -> Normalize:
    """Colour by the logarithm of a ratio, from 1 / most to most: 1 is in the middle."""
    return LogNorm(1 / most, most)


def draw_map(axis: Axes, attention: np.ndarray, *, norm: Any = SCALE, null: bool = True) -> None:
    """One map [T, 1 + T], column 0 the null: an orange column (unless null=False), a gap, then the blue square."""
    T = len(attention)
    gap = max(1.0, T / 24)
    axis.imshow(attention[:, 1:], cmap=REAL, norm=norm, extent=(0, T, T, 0), aspect="auto", interpolation="nearest")
    if null:
        axis.imshow(attention[:, :1], cmap=NULL, norm=norm, extent=(-2 * gap, -gap, T, 0), aspect="auto")
        axis.plot([-2 * gap, -gap, -gap, -2 * gap, -2 * gap], [0, 0, T, T, 0], color=NULL_COLOUR, lw=0.6)
    axis.set(xlim=(-2 * gap if null else 0, T), ylim=(T, 0), xticks=[], yticks=[])
    for side in axis.spines.values():
        side.set_visible(False)
    axis.plot([0, T, T, 0, 0], [0, 0, T, T, 0], color=PALE, lw=0.6)
    axis.set_aspect("equal" if T > 1 else "auto")


def head_grid(comparison: Comparison, group: str) -> Figure:
    """Layers down, heads across: the mean map of every head of the group's first run."""
    record, run = comparison.records[group][0], comparison.groups[group][0]
    L, N = record.mean_map.shape[:2]
    figure = Figure(figsize=(1.5 * N + 0.6, 1.62 * L + 0.5))
    axes = figure.subplots(L, N, squeeze=False)
    for layer in range(L):
        for head in range(N):
            axis = axes[layer, head]
            draw_map(axis, record.mean_map[layer, head])
            mass = record.mean_map[layer, head, 1:, 0].mean()
            first = record.mean_map[layer, head, 1:, 1].mean()
            label = f"∅ {mass:.2f}" if run.config.model.has_null else f"1st {first:.2f}"
            axis.set_title(f"{layer}.{head}   {label}", fontsize=7, color=INK, pad=2)
    figure.suptitle(group, fontsize=11, color=INK, y=1.0)
    figure.tight_layout(pad=0.4)
    return figure


def head_mosaic(comparison: Comparison, group: str) -> Figure:
    """`head_grid` for models of many heads: the same maps edge to edge, layers numbered at the side.

    A model with many more layers than heads is folded: its later layers stand beside the earlier ones.
    """
    maps = comparison.records[group][0].mean_map
    L, N, T, _ = maps.shape
    blocks = max(1, round((L / N) ** 0.5))
    rows, side = -(-L // blocks), T + 1 + T // 8
    inches = 10 / max(N * blocks, 12)
    figure = Figure(figsize=(inches * N * blocks + 0.3, inches * rows + 0.35))
    axes = figure.subplots(1, blocks, squeeze=False)[0]
    middle = T / 2 + side * np.arange(max(rows, N))
    for axis, start in zip(axes, range(0, L, rows), strict=False):
        shown = maps[start : start + rows]
        image = np.ones((rows * side, N * side, 3))
        for layer, head in np.ndindex(*shown.shape[:2]):
            image[layer * side :, head * side :][:T, : T + 1 + T // 24 + 1] = tile(shown[layer, head])
        axis.imshow(image, interpolation="antialiased")
        axis.set_xticks(middle[:N], [str(n) for n in range(N)])
        axis.set_yticks(middle[: len(shown)], [str(start + n) for n in range(len(shown))])
        axis.xaxis.tick_top()
        axis.tick_params(length=0, labelsize=6, labelcolor=INK, pad=1)
        axis.spines[:].set_visible(False)
    axes[0].set_ylabel("layer", fontsize=7, color=INK)
    figure.suptitle(group, fontsize=11, color=INK, y=1.0)
    figure.tight_layout(pad=0.3)
    return figure


def tile(attention: np.ndarray) -> np.ndarray:
    """One map [T, 1 + T] as an image: the null's column, a gap, the square."""
    T = len(attention)
    gap = np.ones((T, 1 + T // 24, 3))
    null, real = NULL(SCALE(attention[:, :1])), REAL(SCALE(attention[:, 1:]))
    return np.concatenate([null[..., :3], gap, real[..., :3]], 1)


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


def label(token: str) -> str:
    """A token in one visible character or word, at most 12 characters."""
    token = token if len(token) <= 12 else token[:11] + "…"
    return token.replace("\n", "⏎").replace(" ", "␣").replace("\t", "⇥") or "∅"


def measure_strips(comparison: Comparison, measures: list[str]) -> Figure:
    """One panel per measure, one column per group, one dot per head and seed; a bar at the mean, a floor."""
    measures = [m for m in measures if comparison.has(m)]
    columns = min(3, len(measures))
    lines = -(-len(measures) // columns)
    figure = Figure(figsize=(3.4 * columns, 2.7 * lines))
    axes = figure.subplots(lines, columns, squeeze=False)
    rng = np.random.default_rng(0)
    for axis in axes.flat[len(measures) :]:
        axis.set_visible(False)
    for axis, measure in zip(axes.flat, measures, strict=False):
        for x, group in enumerate(comparison.groups):
            row = comparison.find(measure, group)
            found = [r.per_head()[measure].ravel() for r in comparison.records[group] if row]
            values = np.concatenate(found or [np.zeros(0)])
            values = values[np.isfinite(values)]
            jitter = rng.uniform(-0.18, 0.18, len(values))
            axis.scatter(x + jitter, values, s=11, color=colour(comparison, group), alpha=0.65, lw=0)
            if len(values):
                axis.plot([x - 0.3, x + 0.3], [values.mean()] * 2, color=colour(comparison, group), lw=2)
            if row and row.floor is not None:
                axis.plot([x - 0.4, x + 0.4], [row.floor] * 2, color=INK, lw=0.9, ls=":")
        title, unit = comparison.measures[measure].title, comparison.measures[measure].unit
        axis.set_title(wrapped(title, 42), fontsize=8, color=INK)
        axis.set_ylabel(unit, fontsize=7, color=INK)
        axis.set_xticks(range(len(comparison.groups)), list(comparison.groups), fontsize=7)
        axis.set_xlim(-0.6, len(comparison.groups) - 0.4)
        if unit == "0-1":
            axis.set_ylim(-0.03, 1.03)
        plain(axis)
    figure.tight_layout(pad=0.8)
    return figure


def readout_plot(comparison: Comparison) -> Figure:
    """Every readout on every group: AUROC (hollow) and balanced accuracy at 0.5 (filled), mean over seeds."""
    figure = Figure(figsize=(8.2, 0.62 * len(READOUTS) + 1.2))
    axis = figure.subplots()
    groups = list(comparison.truths)
    for y, name in enumerate(READOUTS):
        for i, group in enumerate(groups):
            scores = [t.scores[name] for t in comparison.truths[group] if name in t.scores]
            if not scores:
                continue
            auroc, _, balanced = np.mean(scores, 0)
            at = y + (i - (len(groups) - 1) / 2) * 0.22
            axis.plot([balanced, auroc], [at, at], color=colour(comparison, group), lw=1, alpha=0.5)
            axis.scatter(auroc, at, s=34, facecolor="white", edgecolor=colour(comparison, group), lw=1.4, zorder=3)
            axis.scatter(
                balanced,
                at,
                s=34,
                color=colour(comparison, group),
                zorder=4,
                label=group if y == label_row(group, comparison) else None,
            )
    axis.set_yticks(range(len(READOUTS)), [wrapped(r, 34) for r in READOUTS], fontsize=8)
    axis.get_yticklabels()[READOUTS.index(NULL_READOUT)].set_color(NULL_COLOUR)
    axis.invert_yaxis()
    axis.set_xlim(0, 1.02)
    axis.axvline(0.5, color=PALE, lw=0.8, zorder=0)
    axis.set_xlabel("filled: balanced accuracy at threshold 0.5, nothing fitted      hollow: AUROC", fontsize=8)
    axis.legend(fontsize=8, frameon=False, loc="lower left")
    plain(axis)
    figure.tight_layout()
    return figure


def label_row(group: str, comparison: Comparison) -> int:
    """The first readout that the group has, so that the legend names it once."""
    return next(i for i, n in enumerate(READOUTS) if n in comparison.truths[group][0].scores)


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
            c = colour(comparison, group)
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


def plain(axis: Axes) -> None:
    """No box, small ticks."""
    axis.spines[["top", "right"]].set_visible(False)
    axis.spines[["left", "bottom"]].set_color(PALE)
    axis.tick_params(labelsize=7, color=PALE, labelcolor=INK)


def wrapped(text: str, width: int) -> str:
    from textwrap import fill

    return fill(text, width)
