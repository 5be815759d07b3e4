"""Pictures of depth: the ladder of what each layer knows, the logit lens, who writes the logit, layers alike.

In the ladder a colour is a fact and a row a rung; each curve is on the same scale, 0 for the best guess and 1 for all
right, so that curves compare. Layer 0 is the stream before the first layer.
"""

from collections.abc import Sequence

import numpy as np

from analysis.chapter_type import Results
from analysis.chapters.depth_ladder import ALL, RUNGS, Ladder, centre, verdict
from analysis.drawing.style import INK, PALE, RATIO, REAL, Axes, Figure, Normalize, plain
from analysis.elements import Element, Plot, Table

COLOURS = {
    "position": "#5f6b7a",
    "token": "#d9730d",
    "previous": "#b8860b",
    "class": "#1f5fa8",
    "distance": "#3aa0a8",
    "number": "#8c4a9e",
    "topic": "#2f8f5b",
    "sense": "#c2334d",
    "paraphrase": "#6b4f2a",
}
LOWEST = -0.1  # score that is drawn


def show(results: Results[Ladder]) -> list[Element]:
    """The ladder first, then the lens, the heads, the layers, and the numbers behind the ladder."""
    elements: list[Element] = [Plot("ladder", ladder(results), ladder_caption(results))]
    if any(f.detail.lens for fs in results.measured.values() for f in fs):
        elements.append(Plot("lens", lens(results), LENS, half=True))
    elements.append(Plot("cka", alike(results), CKA, half=True))
    if any(fs[0].detail.heads is not None for fs in results.measured.values()):
        elements.append(Plot("attribution", attribution(results), HEADS))
    return [*elements, facts_table(results)]


LENS = (
    "The stream after each layer read as if it were the last: loss of the next token (left), and how often its first "
    "choice is the model's own (right). One line per run. The last point is the model itself."
)
CKA = (
    "How alike the layers are (linear CKA without bias, position 1 left out, dimensions standardised): 1 if one is the "
    "other turned and scaled, 0 by chance. First run of each group."
)
HEADS = (
    "What each head writes for the right next token: its direct part of that logit less the mean logit, averaged over "
    "queries. Green helps, violet hurts. Parts of nulls, MLPs and the embedding are beside it; all sum to the logit. "
    "First run of each group."
)


def ladder_caption(results: Results[Ladder]) -> str:
    """How to read the ladder, and what it says of the order in each group."""
    told = " ".join(verdict(group, [f.detail for f in measured]) for group, measured in results.measured.items())
    return (
        "What a linear probe reads from the stream before the first layer (0) and after each: 0 is the best guess, 1 "
        "is all right, on texts that the probe has not seen. Thin lines are runs, the thick one is their mean; the dot "
        "is its peak, the triangle its centre of gravity; what is worse than the guess lies on the floor. Textbooks "
        f"have a ladder: the surface fades, then syntax peaks, then content. {told}"
    )


def ladder(results: Results[Ladder]) -> Figure:
    """Rungs down, groups across; a curve per fact."""
    groups = list(results.measured)
    rungs = [r for r in RUNGS if any(_facts_of(results, g, r) for g in groups)]
    width = 3.1 * len(groups)
    figure = Figure(figsize=(width + 2.1, 1.75 * len(rungs) + 0.6))
    axes = figure.subplots(len(rungs), len(groups), squeeze=False, sharey=True)
    for row, rung in zip(axes, rungs, strict=True):
        for axis, group in zip(row, groups, strict=True):
            details = [f.detail for f in results.measured[group]]
            for fact in _facts_of(results, group, rung):
                _curve(axis, details, fact)
            _layers_axis(axis, details[0].points)
            axis.axhline(0, color=PALE, lw=0.8, zorder=0)
            axis.set_ylim(LOWEST - 0.02, 1.05)
        row[0].set_ylabel(f"{rung}\n0 guess, 1 all right", fontsize=8, color=INK)
        names = [f for f in ALL if any(f in _facts_of(results, g, rung) for g in groups)]
        for i, fact in enumerate(names):
            place = (1.05, 0.82 - 0.19 * i)
            row[-1].text(*place, ALL[fact].title, color=COLOURS[fact], fontsize=8, transform=row[-1].transAxes)
    for axis, group in zip(axes[0], groups, strict=True):
        axis.set_title(group, fontsize=10, color=results.colours[group])
    for axis in axes[-1]:
        axis.set_xlabel("layers passed", fontsize=8, color=INK)
    figure.tight_layout(pad=0.6)
    return figure


