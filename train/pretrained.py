"""Initialising from a pretrained model, a run or an imported one: the same weights with a null and without.

A null that the model lacks is added to every layer, whatever its window. Its parameters start (`null_init`)

    off    near off: per head the logit that gives the null a thousandth of all attention on a sample of text, so that
           the loss hardly moves and the null still gets a gradient
    sink   as a copy of the model's own sink: per head the mean key (and value) of the first position, as in
           "attention biases" (Sun et al. 2024, arXiv 2402.17762), scored as a key at position 0. The first token keeps
           its own key, so the sink's share is divided between the two and the loss jumps before training.
"""

from dataclasses import replace
from typing import Any

import numpy as np

from jattn.config import ModelConfig
from jattn.errors import InputError
from jattn.variants import parse_attention
from train.config import RunConfig, override
from train.runs import Run

OFF = 1e-3
"""Mean null mass of a null that starts near off."""
FREE = ("model.attention", "model.compute.implementation", "model.compute.layer_loop", "model.null.", "model.dropout.")
"""Fields of the model, and groups of them, that may differ from those of the pretrained one."""


def is_free(name: str) -> bool:
    """Whether a field of the model may differ from that of the pretrained one."""
    return name.startswith(FREE)


def resolve_attention(base: str, asked: str) -> str:
    """The attention string of `asked` on a model whose own is `base`: nulls are added to every layer of it.

    standard is the model as it is. Raises InputError for a null on a model that has one.
    """
    layers = parse_attention(asked)
    if asked.replace(" ", "") in ("standard", base.replace(" ", "")):
        return base
    plain = len(layers) == 1 and layers[0].null is not None and layers[0].window is None and "+" not in asked
    if not plain:
        if any(layer.window for layer in parse_attention(base)) and not all(layer.window for layer in layers):
            raise InputError(
                f"--attention: {asked!r} would drop the windows of the model ({base!r}); give one null alone, such as "
                "null, or name the windows"
            )
        return asked
    if any(layer.has_null for layer in parse_attention(base)):
        raise InputError(f"--attention: the model has a null already ({base!r}); {asked!r} cannot be added")
    return ",".join(asked if layer.strip() == "standard" else f"{asked}+{layer.strip()}" for layer in base.split(","))


def with_null(config: ModelConfig, base: ModelConfig, null_init: str) -> ModelConfig:
    """The config of a model that gets a null: a copy of the sink is scored as the sink is, a key at position 0."""
    if config.pattern == base.pattern or null_init == "off" or base.positions != "rope":
        return config
    return replace(config, null=replace(config.null, rotary="after"))


def pretrained_parameters(run: Run, config: RunConfig, tokens: np.ndarray) -> dict[str, Any]:
    """The run's parameters, and those of the null that it lacks, initialised on `tokens` [W, T].

    Raises InputError if the attention asked for has no place for what the run has learned.
    """
    from jattn.model import init_parameters, parameter_shapes

    wanted = parameter_shapes(config.model)
    dropped = sorted(set(run.parameters) - set(wanted))
    if dropped:
        raise InputError(
            f"--attention {config.model.attention!r} has no place for {dropped[0]} of {run.path} "
            f"(attention {run.config.model.attention!r}); training would lose what it has learned"
        )
    new = set(wanted) - set(run.parameters)
    fresh = init_parameters(config.model, config.seed, only=frozenset(new)) if new else {}
    if new:
        fresh |= (_copied_sink if config.null_init == "sink" else _near_off)(run, config.model, tokens, new)
    return {**run.parameters, **fresh}


def _near_off(run: Run, config: ModelConfig, tokens: np.ndarray, new: set[str]) -> dict[str, Any]:
    """Logits [N] at which the null's mean share is at most OFF, for a null key of 0: log OFF - log mean exp(-lse)."""
    import jax
    import jax.numpy as jnp

    logits = {n: int(n.split(".")[1]) for n in new if n.endswith(".null.logit")}
    if not logits:
        raise InputError(
            f"null_init: 'off' sets a logit, which attention {config.attention!r} has not; use null or logit"
        )

    def observe(seen: Any):
        lse = seen["lse"]
        return jnp.log(OFF) - jax.nn.logsumexp(-lse, (0, 1)) + jnp.log(lse.shape[0] * lse.shape[1])

    per_layer = jax.jit(lambda model, tokens: model(tokens, observe=observe)[1])(run.model, jnp.asarray(tokens))
    return {n: per_layer[i].astype(config.compute.param_dtype) for n, i in logits.items()}


def _copied_sink(run: Run, config: ModelConfig, tokens: np.ndarray, new: set[str]) -> dict[str, Any]:
    """Null keys and values [N, H] that are the means of the first position's; logits of 0."""
    import jax
    import jax.numpy as jnp

    from jattn.positions import frequencies

    keys = [n for n in new if n.endswith(".null.key")]
    if not keys:
        raise InputError(
            f"null_init: 'sink' copies a key, which attention {config.attention!r} has not; use null or key_value"
        )

    def observe(seen: Any):
        return seen["k"][:, 0].mean(0), seen["v"][:, 0].mean(0)

    k, v = jax.jit(lambda model, tokens: model(tokens, observe=observe)[1])(run.model, jnp.asarray(tokens))
    if config.positions == "rope":  # a rotated key carries yarn's scale
        k = k * frequencies(config.H // 2, config.rope)[1]
    each = config.heads // config.N_kv
    of = {
        "key": jnp.repeat(k, each, 1),
        "value": jnp.repeat(v, each, 1),
        "logit": jnp.zeros((config.layers, config.heads)),
    }
    return {n: of[n.rpartition(".")[2]][int(n.split(".")[1])].astype(config.compute.param_dtype) for n in new}


def finetune_config(run: Run, path: str, base: RunConfig, given: dict[str, Any]) -> RunConfig:
    """The config that trains a run's model on: `base`, its model replaced, with the fields that were `given`.

    Raises InputError for a field of the model that would make it another one.
    """
    fixed = sorted(n for n in given if n.startswith("model.") and not is_free(n))
    if fixed or given.get("data.tokenizer", "model") != "model":
        name = (fixed or ["data.tokenizer"])[0]
        raise InputError(f"--{name}: {path} brings its own; with --from only attention, null and dropout may differ")
    if not run.config.model.causal or run.config.model.output.kind == "none":
        raise InputError(
            f"--from: {path} sees both sides or has no output layer, so there is no next token to train on"
        )
    of_model = {n.removeprefix("model."): v for n, v in given.items() if n.startswith("model.")}
    length = given.get("data.length") or min(128, run.config.model.context)
    data = replace(base.data, tokenizer="model", length=length)
    return replace(base, model=override(run.config.model, of_model), data=data, init_from=path)


def with_attention(run: Run, config: RunConfig, asked: str, null_init: str) -> RunConfig:
    """The config with the attention that is asked for, and the rotation that a null with this `null_init` needs."""
    base = run.config.model
    model = replace(config.model, attention=resolve_attention(base.attention, asked))
    return replace(config, model=with_null(model, base, null_init))
