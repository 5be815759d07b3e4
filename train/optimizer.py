"""The optimizer: clip, AdamW or Muon with sensible groups, warm-up and cosine. Optax throughout.

Weight decay touches arrays of two or more axes; the null's parameters follow `model.null.decay`. Muon trains the hidden
matrices of the blocks (Jordan et al. 2024); embeddings, the output layer, norms and null parameters stay with AdamW.
"""

from functools import partial
from typing import Any

import numpy as np
import optax

from train.config import RunConfig

_EXTRA = (".null.", ".value_bias", "sink_row")


def schedule(config: RunConfig, peak: float) -> optax.Schedule:
    """Linear warm-up to `peak`, then a cosine to final_ratio * peak at the last step."""
    o = config.optimizer
    warmup = min(o.warmup, config.steps - 1)
    return optax.warmup_cosine_decay_schedule(0.0, peak, warmup, config.steps, o.final_ratio * peak)


def decays(config: RunConfig, parameters: Any) -> dict[str, bool]:
    """Which parameters weight decay touches."""
    null = config.model.null.decay
    # Optax hides the other groups' arrays behind placeholders, which NumPy gives less than two axes.
    return {n: np.ndim(p) >= 2 and (null or not any(e in n for e in _EXTRA)) for n, p in parameters.items()}


def is_null(name: str) -> bool:
    """Whether it is a parameter of a null: of a null term or of the sink token."""
    return ".null." in name or name == "sink_row"


def is_hidden_matrix(name: str) -> bool:
    """Whether Muon trains it: a projection inside a block."""
    return name.startswith("blocks.") and name.endswith(".kernel")


def build(config: RunConfig) -> optax.GradientTransformation:
    """The whole update, from gradients to steps, for a flat dict of named parameters."""
    o = config.optimizer
    adamw = optax.adamw(
        schedule(config, o.learning_rate),
        b1=o.beta1,
        b2=o.beta2,
        weight_decay=o.weight_decay,
        mask=partial(decays, config),
    )
    if o.optimizer == "adamw":
        return optax.chain(optax.clip_by_global_norm(o.clip), adamw)
    muon = optax.contrib.muon(schedule(config, o.muon_learning_rate), weight_decay=o.muon_weight_decay)
    groups = optax.partition(
        {"muon": muon, "adamw": adamw},
        lambda p: {name: "muon" if is_hidden_matrix(name) else "adamw" for name in p},
    )
    return optax.chain(optax.clip_by_global_norm(o.clip), groups)