def _facts_of(results: Results[Ladder], group: str, rung: str) -> list[str]:
    return [f for f in ALL if ALL[f].rung == rung and all(f in r.detail.scores for r in results.measured[group])]


def _curve(axis: Axes, details: Sequence[Ladder], fact: str) -> None:
    """Runs thin, their mean thick; a dot at its peak and a triangle under its centre of gravity."""
    points = details[0].points
    runs = np.maximum([np.nanmean(d.scores[fact], 0) for d in details], LOWEST)
    for run in runs if len(runs) > 1 else ():
        axis.plot(points, run, color=COLOURS[fact], lw=0.6, alpha=0.45)
    mean = runs.mean(0)
    axis.plot(points, mean, color=COLOURS[fact], lw=1.8)
    axis.plot(points[mean.argmax()], mean.max(), "o", color=COLOURS[fact], ms=5, mec="white", mew=0.7, zorder=4)
    if np.isfinite(at := centre(points, mean)):
        axis.plot(at, -0.07, "^", color=COLOURS[fact], ms=5.5, mec="white", mew=0.5, zorder=4, clip_on=False)


def lens(results: Results[Ladder]) -> Figure:
    """Loss and agreement of the logit lens, a line per run."""
    figure = Figure(figsize=(5.6, 2.5))
    left, right = figure.subplots(1, 2)
    for axis, measure, title in (
        (left, "lens_loss_nats", "loss (nats)"),
        (right, "lens_agreement", "same first choice"),
    ):
        for group, measured in results.measured.items():
            for i, f in enumerate(f for f in measured if measure in f.detail.lens):
                name, c = group if i == 0 else None, results.colours[group]
                axis.plot(f.detail.points, f.detail.lens[measure], "o-", ms=2.8, lw=1.1, color=c, alpha=0.8, label=name)
                _layers_axis(axis, f.detail.points)
        axis.set_title(title, fontsize=8.5, color=INK)
        axis.set_xlabel("layers passed", fontsize=8, color=INK)
    right.set_ylim(0, 1.03)
    left.legend(fontsize=7, frameon=False)
    figure.tight_layout(pad=0.5)
    return figure


def alike(results: Results[Ladder]) -> Figure:
    """CKA of every two points of the stream, a map per group."""
    groups = list(results.measured)
    figure = Figure(figsize=(2.4 * len(groups) + 0.7, 2.6))
    axes = figure.subplots(1, len(groups), squeeze=False)[0]
    for axis, group in zip(axes, groups, strict=True):
        detail = results.measured[group][0].detail
        image = axis.imshow(detail.cka, cmap=REAL, norm=Normalize(0, 1), origin="lower")
        names = [str(p) for p in detail.points]
        axis.set_xticks(range(len(names)), names)
        axis.set_yticks(range(len(names)), names)
        axis.set_title(group, fontsize=9, color=results.colours[group])
        axis.set_xlabel("layers passed", fontsize=8, color=INK)
        plain(axis)
        if len(names) <= 7:
            for (i, j), value in np.ndenumerate(detail.cka):
                colour = "white" if value > 0.6 else INK
                axis.text(j, i, f"{value:.2f}", ha="center", va="center", fontsize=6.5, color=colour)
    axes[0].set_ylabel("layers passed", fontsize=8, color=INK)
    bar = figure.colorbar(image, ax=list(axes), fraction=0.04, pad=0.02)
    bar.ax.tick_params(labelsize=6.5)
    bar.outline.set_visible(False)
    return figure


SOURCES = {"logit_embedding": "emb.", "logit_heads": "heads", "logit_nulls": "nulls", "logit_mlps": "MLPs"}
SOURCES |= {"logit_biases": "biases"}


