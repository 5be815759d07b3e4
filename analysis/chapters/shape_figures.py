"""How the chapter on shape is shown: q . k by distance with its decaying dimensions, and heads between position and
content. `Results` of analysis/chapters/shape.py; axes as in decay.py."""

from dataclasses import dataclass

import numpy as np

from analysis.chapter_type import Results
from analysis.drawing.style import INK, PALE, Figure, plain
from analysis.elements import Element, Plot, Table
from analysis.measures import decay

HEADS = 3  # drawn per group
LISTED = 6  # rows of the table per group
NAMED = 8  # dimensions


@dataclass(frozen=True)
class Curves:
    """Mean scaled product by distance, [N, H, D] for each layer; D is what the layer's window shows of T / 2."""

    layers: tuple[np.ndarray, ...]


def show(results: Results[Curves]) -> list[Element]:
    """The curves of the heads that fall most, the same as a table, and all heads between position and content."""
    falling = {group: _falling(measured[0].detail.layers) for group, measured in results.measured.items()}
    elements: list[Element] = []
    if any(falling.values()):
        elements.append(
            Plot(
                "decay",
                _curves(results, falling),
                "q · k by distance, over the root of the head size, less its value far away: the heads of each group's "
                "first run that fall most. Thick: the whole product, whose fall is the logarithm of how much more a "
                "near key gets than a far one. Thin: each dimension that decays (rank correlation with distance "
                f"{decay.DECAYS} or below). A head whose thick line is high on the left prefers near keys by position.",
            )
        )
    elements.append(
        Plot(
            "position_content",
            _scatter(results),
            "One dot per head and seed. Right: its map changes from text to text (content). Up: its queries are alike "
            "at the same position of different texts. A head at the upper left goes by position, one at the lower "
            "right by content.",
            half=True,
        )
    )
    elements.append(
        Table(
            "decay",
            f"The heads whose q · k falls most over distance, in each group's first run. Fall: mean of the nearest "
            f"quarter of the distances minus the farthest, in units of the score. Decaying: rank correlation of the "
            f"dimension with distance at most {decay.DECAYS}, those that fall most first, counted from 0; at most "
            f"{NAMED} are named. Rotation turns dimensions i and i + H/2 together.",
            ("group", "layer.head", "rank correlation", "fall", "decaying dimensions", "of them fall", "named"),
            [row for group, heads in falling.items() for row in _rows(results, group, heads)],
        )
    )
    return elements


def _falling(layers: tuple[np.ndarray, ...]) -> list[tuple[int, int]]:
    """(layer, head), those whose whole product falls most first; layers that see too little are left out."""
    falls = {
        (i, n): float(decay.fall(head.sum(0)))
        for i, heads in enumerate(layers)
        if heads.shape[-1] >= 4
        for n, head in enumerate(heads)
    }
    return sorted(falls, key=lambda at: -falls[at])[:LISTED]


def _rows(results: Results[Curves], group: str, heads: list[tuple[int, int]]) -> list[list[str | float | int | None]]:
    rows = []
    for layer, head in heads:
        curves = results.measured[group][0].detail.layers[layer][head]
        decaying = decay.decaying_dimensions(curves)
        named = ", ".join(map(str, decaying[:NAMED])) + (", ..." if len(decaying) > NAMED else "")
        whole = curves.sum(0)
        rows.append(
            [
                group,
                f"{layer}.{head}",
                round(float(decay.rank_correlation(whole)), 3),
                round(float(decay.fall(whole)), 3),
                f"{len(decaying)} of {len(curves)}",
                round(float(decay.fall(curves[decaying].sum(0))), 3) if decaying else 0.0,
                named or "none",
            ]
        )
    return rows


def _curves(results: Results[Curves], falling: dict[str, list[tuple[int, int]]]) -> Figure:
    groups = [group for group, heads in falling.items() if heads]
    figure = Figure(figsize=(2.5 * HEADS + 0.4, 1.9 * len(groups) + 0.3))
    axes = figure.subplots(len(groups), HEADS, squeeze=False, sharey=True)
    for row, group in zip(axes, groups, strict=True):
        colour = results.colours[group]
        for axis in row[len(falling[group]) :]:
            axis.set_visible(False)
        for axis, (layer, head) in zip(row, falling[group], strict=False):
            curves = results.measured[group][0].detail.layers[layer][head]
            whole, decaying = curves.sum(0), decay.decaying_dimensions(curves)
            axis.axhline(0, color=PALE, lw=0.8, zorder=0)
            for h in decaying:
                axis.plot(_above_far(curves[h]), color=colour, lw=0.7, alpha=0.45)
            axis.plot(_above_far(whole), color=colour, lw=2)
            rho = f"ρ = {decay.rank_correlation(whole):.2f}"
            title = f"{group} {layer}.{head}   {rho}   {len(decaying)} of {len(curves)} decay"
            axis.set_title(title, fontsize=7.5, color=INK)
            axis.set_xticks(range(0, len(whole), max(1, len(whole) // 4)))
            plain(axis)
        row[0].set_ylabel("q · k above far", fontsize=7.5, color=INK)
    for axis in axes[-1]:
        axis.set_xlabel("distance (tokens)", fontsize=7.5, color=INK)
    figure.tight_layout(pad=0.6)
    return figure


def _above_far(curve: np.ndarray) -> np.ndarray:
    return curve - curve[-(len(curve) // 4) :].mean()


def _scatter(results: Results[Curves]) -> Figure:
    figure = Figure(figsize=(3.6, 3.1))
    axis = figure.subplots()
    for group, measured in results.measured.items():
        x, y = (
            np.concatenate([_over_texts(f.heads[name]) for f in measured])
            for name in ("variability", "query_cosine_texts")
        )
        axis.scatter(x, y, s=16, color=results.colours[group], alpha=0.7, lw=0, label=group)
    axis.axhline(0, color=PALE, lw=0.8, zorder=0)
    axis.set_xlim(-0.02, 1.02)
    axis.set_xlabel("variability across texts (real attention)", fontsize=7.5, color=INK)
    axis.set_ylabel("cosine of queries, same position of other texts", fontsize=7.5, color=INK)
    axis.legend(fontsize=7, frameon=False)
    plain(axis)
    figure.tight_layout(pad=0.6)
    return figure


def _over_texts(values: np.ndarray) -> np.ndarray:
    """Mean over the texts where a head has a value, [L N]; NaN, which is not drawn, where it has none."""
    there = np.isfinite(values)
    return np.where(there.any(0), np.where(there, values, 0).sum(0) / np.maximum(there.sum(0), 1), np.nan).ravel()
