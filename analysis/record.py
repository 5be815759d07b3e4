"""Run a model over windows of text and bring back numbers per head: every measure once per window, layer and head.

The attention maps are reduced on the device, inside the layer (`observe`); what leaves it is [windows, layers, heads]
per measure, the mean map, and the full maps of the few windows asked for.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from analysis import patterns, sinks, structure
from jattn.config import ModelConfig
from jattn.model import assemble
from jattn.taps import Seen
from train.checkpoint import Run

LOCAL_WIDTH = 8  # keys, the query's own included
EPS = (0.1, 0.2, 0.3)  # thresholds of the sink rate; 0.3 is Gu et al.'s


@dataclass(frozen=True)
class Record:
    """What one run does on some windows.

    values: measure -> [W, L, N].  mean_map: [L, N, T, 1 + T], column 0 the null.  maps: the same for the first windows,
    [w, L, N, T, 1 + T].  loss_nats: [W].  repeats: the measures on repeated random tokens, [W, L, N].
    """

    tokens: np.ndarray
    values: dict[str, np.ndarray]
    mean_map: np.ndarray
    maps: np.ndarray
    loss_nats: np.ndarray
    repeats: dict[str, np.ndarray] = field(default_factory=dict)


def text_measures(weights: Array, null: Array, visible: Array, has_null: Array) -> dict[str, Array]:
    """The measures on running text, each [B, N]; `visible` is the number of keys that each query sees, [T].

    In a layer without a null the first token stands in for it where queries are dropped by their null mass: Vig and
    Belinkov's rule, so that models with and without a null are treated alike.
    """
    T = weights.shape[-1]
    local = patterns.local_pattern(T, LOCAL_WIDTH)
    previous = patterns.previous_pattern(T)
    first = sinks.first_token_as_null(weights, null)
    filtered = jnp.where(has_null, weights, first[0]), jnp.where(has_null, null, first[1])
    alphas = {f"alpha_{k}": sinks.alpha(weights, k) for k in (1, 2, 3, 4) if k <= T}
    return alphas | {
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


def uniform_values(config: ModelConfig, T: int) -> dict[str, float]:
    """What every text measure would be if each query spread its attention evenly over all it sees, null included."""
    values = []
    for i, seen in enumerate(visible_maps(config, T)):
        null = has_null(config)[i]
        weights = jnp.asarray(seen / (seen.sum(-1, keepdims=True) + null), jnp.float32)[None, None]
        visible = jnp.asarray(seen.sum(-1))
        values.append(text_measures(weights, jnp.maximum(1 - weights.sum(-1), 0), visible, jnp.asarray(null)))
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
    run: Run, windows: np.ndarray, *, maps: int = 4, batch: int = 32, progress: Callable[[int], Any] | None = None
) -> Record:
    """All measures of a run on windows of token ids [W, T + 1] (the last token is only a target).

    maps: how many windows keep their full maps. progress is called with the number of windows done.
    """
    config = run.config.model
    visible = jnp.asarray(visible_maps(config, windows.shape[1] - 1).sum(-1))
    parts, kept = [], []
    for start in range(0, len(windows), batch):
        chunk = windows[start : start + batch]
        loss, (values, summed, full) = _text_step(config, run.parameters, jnp.asarray(chunk), visible)
        parts.append(jax.tree.map(np.asarray, (loss, values, summed)))
        if start < maps:
            kept.append(np.asarray(full[:, : maps - start]).swapaxes(0, 1))
        if progress:
            progress(min(start + batch, len(windows)))
    losses, values, sums = zip(*parts, strict=True)
    joined = {name: np.concatenate([v[name] for v in values], 1).swapaxes(0, 1) for name in values[0]}
    return Record(
        windows,
        joined,
        np.sum(sums, 0) / len(windows),
        np.concatenate(kept) if kept else np.zeros((0, *sums[0].shape)),
        np.concatenate(losses),
        _on_repeats(run, windows.shape[1] - 1, len(windows), batch),
    )


def attention_of(seen: Seen, config: ModelConfig) -> tuple[Array, Array]:
    """Weights [B, N, T, T] on real keys and null mass [B, N, T] of a layer, together 1 for every query."""
    weights, null = seen.weights(), seen.null_mass.swapaxes(1, 2)
    softmax = jnp.asarray(rows_that_sum_to_one(config))[seen.layer]
    return jnp.where(softmax, weights, weights / weights.sum(-1, keepdims=True)), null


@partial(jax.jit, static_argnums=0)  # once per config: runs that differ in their seed share it
def _text_step(config: ModelConfig, parameters, windows, visible):
    def observe(seen: Seen):
        weights, null = attention_of(seen, config)
        both = jnp.concatenate([null[..., None], weights], -1)
        with_null = jnp.asarray(has_null(config))[seen.layer]
        return text_measures(weights, null, visible[seen.layer], with_null), both.sum(0), both

    logits, seen = assemble(config, parameters)(windows[:, :-1], observe=observe)
    log_probs = jax.nn.log_softmax(logits)
    losses = -jnp.take_along_axis(log_probs, windows[:, 1:, None], -1)[..., 0].mean(-1)
    return losses, seen


def _on_repeats(run: Run, T: int, count: int, batch: int) -> dict[str, np.ndarray]:
    """The repeat measures on `count` sequences of T/2 random tokens, said twice; the same ones for every run."""
    config = run.config.model
    rng = np.random.default_rng(0)
    tokens = np.arange(config.vocab_size)
    if run.tokenizer.bos is not None:
        tokens = np.delete(tokens, run.tokenizer.bos)
    half = rng.choice(tokens, size=(min(count, 64), T // 2))
    repeated = np.concatenate([half, half], 1).astype(np.int32)

    batches = [jnp.asarray(repeated[i : i + batch]) for i in range(0, len(repeated), batch)]
    parts = [_repeat_step(config, run.parameters, tokens) for tokens in batches]
    return {name: np.concatenate([np.asarray(p[name]) for p in parts], 1).swapaxes(0, 1) for name in parts[0]}


@partial(jax.jit, static_argnums=0)
def _repeat_step(config: ModelConfig, parameters, tokens):
    def observe(seen: Seen):
        return repeat_measures(*attention_of(seen, config), tokens)

    return assemble(config, parameters)(tokens, observe=observe)[1]