def attribution(results: Results[Ladder]) -> Figure:
    """A map of heads per group, and bars of what all parts of a kind add."""
    written = {g: of for g, measured in results.measured.items() if (of := measured[0].detail.heads) is not None}
    groups = list(written)
    height = max(1.9, 0.16 * max(len(of_heads) for of_heads in written.values()) + 1.0)
    figure = Figure(figsize=(3.9 * len(groups), height))
    axes = figure.subplots(1, 2 * len(groups), squeeze=False, width_ratios=[1.5, 1] * len(groups))[0]
    most = max(float(np.abs(of_heads).max()) for of_heads in written.values()) or 1.0
    for i, group in enumerate(groups):
        left, right, detail = axes[2 * i], axes[2 * i + 1], results.measured[group][0].detail
        L, N = written[group].shape
        edges = np.arange(N + 1) - 0.5, np.arange(L + 1) - 0.5
        image = left.pcolormesh(*edges, written[group], cmap=RATIO, norm=Normalize(-most, most), edgecolor="w", lw=0.4)
        left.set_yticks(_few(np.arange(L)))
        left.set_xticks(_few(np.arange(N)))
        left.set_title(group, fontsize=9, color=results.colours[group])
        left.set_xlabel("head", fontsize=8, color=INK)
        bar = figure.colorbar(image, ax=left, fraction=0.06, pad=0.03)
        bar.ax.tick_params(labelsize=6)
        bar.outline.set_visible(False)
        values = [detail.parts[name] for name in SOURCES]
        signs = ["#135c3a" if v >= 0 else "#4a1d7a" for v in values]
        right.barh(range(len(values)), values, color=signs, height=0.6)
        right.set_yticks(range(len(values)), list(SOURCES.values()))
        right.invert_yaxis()
        right.axvline(0, color=PALE, lw=0.8)
        right.set_xlabel("logits", fontsize=8, color=INK)
        plain(right)
        plain(left)
    axes[0].set_ylabel("layer", fontsize=8, color=INK)
    figure.tight_layout(pad=0.5)
    return figure


def _few(ticks: np.ndarray) -> list[int]:
    """At most about a dozen of them."""
    return ticks[:: -(-len(ticks) // 12)].tolist()


def _layers_axis(axis: Axes, points: np.ndarray) -> None:
    axis.set_xticks(points, [str(p) for p in points])
    axis.set_xlim(-0.04 * points[-1] - 0.05, points[-1] * 1.04 + 0.05)
    plain(axis)


def facts_table(results: Results[Ladder]) -> Table:
    """Every fact in every group: score at both ends and at the peak, where, and what control and code say there."""
    rows = []
    for group, measured in results.measured.items():
        details = [f.detail for f in measured]
        points = details[0].points
        for fact in (f for f in ALL if all(f in d.scores for d in details)):
            mean = np.mean([np.nanmean(d.scores[fact], 0) for d in details], 0)
            peak, known = int(mean.argmax()), centre(points, mean)
            at = lambda name, fact=fact, details=details, peak=peak: (
                _rounded(np.mean([getattr(d, name)[fact][peak] for d in details]))
                if fact in getattr(details[0], name)
                else None
            )
            ends = _rounded(mean[0]), _rounded(mean[peak]), _rounded(mean[-1])
            title, rung = ALL[fact].title, ALL[fact].rung
            where = int(points[peak]), known if np.isfinite(known) else None
            rows.append([group, rung, title, *ends, *where, at("selectivity"), at("compression")])
    columns = [
        "group",
        "rung",
        "fact",
        "layer 0",
        "peak",
        "last layer",
        "peak at",
        "centre",
        "selectivity",
        "compression",
    ]
    caption = (
        "The numbers behind the ladder, means over runs: scores from the best guess (0) to all right (1), layers of "
        "the peak and of the centre of gravity, and at the peak selectivity (accuracy less that on random labels of "
        "word types) and compression (1 if the vectors are of no use)."
    )
    return Table("facts", caption, columns, rows)


def _rounded(score: float | np.floating) -> float:
    """A guess is 0 in the table, not 5e-17 and not -0.0."""
    return round(float(score), 4) + 0.0
