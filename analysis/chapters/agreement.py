"""Agreement across seeds: how alike the heads of two runs of one group are, once matched. Measures: agreement.py.

A run alone has no agreement: `read` keeps a few maps, `pairs` compares the runs of each group two by two.
"""

from collections.abc import Sequence
from functools import partial
from itertools import combinations

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from analysis.capture.batches import in_batches
from analysis.capture.layers import attention_of
from analysis.chapter_type import Chapter, Measure, Measurements, Progress, Reading, Results, Unfit
from analysis.drawing.style import INK, Figure, plain
from analysis.elements import Element, Plot, Table
from analysis.measures import agreement as heads
from analysis.measures.text_measures import pinned_at_random
from analysis.stats import known_mean
from analysis.texts.sample import few, inputs_of
from jattn.config import ModelConfig
from jattn.model import Parameters, assemble
from jattn.taps import Seen
from train.runs import Run

MOST_WINDOWS, MOST_TOKENS = 16, 64  # kept of each run
BATCH = 4  # windows read at a time
READINGS = {"": False, "_with_null": True}
KINDS = ("matched", "identity", "across", "random", "agreement")
TITLES = {
    "matched": "Distance of matched heads of two seeds",
    "identity": "Distance of heads with equal numbers",
    "across": "Distance of heads matched over all layers",
    "random": "Distance of heads matched at random",
    "agreement": "Agreement of two seeds beyond chance",
}
SIDED = "head_agreement"  # the one that takes a side, so it has a control
MEASURES = {
    f"head_{kind}{suffix}": Measure(
        TITLES[kind] + (", the null as one outcome" if with_null else ", real attention"),
        "1 - matched / random" if kind == "agreement" else "JS distance, 0-1",
        cleaner=1 if kind == "agreement" and not with_null else 0,
    )
    for suffix, with_null in READINGS.items()
    for kind in KINDS
}


def read(run: Run, reading: Reading, progress: Progress) -> Measurements[np.ndarray]:
    """No rows: the maps of at most 16 windows of at most 64 tokens, [W, L, N, T, 1 + T] in float16, as detail."""
    config = run.config.model
    if config.layers == 0:
        raise Unfit("a model without layers has no attention")
    tokens = inputs_of(few(reading.windows, config, MOST_WINDOWS), config)[:, :MOST_TOKENS]
    if len(tokens) < 2 or tokens.shape[1] < 4:
        raise Unfit(f"agreement needs two windows of at least 4 tokens, got {len(tokens)} of {tokens.shape[1]}")
    parts = []
    for start, n, (batch,) in in_batches(BATCH, tokens):
        parts.append(np.asarray(_maps(config, run.parameters, batch))[:, :n].swapaxes(0, 1))
        progress(start + n, len(tokens))
    return Measurements(np.concatenate(parts))


@partial(jax.jit, static_argnums=0)
def _maps(config: ModelConfig, parameters: Parameters, tokens: Array):
    def observe(seen: Seen):
        weights, null = attention_of(seen, config)
        return jnp.concatenate([null[..., None], weights], -1).astype(jnp.float16)

    return assemble(config, parameters)(tokens, observe=observe)[1]


def pairs(results: Results[np.ndarray]) -> dict[str, dict[str, Float[np.ndarray, " pairs"]]]:
    """group -> measure -> one number per pair of runs, the mean over layers; no entry for a group of one run.

    Pairs are in the order of itertools.combinations of the runs.
    """
    return {group: _of_group(measured) for group, measured in results.measured.items() if len(measured) > 1}


def _of_group(measured: Sequence[Measurements[np.ndarray]]) -> dict[str, np.ndarray]:
    scores: dict[str, list[float]] = {name: [] for name in MEASURES}
    for a, b in combinations(measured, 2):
        for suffix, with_null in READINGS.items():
            result = heads.agreement(a.detail, b.detail, with_null=with_null)
            for kind in KINDS:
                values = result[kind][np.isfinite(result[kind])]
                scores[f"head_{kind}{suffix}"].append(float(values.mean()) if len(values) else float("nan"))
        if not (a.detail[..., 0].any() or b.detail[..., 0].any()):
            result = heads.agreement(_pinned(a.detail), _pinned(b.detail), with_null=False)["agreement"]
            scores.setdefault(f"{SIDED}_control", []).append(float(known_mean(result)))
    return {name: np.array(values) for name, values in scores.items()}


