"""The hand-built models do exactly what they say: attention, losses, and what is left after an ablation."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from analysis.measures import patterns
from analysis.measures.incontext import said_twice, second_copy_gain
from jattn.model import assemble
from jattn.taps import at
from tests import planted

V, C = 20, 32
CERTAINTY = np.log(1 + (V - 1) * np.exp(-planted.CERTAIN))  # loss of the foretold token


@pytest.fixture(scope="module")
def rows():
    return said_twice(np.arange(V), 6, C)


def run(model, rows, edit=None):
    """Loss of every target [W, T] and the attention [L, W, N, T, T] on the inputs."""
    built = assemble(model[0], jax.tree.map(jnp.asarray, model[1]))
    logits, weights = built(rows[:, :-1], observe=lambda seen: seen.weights(), edit=edit)
    taken = jnp.take_along_axis(jax.nn.log_softmax(logits), rows[:, 1:, None], -1)[..., 0]
    return -np.asarray(taken), weights


def silenced(layer, head=0):
    return at("z", lambda z: z.at[:, :, head].set(0), layer=layer)


@pytest.mark.parametrize("null", [False, True])
def test_induction_circuit_scores_one_on_prefix_matching(rows, null):
    _, weights = run(planted.induction_circuit(V, C, null=null), rows)
    found = patterns.raw_mass(weights[1], patterns.induction_pattern(jnp.asarray(rows[:, :-1])))
    np.testing.assert_allclose(found[:, 0], 1, atol=1e-6)
    even = patterns.chance_mass(patterns.induction_pattern(jnp.asarray(rows[:, :-1])))
    np.testing.assert_allclose(found[:, 1], even[:, 0], rtol=1e-5)


def test_previous_token_head_attends_to_the_token_before_and_nowhere_else(rows):
    for model in (planted.previous_token_model(V, C), planted.induction_circuit(V, C)):
        _, weights = run(model, rows)
        T = weights.shape[-1]
        expected = np.eye(T, k=-1)
        expected[0, 0] = 1
        np.testing.assert_allclose(weights[0, :, 0], np.broadcast_to(expected, weights[0, :, 0].shape), atol=1e-6)
        found = patterns.pattern_score(weights[0], patterns.previous_pattern(T))
        np.testing.assert_allclose(found[:, 0], (T - 1) / T, rtol=1e-6)


def test_induction_head_without_a_match_rests_on_position_one_or_on_the_null(rows):
    P = C // 2
    _, weights = run(planted.induction_circuit(V, C), rows)
    np.testing.assert_allclose(weights[1, :, 0, :P, 0], 1, atol=1e-6)
    _, weights = run(planted.induction_circuit(V, C, null=True), rows)
    np.testing.assert_allclose(weights[1, :, 0, :P], 0, atol=1e-6)


@pytest.mark.parametrize(("null", "first"), [(False, planted.CERTAIN + CERTAINTY), (True, np.log(V))])
def test_losses_of_both_copies_have_their_closed_form(rows, null, first):
    losses, _ = run(planted.induction_circuit(V, C, null=null), rows)
    P = C // 2
    np.testing.assert_allclose(losses[:, P:], CERTAINTY, atol=2e-6)
    np.testing.assert_allclose(losses[:, : P - 1], first, rtol=1e-5)
    np.testing.assert_allclose(second_copy_gain(losses), CERTAINTY - first, rtol=1e-5)


@pytest.mark.parametrize("null", [False, True])
@pytest.mark.parametrize("layer", [0, 1])
def test_ablation_of_either_head_removes_the_gain_and_of_an_idle_head_nothing(rows, null, layer):
    model = planted.induction_circuit(V, C, null=null)
    assert second_copy_gain(run(model, rows)[0]).max() < -2.9
    ablated = run(model, rows, silenced(layer))[0]
    if layer == 0 and not null:  # the symbol of position 1 no longer finds its own way to rest there: one target
        ablated = np.delete(ablated, [0, C // 2], 1)
    np.testing.assert_allclose(second_copy_gain(ablated), 0, atol=1e-5)
    np.testing.assert_array_equal(run(model, rows, silenced(layer, head=1))[0], run(model, rows)[0])


def test_copying_model_makes_what_it_has_seen_likelier(rows):
    for sign in (1.0, -1.0):
        config, p = planted.copying_model(V, C, sign=sign)
        logits = assemble(config, jax.tree.map(jnp.asarray, p))(rows[:, :3])
        seen = sign * np.eye(V)[rows[:, :3]].cumsum(1) / np.arange(1, 4)[:, None]
        np.testing.assert_allclose(logits, seen * _last_norm(config, seen), rtol=1e-4, atol=1e-5)


def _last_norm(config, written):
    """The norm's scale is that of a squared length of 2; what the head wrote adds its own."""
    square = 2 + (written**2).sum(-1, keepdims=True)
    return np.sqrt((2 / config.width + config.norm.eps) / (square / config.width + config.norm.eps))


def test_bigram_model_is_its_table():
    table = np.random.default_rng(0).dirichlet(np.ones(V), V)
    config, p = planted.bigram_model(table, C)
    logits = assemble(config, jax.tree.map(jnp.asarray, p))(np.arange(V)[None, :C])
    np.testing.assert_allclose(jax.nn.softmax(logits)[0], table, rtol=1e-4)
