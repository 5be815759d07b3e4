"""What a run would cost, before it is started: parameters, tokens, memory, minutes.

The programs that training runs are compiled here and a few steps are timed, so what compiling takes is measured too.
"""

import time
from typing import Any

import jax
import jax.numpy as jnp

from jattn.model import count_parameters, parameter_shapes
from train import data, step
from train.config import RunConfig
from train.evaluate import Evaluation, evenly
from train.material import Material, prepare
from train.progress import clock
from train.runs import Run

STEPS_TIMED = 5
LONGEST_STEP_SECONDS = 20.0


def describe(config: RunConfig, pretrained: Run | None = None, name: str | None = None) -> str:
    """One paragraph on a run: nothing is trained or written, but a few steps are timed unless a step is too long.

    Memory in MB: the state (parameters and the optimizer's), working arrays of a step or an evaluation, whichever has
    more, a second state while a checkpoint is written, and the pretrained weights.
    """
    material = prepare(config, pretrained)
    config = material.config
    parameters = count_parameters(config.model)
    tokens = config.tokens_per_step * config.steps
    epochs = tokens / max(material.data.train.size, 1)
    began = time.perf_counter()
    training, evaluating, count = _compiled(config, material)
    compiling = time.perf_counter() - began
    memory, again = training.memory_analysis(), evaluating.memory_analysis()
    state, working = memory.argument_size_in_bytes, max(memory.temp_size_in_bytes, again.temp_size_in_bytes)
    parts = {"state": state, "copy of it while a checkpoint is written": state, "working": working}
    if pretrained is not None:
        parts["pretrained weights"] = sum(array.nbytes for array in pretrained.parameters.values())
    seconds, how = _step_seconds(config, training, parameters)
    evaluation = seconds / 3 * count / config.data.batch  # forward only: about a third of a step's work
    times = config.steps // config.eval_every + bool(config.steps % config.eval_every) + (pretrained is not None)
    return (
        f"{name or config.name}: {parameters:,} parameters; {tokens:,} tokens in {config.steps:,} steps "
        f"({epochs:.1f} passes over {material.data.train.size:,} tokens); memory {sum(parts.values()) / 1e6:,.0f} MB "
        f"({', '.join(f'{name} {size / 1e6:,.0f}' for name, size in parts.items())}; libraries come on top); about "
        f"{clock(seconds * config.steps)} ({seconds * 1e3:.0f} ms a step, {how}), {clock(compiling)} to compile first, "
        f"{clock(evaluation * times)} to evaluate {times} times on {count} windows; saving not counted"
    )


def _compiled(config: RunConfig, material: Material) -> tuple[Any, Any, int]:
    """The programs of a step and of an evaluation's first batch, and how many windows an evaluation reads."""
    seed = jax.ShapeDtypeStruct((), jnp.uint32)
    state = jax.eval_shape(lambda: step.init_state(config))
    batch = jax.ShapeDtypeStruct((config.data.batch, config.length + 1), jnp.int32)
    training = step.jitted_step(config).lower(state, batch, seed).compile()
    windows = data.windows(material.data.valid, context=config.length, bos=material.tokenizer.bos)
    windows = evenly(windows, config.eval_windows)
    first = Evaluation(config, windows).batches[0]
    evaluate: Any = step.make_eval_step(config.model)
    return training, evaluate.lower(parameter_shapes(config.model), first).compile(), len(windows)


def _step_seconds(config: RunConfig, compiled: Any, parameters: int) -> tuple[float, str]:
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
