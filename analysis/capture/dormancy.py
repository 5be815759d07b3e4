"""Run a model over windows of text and see when its heads are active, where their sinks sit and what class they are.

Axes: W windows, X blocks of windows, L layers, N heads, T tokens. What is kept does not grow with the text, apart from
a few numbers per window and head.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from analysis.capture.batches import block_of, in_batches
from analysis.capture.capture import batch_size, check_finite, random_repeats
from analysis.capture.layers import attention_of, layers_with_null, visible_maps
from analysis.capture.topics import topic_scores
from analysis.measures import dormancy, sinks
from analysis.measures.class_scores import repeat_scores, text_scores
from analysis.measures.classes import Classes, classify
from analysis.measures.detector import detected
from analysis.measures.dormancy import Contexts
from analysis.measures.patterns import uniform_over
from analysis.measures.text_measures import pinned_at_random
from analysis.measures.text_patterns import dense_blocks
from analysis.stats import known_mean
from analysis.texts.marks import delimiters, paragraphs
from jattn.config import ModelConfig
from jattn.errors import InputError
from jattn.model import assemble, count_parameters
from jattn.taps import Seen
from train.evaluate import evenly
from train.runs import Run

BLOCKS = 64  # of windows, at most
REPEATS = 32  # sequences of repeated random tokens
WORK = 1e12  # floating-point operations of a reading, about: what a large model reads is fewer windows
SINK_ALPHA = 0.3  # Gu et al.'s threshold
BLOCK = 8  # tokens of a block of `dense_blocks`


@dataclass(frozen=True)
class Dormancy:
    """What was seen of every head.

    blocks: measure -> [X, L, N].  mean: measure -> [L, N], over all windows.  chance: the same for even attention.
    histogram: of `real`, [L, N, bins].  position: of the sink, from 1, and the share of windows it is there, [L, N].
    control: the classes with a null pinned at random, for a model without any null; None for the others.
    """

    blocks: Mapping[str, np.ndarray]
    mean: Mapping[str, np.ndarray]
    chance: Mapping[str, float]
    histogram: np.ndarray
    contexts: Contexts
    classes: Classes
    control: Classes | None
    position: np.ndarray
    position_share: np.ndarray
    windows: int


def dormancy_of(
    run: Run,
    tokens: np.ndarray,
    *,
    contexts: int = 20,
    first_query: int = dormancy.FIRST_QUERY,
    progress: Callable[[int, int], Any] = lambda *_: None,
) -> Dormancy:
    """Read windows of token ids [W, T]. Large models read fewer of them (`affordable`). Raises InputError where T is
    too short for a query to count, or parameters or attention are not finite.
    """
    config = run.config.model
    check_finite(run)
    tokens = evenly(tokens, affordable(config, tokens.shape[1]))
    W, T = tokens.shape
    visible, counted = visible_maps(config, T), counted_in(config, T, first_query)
    halves = _halves(counted)
    marks, of_paragraph = delimiters(run.tokenizer)[tokens], paragraphs(run.tokenizer, tokens)
    size, X = batch_size(config, T, W), min(BLOCKS, W)
    block = block_of(W, BLOCKS)
    top_contexts = dormancy.no_contexts(config.layers, config.heads, T, contexts)
    bars = np.zeros((config.layers, config.heads, dormancy.BINS), int)
    sums = np.zeros((X, config.layers, config.heads, 5))
    parts: dict[str, list[np.ndarray]] = {}
    for start, n, batch in in_batches(size, tokens, marks, of_paragraph):
        seen = _step(config, run.parameters, *batch, visible, counted, halves)
        seen = {name: np.asarray(a)[:, :n] for name, a in seen.items()}
        real, powers = seen.pop("real"), np.asarray(seen.pop("powers"), np.float64)
        if not seen.pop("finite").all():
            raise InputError(
                f"{run.path}: its attention is not finite; are its parameters far too large? read another checkpoint"
            )
        best, query, row = (seen.pop(name) for name in ("best", "query", "row"))
        top_contexts = dormancy.add_contexts(top_contexts, best, query, row, tokens[start : start + n], start)
        bars += dormancy.histogram(real, counted)
        np.add.at(sums, block[start : start + n], powers.swapaxes(0, 1))
        for name, values in seen.items():
            parts.setdefault(name, []).append(values.swapaxes(0, 1))
        progress(start + n, W)
    values = {name: np.concatenate(part) for name, part in parts.items()}  # [W, L, N]
    positions = values.pop("position").astype(int)
    values |= _sinks(values["sink_alpha"], positions)
    split = [np.flatnonzero(block == x) for x in range(X)]
    by_block = {name: np.stack([known_mean(v[rows], 0) for rows in split]) for name, v in values.items()}
    by_block["bimodality"] = dormancy.bimodality(sums)
    mean = {name: known_mean(v, 0) for name, v in values.items()} | {"bimodality": dormancy.bimodality(sums.sum(0))}
    mean |= topic_scores(run)
    if config.causal and T >= 4:
        mean |= _on_repeats(run, T, size, visible)
    chance, pinned = _taken(mean, "chance_"), _taken(mean, "pinned_")
    position, share = sinks.modal_position(positions)
    # Topics are read given that attention is not null, and a pinned null leaves that as it is.
    control = classify(pinned | {"topic": mean["topic"]}, chance) if pinned else None
    level = {name: float(known_mean(of_heads)) for name, of_heads in chance.items()} | {"topic": 0.0}
    level |= even(config, T, counted)
    by_block = {name: v for name, v in by_block.items() if name in mean}
    return Dormancy(by_block, mean, level, bars, top_contexts, classify(mean, chance), control, position, share, W)


def counted_in(
    config: ModelConfig,
    T: int,
    first_query: int = dormancy.FIRST_QUERY,
) -> np.ndarray:
    """Which queries count in each layer, [L, T]. Raises InputError if in one of them none does."""
    layers = zip(visible_maps(config, T), layers_with_null(config), strict=True)
    return np.stack([dormancy.counted_queries(v, bool(null), first_query) for v, null in layers])


def affordable(config: ModelConfig, T: int) -> int:
    """How many windows of T tokens a reading takes: about 1e12 operations, 2 a parameter and token; 16 at least."""
    return max(16, int(WORK / (2 * count_parameters(config) * T)))


def even(config: ModelConfig, T: int, counted: np.ndarray) -> dict[str, float]:
    """The measures of dormancy, of the sink and of blocks for attention spread evenly, null included; mean over layers.

    A layer's own readout is asked, so layers with and without a null differ.
    """
    values: dict[str, list[float]] = {}
    for seen, null, counts in zip(visible_maps(config, T), layers_with_null(config), counted, strict=True):
        real = dormancy.of_even(seen, bool(null))[None, None]
        floors = np.asarray(sinks.alpha_floors(seen, bool(null)))
        for name, value in {
            "active_share": float(dormancy.active_share(real, counts)[0, 0]),
            "undecided_share": float(dormancy.undecided_share(real, counts)[0, 0]),
            "sink_alpha": float(floors[2 * seen.sum(0) >= seen.sum(0).max()].max()),
            "sink_at_first": 0.0,
            "sink_elsewhere": 0.0,
            "dense_blocks": float(dense_blocks(uniform_over(seen, bool(null))[None, None], seen, min(BLOCK, T))[0, 0]),
        }.items():
            values.setdefault(name, []).append(value)
    return {name: float(np.mean(of_layers)) for name, of_layers in values.items()}


@partial(jax.jit, static_argnums=0)  # once per config
def _step(
    config: ModelConfig,
    parameters: Any,
    tokens: Any,
    marks: Any,
    of_paragraph: Any,
    visible: Any,
    counted: Any,
    halves: Any,
):
    def observe(seen: Seen):
        weights, null = attention_of(seen, config)
        counts, mask, half = counted[seen.layer], visible[seen.layer], halves[:, seen.layer]
        with_null = jnp.asarray(layers_with_null(config))[seen.layer]
        defined = jnp.where(with_null, dormancy.off_null(null), dormancy.sharp(weights, null, mask))
        real = jnp.where(counts, defined, 0)
        best, query, row = dormancy.candidates(real, weights, counts)
        position, alpha = sinks.sink_positions(weights, mask)
        return {
            "finite": jnp.isfinite(real + jnp.where(counts, weights.sum(-1), 0)).all(-1),
            "real": real,
            "powers": dormancy.power_sums(real, counts),
            "best": best,
            "query": query,
            "row": row,
            "position": position,
            "sink_alpha": alpha,
            "active_share": dormancy.active_share(real, counts),
            "active_early": dormancy.active_share(real, half[0]),
            "active_late": dormancy.active_share(real, half[1]),
            "undecided_share": dormancy.undecided_share(real, counts),
            "dense_blocks": dense_blocks(weights, mask, min(BLOCK, weights.shape[-1])),
            **_classed(config, _on_text, weights, null, seen.layer, mask, marks, of_paragraph),
        }

    return assemble(config, parameters)(tokens, observe=observe)[1]


def _on_repeats(run: Run, T: int, size: int, visible: np.ndarray) -> dict[str, np.ndarray]:
    """Scores and chance on T/2 random ordinary tokens said twice, [L, N]: the same sequences for every run."""
    rows, parts = random_repeats(run, T, REPEATS), []
    visible = visible[:, : rows.shape[1], : rows.shape[1]]
    for _, n, (batch,) in in_batches(size, rows):
        seen = _repeat_step(run.config.model, run.parameters, batch, visible)
        parts.append({name: np.asarray(a)[:, :n] for name, a in seen.items()})
    return {name: known_mean(np.concatenate([p[name] for p in parts], 1), 1) for name in parts[0]}


@partial(jax.jit, static_argnums=0)
def _repeat_step(config: ModelConfig, parameters: Any, tokens: Any, visible: Any):
    def observe(seen: Seen):
        weights, null = attention_of(seen, config)
        mask, with_null = visible[seen.layer], jnp.asarray(layers_with_null(config))[seen.layer]
        theirs, levels = detected(weights, mask, tokens, with_null)
        theirs |= {f"chance_{name}": level for name, level in levels.items()}
        return theirs | _classed(config, repeat_scores, weights, null, seen.layer, mask, tokens)

    return assemble(config, parameters)(tokens, observe=observe)[1]


def _on_text(weights: Any, null: Any, *known: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    shares = {"null_share": sinks.null_share(null), "first_token_share": sinks.first_token_share(weights)}
    scores, levels = text_scores(weights, null, *known)
    return scores | shares, levels


def _classed(config: ModelConfig, scores_of: Any, weights: Any, null: Any, layer: Any, *known: Any) -> dict[str, Any]:
    """What classes are decided on, with chance as `chance_...`; for a model without any null also as `pinned_...`,
    of the same attention with a null pinned at random, whose chance is the same."""
    N = weights.shape[1]
    if not config.has_null:  # as more heads, for a second program would take as long again to compile
        pinned = pinned_at_random(weights, null, layer)
        weights, null = (jnp.concatenate(both, 1) for both in zip((weights, null), pinned, strict=True))
    scores, levels = scores_of(weights, null, *known)
    pinned = {f"pinned_{name}": value[:, N:] for name, value in scores.items() if value.shape[1] > N}
    return {n: v[:, :N] for n, v in scores.items()} | {f"chance_{n}": v[:, :N] for n, v in levels.items()} | pinned


def _taken(values: dict[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    """Those whose name has the prefix, without it; they are taken out of `values`."""
    return {name.removeprefix(prefix): values.pop(name) for name in list(values) if name.startswith(prefix)}


def _sinks(alpha: np.ndarray, positions: np.ndarray) -> dict[str, np.ndarray]:
    strong = alpha > SINK_ALPHA
    return {
        "sink_at_first": (strong & (positions == 1)).astype(float),
        "sink_elsewhere": (strong & (positions != 1)).astype(float),
    }


def _halves(counted: np.ndarray) -> np.ndarray:
    """The earlier and the later half of the queries that count in each layer, [2, L, T]; one alone is in both."""
    place, count = counted.cumsum(-1), counted.sum(-1, keepdims=True)
    return np.stack([counted & (2 * place <= count + 1), counted & (2 * place > count)])
