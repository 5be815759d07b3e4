"""Where sinks sit: layers down, heads across, and beside the heads what the residual stream does. For any depth.

Colours as everywhere: blue is what goes to a token, orange what goes to the null.
"""

from dataclasses import dataclass

import numpy as np

from analysis.chapter_type import Results
from analysis.drawing.style import (
    INK,
    NULL,
    PALE,
    RATIO,
    REAL,
    Axes,
    Figure,
    LinearSegmentedColormap,
    Normalize,
    plain,
    ratio_norm,
    share_norm,
)
from analysis.measures.sinks import EPS
from analysis.record import Record

SINK = f"sink_1_{EPS[-1]}"
NORM_COLOUR, MASSIVE_COLOUR = "#2f8f5b", "#c2334d"
ROW, ACROSS, BETWEEN = 0.145, 1.9, 0.4  # inches: height of a layer, width of a panel, from group to group


@dataclass(frozen=True)
class Panel:
    """One measure of every head, in colour."""

    measure: str
    title: str
    cmap: LinearSegmentedColormap
    ratio: bool = False  # on a log scale around 1; else a share from 0 to 1


PANELS = (
    Panel(SINK, f"sink rate\n($α_1$ > {EPS[-1]})", REAL),
    Panel("alpha_1", "$α_1$: attention\nto position 1", REAL),
    Panel("null_share", "null share", NULL),
    Panel("sep_share", "[SEP] share", REAL),
    Panel("value_norm_ratio", "value norm, position 1\nover the others", RATIO, ratio=True),
)
LINES = {
    "residual_norm_ratio": ("norm of position 1\nover the others", NORM_COLOUR),
    "residual_max_over_median": ("largest entry\nover the median", MASSIVE_COLOUR),
}


def layer_maps(results: Results[Record]) -> Figure:
    """One row of panels per group (its first run): a heat map per measure, then the residual stream's lines.

    A panel that no group has is left out; one that a group lacks says so.
    """
    panels = [p for p in PANELS if any(_shown(results, g, p.measure) for g in results.runs)]
    layers = [run[0].config.model.layers for run in results.runs.values()]
    heights = [max(1.1, ROW * n) for n in layers]
    height = sum(heights) + BETWEEN * (len(heights) - 1)
    width = ACROSS * (len(panels) + 1.25)
    figure = Figure(figsize=(width + 1.0, height + 1.35))
    box = {"left": 0.75 / (width + 1), "right": 1 - 0.15 / (width + 1)}
    box |= {"top": 1 - 0.62 / (height + 1.35), "bottom": 0.73 / (height + 1.35)}
    ratios = {"width_ratios": [1.0] * len(panels) + [1.25], "height_ratios": heights}
    gaps = {"wspace": 0.14, "hspace": BETWEEN * len(heights) / sum(heights)}
    axes = figure.subplots(len(heights), len(panels) + 1, squeeze=False, gridspec_kw=box | ratios | gaps)
    limits = _limits(results)
    norms = {p.measure: _norm(results, p) for p in panels}
    for row, (group, L) in enumerate(zip(results.runs, layers, strict=True)):
        heads = results.first(group)[1].detail.per_head()
        for axis, panel in zip(axes[row], panels, strict=False):
            values = heads[panel.measure] if _shown(results, group, panel.measure) else None
            _heat(axis, panel, norms[panel.measure], values, L)
            axis.tick_params(labelleft=axis is axes[row, 0])
        _lines(axes[row, -1], results.first(group)[1].detail.per_layer(), L, limits)
        axes[row, 0].set_ylabel("layer", fontsize=7.5, color=INK)
        box_of = axes[row, 0].get_position()
        figure.text(0.012, box_of.y0 + box_of.height / 2, group, rotation=90, fontsize=9.5, color=INK, va="center")
    for axis, panel in zip(axes[0], panels, strict=False):
        axis.set_title(panel.title, fontsize=8.5, color=INK, pad=5, linespacing=1.25)
    axes[0, -1].set_title("residual stream after the layer", fontsize=8.5, color=INK, pad=5)
    for axis, panel in zip(axes[-1], panels, strict=False):
        _colour_bar(figure, axis, panel, norms[panel.measure])
    _legend(axes[-1, -1])
    return figure


def _shown(results: Results[Record], group: str, measure: str) -> bool:
    """Whether a group has values for a panel; a null share of 0 without a null is none."""
    if measure == "null_share":
        return results.has_null(group)
    return measure in results.first(group)[1].detail.per_head()


