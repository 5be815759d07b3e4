"""The pictures that open a comparison: one example, every head, where sinks sit, every measure, the loss."""

import numpy as np

from analysis.chapter import Plot
from analysis.comparison import Comparison
from analysis.drawing import figures, layer_figures
from analysis.measures.text_measures import EPS
from train.metrics import read_metrics

GRID = 64  # heads up to which each map has a title of its own
NULL_MASS = (
    "Null mass of every query of the held-out sequences, first run of each group that has a null: how the triggers "
    "(blue) and all other queries (orange) are spread over it, each adding up to 1. A null that says which query has "
    "something to attend to has blue at the left and orange at the right; where they overlap, it does not say."
)
LOSS = (
    "Loss while training, a colour per group: thin lines are the training loss, smoothed, dots the validation loss, "
    "one line per run. Lower is better. A gap between groups says something where it is wider than the gap between the "
    "runs of one group; validation loss that rises while training loss falls is overfitting."
)


def pictures(comparison: Comparison) -> list[Plot]:
    """The opening plots, in order; the first is the example."""
    layer, head = _example_head(comparison)
    example = (
        f"One text of {comparison.corpus} in every group, layer {layer}, head {head}: rows are queries, columns keys."
    )
    if with_null := nulls(comparison):
        some = len(with_null) < len(comparison.groups)
        empty = "; an empty one means that the group has none" if some else ""
        example += f" The orange column is the null{empty}."
    if comparison.truths:
        example += " Red letters are triggers, the only queries with something to attend to."
    made = [Plot("example", figures.example(comparison, layer, head), example)]

    def add(name: str, figure: figures.Figure, caption: str, half: bool = False) -> None:
        made.append(Plot(name, figure, caption, half))

    several = comparison.records[comparison.baseline][0].mean_map[..., 0, 0].size > 1
    if comparison.truths:
        if (histogram := figures.null_histogram(comparison)) is not None:
            add("null-mass", histogram, NULL_MASS)
        add(
            "readouts",
            figures.readout_plot(comparison),
            "How well each readout tells the queries that have something to attend to from those that have not. "
            "Filled and hollow together at the right is best.",
        )
    else:
        if several:
            add("layers", layer_figures.layer_maps(comparison), _layers_caption(comparison))
        for group in comparison.groups:
            add(f"heads-{slug(group)}", *_heads(comparison, group))
    if several:
        strips = ["null_share", "first_token_share", "previous", "local", "entropy_nats", "mean_distance_tokens"]
        strips += ["induction", "duplicate_score", "entropy_normalised"]
        strips = strips if nulls(comparison) else ["cls_share", "sep_share", *strips[1:]]
        caption = "Each dot is a head of a run, the bar the mean over them; dotted: what uniform attention would give."
        add("measures", figures.measure_strips(comparison, strips), caption)
    if any(read_metrics(run.path) for runs in comparison.groups.values() for run in runs):
        add("loss", figures.loss_curves(comparison), LOSS)
    return made


def _heads(comparison: Comparison, group: str) -> tuple[figures.Figure, str, bool]:
    """The mean map of every head, its caption, and whether two such pictures fit side by side."""
    L, N = comparison.records[group][0].mean_map.shape[:2]
    caption = f"{group}: the mean map of every head over {comparison.windows} windows"
    if L * N > GRID:
        return figures.head_mosaic(comparison, group), f"{caption}: layers down, heads across.", False
    beside = f"beside its name (layer.head) the share of attention that goes to {_place(comparison, group)}."
    return figures.head_grid(comparison, group), f"{caption}; {beside}", True


def _layers_caption(comparison: Comparison) -> str:
    several = " first run of each group;" if any(len(runs) > 1 for runs in comparison.groups.values()) else ""
    return (
        f"Where sinks sit, layers down and heads across;{several} means over {comparison.windows} windows of "
        f"T = {comparison.tokens} tokens. Sink rate: share of windows in which alpha_1, the mean attention to position "
        f"1, is above eps = {EPS[-1]}; even attention would give alpha_1 = "
        f"{_even(comparison)}. Value norm: that of the value at position 1 over the mean of the "
        "others, purple where it is smaller. Right, on a log scale: the residual stream after each layer, the norm of "
        "position 1 over the mean of the others, and its largest entry over the median one. Dotted: 1."
    )


def _even(comparison: Comparison) -> str:
    """alpha_1 of even attention, from all that a query of each group's models sees: once, or for each group."""
    rows = {g: comparison.find("alpha_1", g) for g in comparison.groups}
    told = {g: f"{row.floor:.3f}" for g, row in rows.items() if row is not None and row.floor is not None}
    if len(set(told.values())) == 1:
        return next(iter(told.values()))
    return ", ".join(f"{value} ({g})" for g, value in told.items())


def nulls(comparison: Comparison) -> list[str]:
    """The groups whose runs have a null or a sink token."""
    return [g for g in comparison.groups if comparison.has_null(g)]


def _place(comparison: Comparison, group: str) -> str:
    return "the null (∅)" if comparison.has_null(group) else "the first token (1st)"


def slug(name: str) -> str:
    return "".join(c if c.isalnum() or c in "-_" else "_" for c in name)


def _example_head(comparison: Comparison) -> tuple[int, int]:
    """The head to show, one that every group has: nearest to half of its attention on the null in any group, for
    there is both to see; without a null anywhere, on the first token."""
    sizes = [records[0].mean_map.shape[:2] for records in comparison.records.values()]
    L, N = (min(size) for size in zip(*sizes, strict=True))
    groups = nulls(comparison) or list(comparison.groups)
    name = "null_share" if nulls(comparison) else "first_token_share"
    shares = np.stack([comparison.records[g][0].heads[name].mean[:L, :N] for g in groups])
    both = (shares * (1 - shares)).max(0)
    return divmod(int(both.argmax()), N)
