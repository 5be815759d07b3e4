"""How the chapter on side effects is shown: outliers by layer, what eight bits and short caches add to the loss.
`Results` of analysis/chapters/side_effects.py."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from analysis.chapter_type import Measurements, Results
from analysis.drawing.style import INK, PALE, Figure, plain
from analysis.elements import Element, Plot, Table

CACHES = (0, 1, 4)
LINES = (
    ("kurtosis", "kurtosis of the\nresidual stream (Gaussian: 3)"),
    ("infinity_norm", "largest entry of the\nresidual stream"),
    ("residual_max_over_median", "largest entry\nover the median"),
)


@dataclass(frozen=True)
class Detail:
    """What the tables and figures need besides the measures.

    loss: of the whole text in nats, for the int8 table. late_loss: of the tokens past the cache. cache: keys in it, 0
    where there was no such reading. layers: measure -> [L], the mean over texts of what text-wide capture reports too.
    """

    loss: float | None
    late_loss: float | None
    cache: int
    layers: dict[str, np.ndarray]


def show(results: Results[Detail]) -> list[Element]:
    """Outliers by layer; the loss that a short cache adds; one table of outliers and int8, one of caches."""
    elements: list[Element] = [
        Plot(
            "outliers",
            _outliers(results),
            "The residual stream after every layer, the mean over texts; one line per seed, log scale. A line that "
            "jumps up and stays there is a massive activation. The dotted line is the kurtosis of Gaussian entries.",
        )
    ]
    cached = {group: measured for group, measured in results.measured.items() if "cache_0" in measured[0].values}
    if cached:
        elements.append(
            Plot(
                "cache",
                _caches(results, cached),
                "Loss added, for tokens past the cache, when only the first s and the most recent tokens are kept; one "
                "dot per seed, the line at their mean. Filled: the null stays. Hollow: it is evicted too. A model that "
                "does not need its first tokens has its dots near 0 already at s = 0.",
                half=True,
            )
        )
    elements.append(_price_table(results))
    return [*elements, _cache_table(cached)] if cached else elements


def _price_table(results: Results[Detail]) -> Table:
    columns = ("kurtosis", "max_infinity_norm", "int8_weights", "int8_activations", "int8_both", "parameters_added")
    rows = [
        [
            group,
            *(
                _number(measured, name, 2 if i < 2 else 4 if name.startswith("int8") else 0)
                for i, name in enumerate(columns)
            ),
            _rounded([f.detail.loss for f in measured]),
        ]
        for group, measured in results.measured.items()
    ]
    return Table(
        "side_effects",
        "Means over seeds. Kurtosis (Gaussian: 3) over layers, and largest entry of the layer where it is largest, of "
        "the residual stream. Loss added by simulated int8 (symmetric, one range per tensor, that of activations from "
        "other texts), in nats. Parameters more than the same model with standard attention.",
        (
            "group",
            "kurtosis",
            "largest entry",
            "int8 weights",
            "int8 activations",
            "int8 both",
            "parameters added",
            "loss",
        ),
        rows,
    )


def _cache_table(cached: dict[str, Sequence[Measurements[Detail]]]) -> Table:
    rows = []
    for group, measured in cached.items():
        size = measured[0].detail.cache
        for suffix, title in (("", "kept"), ("_no_null", "evicted")):
            if f"cache_0{suffix}" not in measured[0].values:
                continue
            late = np.array([m.detail.late_loss for m in measured], float)
            whole = late + [m.values["no_null"].mean() if suffix else 0.0 for m in measured]
            losses = [whole, *(late + [m.values[f"cache_{s}{suffix}"].mean() for m in measured] for s in CACHES)]
            has_null = "no_null" in measured[0].values
            rows.append([group, title if has_null else "none", size, *(_rounded(np.exp(loss), 3) for loss in losses)])
    return Table(
        "cache",
        "Perplexity of tokens past the cache, the mean over seeds: the whole text, then a cache of so many keys, s of "
        "them the first tokens (s+recent). Positions are counted inside the cache.",
        ("group", "null", "keys", "whole text", *(f"{s}+recent" for s in CACHES)),
        rows,
    )


def _number(measured: Sequence[Measurements[Detail]], name: str, digits: int) -> float | None:
    values = [{**m.values, **m.layers}.get(name) for m in measured]
    return _rounded([None if v is None else v.mean() for v in values], digits)


def _rounded(values: Any, digits: int = 4) -> float | None:
    return None if any(v is None for v in values) else round(float(np.mean(values)), digits) + 0.0  # no -0.0


def _outliers(results: Results[Detail]) -> Figure:
    figure = Figure(figsize=(2.6 * len(LINES), 2.6))
    axes = figure.subplots(1, len(LINES))
    for axis, (name, title) in zip(axes, LINES, strict=True):
        for group, measured in results.measured.items():
            for i, one in enumerate(measured):
                values = one.detail.layers[name] if name in one.detail.layers else one.layers[name].mean(0)
                style = {"color": results.colours[group], "lw": 1.3, "ms": 3, "alpha": 0.8}
                axis.plot(np.arange(1, len(values) + 1), values, "o-", label=group if i == 0 else None, **style)
        if name == "kurtosis":
            axis.axhline(3, color=INK, lw=0.9, ls=":")
        axis.set_yscale("log")
        axis.set_title(title, fontsize=8, color=INK)
        axis.set_xlabel("after layer", fontsize=7.5, color=INK)
        plain(axis)
        axis.yaxis.set_major_formatter("{x:g}")
        few = axis.dataLim.y1 < 10 * axis.dataLim.y0  # less than a decade: name the steps in it too
        axis.yaxis.set_minor_formatter("{x:g}" if few else "")
        axis.tick_params(which="minor", labelsize=6, color=PALE, labelcolor=INK)
        depth = max(measured[0].layers["kurtosis"].shape[1] for measured in results.measured.values())
        axis.set_xticks(range(1, depth + 1, max(1, depth // 6)))
    axes[0].legend(fontsize=7, frameon=False)
    figure.tight_layout(pad=0.6)
    return figure


def _caches(results: Results[Detail], cached: dict[str, Sequence[Measurements[Detail]]]) -> Figure:
    figure = Figure(figsize=(3.9, 2.9))
    axis = figure.subplots()
    size = next(iter(cached.values()))[0].detail.cache
    for i, (group, measured) in enumerate(cached.items()):
        colour = results.colours[group]
        at = np.arange(len(CACHES)) + 0.14 * (i - (len(cached) - 1) / 2)
        for suffix, fill in (("", colour), ("_no_null", "white")):
            if f"cache_0{suffix}" not in measured[0].values:
                continue
            added = np.array([[f.values[f"cache_{s}{suffix}"].mean() for s in CACHES] for f in measured])
            axis.plot(at, added.mean(0), color=colour, lw=1, ls=":" if suffix else "-")
            x = np.broadcast_to(at, added.shape)
            label = None if suffix else group
            axis.scatter(x, added, s=22, facecolor=fill, edgecolor=colour, lw=1.2, zorder=3, label=label)
    axis.axhline(0, color=PALE, lw=0.8, zorder=0)
    axis.set_xticks(range(len(CACHES)), [f"{s}+{size - s}" for s in CACHES])
    axis.set_xlabel("keys kept: first + most recent", fontsize=7.5, color=INK)
    axis.set_ylabel("loss added (nats)", fontsize=7.5, color=INK)
    axis.legend(fontsize=7, frameon=False, ncols=3, loc="lower center", bbox_to_anchor=(0.5, 1.0), columnspacing=1.2)
    plain(axis)
    figure.tight_layout(pad=0.6)
    return figure
