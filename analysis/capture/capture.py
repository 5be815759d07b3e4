"""Run a model over windows of text and bring back numbers per head, in memory that does not grow with the text.

The maps are reduced on the device, inside the layer (`observe`), and added up there: what leaves it at the end is a sum
per measure, block of windows, layer and head, the mean map, and the full maps of the few windows asked for. Several
devices each read a part of every batch.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from analysis.capture.batches import block_of, in_batches
from analysis.capture.layers import attention_of, visible_maps
from analysis.measures import outliers, patterns
from analysis.measures.text_maps import Marks
from analysis.measures.text_measures import CONTROLLED, pinned_at_random, text_measures
from analysis.record import Record, Sums
from analysis.texts.marks import delimiters, paragraphs
from jattn.config import ModelConfig
from jattn.errors import InputError
from jattn.model import assemble
from jattn.taps import Edit, Seen
from train.devices import batches_over_devices, replicated
from train.losses import next_token_losses
from train.runs import Run
from train.windows import frame_keys, predicts_next

BLOCKS = 64  # of windows, at most: the texts that an interval over texts resamples
CONTROL = 256  # windows that the control of a random null is run on
REPEATS = 64  # sequences of repeated random tokens
BATCH_BYTES = 512 << 20  # what the arrays of one batch may take, about; logits and maps are the large ones


def capture(
    run: Run,
    windows: np.ndarray,
    *,
    maps: int = 4,
    batch: int | None = None,
    edit: Edit | None = None,
    progress: Callable[[int], Any] | None = None,
) -> Record:
    """All streamed measures of a run on windows of token ids: [W, T + 1] (the last token is only a target), or [W, T]
    for a model that predicts no next token. Any array with rows will do, one on disk too.

    maps: how many windows keep their full maps. batch: windows at a time; None fits them into about 512 MiB.
    edit: changes the model on its way (jattn.taps), the same function each time so that it compiles once.
    progress is called with the number of windows done.
    """
    config, count = run.config.model, len(windows)
    if count == 0:
        raise InputError("windows: there are none to read; give at least one")
    if config.layers == 0:
        raise InputError(f"{run.path} has model.layers = 0: without layers there is no attention to look at")
    check_finite(run)
    T = windows.shape[1] - predicts_next(config)
    visible = jnp.asarray(visible_maps(config, T))
    size = batch or batch_size(config, T, count)
    size = -(-size // len(jax.devices())) * len(jax.devices())
    put, parameters = batches_over_devices(), replicated(run.parameters)
    block = block_of(count, BLOCKS)
    state, before, kept = None, None, []
    for start, n, (read,) in in_batches(size, windows):
        rows = read.astype(np.int32)
        blocks = np.pad(block[start : start + n], (0, size - n), constant_values=BLOCKS)  # fillers count nowhere
        batched = jax.tree.map(put, (rows, marks_of(run, rows[:, :T]), blocks))
        controlled = start < CONTROL
        sums, full = _text_step(config, edit, maps, parameters, *batched, visible, controlled)
        state = sums if state is None else _added(state, sums)
        if start < maps:
            kept.append(np.asarray(full).swapaxes(0, 1)[: min(maps, count) - start])
        jax.block_until_ready(before)  # at most two batches in memory: the host marks one while the other is read
        before = full
        if progress:
            progress(start + n)
    loss, heads, layers, summed = jax.tree.map(np.asarray, state)
    X = min(BLOCKS, count)
    shape = (config.layers, config.heads, T, 1 + T)
    return Record(
        windows,
        {name: _sums(pair, X) for name, pair in heads.items()},
        {name: _sums(pair, X) for name, pair in layers.items()},
        None if loss is None else Sums(loss[0][:X], loss[1][:X]),
        summed / count,
        np.concatenate(kept) if kept else np.zeros((0, *shape), np.float32),
        _on_repeats(run, T, count, size) if config.causal else {},
    )


def check_finite(run: Run) -> None:
    """Raises InputError, naming the parameter, where one holds NaN or infinity: the measures would pass over it."""
    for name, values in run.parameters.items():
        if bad := int((~jnp.isfinite(values)).sum()):
            raise InputError(f"{run.path}: {bad} values of {name} are NaN or infinite; read another checkpoint")


def batch_size(config: ModelConfig, T: int, count: int) -> int:
    """How many windows to read at a time: as many as fit into `BATCH_BYTES`, at most 32, in batches of one size."""
    logits = 3 * T * config.vocab_size if predicts_next(config) else 0  # logits, log-softmax and what is between
    maps = 24 * config.heads * T * (T + 1)  # one layer's, and what the measures make of them
    inside = 8 * T * (config.width + config.F + config.heads * config.H)
    kept = 4 * (logits + maps + inside)
    most = max(1, min(32, BATCH_BYTES // kept))
    return -(-count // -(-count // most))


def _sums(pair: tuple[np.ndarray, np.ndarray], X: int) -> Sums:
    """[L, X, ...] as [X, L, ...]."""
    return Sums(*(a.swapaxes(0, 1)[:X] for a in pair))


def marks_of(run: Run, tokens: np.ndarray) -> Marks:
    """What is known of a batch of texts [B, T] besides its maps: delimiters, paragraphs, what stands around texts."""
    shares = frame_keys(run.config.model, run.tokenizer.frame, tokens)
    return Marks(tokens, shares, delimiters(run.tokenizer)[tokens], paragraphs(run.tokenizer, tokens))


@partial(jax.jit, static_argnums=(0, 1, 2))  # once per config: runs that differ in seed share it
def _text_step(
    config: ModelConfig,
    edit: Edit | None,
    maps: int,
    parameters: Any,
    windows: Any,
    marks: Marks,
    blocks: Any,
    visible: Any,
    controlled: Any,
):

    def control(weights: Any, null: Any, layer: Any, marks: Any):
        scores = text_measures(*pinned_at_random(weights, null, layer), visible[layer], marks, config.causal)
        return {f"{name}_control": scores[name] for name in CONTROLLED}

    def nothing(weights: Any, *_):
        return {f"{name}_control": jnp.full(weights.shape[:2], jnp.nan, weights.dtype) for name in CONTROLLED}

    def observe(seen: Seen):
        weights, null = attention_of(seen, config)
        both = jnp.concatenate([null[..., None], weights], -1)
        heads = text_measures(weights, null, visible[seen.layer], marks, config.causal) | {
            "value_norm_ratio": outliers.head_norm_ratio(seen["v"], config.heads),
            "key_norm_ratio": outliers.head_norm_ratio(seen["k"], config.heads),
        }
        if not config.has_null:
            heads |= jax.lax.cond(controlled, control, nothing, weights, null, seen.layer, marks)
        layers = {
            "residual_norm_ratio": outliers.residual_norm_ratio(seen["resid_post"]),
            "residual_max_over_median": outliers.max_over_median(seen["resid_post"]),
        }
        counted = (blocks < BLOCKS).astype(both.dtype)
        heads, layers = _by_block(heads, blocks), _by_block(layers, blocks)
        return heads, layers, jnp.einsum("b,bnts->nts", counted, both), both[:maps]

    logits, (heads, layers, summed, full) = assemble(config, parameters)(marks.tokens, observe=observe, edit=edit)
    loss = None
    if predicts_next(config):
        loss = _by_block({"loss": next_token_losses(logits, windows[:, 1:]).mean(-1)}, blocks)["loss"]
    return (loss, heads, layers, summed), full


@partial(jax.jit, donate_argnums=0)  # apart from the step, which would be compiled once more for it
def _added(state: Any, sums: Any) -> Any:
    return jax.tree.map(jnp.add, state, sums)


def _by_block(values: dict[str, Array], blocks: Array) -> dict[str, tuple[Array, Array]]:
    """Each [B, ...] summed within the block of each window, [BLOCKS, ...], and how many there are; the undefined left
    out. All at once: a scatter for each would take longer to compile than all else."""
    together = jnp.stack([v.astype(jnp.float32) for v in values.values()], 1)
    known = jnp.isfinite(together)
    total = jax.ops.segment_sum(jnp.where(known, together, 0), blocks, BLOCKS)
    count = jax.ops.segment_sum(known.astype(jnp.float32), blocks, BLOCKS)
    return {name: (total[:, i], count[:, i]) for i, name in enumerate(values)}


def random_repeats(run: Run, T: int, count: int) -> np.ndarray:
    """`count` sequences of T/2 random tokens, said twice, [count, 2 (T/2)]; the same ones for every run.

    Ordinary tokens only, drawn one by one, so that some come twice in a half (`incontext.said_twice`: all different).
    """
    half = np.random.default_rng(0).choice(run.tokenizer.ordinary, size=(count, T // 2))
    return np.concatenate([half, half], 1).astype(np.int32)


def _on_repeats(run: Run, T: int, count: int, size: int) -> dict[str, Sums]:
    """The repeat measures on sequences that are said twice."""
    repeated = random_repeats(run, T, min(count, REPEATS))
    parts: dict[str, list[np.ndarray]] = {}
    for _, n, (rows,) in in_batches(min(size, len(repeated)), repeated):
        for name, values in _repeat_step(run.config.model, run.parameters, rows).items():
            parts.setdefault(name, []).append(np.asarray(values).swapaxes(0, 1)[:n])
    joined = {name: np.concatenate(values) for name, values in parts.items()}
    return {n: Sums(np.nan_to_num(v), np.isfinite(v).astype(v.dtype)) for n, v in joined.items()}


@partial(jax.jit, static_argnums=0)
def _repeat_step(config: ModelConfig, parameters: Any, tokens: Any):
    def observe(seen: Seen):
        return repeat_measures(*attention_of(seen, config), tokens)

    return assemble(config, parameters)(tokens, observe=observe)[1]


def repeat_measures(weights: Array, null: Array, tokens: Array) -> dict[str, Array]:
    """TransformerLens's scores on repeated random tokens, each [B, N]."""
    previous = patterns.previous_pattern(weights.shape[-1])
    duplicate, induction = patterns.duplicate_pattern(tokens), patterns.induction_pattern(tokens)
    return {
        "previous_score": patterns.pattern_score(weights, previous),
        "duplicate_score": patterns.pattern_score(weights, duplicate),
        "induction_score": patterns.pattern_score(weights, induction),
        "induction_raw": patterns.raw_mass(weights, induction),
        "induction": patterns.conditional_mass(weights, null, induction),
    }
