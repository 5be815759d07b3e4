"""Run a model over windows of text and bring back numbers per head: every measure once per window, layer and head.

The attention maps are reduced on the device, inside the layer (`observe`); what leaves it is [windows, layers, heads]
per measure, the mean map, and the full maps of the few windows asked for.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from analysis import outliers, patterns, sinks, structure
from jattn.config import ModelConfig
from jattn.model import assemble
from jattn.taps import Seen
from train.checkpoint import Run
from train.windows import Frame, frame_keys, predicts_next

LOCAL_WIDTH = 8  # keys, the query's own included
EPS = (0.1, 0.2, 0.3)  # thresholds of the sink rate; 0.3 is Gu et al.'s
BATCH_BYTES = 512 << 20  # what the arrays of one batch may take, about; logits and maps are the large ones


@dataclass(frozen=True)
class Record:
    """What one run does on some windows.

    values: measure -> [W, L, N].  mean_map: [L, N, T, 1 + T], column 0 the null.  maps: the same for the first windows,
    [w, L, N, T, 1 + T].  loss_nats: [W], None for a model that predicts no next token.  repeats: the measures on
    repeated random tokens, [W, L, N], none for a model that sees both sides.  layers: measures of the residual stream
    after each layer, [W, L].
    """

    tokens: np.ndarray
    values: dict[str, np.ndarray]
    mean_map: np.ndarray
    maps: np.ndarray
    loss_nats: np.ndarray | None
    repeats: dict[str, np.ndarray] = field(default_factory=dict)
    layers: dict[str, np.ndarray] = field(default_factory=dict)


def text_measures(
    weights: Array, null: Array, visible: Array, has_null: Array, keys: Mapping[str, Array] | None = None
) -> dict[str, Array]:
    """The measures on running text, each [B, N]; `visible` is the number of keys that each query sees, [T].

    keys: measure -> which keys, [B, T], whose share of all attention it is.

    In a layer without a null the first token stands in for it where queries are dropped by their null mass: Vig and
    Belinkov's rule, so that models with and without a null are treated alike.
    """
    T = weights.shape[-1]
    local = patterns.local_pattern(T, LOCAL_WIDTH)
    previous = patterns.previous_pattern(T)
    first = sinks.first_token_as_null(weights, null)
    filtered = jnp.where(has_null, weights, first[0]), jnp.where(has_null, null, first[1])
    alphas = {f"alpha_{k}": sinks.alpha(weights, k) for k in (1, 2, 3, 4) if k <= T}
    shares = {name: sinks.key_share(weights, where) for name, where in (keys or {}).items()}
    values = alphas | shares
    return values | {
        "alpha_null": sinks.alpha_null(null),
        "null_share": sinks.null_share(null),
        "first_token_share": sinks.first_token_share(weights),
        "previous_raw": patterns.raw_mass(weights, previous),
        "previous": patterns.conditional_mass(weights, null, previous),
        "local_raw": patterns.raw_mass(weights, local),
        "local": patterns.conditional_mass(weights, null, local),
        "entropy_with_null_nats": structure.entropy_with_null(weights, null),
        "entropy_nats": structure.entropy_real(weights, null),
        "entropy_filtered_nats": structure.entropy_filtered(*filtered),
        "entropy_normalised": structure.entropy_real(weights, null, visible),
        "mean_distance_tokens": structure.mean_distance(weights),
    }


def uniform_values(config: ModelConfig, T: int, frame: Frame = ((), ())) -> dict[str, float]:
    """What every text measure would be if each query spread its attention evenly over all it sees, null included."""
    before, after = frame
    keys = frame_keys(config, frame, np.array([[*before, *[-1] * (T - len(before) - len(after)), *after]]))
    keys = {name: jnp.asarray(where) for name, where in keys.items()}
    values = []
    for i, seen in enumerate(visible_maps(config, T)):
        null = has_null(config)[i]
        weights = jnp.asarray(seen / (seen.sum(-1, keepdims=True) + null), jnp.float32)[None, None]
        visible = jnp.asarray(seen.sum(-1))
        values.append(text_measures(weights, jnp.maximum(1 - weights.sum(-1), 0), visible, jnp.asarray(null), keys))
    return {name: float(np.nanmean([np.asarray(v[name]).item() for v in values])) for name in values[0]}


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


def rows_that_sum_to_one(config: ModelConfig) -> np.ndarray:
    """Per layer, whether attention is a softmax; rows of sigmoid attention are divided by their sum before measuring.

    Those are proxy scores (Gu et al. 2024, section 7.4): how a query's attention is shared out, not how much there is.
    """
    return np.array([not config.layer(i).sigmoid for i in range(config.layers)])


def has_null(config: ModelConfig) -> np.ndarray:
    """Per layer, whether it has a null or a sink token."""
    kinds = [config.layer(i) for i in range(config.layers)]
    return np.array([kind.null is not None or kind.token for kind in kinds])


def visible_maps(config: ModelConfig, T: int) -> np.ndarray:
    """Which keys each query sees, per layer, [L, T, T]."""
    from jattn.masks import Mask

    positions = np.arange(T)
    layers = [config.layer(i) for i in range(config.layers)]
    masks = [Mask(causal=config.causal, window=k.window, first=k.first) for k in layers]
    return np.stack([m.dense(positions, positions)[0, 0] for m in masks])


def capture(
    run: Run,
    windows: np.ndarray,
    *,
    maps: int = 4,
    batch: int | None = None,
    progress: Callable[[int], Any] | None = None,
) -> Record:
    """All measures of a run on windows of token ids: [W, T + 1] (the last token is only a target), or [W, T] for a
    model that predicts no next token.

    maps: how many windows keep their full maps. batch: windows at a time; None fits them into about 512 MiB.
    progress is called with the number of windows done.
    """
    config, count = run.config.model, len(windows)
    T = windows.shape[1] - predicts_next(config)
    visible = jnp.asarray(visible_maps(config, T).sum(-1))
    size = batch or batch_size(config, T, count)
    parts, kept = [], []
    for start, n, batch_of in _batches(windows, size):
        weight = jnp.arange(size) < n
        seen = _text_step(config, run.tokenizer.frame, maps, run.parameters, batch_of, weight, visible)
        loss, (values, layers, summed, full) = seen
        if start < maps:
            kept.append(np.asarray(full).swapaxes(0, 1)[: min(maps, count) - start])
        values, layers = ({name: _first(n, a) for name, a in part.items()} for part in (values, layers))
        parts.append((None if loss is None else np.asarray(loss)[:n], values, layers, np.asarray(summed)))
        if progress:
            progress(start + n)
    losses, values, layers, sums = zip(*parts, strict=True)
    return Record(
        windows,
        _joined(values),
        np.sum(sums, 0) / count,
        np.concatenate(kept) if kept else np.zeros((0, *sums[0].shape)),
        None if losses[0] is None else np.concatenate(losses),
        _on_repeats(run, T, count, size) if config.causal else {},
        _joined(layers),
    )


def batch_size(config: ModelConfig, T: int, count: int) -> int:
    """How many windows to read at a time: as many as fit into `BATCH_BYTES`, at most 32, in batches of one size."""
    logits = 3 * T * config.vocab_size if predicts_next(config) else 0  # logits, log-softmax and what is between
    maps = 24 * config.heads * T * (T + 1)  # one layer's, and what the measures make of them
    inside = 8 * T * (config.width + config.F + config.heads * config.H)
    kept = 4 * (logits + maps + inside)
    most = max(1, min(32, BATCH_BYTES // kept))
    return -(-count // -(-count // most))


def _batches(rows: np.ndarray, size: int) -> Iterator[tuple[int, int, Array]]:
    """Where a batch starts, how many rows are its own, and the batch; the last is filled up, for one shape is one
    compiled program."""
    for start in range(0, len(rows), size):
        own = rows[start : start + size]
        yield start, len(own), jnp.asarray(np.pad(own, ((0, size - len(own)), (0, 0)), mode="edge"))


def _first(n: int, array: Array) -> np.ndarray:
    """[L, B, ...] as [n, L, ...]: the batch's own rows, the batch axis first."""
    return np.asarray(array).swapaxes(0, 1)[:n]


