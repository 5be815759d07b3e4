"""The overview that opens a comparison: one example, every head, where sinks sit, every measure, the loss."""

import numpy as np

from analysis.comparison import Comparison
from analysis.elements import Plot
from analysis.report import pictures
from train.metrics import read_metrics

NULL_MASS = (
    "Null mass of every query of the held-out sequences, first run of each group that has a null: how the triggers "
    "(blue) and all other queries (orange) are spread over it, each adding up to 1. A null that says which query has "
    "something to attend to has blue at the left and orange at the right; where they overlap, it does not say."
)
READOUTS = (
    "How well each readout tells the queries that have something to attend to from those that have not. "
    "Filled and hollow together at the right is best."
)
LOSS = (
    "Loss while training, a colour per group: thin lines are the training loss, smoothed, dots the validation loss, "
    "one line per run. Lower is better. A gap between groups says something where it is wider than the gap between the "
    "runs of one group; validation loss that rises while training loss falls is overfitting."
)


def overview_plots(comparison: Comparison) -> list[Plot]:
    """The plots that stand first, in order; the first is the example."""
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
    made = [Plot("example", pictures.example(comparison, layer, head), example)]

    if comparison.truths:
        if (histogram := pictures.null_histogram(comparison)) is not None:
            made.append(Plot("null-mass", histogram, NULL_MASS))
        made.append(Plot("readouts", pictures.readout_plot(comparison), READOUTS))
    if any(read_metrics(run.path) for runs in comparison.groups.values() for run in runs):
        made.append(Plot("loss", pictures.loss_curves(comparison), LOSS))
    return made


def nulls(comparison: Comparison) -> list[str]:
    """The groups whose runs have a null or a sink token."""
    return [g for g in comparison.groups if comparison.has_null(g)]


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
