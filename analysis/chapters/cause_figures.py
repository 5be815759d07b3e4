"""The pictures and tables of the chapter "cause".

Each seed is a dot, so that what is called a difference can be seen beside the spread of seeds.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from analysis.chapter_type import Measurements, Results
from analysis.chapters.cause_margin import Detail, told_apart
from analysis.drawing.style import INK, PALE, Figure, plain
from analysis.elements import Element, Plot, Table
from analysis.interventions.cause import EVICTIONS, SILENCED
from analysis.measures.cause_scores import MARGIN, POSITIVE, Score
from analysis.measures.readouts import READOUTS
from analysis.stats import Interval, interval


def elements(results: Results[Detail]) -> list[Element]:
    """Margin, readouts (figure, table), cause against the null's share, ablation, eviction."""
    return [
        *margins(results),
        Plot(
            "cause-readouts",
            readout_figure(results),
            "Does this head do anything at this query? How well each readout of attention answers, against the cause "
            "of the head there (output set to zero, above 0.05 nats), all heads pooled. A dot per seed, a bar at the "
            "mean. Left, AUROC: the best threshold granted, chance is the dashed 0.5. Right, the mean accuracy of the "
            "two classes at the fixed threshold 0.5: always answering no has 0.5 too.",
        ),
        readout_table(results),
        class_table(results),
        Plot(
            "cause-scatter",
            scatter_figure(results),
            "Each dot is a query of a head of the first run: its cause (upwards, logarithmic) against 1 - the share of "
            "attention that goes to the null (where there is none, to position 1). Dark dots have a cause above 0.05 "
            "nats. A readout that needs no threshold has all dark dots right of the middle and all pale ones left.",
        ),
        Plot(
            "cause-ablation",
            ablation_figure(results),
            "Loss added by taking one head away, heads sorted by it, a line per seed: output set to zero (full) or to "
            "its mean over texts (dotted). A head on the zero line is not needed, or others do its work too.",
            half=True,
        ),
        Plot(
            "cause-eviction",
            eviction_figure(results),
            "Loss added by taking away the null or position 1 in all layers: the column (nothing may go there) or its "
            "value (attention stays, what it brings is a mean value). A dot per seed.",
            half=True,
        ),
        eviction_table(results),
    ]


FAINT = "#a9b4c0"  # a query at which a head does nothing; no group's colour


def margins(results: Results[Detail]) -> list[Table]:
    """The null's claim, one row per group with a null against the first group; empty without such a pair."""
    rows = []
    for group, m in told_apart(results).items():
        rows.append([group, cell(m.null), READOUTS[m.readout], cell(m.other), cell(m.difference, "+"), m.verdict])
    baseline = next(iter(results.measured), "the first group")
    caption = (
        f"AUROC of 1 - null mass against the best readout of {baseline}, chosen with hindsight: paired by seed, 95 % "
        f"interval. Supported if the whole interval lies above {MARGIN}, not supported if all of it lies below."
    )
    columns = ("group", "1 - null mass", "best readout of the baseline", "its AUROC", "difference", "verdict")
    return [Table("cause-margin", caption, columns, rows)] if rows else []


def cell(value: Interval | None, sign: str = "", digits: int = 3) -> str:
    """0.981 [0.970, 0.992], or 0.981 alone for one seed."""
    return "–" if value is None else f"{value:{sign}.{digits}f}"


def over_seeds(values: list[float]) -> Interval | None:
    """The interval over the seeds that have a value."""
    finite = [v for v in values if np.isfinite(v)]
    return interval(finite) if finite else None


def scores_of(measured: Sequence[Measurements[Any]], silenced: str, readout: str) -> list[Score]:
    """Pooled scores of the runs that have them."""
    scores = [m.detail.pooled[silenced][readout] for m in measured]
    return [s for s in scores if s is not None]