def _joined(parts: Sequence[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def attention_of(seen: Seen, config: ModelConfig) -> tuple[Array, Array]:
    """Weights [B, N, T, T] on real keys and null mass [B, N, T] of a layer, together 1 for every query."""
    weights, null = seen.weights(), seen.null_mass.swapaxes(1, 2)
    softmax = jnp.asarray(rows_that_sum_to_one(config))[seen.layer]
    return jnp.where(softmax, weights, weights / weights.sum(-1, keepdims=True)), null


@partial(jax.jit, static_argnums=(0, 1, 2))  # once per config: runs that differ in their seed share it
def _text_step(config: ModelConfig, frame: Frame, maps: int, parameters, windows, weight, visible):
    predicts = predicts_next(config)
    inputs = windows[:, :-1] if predicts else windows
    keys = frame_keys(config, frame, inputs)

    def observe(seen: Seen):
        weights, null = attention_of(seen, config)
        both = jnp.concatenate([null[..., None], weights], -1)
        with_null = jnp.asarray(has_null(config))[seen.layer]
        values = text_measures(weights, null, visible[seen.layer], with_null, keys) | {
            "value_norm_ratio": outliers.head_norm_ratio(seen["v"], config.heads),
            "key_norm_ratio": outliers.head_norm_ratio(seen["k"], config.heads),
        }
        layers = {
            "residual_norm_ratio": outliers.residual_norm_ratio(seen["resid_post"]),
            "residual_max_over_median": outliers.max_over_median(seen["resid_post"]),
        }
        return values, layers, jnp.einsum("b,bnts->nts", weight.astype(both.dtype), both), both[:maps]

    logits, seen = assemble(config, parameters)(inputs, observe=observe)
    if not predicts:
        return None, seen
    taken = jnp.take_along_axis(logits, windows[:, 1:, None], -1)[..., 0]
    return (jax.nn.logsumexp(logits, -1) - taken).mean(-1), seen


def _on_repeats(run: Run, T: int, count: int, batch: int) -> dict[str, np.ndarray]:
    """The repeat measures on `count` sequences of T/2 random tokens, said twice; the same ones for every run.

    Ordinary tokens only: none that stands around texts or that no text encodes to.
    """
    config = run.config.model
    rng = np.random.default_rng(0)
    tokens = np.setdiff1d(np.arange(run.tokenizer.vocab_size), np.array(sorted(run.tokenizer.special), int))
    half = rng.choice(tokens, size=(min(count, 64), T // 2))
    repeated = np.concatenate([half, half], 1).astype(np.int32)

    parts = []
    for _, n, batch_of in _batches(repeated, min(batch, len(repeated))):
        found = _repeat_step(config, run.parameters, batch_of)
        parts.append({name: _first(n, values) for name, values in found.items()})
    return _joined(parts)


@partial(jax.jit, static_argnums=0)
def _repeat_step(config: ModelConfig, parameters, tokens):
    def observe(seen: Seen):
        return repeat_measures(*attention_of(seen, config), tokens)

    return assemble(config, parameters)(tokens, observe=observe)[1]
