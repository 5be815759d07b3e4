"""A step is a pure function of (state, batch), donates its state, and reports the null mass where there is one."""

import math
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jattn.model import assemble, init_parameters, parameter_shapes
from train.config import override
from train.step import TrainState, init_state, loss_fn, make_eval_step, make_train_step

V, B, T = 20, 4, 16
BATCH = np.random.default_rng(0).integers(V, size=(B, T + 1)).astype(np.int32)  # steps and evaluations take it as is
NULLS = {
    "standard": (),
    "local:4": (),
    "value_bias": (),
    "gate": (),
    "sigmoid": (),
    "null": (0, 1),
    "zero": (0, 1),
    "logit": (0, 1),
    "key_value": (0, 1),
    "fixed_value:2": (0, 1),
    "token": (0, 1),
    "local:4,null": (1,),
    "null+local:4,standard": (0,),
}


@pytest.fixture(scope="module")
def config(tiny):
    """config({"model.layers": 2}): one layer with a null by default, 20 symbols."""
    base = {"model.vocab_size": V, "model.attention": "null"}
    return lambda changes=None: tiny(base | (changes or {}))


@pytest.fixture(scope="module")
def trained(config):
    """A compiled step, the state before it, and states and metrics of 20 steps on one batch."""
    chosen = config({"optimizer.warmup": 0})
    step = make_train_step(chosen)
    states, metrics = [jax.device_get(init_state(chosen))], []
    for _ in range(20):
        state, values = step(copied(states[-1]), BATCH)
        states.append(jax.device_get(state))
        metrics.append(jax.device_get(values))
    return step, states, metrics


def copied(state):
    """The state as fresh arrays on the device: a step consumes what it is given."""
    return jax.tree.map(jnp.array, state)


def same(one, two):
    assert jax.tree.structure(one) == jax.tree.structure(two)
    return all(np.array_equal(a, b) for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(two), strict=True))


def random_parameters(config, std=0.3):
    """Parameters far from their zeros, so that every layer does something."""
    draw = np.random.default_rng(1)
    shapes = parameter_shapes(config.model)
    ones = {n: n.endswith(".scale") for n in shapes}
    return {n: jnp.asarray(ones[n] + std * draw.normal(size=p.shape), p.dtype) for n, p in shapes.items()}


@partial(jax.jit, static_argnums=0)
def loss_of(model, parameters, batch):
    return loss_fn(model, parameters, batch)


def test_same_state_and_batch_give_the_same_state_and_metrics(trained):
    step, states, metrics = trained
    for n in (0, 7):
        state, values = step(copied(states[n]), BATCH)
        assert same(jax.device_get(state), states[n + 1]) and same(jax.device_get(values), metrics[n])


def test_step_counts_itself_and_keeps_names_shapes_and_types(trained):
    _, states, _ = trained
    assert [int(state.step) for state in states] == list(range(21))
    shapes = [jax.tree.map(lambda a: (np.shape(a), np.asarray(a).dtype), tuple(state)) for state in states]
    assert shapes[0] == shapes[-1]


def test_state_is_donated(trained):
    step, states, _ = trained
    state = copied(states[0])
    step(state, BATCH)
    assert all(leaf.is_deleted() for leaf in jax.tree.leaves(state.parameters))


def test_twenty_steps_on_one_batch_lower_its_loss(trained, config):
    losses = [float(values["loss"]) for values in trained[2]]
    assert losses[-1] < losses[0] - 0.2
    assert float(loss_of(config().model, trained[1][-1].parameters, BATCH)[0]) < losses[-1]


def test_reported_gradient_norm_is_that_of_the_loss_before_the_update(trained, config):
    _, states, metrics = trained
    grads = jax.jit(jax.grad(lambda p: loss_of(config().model, p, BATCH)[0]))(states[3].parameters)
    assert float(metrics[3]["grad_norm"]) == pytest.approx(float(optax.tree.norm(grads)), rel=1e-4)


