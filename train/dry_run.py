"""What a run would cost, before it is started: parameters, tokens, memory, minutes."""

import time

import jax
import jax.numpy as jnp

from jattn.model import count_parameters
from train import loop, step
from train.config import RunConfig, override
from train.progress import clock

STEPS_TIMED = 5
LONGEST_STEP_SECONDS = 20.0


def describe(config: RunConfig) -> str:
    """One paragraph on a run: nothing is trained or written, but a few steps are timed unless a step is too long."""
    material = loop.prepare(config)
    config = override(material.config, {"model.vocab_size": material.tokenizer.vocab_size})
    parameters = count_parameters(config.model)
    tokens = config.tokens_per_step * config.steps
    epochs = tokens / max(material.data.train.size, 1)
    state = jax.eval_shape(lambda: step.init_state(config))
    batch = jax.ShapeDtypeStruct((config.data.batch, config.length + 1), jnp.int32)
    seed = jax.ShapeDtypeStruct((), jnp.uint32)
    compiled = step.jitted_step(config).lower(state, batch, seed).compile()
    memory = compiled.memory_analysis()
    held = memory.argument_size_in_bytes + memory.temp_size_in_bytes
    seconds, how = _step_seconds(config, compiled, parameters)
    return (
        f"{config.name}: {parameters:,} parameters; {tokens:,} tokens in {config.steps:,} steps "
        f"({epochs:.1f} passes over {material.data.train.size:,} tokens); memory {held / 1e6:,.0f} MB "
        f"(state {memory.argument_size_in_bytes / 1e6:,.0f}, working {memory.temp_size_in_bytes / 1e6:,.0f}); "
        f"about {clock(seconds * config.steps)} ({seconds * 1e3:.0f} ms a step, {how})"
    )


def _step_seconds(config: RunConfig, compiled, parameters: int) -> tuple[float, str]:
    """Seconds of a step: the median of a few real ones, or from arithmetic alone where one would take too long."""
    guess = 6 * parameters * config.tokens_per_step / _flops_per_second()
    if guess > LONGEST_STEP_SECONDS:
        return guess, "from arithmetic alone, at the speed of a large matrix product"
    state = step.init_state(config)
    batch = jnp.zeros((config.data.batch, config.length + 1), jnp.int32)
    times = []
    for _ in range(STEPS_TIMED + 1):
        began = time.perf_counter()
        state, metrics = compiled(state, batch, jnp.uint32(config.seed))
        jax.block_until_ready(metrics)
        times.append(time.perf_counter() - began)
    return sorted(times[1:])[STEPS_TIMED // 2], "measured here"


def _flops_per_second(n: int = 1024) -> float:
    x = jnp.ones((n, n))
    product = jax.jit(jnp.matmul)
    jax.block_until_ready(product(x, x))
    began = time.perf_counter()
    jax.block_until_ready([product(x, x) for _ in range(4)])
    return 4 * 2 * n**3 / (time.perf_counter() - began)