def _pinned(maps: np.ndarray) -> np.ndarray:
    """The maps [W, L, N, T, 1 + T] with a null pinned at random in every layer: the control of cleaner structure."""
    layers = [pinned_at_random(*_parts(maps[:, layer]), layer) for layer in range(maps.shape[1])]
    return np.stack([np.concatenate([null[..., None], weights], -1) for weights, null in layers], 1)


def _parts(maps: np.ndarray) -> tuple[jax.Array, jax.Array]:
    return jnp.asarray(maps[..., 1:], jnp.float32), jnp.asarray(maps[..., 0], jnp.float32)


def show(results: Results[np.ndarray]) -> list[Element]:
    """A figure of all pairs and a table of their means; groups of one run have a line that says so."""
    scores = pairs(results)
    rows = [_row(group, scores.get(group)) for group in results.measured]
    table = Table(
        "agreement",
        "Two seeds of a group, head by head: the mean Jensen-Shannon distance (0 equal, 1 no key in common) of matched "
        "heads, of heads with equal numbers and of a random matching (chance), and how much nearer than chance the "
        "matched ones are. Matched on half of the windows, scored on the other half.",
        ("group", "pairs of seeds", "reading", "matched", "over all layers", "equal numbers", "random", "agreement"),
        [row for group in rows for row in group],
    )
    if not scores:
        return [table]
    plot = Plot(
        "agreement",
        _figure(results, scores),
        "How far apart the heads of two seeds are. One dot per pair: filled for matched heads, hollow for heads with "
        "equal numbers; the dotted line is a random matching. Lower is more alike; what counts is the gap between the "
        "filled dots and the dotted line of the same group.",
    )
    return [plot, table]


def _row(group: str, scores: dict[str, np.ndarray] | None) -> list[list[str | float | int | None]]:
    if scores is None:
        return [[group, "0 (one run: train another seed)", None, None, None, None, None, None]]
    names = ("matched", "across", "identity", "random", "agreement")
    return [
        [
            group,
            len(scores["head_matched"]),
            "all outcomes, the null one of them" if with_null else "real attention",
            *(_rounded(scores[f"head_{name}{suffix}"].mean()) for name in names),
        ]
        for suffix, with_null in READINGS.items()
    ]


def _rounded(value: float) -> float | None:
    return round(float(value), 4) if np.isfinite(value) else None


def _figure(results: Results[np.ndarray], by_group: dict[str, dict[str, np.ndarray]]) -> Figure:
    figure = Figure(figsize=(2.6 + 1.3 * len(by_group), 2.9))
    axes = figure.subplots(1, 2, sharey=True)
    for axis, (suffix, with_null) in zip(axes, READINGS.items(), strict=True):
        for x, (group, scores) in enumerate(by_group.items()):
            colour = results.colours[group]
            count = len(scores["head_matched"])
            spread = np.linspace(-0.09, 0.09, count) if count > 1 else np.zeros(1)
            dots = {"s": 26, "edgecolor": colour, "lw": 1.3, "zorder": 3}
            axis.scatter(x - 0.16 + spread, scores[f"head_matched{suffix}"], facecolor=colour, **dots)
            axis.scatter(x + 0.16 + spread, scores[f"head_identity{suffix}"], facecolor="white", **dots)
            axis.plot([x - 0.36, x + 0.36], [scores[f"head_random{suffix}"].mean()] * 2, color=INK, lw=1, ls=":")
        axis.set_title("all outcomes, the null one of them" if with_null else "real attention", fontsize=8.5, color=INK)
        axis.set_xticks(range(len(by_group)), list(by_group))
        axis.set_xlim(-0.6, len(by_group) - 0.4)
        plain(axis)
    axes[0].set_ylim(0, 1.08 * max(axis.dataLim.y1 for axis in axes))
    axes[0].set_ylabel("Jensen-Shannon distance", fontsize=8, color=INK)
    figure.tight_layout(pad=0.6)
    return figure


CHAPTER = Chapter(
    "agreement",
    "Agreement across seeds",
    "Runs that differ in their seed alone: do they grow the same heads? Heads have no names, so each is matched to the "
    "one it is most like.",
    MEASURES,
    read,
    show,
    between=pairs,
)
