"""What the measures of text would be if every query spread its attention evenly: the level that nothing is above."""

import jax.numpy as jnp
import numpy as np

from analysis.record import has_null, visible_maps
from analysis.stats import known_mean
from analysis.text_measures import Marks, text_measures
from jattn.config import ModelConfig
from train.windows import Frame, frame_keys


def uniform_values(config: ModelConfig, T: int, frame: Frame = ((), ())) -> dict[str, float]:
    """Every measure that does not depend on the text, for attention spread evenly over all that each query of the model
    sees, null included: the mean over layers."""
    before, after = frame
    ids = np.array([[*before, *[-1] * (T - len(before) - len(after)), *after]], np.int32)
    shares = {name: jnp.asarray(where) for name, where in frame_keys(config, frame, ids).items()}
    marks = Marks(None, shares)
    values = []
    for i, seen in enumerate(visible_maps(config, T)):
        null = has_null(config)[i]
        weights = jnp.asarray(seen / (seen.sum(-1, keepdims=True) + null), jnp.float32)[None, None]
        visible, nulls = jnp.asarray(seen), jnp.maximum(1 - weights.sum(-1), 0)
        values.append(text_measures(weights, nulls, visible, marks, config.causal))
    return {name: float(known_mean([np.asarray(v[name]).item() for v in values])) for name in values[0]}