def _heat(axis: Axes, panel: Panel, norm: Normalize, values: np.ndarray | None, L: int) -> None:
    axis.set_ylim(L, 0)
    for side in axis.spines.values():
        side.set_visible(False)
    axis.tick_params(length=0, labelsize=6.5, labelcolor=INK, pad=2)
    _layer_ticks(axis, L)
    if values is None:
        axis.set(xticks=[], xlim=(0, 1))
        missing = "no null" if panel.measure == "null_share" else "none"
        axis.text(0.5, L / 2, missing, ha="center", va="center", fontsize=7.5, color="#8a94a0")
        return
    N = values.shape[1]
    shown = np.ma.masked_invalid(np.clip(values, norm.vmin, norm.vmax))
    thin = 0.6 if max(L, N) <= 16 else 0.35
    axis.pcolormesh(np.arange(N + 1), np.arange(L + 1), shown, cmap=panel.cmap, norm=norm, edgecolor="w", lw=thin)
    axis.plot([0, N, N, 0, 0], [0, 0, L, L, 0], color=PALE, lw=0.8, clip_on=False)
    step = next(s for s in (1, 2, 4, 8, 16, 32) if N / s <= 12)
    axis.set_xticks(np.arange(0, N, step) + 0.5, [str(n) for n in range(0, N, step)])


def _lines(axis: Axes, values: dict[str, np.ndarray], L: int, limits: tuple[float, float]) -> None:
    """The measures of the residual stream, layers down as in the maps beside it."""
    for name, (_, colour) in LINES.items():
        if name in values:
            axis.plot(values[name], np.arange(L) + 0.5, "o-", color=colour, ms=2.4 if L > 16 else 3.4, lw=1.2)
    axis.set_xscale("log")
    axis.set(xlim=limits, ylim=(L, 0))
    axis.axvline(1, color=INK, lw=0.8, ls=":")
    axis.grid(axis="x", color="#eceff2", lw=0.7)
    axis.set_axisbelow(True)
    plain(axis)
    axis.spines["left"].set_visible(False)
    _layer_ticks(axis, L)
    axis.tick_params(axis="y", length=0, labelleft=False)
    axis.tick_params(axis="x", labelsize=6.5, pad=2)
    axis.minorticks_off()
    places = 10.0 ** np.arange(np.ceil(np.log10(limits[0])), np.log10(limits[1]))
    axis.set_xticks(places, [f"{x:,.12g}" for x in places])


def _norm(results: Results[Record], panel: Panel) -> Normalize:
    """0 to 1; for a ratio the same distance up and down from 1, a power of 2, at most 64."""
    if not panel.ratio:
        return share_norm()
    ratios = np.concatenate(
        [measured[0].detail.per_head()[panel.measure].ravel() for measured in results.measured.values()]
    )
    ratios = ratios[np.isfinite(ratios) & (ratios > 0)]
    most = 2.0 ** np.clip(np.ceil(np.abs(np.log2(ratios)).max(initial=1)), 1, 6)
    return ratio_norm(float(most))


def _limits(results: Results[Record]) -> tuple[float, float]:
    """One log axis for all groups, with a little air; 1 is always on it."""
    measured = [measured[0].detail.per_layer().values() for measured in results.measured.values()]
    ratios = np.concatenate([np.ones(1), *(v for values in measured for v in values)])
    ratios = ratios[np.isfinite(ratios) & (ratios > 0)]
    return float(ratios.min()) / 1.5, float(ratios.max()) * 1.5


def _layer_ticks(axis: Axes, L: int) -> None:
    step = next(s for s in (1, 2, 5, 10, 20) if L / s <= 16)
    axis.set_yticks(np.arange(0, L, step) + 0.5, [str(n) for n in range(0, L, step)])


def _colour_bar(figure: Figure, axis: Axes, panel: Panel, norm: Normalize) -> None:
    """Under a column of maps: thin, as wide as the maps, with the word "head" over it."""
    axis.set_xlabel("head", fontsize=7, color=INK, labelpad=1)
    box, inch = axis.get_position(), 1 / figure.get_figheight()
    place = figure.add_axes((box.x0, box.y0 - 0.52 * inch, box.width, 0.07 * inch))
    ramp = np.linspace(0, 1, 128)
    place.imshow(panel.cmap(ramp)[None], aspect="auto", extent=(0, 1, 0, 1))
    place.set_yticks([])
    most = norm.vmax or 1
    ticks = {1 / most: f"1/{most:g}", 1: "1", most: f"{most:g}"} if panel.ratio else {0: "0", 0.5: "½", 1: "1"}
    place.set_xticks([float(norm(t)) for t in ticks], list(ticks.values()))
    place.tick_params(length=0, labelsize=6.5, labelcolor=INK, pad=2)
    for side in place.spines.values():
        side.set(color=PALE, lw=0.6)


def _legend(axis: Axes) -> None:
    """Under the lines, in the height of the colour bars."""
    handles = [
        axis.plot([], [], "o-", color=colour, ms=3.4, lw=1.2, label=title)[0] for title, colour in LINES.values()
    ]
    axis.legend(
        handles=handles,
        loc="upper center",
        bbox_to_anchor=(0.5, 0),
        ncols=2,
        fontsize=6.5,
        frameon=False,
        labelcolor=INK,
        borderaxespad=1.9,
        columnspacing=1.0,
        handlelength=1.3,
    )
