"""The figure of the chapter "formation": measures along the checkpoints of each run."""

import numpy as np

from analysis.capture.formation import Formation
from analysis.chapter_type import Results
from analysis.drawing.style import INK, Figure, legend, plain

FORMED = (
    ("loss on the windows read (nats)", ("loss",)),
    ("heads: prefix matching (line), previous token (dashes)", ("induction", "previous")),
    ("second copy less the first (line), late less early (dashes), nats", ("second_copy", "icl")),
    ("first-token share (line), null share (dashes)", ("first_token_share", "null_share")),
)


def formed(results: Results[Formation]) -> Figure:
    """Four panels along the tokens seen: a line per run in its group's colour, chance as dots, onsets as marks."""
    figure = Figure(figsize=(10.4, 5.6), layout="constrained")
    axes = figure.subplots(2, 2).flat
    for axis, (title, names) in zip(axes, FORMED, strict=True):
        for group, measured in results.measured.items():
            for f in measured:
                formation = f.detail
                for name, style in zip(names, ("-", "--"), strict=False):
                    values, x = formation.values[name], formation.tokens / 1e3
                    if not np.isfinite(values).any() or (name == "null_share" and not values.any()):
                        continue
                    axis.plot(x, values, style, color=results.colours[group], lw=1.3, marker="o", ms=2.5)
                    onset = formation.onset(name) if name != "loss" else np.nan
                    if np.isfinite(onset):
                        at = values[list(formation.tokens).index(onset)]
                        axis.scatter(
                            onset / 1e3, at, s=42, facecolor="white", edgecolor=results.colours[group], zorder=4
                        )
        chance = next(iter(results.measured.values()))[0].detail.chance
        if names[0] != "loss":
            axis.axhline(chance[names[0]], color=INK, lw=0.8, ls=":", zorder=0)
        axis.set_title(title, fontsize=8.5, color=INK)
        axis.set_xlabel("thousand tokens seen", fontsize=7.5)
        if names[0] in ("induction", "first_token_share"):
            axis.set_ylim(0, 1.02)
        plain(axis)
    legend(figure.axes[0], results.colours, list(results.measured))
    return figure