def readout_table(results: Results[Detail]) -> Table:
    """All scores: pooled over heads, and the mean of the heads' own AUROC."""
    rows = []
    for group, measured in results.measured.items():
        for silenced, how in SILENCED.items():
            for readout, title in READOUTS.items():
                scores = scores_of(measured, silenced, readout)
                if not scores:
                    continue
                names = ("auroc", "accuracy", "balanced", "rank")
                numbers = [cell(over_seeds([getattr(s, name) for s in scores])) for name in names]
                both = [s.auroc for _, s in heads_of(measured, silenced, readout) if np.isfinite(s.auroc)]
                rows.append([group, how, title, *numbers, f"{np.mean(both):.3f}" if both else "–"])
    caption = (
        "Every readout against the cause of the head there, pooled over heads; the last column is the mean of the "
        "heads' own AUROC, of those that have both classes. A null with a value of zero makes part of this true by "
        "construction: the head's output is (1 - null mass) times a mean of values. So its norm stands beside it."
    )
    columns = ("group", "output", "readout", "AUROC", "accuracy at 0.5", "balanced accuracy", "rank correlation")
    return Table("cause-scores", caption, (*columns, "mean AUROC of heads"), rows)


def class_table(results: Results[Detail]) -> Table:
    """How many queries are positive, and which heads have queries of one class alone."""
    rows = []
    for group, measured in results.measured.items():
        for silenced, how in SILENCED.items():
            share = over_seeds([s.positive_share for s in scores_of(measured, silenced, "max_weight")])
            heads = heads_of(measured, silenced, "max_weight")
            alone = [name for name, s in heads if not np.isfinite(s.auroc)]
            told = f"{len(heads) - len(alone)} of {len(heads)}"
            rows.append([group, how, cell(share, digits=4), told, ", ".join(alone) or "none"])
    caption = (
        f"Positive: a cause above {POSITIVE} nats. A head (layer.head) whose queries are all on one side of that has "
        "no AUROC of its own; it is in the pool."
    )
    columns = ("group", "output", "positive share", "heads with both classes", "heads with one class")
    return Table("cause-classes", caption, columns, rows)


def heads_of(measured: Sequence[Measurements[Any]], silenced: str, readout: str) -> list[tuple[str, Score]]:
    """Name and score of every head of every seed that has the readout."""
    return [
        (f"{layer}.{head}" + (f" of run {k + 1}" if len(measured) > 1 else ""), s)
        for k, m in enumerate(measured)
        for (layer, head), s in zip(m.detail.heads, m.detail.by_head[silenced][readout], strict=True)
        if s is not None
    ]


def eviction_table(results: Results[Detail]) -> Table:
    """Loss added by each eviction, over seeds."""
    rows = []
    for name, title in EVICTIONS.items():
        cells = []
        for measured in results.measured.values():
            values = [float(np.mean(f.values[name])) for f in measured if name in f.values]
            cells.append(cell(over_seeds(values), "+", 4))
        rows.append([title, *cells])
    return Table(
        "cause-evictions", "Loss added in nats, mean over texts, then over seeds.", ("", *results.measured), rows
    )


def readout_figure(results: Results[Detail]) -> Figure:
    """Dots per seed: AUROC left, balanced accuracy at 0.5 right; a row per readout."""
    names = [r for r in READOUTS if any(scores_of(f, "zero", r) for f in results.measured.values())]
    figure = Figure(figsize=(9, 0.62 * len(names) + 1.2), layout="constrained")
    axes = figure.subplots(1, 2, sharey=True)
    step = 0.7 / max(len(results.measured), 1)
    for axis, (field, title) in zip(axes, (("auroc", "AUROC"), ("balanced", "balanced accuracy at 0.5")), strict=True):
        for row, name in enumerate(names):
            for k, (group, measured) in enumerate(results.measured.items()):
                values = np.array([getattr(s, field) for s in scores_of(measured, "zero", name)])
                values, y = values[np.isfinite(values)], row - 0.35 + step * (k + 0.5)
                if len(values):
                    axis.plot(
                        values, np.full(len(values), y), "o", ms=4, alpha=0.7, color=results.colours[group], mew=0
                    )
                    axis.plot(
                        [values.mean()] * 2, [y - step / 2.4, y + step / 2.4], color=results.colours[group], lw=2.2
                    )
        axis.axvline(0.5, color=INK, lw=0.7, ls="--")
        axis.set_yticks(range(len(names)), [READOUTS[n].replace(" / ", " /\n").replace(", ", ",\n") for n in names])
        axis.set(xlim=(min(0.45, axis.get_xlim()[0]), 1.01), ylim=(len(names) - 0.5, -0.5))
        axis.set_title(title, fontsize=9, color=INK)
        axis.grid(axis="x", color=PALE, lw=0.5)
        plain(axis)
    for group in results.measured:
        axes[0].plot([], [], "o", color=results.colours[group], label=group)
    figure.legend(loc="outside lower center", ncols=len(results.measured), frameon=False, fontsize=8)
    return figure


