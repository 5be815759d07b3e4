"""The readout of every query of every head, as a strip: dormant on the left, active on the right."""

from collections.abc import Mapping

import numpy as np

from analysis.capture.dormancy import Dormancy
from analysis.capture.layers import layers_with_null
from analysis.drawing.style import INK, PALE, Figure, LinearSegmentedColormap, PowerNorm
from train.runs import Run

NULL_READOUT, REAL_READOUT = "1 - null mass", "sharpness of real attention"
DORMANT = LinearSegmentedColormap.from_list("dormant", ["#ffffff", "#dbe3ec", "#8fa3b8", "#45586e", "#0f1a26"])
LABELLED = 64  # heads of a panel that have their own label
MANY_HEIGHT = 5.0  # inches of a panel whose heads have none


def strips(groups: Mapping[str, tuple[Run, Dormancy, str]]) -> Figure:
    """A panel per group: a line per head, layer by layer; colour is the share of its queries in each of 40 bins."""
    most = max(dormancy.position.size for _, dormancy, _ in groups.values())
    height = max(2.4, 0.155 * most + 1.1) if most <= LABELLED else MANY_HEIGHT
    figure = Figure(figsize=(3.4 * len(groups) + 0.7, height))
    axes = figure.subplots(1, len(groups), squeeze=False)[0]
    image = None
    for axis, (group, (run, dormancy, colour)) in zip(axes, groups.items(), strict=True):
        L, N, bins = dormancy.histogram.shape
        shares = dormancy.histogram.reshape(L * N, bins) / np.maximum(dormancy.histogram.sum(-1).reshape(-1, 1), 1)
        extent = (0, 1, L * N, 0)
        image = axis.imshow(
            shares, cmap=DORMANT, norm=PowerNorm(0.4, 0, 1), extent=extent, aspect="auto", interpolation="nearest"
        )
        for layer in range(1, L):
            axis.axhline(layer * N, color=colour, lw=0.7)
        few = L * N <= LABELLED
        names = [f"{la}.{n}" for la, n in np.ndindex(L, N)] if few else [str(la) for la in range(L)]
        axis.set_yticks(np.arange(L * N) + 0.5 if few else (np.arange(L) + 0.5) * N, names, fontsize=6)
        if few:
            for row, active in enumerate(dormancy.mean["active_share"].ravel()):
                axis.text(1.02, row + 0.5, f"{active:.0%}", fontsize=5.5, color=INK, va="center", clip_on=False)
            above = {"xycoords": ("data", "axes fraction"), "xytext": (0, 2), "textcoords": "offset points"}
            axis.annotate("active", (1.02, 1), fontsize=5.5, color=INK, va="bottom", annotation_clip=False, **above)
        axis.axvline(0.5, color=PALE, lw=0.8, ls=":")
        axis.set_title(group, fontsize=9, color=INK)
        axis.set_xlabel(readout_name(run), fontsize=7.5)
        axis.set_xticks([0, 0.5, 1])
        axis.tick_params(labelsize=6, color=PALE, labelcolor=INK, length=2)
        axis.spines[:].set_color(PALE)
    axes[0].set_ylabel("layer.head" if most <= LABELLED else "layer", fontsize=7.5, color=INK)
    figure.tight_layout(pad=0.6, w_pad=2.4)
    if image is not None:
        bar = figure.colorbar(image, ax=list(axes), fraction=0.03, pad=0.09 if most <= LABELLED else 0.03)
        bar.set_label("share of the head's queries", fontsize=7)
        bar.ax.tick_params(labelsize=6)
        bar.outline.set_visible(False)  # type: ignore[operator]
    return figure


def readout_name(run: Run) -> str:
    """The readout of the run's layers, in words."""
    nulls = layers_with_null(run.config.model)
    if nulls.all():
        return NULL_READOUT
    return f"{NULL_READOUT}, without a null {REAL_READOUT}" if nulls.any() else REAL_READOUT
