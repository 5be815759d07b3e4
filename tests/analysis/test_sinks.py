"""Sink measures against closed forms: uniform attention, all attention on one key, all attention on the null."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.measures import sinks
from jattn.errors import InputError


def causal_weights(seed, B=2, N=3, T=8):
    """Random rows over the keys s <= t and a null: (weights, null_mass)."""
    rng = np.random.default_rng(seed)
    rows = rng.gamma(0.5, size=(B, N, T, T + 1)) + 1e-3
    rows[..., :T] *= np.tril(np.ones((T, T)))
    rows /= rows.sum(-1, keepdims=True)
    return jnp.asarray(rows[..., :T], jnp.float32), jnp.asarray(rows[..., T], jnp.float32)


def uniform(T, null=0):
    t = np.arange(1, T + 1)[:, None]
    return jnp.asarray(np.tril(np.ones((T, T))) / (t + null), jnp.float32)[None, None]


def test_uniform_attention_gives_the_harmonic_number_over_T():
    harmonic = sum(1 / t for t in range(1, 65))
    np.testing.assert_allclose(sinks.alpha(uniform(64), 1), harmonic / 64, rtol=1e-6)
    assert sinks.alpha_floor(64) == pytest.approx(harmonic / 64, rel=1e-12)
    assert round(sinks.alpha_floor(64), 4) == 0.0741


@pytest.mark.parametrize("null", [False, True])
@pytest.mark.parametrize("k", [1, 2, 7, 16])
def test_floor_is_alpha_of_uniform_attention_at_every_position(k, null):
    np.testing.assert_allclose(sinks.alpha(uniform(16, null), k), sinks.alpha_floor(16, k, null), rtol=1e-6)


def test_null_has_the_floor_of_the_first_key():
    null_mass = 1 - uniform(64, null=1).sum(-1)
    np.testing.assert_allclose(sinks.alpha_null(null_mass), sinks.alpha_floor(64, 1, null=True), rtol=1e-5)
    assert round(sinks.alpha_floor(64, null=True), 3) == 0.059


def test_all_attention_on_the_first_key_is_a_full_sink():
    weights = jnp.zeros((2, 3, 8, 8)).at[..., 0].set(1)
    np.testing.assert_array_equal(sinks.alpha(weights, 1), 1)
    np.testing.assert_array_equal(sinks.first_token_share(weights), 1)
    np.testing.assert_array_equal(sinks.alpha(weights, 2), 0)


def test_alpha_averages_over_the_queries_that_can_see_the_key():
    weights = jnp.eye(4)[None, None]
    for k in range(1, 5):
        np.testing.assert_allclose(sinks.alpha(weights, k), 1 / (4 - k + 1))


def test_shares_leave_out_the_first_query_and_alphas_do_not():
    null_mass = jnp.asarray([1.0, 0.0, 0.5, 0.1])[None, None]
    np.testing.assert_allclose(sinks.null_share(null_mass), 0.2)
    np.testing.assert_allclose(sinks.alpha_null(null_mass), 0.4)
    weights = jnp.zeros((1, 1, 4, 4)).at[0, 0, :, 0].set(null_mass[0, 0])
    np.testing.assert_allclose(sinks.first_token_share(weights), 0.2)
    np.testing.assert_allclose(sinks.alpha(weights, 1), 0.4)


def test_measures_agree_with_loops_over_the_definition():
    weights, null_mass = causal_weights(0)
    A, null = np.asarray(weights, np.float64), np.asarray(null_mass, np.float64)
    for k in (1, 3, 8):
        expected = [[np.mean([A[b, n, t, k - 1] for t in range(k - 1, 8)]) for n in range(3)] for b in range(2)]
        np.testing.assert_allclose(sinks.alpha(weights, k), expected, rtol=1e-5)
    np.testing.assert_allclose(sinks.alpha_null(null_mass), null.mean(-1), rtol=1e-6)


@given(st.integers(0, 10_000))
@settings(deadline=None, max_examples=20)
def test_moving_the_first_token_to_the_null_keeps_each_query_whole(seed):
    weights, null_mass = causal_weights(seed)
    rest, moved = sinks.first_token_as_null(weights, null_mass)
    np.testing.assert_allclose(rest.sum(-1) + moved, 1, rtol=1e-5)
    np.testing.assert_allclose(
        sinks.null_share(moved), sinks.null_share(null_mass) + sinks.first_token_share(weights), rtol=1e-5
    )
    np.testing.assert_array_equal(rest[..., 0], 0)


@given(st.integers(0, 10_000), st.floats(0, 0.99))
@settings(deadline=None, max_examples=20)
def test_conditional_rows_forget_how_much_the_null_takes(seed, share):
    weights, null_mass = causal_weights(seed)
    rows, kept = sinks.conditional_rows(weights, null_mass)
    other, _ = sinks.conditional_rows(weights * (1 - share), 1 - (1 - null_mass) * (1 - share))
    assert kept.all()
    np.testing.assert_allclose(rows.sum(-1), 1, rtol=1e-5)
    np.testing.assert_allclose(rows, other, atol=1e-5)


def test_rows_of_almost_nothing_are_dropped_and_never_divided_up():
    cases = [  # real mass, null mass, kept
        (5e-7, 1 - 5e-7, False),
        (2e-6, 1 - 2e-6, True),
        (2e-6, 1.0, False),  # the null mass was rounded: what is left is within its error
        (0.0, 0.0, False),  # no visible key at all
    ]
    real, null_mass, expected = (jnp.asarray(column) for column in zip(*cases, strict=True))
    weights = jnp.zeros((1, 1, 4, 4)).at[0, 0, :, 0].set(real)
    rows, kept = sinks.conditional_rows(weights, null_mass[None, None])
    np.testing.assert_array_equal(kept[0, 0], expected)
    np.testing.assert_array_equal(rows[0, 0], jnp.zeros((4, 4)).at[1, 0].set(1))


def test_measures_are_the_same_under_jit():
    weights, null_mass = causal_weights(1)
    np.testing.assert_allclose(
        jax.jit(sinks.alpha, static_argnames="k")(weights, k=2), sinks.alpha(weights, 2), rtol=1e-6
    )
    eager, jitted = (f(weights, null_mass)[0] for f in (sinks.conditional_rows, jax.jit(sinks.conditional_rows)))
    np.testing.assert_allclose(jitted, eager, rtol=1e-6)


@pytest.mark.parametrize("k", [0, 9, -1])
def test_a_key_outside_the_text_is_refused(k):
    with pytest.raises(InputError, match=f"from 1 to T = 8, got {k}"):
        sinks.alpha(uniform(8), k)
    with pytest.raises(InputError, match=f"got {k}"):
        sinks.alpha_floor(8, k)


def test_a_share_over_no_query_is_refused():
    with pytest.raises(InputError, match=">= 2, got 1"):
        sinks.first_token_share(jnp.ones((1, 1, 1, 1)))
    with pytest.raises(InputError, match=">= 2, got 1"):
        sinks.null_share(jnp.ones((1, 1, 1)))


def test_share_of_the_first_key_is_the_first_token_share():
    weights, _ = causal_weights(5)
    first = jnp.zeros((2, 8), bool).at[:, 0].set(True)
    np.testing.assert_allclose(sinks.key_share(weights, first), sinks.first_token_share(weights), rtol=1e-6)


def test_shares_of_keys_are_each_windows_own_and_leave_out_the_first_query():
    weights = jnp.asarray([[0.7, 0.2, 0.1], [0.5, 0.3, 0.2], [0.1, 0.4, 0.5]])[None, None].repeat(2, 0)
    keys = jnp.asarray([[True, False, True], [False, True, False]])
    np.testing.assert_allclose(sinks.key_share(weights, keys)[:, 0], [(0.7 + 0.6) / 2, (0.3 + 0.4) / 2], rtol=1e-6)


def test_shares_of_all_keys_are_what_the_null_leaves():
    weights, null_mass = causal_weights(6)
    everything = sinks.key_share(weights, jnp.ones((2, 8), bool))
    np.testing.assert_allclose(everything, 1 - sinks.null_share(null_mass), rtol=1e-5)


CAUSAL = np.tril(np.ones((16, 16), bool))
WINDOW = CAUSAL & ~np.tril(np.ones((16, 16), bool), -5)
BOTH = np.ones((16, 16), bool)
MASKS = pytest.mark.parametrize("visible", [CAUSAL, WINDOW, BOTH], ids=["causal", "window", "both"])


def even(visible, null=False):
    return jnp.asarray(visible / (visible.sum(-1, keepdims=True) + null), jnp.float32)[None, None]


def test_alphas_are_alpha_of_every_key():
    weights, _ = causal_weights(8)
    for k in range(1, 9):
        np.testing.assert_allclose(sinks.alphas(weights)[..., k - 1], sinks.alpha(weights, k), rtol=1e-5)


@MASKS
@pytest.mark.parametrize("null", [False, True])
def test_floors_are_the_alphas_of_uniform_attention_under_any_mask(visible, null):
    np.testing.assert_allclose(
        sinks.alphas(even(visible, null), visible)[0, 0], sinks.alpha_floors(visible, null), rtol=1e-5
    )
    null_mass = 1 - even(visible, True).sum(-1)
    np.testing.assert_allclose(sinks.alpha_null(null_mass)[0, 0], np.mean(1 / (visible.sum(-1) + 1)), rtol=1e-5)


def test_floors_have_their_closed_forms():
    np.testing.assert_allclose(sinks.alpha_floors(CAUSAL), [sinks.alpha_floor(16, k) for k in range(1, 17)], rtol=1e-6)
    np.testing.assert_allclose(sinks.alpha_floors(BOTH, null=True), 1 / 17, rtol=1e-6)
    np.testing.assert_allclose(sinks.alpha_floors(WINDOW)[4:12], 1 / 5, rtol=1e-6)
    np.testing.assert_allclose(sinks.alpha_floors(WINDOW)[0], sum(1 / t for t in range(1, 6)) / 5, rtol=1e-6)


@MASKS
def test_a_planted_sink_is_found_where_it_sits(visible):
    rows = np.where(visible[:, 2:3], np.eye(16)[2], visible / visible.sum(-1, keepdims=True))
    position, alpha = sinks.sink_positions(jnp.asarray(rows, jnp.float32)[None, None], visible)
    assert int(position[0, 0]) == 3
    np.testing.assert_allclose(alpha[0, 0], 1)


def test_the_last_key_is_no_sink_though_its_one_query_likes_it():
    """A head that attends to itself alone: alpha_k = 1 / (T - k + 1), largest at the last key."""
    position, alpha = sinks.sink_positions(jnp.eye(16)[None, None])
    assert (int(position[0, 0]), float(alpha[0, 0])) == (9, pytest.approx(1 / 8))  # of keys that 8 queries see or more


def test_even_attention_has_its_strongest_key_at_position_1():
    for visible in (CAUSAL, WINDOW, BOTH):
        position, alpha = sinks.sink_positions(even(visible), visible)
        assert int(position[0, 0]) == 1
        np.testing.assert_allclose(alpha[0, 0], sinks.alpha_floors(visible)[0], rtol=1e-5)


def test_the_modal_position_is_the_most_frequent_and_of_equals_the_first():
    position, share = sinks.modal_position(np.array([[1, 4], [1, 2], [3, 2], [1, 4]]))
    np.testing.assert_array_equal(position, [1, 2])
    np.testing.assert_allclose(share, [0.75, 0.5])