def scatter_figure(results: Results[Detail]) -> Figure:
    """1 - null mass against cause, a panel per group, the first run."""
    groups = list(results.measured)
    figure = Figure(figsize=(max(4.2, 3.1 * len(groups)), 3.2), layout="constrained")
    axes = figure.subplots(1, len(groups), sharey=True, squeeze=False)[0]
    for axis, group in zip(axes, groups, strict=True):
        told, nats = results.measured[group][0].detail.sample.T
        positive = nats > POSITIVE
        for which, colour in ((~positive, FAINT), (positive, INK)):
            axis.plot(told[which], np.maximum(nats[which], 1e-7), ".", ms=3.5, alpha=0.45, color=colour, mew=0)
        axis.axhline(POSITIVE, color=INK, lw=0.7, ls="--")
        axis.axvline(0.5, color=INK, lw=0.7, ls="--")
        axis.set(yscale="log", xlim=(-0.02, 1.02), ylim=(5e-8, None))
        label = "1 - null mass" if results.runs[group][0].config.model.has_null else "1 - mass on position 1"
        axis.set_xlabel(label, fontsize=8, color=INK)
        axis.set_title(f"{group}: {positive.mean():.1%} above {POSITIVE} nats", fontsize=9, color=INK)
        plain(axis)
    axes[0].set_ylabel("cause: KL of the output (nats)", fontsize=8, color=INK)
    return figure


def ablation_figure(results: Results[Detail]) -> Figure:
    """Loss added per head, sorted, a line per seed."""
    figure = Figure(figsize=(4.6, 3.2), layout="constrained")
    axis = figure.subplots()
    for group, measured in results.measured.items():
        for k, f in enumerate(measured):
            for name, style in (("ablation_zero", "-"), ("ablation_mean", ":")):
                values = np.sort(np.nanmean(f.heads[name], 0)[tuple(f.detail.heads.T)])[::-1]
                label = group if k == 0 and style == "-" else None
                marker = "o" if style == "-" else None
                axis.plot(
                    np.arange(1, len(values) + 1),
                    values,
                    style,
                    marker=marker,
                    ms=3,
                    lw=1,
                    label=label,
                    color=results.colours[group],
                )
    axis.axhline(0, color=INK, lw=0.6)
    axis.set_xlabel("heads, sorted", fontsize=8, color=INK)
    axis.set_ylabel("loss added (nats)", fontsize=8, color=INK)
    axis.locator_params("x", integer=True)
    axis.legend(frameon=False, fontsize=8)
    plain(axis)
    return figure


def eviction_figure(results: Results[Detail]) -> Figure:
    """Loss added per eviction, a dot per seed."""
    figure = Figure(figsize=(4.6, 3.2), layout="constrained")
    axis = figure.subplots()
    step = 0.7 / max(len(results.measured), 1)
    for row, name in enumerate(EVICTIONS):
        for k, (group, measured) in enumerate(results.measured.items()):
            values = [float(np.mean(f.values[name])) for f in measured if name in f.values]
            y = row - 0.35 + step * (k + 0.5)
            if values:
                axis.barh(y, np.mean(values), step * 0.8, color=results.colours[group], alpha=0.35)
                axis.plot(values, np.full(len(values), y), "o", ms=4, color=results.colours[group], mew=0)
    labels = ["null:\ncolumn removed", "null:\nmean value", "position 1:\ncolumn removed", "position 1:\nmean value"]
    axis.set_yticks(range(len(EVICTIONS)), labels)
    axis.set_ylim(len(EVICTIONS) - 0.5, -0.5)
    axis.axvline(0, color=INK, lw=0.6)
    axis.set_xlabel("loss added (nats)", fontsize=8, color=INK)
    for group in results.measured:
        axis.plot([], [], "o", color=results.colours[group], label=group)
    axis.legend(frameon=False, fontsize=8)
    plain(axis)
    return figure
