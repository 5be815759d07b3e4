"""The pictures of the chapter "text": where sinks sit, the mean map of every head, a dot a head for some measures."""

from collections.abc import Mapping, Sequence

import numpy as np

from analysis.chapter_type import Measure, Results
from analysis.chapters.layer_figures import layer_maps
from analysis.drawing.style import INK, Figure, draw_map, plain, tile, wrapped
from analysis.elements import Plot
from analysis.measures.sinks import EPS
from analysis.record import Record
from analysis.stats import known_mean

GRID = 64  # heads up to which each map has a title of its own
STRIPS = (
    *("null_share", "first_token_share", "previous", "local", "entropy_nats", "mean_distance_tokens"),
    *("induction", "duplicate_score", "entropy_normalised"),
)
FRAME = ("cls_share", "sep_share")  # in the place of the null's share where no model has one


def figures(results: Results[Record], measures: Mapping[str, Measure]) -> list[Plot]:
    """The chapter's pictures, in order: no maps for a language whose truth is known, where the overview shows them."""
    groups = list(results.measured)
    _, first = results.first(groups[0])
    several = first.detail.mean_map[..., 0, 0].size > 1
    plots = []
    if results.reading.rows is None:
        if several:
            plots.append(Plot("layers", layer_maps(results), _layers_caption(results)))
        plots += [_heads(results, group) for group in groups]
    if several:
        names = STRIPS if any(map(results.has_null, groups)) else (*FRAME, *STRIPS[1:])
        caption = "Each dot is a head of a run, the bar the mean over them; dotted: what uniform attention would give."
        plots.append(Plot("measures", measure_strips(results, measures, names), caption))
    return plots


def head_grid(results: Results[Record], group: str) -> Figure:
    """Layers down, heads across: the mean map of every head of the group's first run."""
    run, measured = results.first(group)
    record = measured.detail
    L, N = record.mean_map.shape[:2]
    figure = Figure(figsize=(1.5 * N + 0.6, 1.62 * L + 0.5))
    axes = figure.subplots(L, N, squeeze=False)
    for layer in range(L):
        for head in range(N):
            axis = axes[layer, head]
            draw_map(axis, record.mean_map[layer, head])
            mass = record.mean_map[layer, head, 1:, 0].mean()
            first = record.mean_map[layer, head, 1:, 1].mean()
            label = f"∅ {mass:.2f}" if run.config.model.has_null else f"1st {first:.2f}"
            axis.set_title(f"{layer}.{head}   {label}", fontsize=7, color=INK, pad=2)
    figure.suptitle(group, fontsize=11, color=INK, y=1.0)
    figure.tight_layout(pad=0.4)
    return figure


