"""What the measures of text would be if every query spread its attention evenly: the level that nothing is above."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from analysis.capture.capture import repeat_measures
from analysis.capture.layers import layers_with_null, visible_maps
from analysis.measures.text_maps import Marks
from analysis.measures.text_measures import text_measures
from analysis.stats import known_mean
from jattn.config import ModelConfig
from jattn.variants import LayerAttention
from train.windows import Frame, frame_keys


def uniform_values(
    config: ModelConfig, T: int, frame: Frame = ((), ()), marks: Marks | None = None
) -> dict[str, float]:
    """Every measure for attention spread evenly over all that each query of the model sees, null included: the mean
    over layers. Those that depend on the text are among them where the marks of some texts are given: their mean.
    """
    before, after = frame
    B = 1 if marks is None else len(marks.tokens)
    ids = np.array([[*before, *[-1] * (T - len(before) - len(after)), *after]] * B, np.int32)
    shares = {name: jnp.asarray(where) for name, where in frame_keys(config, frame, ids).items()}
    marks = jax.tree.map(jnp.asarray, (marks or Marks())._replace(shares=shares))
    means: dict[LayerAttention, dict[str, float]] = {}
    for i, seen in enumerate(visible_maps(config, T)):
        if (kind := config.layer(i)) in means:
            continue
        weights, null = even_attention(seen, bool(layers_with_null(config)[i]), B)
        measured = text_measures(weights, null, jnp.asarray(seen), marks, config.causal)
        means[kind] = {name: float(known_mean(value)) for name, value in measured.items()}
    layers = [means[config.layer(i)] for i in range(config.layers)]
    return {name: float(known_mean([values[name] for values in layers])) for name in layers[0]}


def uniform_repeats(config: ModelConfig, tokens: Int[np.ndarray, "B T"]) -> dict[str, float]:
    """The scores on repeated random tokens for attention spread evenly over all that each query sees, null included."""
    seen = visible_maps(config, tokens.shape[1])
    by_layer = [
        repeat_measures(*even_attention(seen[i], bool(layers_with_null(config)[i]), len(tokens)), jnp.asarray(tokens))
        for i in range(config.layers)
    ]
    return {name: float(known_mean([known_mean(values[name]) for values in by_layer])) for name in by_layer[0]}


def even_attention(
    visible: Bool[np.ndarray, "T T"], null: bool, B: int = 1
) -> tuple[Float[Array, "B 1 T T"], Float[Array, "B 1 T"]]:
    """Weights and null mass of one head that spreads its attention evenly over its visible keys and the null."""
    one = jnp.asarray(visible / (visible.sum(-1, keepdims=True) + null), jnp.float32)
    weights = jnp.broadcast_to(one, (B, 1, *one.shape))
    return weights, jnp.maximum(1 - weights.sum(-1), 0)
