"""How every picture looks: colours, fonts, norms, one attention map. The only file that imports matplotlib.

In every map the null is a column of its own on the left, orange, apart from the real keys, blue: what goes to nothing
and what goes to a token are never the same colour.
"""

from collections.abc import Mapping, Sequence
from io import BytesIO
from textwrap import fill
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, LogNorm, Normalize, PowerNorm
from matplotlib.figure import Figure

__all__ = ["Axes", "Figure", "LinearSegmentedColormap", "Normalize", "PowerNorm"]

INK, PALE, NULL_COLOUR, REAL_COLOUR = "#1f2933", "#d5dae0", "#d9730d", "#1f5fa8"
COLOURS = ("#5f6b7a", "#d9730d", "#1f5fa8", "#2f8f5b", "#8c4a9e", "#b8860b", "#c2334d", "#3aa0a8")  # of groups
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


def tile(attention: np.ndarray) -> np.ndarray:
    """One map [T, 1 + T] as an image: the null's column, a gap, the square."""
    T = len(attention)
    gap = np.ones((T, 1 + T // 24, 3))
    null, real = NULL(SCALE(attention[:, :1])), REAL(SCALE(attention[:, 1:]))
    return np.concatenate([null[..., :3], gap, real[..., :3]], 1)


def label(token: str) -> str:
    """A token in one visible character or word, at most 12 characters."""
    token = token if len(token) <= 12 else token[:11] + "…"
    return token.replace("\n", "⏎").replace(" ", "␣").replace("\t", "⇥") or "∅"


def plain(axis: Axes) -> None:
    """No box, small ticks."""
    axis.spines[["top", "right"]].set_visible(False)
    axis.spines[["left", "bottom"]].set_color(PALE)
    axis.tick_params(labelsize=7, color=PALE, labelcolor=INK)


def wrapped(text: str, width: int) -> str:
    """The text in lines of at most `width` characters."""
    return fill(text, width)


def legend(axis: Axes, colours: Mapping[str, str], groups: Sequence[str]) -> None:
    """A dot in its colour for each group."""
    for group in groups:
        axis.plot([], [], "o", color=colours[group], ms=4, label=group)
    axis.legend(fontsize=7.5, frameon=False)
