"""The MLP of a layer: two projections with an activation between, gated or not, one of them or a choice of experts."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from jattn.attention_layer import linear
from jattn.config import CLAMPED_GAIN, MlpConfig, ModelConfig

Hidden = Callable[[Array], Array]

ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "gelu": lambda x: jax.nn.gelu(x, approximate=False),
    "gelu_tanh": lambda x: jax.nn.gelu(x, approximate=True),
    "relu2": lambda x: jnp.square(jax.nn.relu(x)),
}


def gated(config: MlpConfig, gate: Float[Array, "*x F"], up: Float[Array, "*x F"]) -> Float[Array, "*x F"]:
    """silu(gate) * up (Shazeer 2020, arXiv 2002.05202), or gpt-oss's form (OpenAI 2025, arXiv 2508.10925).

    gpt-oss clamps both and adds 1 to the second: g * sigmoid(1.702 g) * (u + 1), g at most the limit, |u| too.
    """
    if config.activation == "swiglu":
        return jax.nn.silu(gate) * up
    gate, up = jnp.minimum(gate, config.limit), jnp.clip(up, -config.limit, config.limit)
    return gate * jax.nn.sigmoid(CLAMPED_GAIN * gate) * (up + 1)


class Mlp(nnx.Module):
    """Two projections with an activation between; where it is gated, a third one makes the gate."""

    def __init__(self, config: ModelConfig, *, rngs: nnx.Rngs):
        D, F, bias = config.width, config.F, config.bias.mlp
        self.config = config
        self.up = linear(config, D, F, bias, rngs=rngs)
        self.gate = linear(config, D, F, bias, rngs=rngs) if config.mlp.gated else None
        self.down = linear(config, F, D, bias, residual=True, rngs=rngs)

    def __call__(self, x: Float[Array, "B T D"], hidden: Hidden = lambda h: h) -> Float[Array, "B T D"]:
        """hidden: sees what the last projection reads, and gives it back or something else (jattn/taps.py)."""
        if self.gate is None:
            return self.down(hidden(ACTIVATIONS[self.config.mlp.activation](self.up(x))))
        return self.down(hidden(gated(self.config.mlp, self.gate(x), self.up(x))))


class Experts(nnx.Module):
    """Several gated MLPs, each token through the few that a router scores highest, weighted by a softmax over those.

    Every expert is computed for every token and the unchosen get weight 0: exact, and fit for small models.
    """

    def __init__(self, config: ModelConfig, *, rngs: nnx.Rngs):
        E, D, F, dtype = config.mlp.experts, config.width, config.F, jnp.dtype(config.compute.param_dtype)
        self.config = config
        self.router = linear(config, D, E, True, rngs=rngs)
        std = config.init.std
        draw = lambda shape, std: nnx.Param(std * jax.random.normal(rngs.params(), shape, dtype))
        self.gate, self.up = draw((E, D, F), std), draw((E, D, F), std)
        self.down = draw((E, F, D), 0.0 if config.init.zero_outputs else std / (2 * config.layers) ** 0.5)
        self.gate_bias, self.up_bias = nnx.Param(jnp.zeros((E, F), dtype)), nnx.Param(jnp.zeros((E, F), dtype))
        self.down_bias = nnx.Param(jnp.zeros((E, D), dtype))

    def __call__(self, x: Float[Array, "B T D"], hidden: Hidden = lambda h: h) -> Float[Array, "B T D"]:
        of = lambda p: p[...].astype(x.dtype)
        gate = jnp.einsum("btd,edf->btef", x, of(self.gate)) + of(self.gate_bias)
        up = jnp.einsum("btd,edf->btef", x, of(self.up)) + of(self.up_bias)
        h = hidden(gated(self.config.mlp, gate, up))
        out = jnp.einsum("btef,efd->bted", h, of(self.down)) + of(self.down_bias)
        return jnp.einsum("bted,bte->btd", out, self.shares(x))

    def shares(self, x: Float[Array, "B T D"]) -> Float[Array, "B T E"]:
        """Weight of every expert for every token: a softmax over the chosen ones, 0 for the others."""
        best, index = jax.lax.top_k(self.router(x), self.config.mlp.experts_per_token)
        return jnp.einsum(
            "btk,btke->bte", jax.nn.softmax(best), jax.nn.one_hot(index, self.config.mlp.experts, dtype=best.dtype)
        )
