"""How positions enter: rotary embedding here; learned rows live in the model, ALiBi in scores.py."""

import math

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from jattn.config import RopeConfig

PLAIN = RopeConfig()  # frozen, as all configs


def rope(
    x: Float[Array, "B T N H"],
    positions: Int[Array, " T"],
    config: RopeConfig = PLAIN,
) -> Float[Array, "B T N H"]:
    """Rotate the pair (x_i, x_{i + H/2}) by the angle position * frequency_i, so q . k depends on t - s alone.

    frequency_i = theta^(-2i/H), unless the config stretches it. The pairing of halves is the one of Llama checkpoints.
    Angles and rotation are computed in float32 at least. Source: Su et al. 2021, arXiv 2104.09864, section 3.2.
    """
    half = x.shape[-1] // 2
    dtype = jnp.promote_types(x.dtype, jnp.float32)
    frequency, scale = frequencies(half, config)
    angle = positions.astype(dtype)[:, None, None] * jnp.asarray(frequency, dtype)
    cos, sin = scale * jnp.cos(angle), scale * jnp.sin(angle)
    a, b = x[..., :half].astype(dtype), x[..., half:].astype(dtype)
    return jnp.concatenate([a * cos - b * sin, b * cos + a * sin], -1).astype(x.dtype)


def frequencies(half: int, config: RopeConfig) -> tuple[np.ndarray, float]:
    """Angle per position of each of H/2 pairs, in radians, and the scale of the rotated vectors (1 but for yarn).

    none, linear     theta^(-2i/H), divided by the factor (Chen et al. 2023, arXiv 2306.15595)
    llama3           divided where a turn is longer than original_context / low_freq_factor, left alone where it is
                     shorter than original_context / high_freq_factor, blended between (Llama 3.1's reference code)
    yarn             the same with a ramp over the dimensions between beta_fast and beta_slow turns, and rotated
                     vectors scaled by 0.1 ln(factor) + 1 (Peng et al. 2023, arXiv 2309.00071, sections 3.2 and 3.4)
    """
    plain = config.theta ** (-np.arange(half) / half)
    if config.scaling == "none":
        return plain, 1.0
    slow = plain / config.factor
    if config.scaling == "linear":
        return slow, 1.0
    if config.scaling == "llama3":
        turns = config.original_context * plain / (2 * math.pi)
        kept = (turns - config.low_freq_factor) / (config.high_freq_factor - config.low_freq_factor)
        kept = np.clip(kept, 0, 1)
        return (1 - kept) * slow + kept * plain, 1.0
    low, high = (_dimension_of(turns, half, config) for turns in (config.beta_fast, config.beta_slow))
    if config.truncate:
        low, high = math.floor(low), math.ceil(high)
    low, high = max(low, 0), min(high, 2 * half - 1)
    stretched = np.clip((np.arange(half) - low) / (high - low or 0.001), 0, 1)
    scale = 0.1 * math.log(config.factor) + 1 if config.attention_factor is None else config.attention_factor
    return stretched * slow + (1 - stretched) * plain, scale


def _dimension_of(turns: float, half: int, config: RopeConfig) -> float:
    """The (fractional) pair that makes so many turns over the original context."""
    return half * math.log(config.original_context / (turns * 2 * math.pi)) / math.log(config.theta)
