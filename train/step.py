"""One step of training and of evaluation: pure functions of plain arrays, compiled once."""

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int

from jattn.config import ModelConfig
from jattn.model import Parameters, assemble, init_parameters
from train import optimizer
from train.config import OptimizerConfig, RunConfig
from train.losses import next_token_losses


class TrainState(NamedTuple):
    """All that training changes: the steps done, the parameters by name, the optimizer's state."""

    step: Int[Array, ""]
    parameters: Parameters
    opt_state: Any


def init_state(config: RunConfig, parameters: Parameters | None = None) -> TrainState:
    """The state before the first step: a function of the config alone, unless other parameters are given."""
    parameters = init_parameters(config.model, config.seed) if parameters is None else parameters
    moved = trained(parameters, config.trainable)
    return TrainState(jnp.zeros((), jnp.int32), parameters, optimizer.build(config).init(moved))


def trained(parameters: Parameters, which: str) -> Parameters:
    """The parameters that training changes: "all", or those of the "null" alone."""
    return parameters if which == "all" else {n: p for n, p in parameters.items() if optimizer.is_null(n)}


def loss_fn(
    config: ModelConfig, parameters: Parameters, batch: Int[Array, "B length"], dropout_key: Array | None = None
) -> tuple[Float[Array, ""], dict[str, Array]]:
    """Mean cross-entropy in nats of the next token, and the mean null mass of the layers that have a null."""
    model = assemble(config, parameters)
    observe = (lambda seen: seen.null_mass.mean()) if config.has_null else None
    out = model(batch[:, :-1], dropout_key=dropout_key, observe=observe)
    logits, mass = out if observe else (out, None)
    loss = next_token_losses(logits, batch[:, 1:]).mean()
    if mass is None:
        return loss, {}
    with_null = jnp.array([config.layer(i).has_null for i in range(config.layers)])
    return loss, {"null_mass": jnp.sum(mass * with_null) / jnp.sum(with_null)}


def make_train_step(config: RunConfig) -> Callable[[TrainState, Array], tuple[TrainState, dict[str, Array]]]:
    """step(state, batch) -> (state, metrics), compiled, the old state donated. Metrics are scalars on the device.

    Runs that differ in their seed alone share one compiled program.
    """
    step, seed = jitted_step(config), jnp.uint32(config.seed)
    return lambda state, batch: step(state, batch, seed)


def jitted_step(config: RunConfig) -> Any:
    """step(state, batch, seed) under jax.jit, before compilation."""
    return _jitted_step(config.model, config.optimizer, config.steps, config.trainable)


@lru_cache(maxsize=16)
def _jitted_step(model: ModelConfig, settings: OptimizerConfig, steps: int, trainable: str):
    update = optimizer.build(RunConfig(model=model, optimizer=settings, steps=steps)).update
    drops = max(model.dropout.embed, model.dropout.resid, model.dropout.mlp) > 0

    @partial(jax.jit, donate_argnums=0)
    def step(state: TrainState, batch: Array, seed: Array):
        # The step's own randomness is a function of (seed, step), so resuming repeats it.
        key = jax.random.fold_in(jax.random.fold_in(jax.random.key(0), seed), state.step) if drops else None
        moved = trained(state.parameters, trainable)

        def loss(moved: Parameters):
            return loss_fn(model, state.parameters | moved, batch=batch, dropout_key=key)

        (value, extra), grads = jax.value_and_grad(loss, has_aux=True)(moved)
        updates, opt_state = update(grads, state.opt_state, moved)
        changed: Any = optax.apply_updates(moved, updates)
        parameters = state.parameters | changed
        metrics = {"loss": value, "grad_norm": optax.tree.norm(grads), **extra}
        return TrainState(state.step + 1, parameters, opt_state), metrics

    return step


@lru_cache(maxsize=16)
def make_eval_step(config: ModelConfig) -> Callable[[Parameters, Array], Array]:
    """eval(parameters, windows) -> per window, the loss in nats summed over its targets, compiled."""

    @jax.jit
    def evaluate(parameters: Parameters, windows: Array):
        logits = assemble(config, parameters)(windows[:, :-1])
        return next_token_losses(logits, windows[:, 1:]).sum(-1)

    return evaluate
