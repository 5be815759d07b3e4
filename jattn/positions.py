"""How positions enter: rotary embedding here; learned rows live in the model, ALiBi in scores.py."""

import jax.numpy as jnp
from jaxtyping import Array, Float, Int


def rope(x: Float[Array, "B T N H"], positions: Int[Array, " T"], theta: float = 10_000.0) -> Float[Array, "B T N H"]:
    """Rotate the pair (x_i, x_{i + H/2}) by the angle position * theta^(-2i/H), so q . k depends on t - s alone.

    The pairing of halves is the one of Llama checkpoints. Angles and rotation are computed in float32 at least.
    Source: Su et al. 2021, arXiv 2104.09864, section 3.2.
    """
    half = x.shape[-1] // 2
    dtype = jnp.promote_types(x.dtype, jnp.float32)
    frequency = theta ** (-jnp.arange(half, dtype=dtype) / half)
    angle = positions.astype(dtype)[:, None, None] * frequency
    cos, sin = jnp.cos(angle), jnp.sin(angle)
    a, b = x[..., :half].astype(dtype), x[..., half:].astype(dtype)
    return jnp.concatenate([a * cos - b * sin, b * cos + a * sin], -1).astype(x.dtype)