def test_loss_of_a_fresh_model_is_near_log_v(config):
    """Output projections start at zero, so a fresh model's logits are norm(e) . E for the token's own row e.

    Rows are N(0, 0.02^2): a logit is 4 x 0.02 x N(0, 1) for other tokens, about 4^2 x 0.02 for the token itself, all
    near 0, so the loss is within 0.1 of the uniform log V.
    """
    chosen = config()
    parameters = init_state(chosen).parameters
    rows = np.asarray(parameters["token_rows"], np.float64)
    x = rows[BATCH[:, :-1]]
    logits = x / np.sqrt((x**2).mean(-1, keepdims=True) + chosen.model.norm.eps) @ rows.T
    target = np.take_along_axis(logits, BATCH[:, 1:, None], -1)[..., 0]
    by_hand = (np.log(np.exp(logits).sum(-1)) - target).mean()
    loss = float(loss_of(chosen.model, parameters, BATCH)[0])
    assert loss == pytest.approx(by_hand, rel=1e-5)
    assert abs(loss - math.log(V)) < 0.1


def test_loss_is_the_mean_cross_entropy_of_the_next_token(config):
    chosen = config()
    parameters = random_parameters(chosen)
    logits = np.asarray(jax.jit(lambda p, x: assemble(chosen.model, p)(x))(parameters, BATCH[:, :-1]), np.float64)
    by_hand = [np.log(np.exp(logits[b, t]).sum()) - logits[b, t, BATCH[b, t + 1]] for b in range(B) for t in range(T)]
    assert float(loss_of(chosen.model, parameters, BATCH)[0]) == pytest.approx(np.mean(by_hand), rel=1e-5)
    np.testing.assert_allclose(
        make_eval_step(chosen.model)(parameters, BATCH), np.sum(np.reshape(by_hand, (B, T)), -1), rtol=1e-5
    )


@pytest.mark.parametrize("attention", NULLS)
def test_null_mass_is_reported_where_a_layer_has_a_null_or_a_token(config, attention):
    model = config({"model.layers": 2, "model.attention": attention}).model
    shapes = jax.eval_shape(lambda: init_parameters(model))
    _, metrics = jax.eval_shape(partial(loss_fn, model), shapes, jax.ShapeDtypeStruct(BATCH.shape, jnp.int32))
    assert set(metrics) == ({"null_mass"} if NULLS[attention] else set())
    assert model.has_null == bool(NULLS[attention])


def test_model_without_layers_has_no_null_mass(config):
    assert not config({"model.layers": 0}).model.has_null


@pytest.mark.parametrize("attention", ["local:4,null", "token"])
def test_null_mass_is_what_the_weights_leave_over_in_layers_with_a_null(config, attention):
    chosen = config({"model.layers": 2, "model.attention": attention})
    parameters = random_parameters(chosen)
    leave = lambda seen: 1 - seen.weights().sum(-1)
    left = np.asarray(jax.jit(lambda p, x: assemble(chosen.model, p)(x, observe=leave)[1])(parameters, BATCH[:, :-1]))
    assert left.shape == (2, B, 2, T)
    _, metrics = loss_of(chosen.model, parameters, BATCH)
    assert float(metrics["null_mass"]) == pytest.approx(left[list(NULLS[attention])].mean(), abs=1e-5)
    assert 0.01 < float(metrics["null_mass"]) < 0.99


def test_dropout_is_a_function_of_seed_and_step(config):
    base = config({"model.dropout.mlp": 0.3})
    parameters = random_parameters(base)

    opt_state = init_state(base).opt_state

    def losses(seed, steps):
        step = make_train_step(override(base, {"seed": seed}))
        states = [TrainState(jnp.asarray(n), parameters, opt_state) for n in steps]
        return [float(step(copied(state), BATCH)[1]["loss"]) for state in states]

    (one, two, again), (other,) = losses(0, (5, 6, 5)), losses(1, (5,))
    assert one == again
    assert len({one, two, other}) == 3


def test_without_dropout_loss_does_not_depend_on_the_step(trained):
    step, states, _ = trained
    got = {float(step(copied(states[9]._replace(step=np.int32(n))), BATCH)[1]["loss"]) for n in (5, 6)}
    assert len(got) == 1


@pytest.mark.parametrize("attention", ["null", "token", "key_value+value_bias+gate"])
def test_pair_of_one_seed_starts_from_equal_common_parameters(config, attention):
    standard = init_state(config({"model.attention": "standard"})).parameters
    other = init_state(config({"model.attention": attention})).parameters
    assert set(standard) < set(other)
    assert all(np.array_equal(standard[name], other[name]) for name in standard)


def test_another_seed_starts_from_other_weights(config):
    one, two = (init_state(config({"seed": seed})).parameters for seed in (0, 1))
    drawn = [name for name in one if float(jnp.std(one[name])) > 0]
    assert drawn and not any(np.array_equal(one[name], two[name]) for name in drawn)
