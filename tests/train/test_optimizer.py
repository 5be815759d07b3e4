"""The schedule in closed form, which parameters decay, which ones Muon trains, and what clipping bounds."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jattn.config import ModelConfig, NullConfig
from jattn.model import parameter_shapes
from tests.configs import model_config
from train.config import OptimizerConfig, RunConfig
from train.optimizer import build, decays, is_hidden_matrix, schedule

# Everything that can be in a model, in two models: a sink token excludes the other nulls.
FULL = model_config(
    attention="key_value+gate+value_bias",
    vocab_size=20,
    context=16,
    layers=1,
    heads=2,
    width=16,
    positions="learned",
    norm__kind="layernorm",
    bias__norm=True,
    bias__qkv=True,
    bias__out=True,
    bias__mlp=True,
    output__tied=False,
    mlp__activation="swiglu",
    token_types=2,
)
TOKEN = ModelConfig(attention="token", vocab_size=20, context=16, layers=1, heads=2, width=16)
SOME = (  # one parameter of every kind: what an update does to each, compiled quickly
    "blocks.0.attention.q.kernel",
    "blocks.0.mlp.up.kernel",
    "blocks.0.mlp.up.bias",
    "blocks.0.mlp_norm.scale",
    "blocks.0.attention.null.key",
    "blocks.0.attention.null.logit",
    "blocks.0.attention.value_bias",
    "position_rows",
    "head.kernel",
)
EXTRA = ("null.key", "null.value", "value_bias", "sink_row")  # of two axes, under model.null.decay


def run_config(model=FULL, **optimizer) -> RunConfig:
    return RunConfig(
        steps=10, model=model, optimizer=OptimizerConfig(**({"optimizer": "adamw", "warmup": 0} | optimizer))
    )


def random(seed, scale=1.0, names=SOME):
    draw, shapes = np.random.default_rng(seed), parameter_shapes(FULL)
    return {n: np.asarray(scale * draw.normal(size=shapes[n].shape), np.float32) for n in names}


def update(config, grads, parameters):
    """The first update and the state after it."""
    transform = build(config)
    return jax.device_get(jax.jit(lambda g, p: transform.update(g, transform.init(p), p))(grads, parameters))


@pytest.mark.parametrize(
    ("warmup", "rest", "peak", "ratio"), [(1, 2, 1e-5, 0.0), (30, 50, 1.0, 0.1), (7, 3, 0.3, 1.0), (2, 300, 3e-3, 0.5)]
)
def test_schedule_is_a_line_up_to_the_peak_and_then_a_cosine(warmup, rest, peak, ratio):
    steps = warmup + rest
    rate = schedule(RunConfig(steps=steps, optimizer=OptimizerConfig(warmup=warmup, final_ratio=ratio)), peak)
    got = np.asarray(rate(jnp.arange(steps + 1)))
    up = np.arange(warmup) / warmup
    down = ratio + (1 - ratio) * (1 + np.cos(np.pi * np.arange(rest + 1) / rest)) / 2
    np.testing.assert_allclose(got, peak * np.concatenate([up, down]), rtol=1e-5, atol=1e-6 * peak)
    assert got[0] == 0


def test_schedule_stays_at_its_end_for_a_run_that_goes_on():
    config = RunConfig(steps=10, optimizer=OptimizerConfig(warmup=2, final_ratio=0.25))
    assert schedule(config, 1.0)(25) == pytest.approx(0.25, rel=1e-6)


def test_warm_up_longer_than_the_run_ends_with_the_run():
    rate = schedule(RunConfig(steps=5, optimizer=OptimizerConfig(warmup=100, final_ratio=0.5)), 1.0)
    np.testing.assert_allclose(rate(jnp.arange(6)), [0, 0.25, 0.5, 0.75, 1, 0.5], rtol=1e-6)


def test_single_step_is_taken_at_the_peak():
    assert schedule(RunConfig(steps=1), 0.5)(0) == pytest.approx(0.5)


@pytest.mark.parametrize("decay", [True, False])
@pytest.mark.parametrize("model", [FULL, TOKEN], ids=["full", "token"])
def test_matrices_decay_and_norms_biases_and_sink_logits_do_not(model, decay):
    config = RunConfig(model=model_config(**(vars(model) | {"null": NullConfig(decay=decay)})))
    touched = decays(config, parameter_shapes(config.model))
    for name, decayed in touched.items():
        if name.endswith(EXTRA):
            assert decayed == decay, name
        else:
            assert decayed == name.endswith((".kernel", "_rows")), name
    kinds = {name.rpartition(".")[2] for name in touched}
    assert kinds >= ({"scale", "bias", "logit", "kernel", "token_rows"} if model is FULL else {"sink_row"})


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_without_a_gradient_decay_shrinks_what_it_touches_by_rate_times_decay_and_moves_nothing_else(optimizer):
    config = run_config(
        optimizer=optimizer, learning_rate=0.1, weight_decay=0.5, muon_learning_rate=0.2, muon_weight_decay=0.3
    )
    parameters = random(0)
    zeros = jax.tree.map(np.zeros_like, parameters)
    updates, _ = update(config, zeros, parameters)
    for name, decayed in decays(config, parameters).items():
        muon = optimizer == "muon" and is_hidden_matrix(name)
        share = (0.2 * 0.3 if muon else 0.1 * 0.5) if decayed else 0.0
        np.testing.assert_allclose(updates[name], -share * parameters[name], rtol=1e-5, atol=1e-7, err_msg=name)


def test_muon_trains_the_matrices_inside_blocks_and_nothing_else():
    names = parameter_shapes(FULL)
    inside = {n for n in names if n.startswith("blocks.") and names[n].ndim == 2 and not n.endswith(EXTRA)}
    assert {n for n in names if is_hidden_matrix(n)} == inside
    parts = ("q", "k", "v", "out", "gate")
    assert {f"blocks.0.attention.{part}.kernel" for part in parts} < inside
    assert not any(is_hidden_matrix(n) for n in ("token_rows", "position_rows", "head.kernel", "sink_row"))


def test_each_learning_rate_moves_its_own_group():
    parameters = random(0)
    grads = random(1, 0.1)
    for still, moves_muon in (("learning_rate", True), ("muon_learning_rate", False)):
        config = run_config(optimizer="muon", **{still: 1e-30})
        updates, _ = update(config, grads, parameters)
        moved = {name for name, change in updates.items() if np.abs(change).max() > 1e-6}
        assert moved == {name for name in parameters if is_hidden_matrix(name) == moves_muon}


def test_muon_makes_all_directions_of_a_matrix_move_alike():
    """The gradient of one matrix has singular values from 1 to 30; those of its update are alike (Jordan et al.)."""
    name = "blocks.0.attention.q.kernel"
    parameters = random(0, names=[name])
    draw = np.random.default_rng(1)
    u, v = (np.linalg.qr(draw.normal(size=(16, 16)))[0] for _ in range(2))
    grads = {name: (u * np.geomspace(1, 30, 16) @ v).astype(np.float32)}
    moved = {}
    for optimizer in ("muon", "adamw"):
        updates, _ = update(run_config(optimizer=optimizer, muon_weight_decay=0.0, weight_decay=0.0), grads, parameters)
        values = np.linalg.svd(np.asarray(updates[name], np.float64), compute_uv=False)
        moved[optimizer] = values[0] / values[-1]
    assert moved["muon"] < 2 < 6 < moved["adamw"]


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e6])
def test_gradient_beyond_the_clip_enters_the_update_with_the_clips_norm(scale):
    """Adam's first moment after one step is (1 - beta1) times the gradient that it was given."""
    grads, parameters = random(1, scale), random(0)
    _, state = update(run_config(clip=0.5, beta1=0.9), grads, parameters)
    (mean,) = [s.mu for s in jax.tree.leaves(state, is_leaf=lambda s: hasattr(s, "mu")) if hasattr(s, "mu")]
    norm = float(optax.tree.norm(grads))
    assert float(optax.tree.norm(mean)) == pytest.approx(0.1 * min(norm, 0.5), rel=1e-4)
    for name in grads:
        np.testing.assert_allclose(mean[name], 0.1 * grads[name] * min(1, 0.5 / norm), rtol=1e-4, atol=1e-9)
