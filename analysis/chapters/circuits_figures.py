"""Figures of the chapters on circuits and on how heads form."""

from collections.abc import Mapping, Sequence

import numpy as np

from analysis.chapter_type import Measure, Results
from analysis.chapters.circuits_tables import Detail
from analysis.drawing.style import INK, PALE, RATIO, Figure, legend, plain, wrapped

MOST_HEADS = 64  # of a model whose pairs of heads fit into one picture


def by_layer(results: Results[Detail], names: Sequence[str], measures: Mapping[str, Measure]) -> Figure:
    """One panel per measure: a dot per head and run, layers along x, groups side by side in their colours.

    Composition is left out where no head has any: every model has one layer.
    """
    names = [name for name in names if "composition" not in name or known(results, name)]
    figure = Figure(figsize=(3.4 * len(names), 2.8), layout="constrained")
    axes = figure.subplots(1, len(names), squeeze=False)[0]
    groups = list(results.measured)
    for axis, name in zip(axes, names, strict=True):
        layers = 0
        for i, group in enumerate(groups):
            for measured in results.measured[group]:
                values = measured.heads[name].mean(0)
                layers = max(layers, len(values))
                x = np.arange(len(values))[:, None] + (i - (len(groups) - 1) / 2) * 0.6 / len(groups)
                x = x + np.linspace(-0.1, 0.1, values.shape[1]) / len(groups)
                axis.scatter(x, values, s=10, color=results.colours[group], alpha=0.7, lw=0)
        axis.axhline(0, color=INK, lw=0.8, ls=":", zorder=0)
        axis.set_title(wrapped(measures[name].title, 44), fontsize=8, color=INK)
        axis.set_xticks(range(0, layers, max(1, layers // 8)))
        axis.set_xlabel("layer", fontsize=7.5)
        if "composition" not in name:
            axis.set_ylim(-1.05, 1.05)
        plain(axis)
    legend(axes[0], results.colours, list(results.measured))
    return figure


def known(results: Results[Detail], name: str) -> bool:
    """Whether any head of any run has the measure."""
    return any(np.isfinite(f.heads[name]).any() for measured in results.measured.values() for f in measured)


def composition(results: Results[Detail]) -> Figure | None:
    """K-composition less the baseline of every pair of heads, a square per group; None if no model has two layers."""
    groups = []
    for group, measured in results.measured.items():
        shape = measured[0].heads["copying"].shape[1:]
        if shape[0] > 1 and shape[0] * shape[1] <= MOST_HEADS:
            groups.append(group)
    if not groups:
        return None
    figure = Figure(figsize=(3.6 * len(groups), 3.3), layout="constrained")
    axes = figure.subplots(1, len(groups), squeeze=False)[0]
    excess = {g: _excess(results, g) for g in groups}
    most = max(0.05, *(float(np.nanmax(np.abs(e))) for e in excess.values()))
    for axis, group in zip(axes, groups, strict=True):
        L, N = results.measured[group][0].heads["copying"].shape[1:]
        image = axis.imshow(excess[group].T, cmap=RATIO, vmin=-most, vmax=most)
        names = [f"{i // N}.{i % N}" for i in range(L * N)]
        axis.set_xticks(range(N * (L - 1)), names[:-N], rotation=90 if L * N > 12 else 0)
        axis.set_yticks(range(N * (L - 1)), names[N:])
        for layer in range(1, L - 1):
            axis.axvline(layer * N - 0.5, color=PALE, lw=0.8)
            axis.axhline(layer * N - 0.5, color=PALE, lw=0.8)
        axis.set_xlabel("head that writes", fontsize=8)
        axis.set_ylabel("head that reads", fontsize=8)
        axis.set_title(group, fontsize=9, color=INK)
        plain(axis)
    bar = figure.colorbar(image, ax=list(axes), shrink=0.8)
    bar.ax.tick_params(labelsize=7)
    bar.outline.set_visible(False)
    return figure


def _excess(results: Results[Detail], group: str) -> np.ndarray:
    """[writers, readers]: without the last layer's writers and the first layer's readers, which have no pair."""
    scores, run = results.measured[group][0].detail.composition["k"], results.runs[group][0]
    L, N = scores.shape[:2]
    flat = scores.reshape(L * N, L * N)[: N * (L - 1), N:]
    return flat - run.config.model.width**-0.5
