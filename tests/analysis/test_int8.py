"""Simulated int8: what fits the grid costs nothing, what does not is rounded, and an outlier makes it dear."""

import jax.numpy as jnp
import numpy as np
import pytest

from analysis.interventions import int8
from jattn.errors import InputError
from jattn.model import init_parameters
from tests.configs import model_config

SMALL = {
    "vocab_size": 13,
    "context": 8,
    "layers": 2,
    "heads": 2,
    "width": 8,
    "init__zero_outputs": False,
    "init__std": 0.3,
}
WINDOWS = np.random.default_rng(0).integers(0, 13, (4, 9))


def test_values_on_the_grid_stay_and_others_move_by_half_a_step_at_most():
    grid = jnp.arange(-127, 128) / 127 * 3.0
    np.testing.assert_allclose(int8.fake_quantise(grid, jnp.asarray(3.0)), grid, rtol=1e-6)
    x = jnp.asarray(np.random.default_rng(1).uniform(-3, 3, 1000), jnp.float32)
    moved = int8.fake_quantise(x, jnp.asarray(3.0)) - x
    assert np.abs(moved).max() <= 3 / 127 / 2 + 1e-6
    np.testing.assert_allclose(np.std(moved), 3 / 127 / np.sqrt(12), rtol=0.1)  # of a uniform error


def test_values_beyond_the_range_are_clipped_and_nothing_has_no_step():
    x = jnp.asarray([5.0, -9.0, 0.0])
    np.testing.assert_allclose(int8.fake_quantise(x, jnp.asarray(2.0)), [2, -2, 0])
    np.testing.assert_array_equal(int8.fake_quantise(jnp.zeros(3), jnp.asarray(0.0)), 0)


def test_only_matrices_of_the_blocks_are_quantised_each_by_its_own_largest_entry():
    p = init_parameters(model_config(**SMALL, attention="null"))
    q = int8.quantise_weights(p)
    changed = {n for n in p if not np.array_equal(p[n], q[n])}
    assert changed == {n for n in p if n.endswith(".kernel")}
    for name in changed:
        steps = np.asarray(q[name]) / (np.abs(p[name]).max() / 127)
        np.testing.assert_allclose(steps, np.round(steps), atol=1e-3)
        np.testing.assert_allclose(np.abs(q[name]).max(), np.abs(p[name]).max(), rtol=1e-6)


def test_weights_on_their_grid_cost_nothing():
    config = model_config(**SMALL)
    p = int8.quantise_weights(init_parameters(config))
    found = int8.losses(config, p, WINDOWS, WINDOWS)
    np.testing.assert_allclose(found["weights"], found["full"], atol=1e-5)
    np.testing.assert_allclose(found["both"], found["activations"], atol=1e-5)


@pytest.mark.parametrize("attention", ["null", "token", "gate"])
def test_an_outlier_in_the_input_of_a_layer_makes_activations_dear(attention):
    """One massive value dimension: all others of z are rounded to the few levels that it leaves."""
    config = model_config(**SMALL, attention=attention)
    plain = init_parameters(config)
    name = "blocks.0.attention.v.kernel"
    # The massive entry reaches nothing: its row of the output projection is 0.
    out = "blocks.0.attention.out.kernel"
    p = plain | {name: plain[name].at[:, 0].mul(1e4), out: plain[out].at[0].set(0)}
    even, massive = (int8.losses(config, x, WINDOWS, WINDOWS) for x in (plain | {out: p[out]}, p))
    np.testing.assert_allclose(massive["full"], even["full"], rtol=1e-4)
    cost = lambda f: np.abs(f["activations"] - f["full"]).mean()
    assert cost(massive) > 10 * cost(even)


def test_a_model_without_a_loss_or_with_experts_is_refused():
    with pytest.raises(InputError, match="int8: the model predicts no next token"):
        int8.losses(model_config(**SMALL, output__kind="none", output__tied=False), {}, WINDOWS, WINDOWS)
    experts = model_config(**SMALL, mlp__experts=2, mlp__activation="swiglu_clamped")
    with pytest.raises(InputError, match=r"model.mlp.experts = 2 are not quantised"):
        int8.losses(experts, {}, WINDOWS, WINDOWS)