def head_mosaic(results: Results[Record], group: str) -> Figure:
    """`head_grid` for models of many heads: the same maps edge to edge, layers numbered at the side.

    A model with many more layers than heads is folded: its later layers stand beside the earlier ones.
    """
    maps = results.first(group)[1].detail.mean_map
    L, N, T, _ = maps.shape
    columns = max(1, round((L / N) ** 0.5))
    rows, side = -(-L // columns), T + 1 + T // 8
    inches = 10 / max(N * columns, 12)
    figure = Figure(figsize=(inches * N * columns + 0.3, inches * rows + 0.35))
    axes = figure.subplots(1, columns, squeeze=False)[0]
    middle = T / 2 + side * np.arange(max(rows, N))
    for axis, start in zip(axes, range(0, L, rows), strict=False):
        shown = maps[start : start + rows]
        image = np.ones((rows * side, N * side, 3))
        for layer, head in np.ndindex(*shown.shape[:2]):
            image[layer * side :, head * side :][:T, : T + 1 + T // 24 + 1] = tile(shown[layer, head])
        axis.imshow(image, interpolation="antialiased")
        axis.set_xticks(middle[:N], [str(n) for n in range(N)])
        axis.set_yticks(middle[: len(shown)], [str(start + n) for n in range(len(shown))])
        axis.xaxis.tick_top()
        axis.tick_params(length=0, labelsize=6, labelcolor=INK, pad=1)
        axis.spines[:].set_visible(False)
    axes[0].set_ylabel("layer", fontsize=7, color=INK)
    figure.suptitle(group, fontsize=11, color=INK, y=1.0)
    figure.tight_layout(pad=0.3)
    return figure


def measure_strips(results: Results[Record], measures: Mapping[str, Measure], names: Sequence[str]) -> Figure:
    """One panel per measure, one column per group, one dot per head and seed; a bar at the mean, a floor."""
    of_heads = {g: [m.detail.per_head() for m in several] for g, several in results.measured.items()}
    known = lambda name, group: name in results.measured[group][0].heads and np.isfinite(of_heads[group][0][name]).any()
    names = [name for name in names if any(known(name, group) for group in of_heads)]
    columns = min(3, len(names))
    lines = -(-len(names) // columns)
    figure = Figure(figsize=(3.4 * columns, 2.7 * lines))
    axes = figure.subplots(lines, columns, squeeze=False)
    rng = np.random.default_rng(0)
    for axis in axes.flat[len(names) :]:
        axis.set_visible(False)
    for axis, name in zip(axes.flat, names, strict=False):
        for x, (group, heads) in enumerate(of_heads.items()):
            values = np.concatenate([h[name].ravel() for h in heads if known(name, group)] or [np.zeros(0)])
            values = values[np.isfinite(values)]
            jitter, colour = rng.uniform(-0.18, 0.18, len(values)), results.colours[group]
            axis.scatter(x + jitter, values, s=11, color=colour, alpha=0.65, lw=0)
            if len(values):
                axis.plot([x - 0.3, x + 0.3], [values.mean()] * 2, color=colour, lw=2)
                floor = known_mean([m.chance.get(name, np.nan) for m in results.measured[group]])
                axis.plot([x - 0.4, x + 0.4], [floor] * 2, color=INK, lw=0.9, ls=":")
        axis.set_title(wrapped(measures[name].title, 42), fontsize=8, color=INK)
        axis.set_ylabel(measures[name].unit, fontsize=7, color=INK)
        axis.set_xticks(range(len(of_heads)), list(of_heads), fontsize=7)
        axis.set_xlim(-0.6, len(of_heads) - 0.4)
        if measures[name].unit == "0-1":
            axis.set_ylim(-0.03, 1.03)
        plain(axis)
    figure.tight_layout(pad=0.8)
    return figure


def _heads(results: Results[Record], group: str) -> Plot:
    """The mean map of every head; two such pictures fit side by side where each map has a title."""
    L, N = results.first(group)[1].detail.mean_map.shape[:2]
    caption = f"{group}: the mean map of every head over {len(results.reading.windows)} windows"
    if L * N > GRID:
        return Plot(f"heads-{group}", head_mosaic(results, group), f"{caption}: layers down, heads across.")
    place = "the null (∅)" if results.has_null(group) else "the first token (1st)"
    beside = f"beside its name (layer.head) the share of attention that goes to {place}."
    return Plot(f"heads-{group}", head_grid(results, group), f"{caption}; {beside}", half=True)


def _layers_caption(results: Results[Record]) -> str:
    several = " first run of each group;" if any(len(runs) > 1 for runs in results.runs.values()) else ""
    return (
        f"Where sinks sit, layers down and heads across;{several} means over {len(results.reading.windows)} windows of "
        f"T = {results.reading.tokens} tokens. Sink rate: share of windows in which alpha_1, the mean attention to "
        f"position 1, is above eps = {EPS[-1]}; even attention would give alpha_1 = {_even(results)}. Value norm: "
        "that of the value at position 1 over the mean of the others, purple where it is smaller. Right, on a log "
        "scale: the residual stream after each layer, the norm of position 1 over the mean of the others, and its "
        "largest entry over the median one. Dotted: 1."
    )


def _even(results: Results[Record]) -> str:
    """alpha_1 of even attention, from all that a query of each group's models sees: once, or for each group."""
    told = {g: f"{known_mean([m.chance['alpha_1'] for m in ms]):.3f}" for g, ms in results.measured.items()}
    if len(set(told.values())) == 1:
        return next(iter(told.values()))
    return ", ".join(f"{value} ({group})" for group, value in told.items())
