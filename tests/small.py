"""The small model of many tests: two layers of four heads over two heads of keys, in float64, every parameter drawn.

B, T, V, N, K, H, D, L as in the axis legend.
"""

import zlib

import jax
import jax.numpy as jnp
import numpy as np

from jattn.config import ModelConfig
from jattn.model import assemble, parameter_shapes
from tests.configs import model_config

B, T, V, N, K, H, D, L = 2, 7, 11, 4, 2, 2, 8, 2
TOKENS = jnp.asarray(np.random.default_rng(0).integers(0, V, (B, T)))
SIZES = {"vocab_size": V, "context": 9, "layers": L, "heads": N, "kv_heads": K, "width": D}
DOUBLE = {"compute__dtype": "float64", "compute__param_dtype": "float64"}


def tiny(attention: str = "standard", **changes) -> ModelConfig:
    """The small model with that attention and these fields changed; float64 needs the fixture x64."""
    return model_config(**{**SIZES, **DOUBLE, "attention": attention, **changes})


def drawn(config: ModelConfig) -> dict[str, jax.Array]:
    """Random values for every parameter, as a function of its name: what two models share is equal in both."""

    def draw(name, shape):
        x = np.random.default_rng(zlib.crc32(name.encode())).normal(size=shape.shape)
        return jnp.asarray(1 + 0.3 * x if name.endswith("norm.scale") else 0.5 * x, shape.dtype)

    return {name: draw(name, shape) for name, shape in parameter_shapes(config).items()}


def arrays(config: ModelConfig, seed: int = 0) -> dict[str, np.ndarray]:
    """Random values in NumPy, norms around 1, biases and nulls too, so that none is invisible."""
    draw = np.random.default_rng(seed)
    shapes = parameter_shapes(config)
    return {n: (n.endswith("scale") + draw.normal(0, 0.3, s.shape)).astype(s.dtype) for n, s in shapes.items()}


def logits(config: ModelConfig, parameters: dict | None = None, tokens=TOKENS, **arrays) -> jax.Array:
    """Logits of a model with these parameters, or with drawn ones."""
    model = assemble(config, drawn(config) if parameters is None else parameters)
    return model(jnp.asarray(tokens), **jax.tree.map(jnp.asarray, arrays))


def close(a, b, tolerance: float = 1e-12) -> None:
    """Equal as closed forms in float64 are."""
    np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)
