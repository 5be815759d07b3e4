"""Rotary positions: a rotation of pairs, so norms stay, position 0 is the identity and q . k sees distances only."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jattn.config import RopeConfig
from jattn.errors import InputError
from jattn.positions import frequencies, rope

B, T, N, H = 2, 5, 3, 8


def normal(seed, *shape):
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape))


def at(*positions):
    return jnp.asarray(positions)


@pytest.mark.parametrize("theta", [10.0, 10_000.0])
def test_rope_turns_each_pair_as_a_complex_number_by_its_own_frequency(x64, theta):
    x = normal(0, B, T, N, H)
    positions = at(-1, 0, 3, 7, 1000)
    pairs = np.asarray(x[..., : H // 2]) + 1j * np.asarray(x[..., H // 2 :])
    frequency = np.array([theta ** (-2 * i / H) for i in range(H // 2)])
    turned = pairs * np.exp(1j * np.asarray(positions)[:, None, None] * frequency)
    expected = np.concatenate([turned.real, turned.imag], -1)
    np.testing.assert_allclose(rope(x, positions, RopeConfig(theta)), expected, rtol=1e-12, atol=1e-12)


def test_position_zero_is_the_identity(x64):
    x = normal(0, B, 1, N, H)
    assert np.array_equal(rope(x, at(0)), x)


def test_norm_of_every_pair_is_kept(x64):
    x = normal(0, B, T, N, H)
    turned = rope(x, at(0, 1, 2, 50, 4000))
    for a in (x, turned):
        assert a.shape == (B, T, N, H)
    square = lambda a: a[..., : H // 2] ** 2 + a[..., H // 2 :] ** 2
    np.testing.assert_allclose(square(turned), square(x), rtol=1e-12)


@settings(max_examples=30, deadline=None)
@given(t=st.integers(0, 2000), s=st.integers(0, 2000), shift=st.integers(-2000, 2000))
def test_product_of_query_and_key_depends_on_their_distance_only(t, s, shift):
    with jax.enable_x64(True):
        q, k = normal(1, 1, 1, N, H), normal(2, 1, 1, N, H)
        product = lambda t, s: (rope(q, at(t)) * rope(k, at(s))).sum(-1)
        # Angles reach 4,000 radians: 4,000 eps is 1e-12, over 24 products.
        np.testing.assert_allclose(product(t + shift, s + shift), product(t, s), rtol=0, atol=1e-10)


def test_product_of_query_and_key_changes_with_their_distance(x64):
    q, k = normal(1, 1, 1, N, H), normal(2, 1, 1, N, H)
    products = [float((rope(q, at(t)) * rope(k, at(0))).sum()) for t in range(5)]
    assert np.diff(np.sort(products)).min() > 1e-3


def test_low_precision_input_is_turned_in_float32_and_rounded_once():
    x = normal(0, B, T, N, H).astype(jnp.bfloat16)
    positions = at(0, 1, 100, 1000, 5000)
    once = rope(x.astype(jnp.float32), positions).astype(jnp.bfloat16)
    turned = rope(x, positions)
    assert turned.dtype == jnp.bfloat16 and np.array_equal(turned, once)


# Stretched frequencies ----------------------------------------------------------------------------------------------

THETA, HALF = 10_000.0, 32
PLAIN = THETA ** (-np.arange(HALF) / HALF)


def test_linear_stretch_is_slower_positions():
    """Chen et al. 2023: position t of a stretched model turns as far as t / factor of the plain one."""
    x = jnp.asarray(np.random.default_rng(0).normal(size=(1, 4, 1, 8)), jnp.float32)
    slow = rope(x, jnp.array([0, 3, 6, 9]), RopeConfig(THETA, "linear", 3.0))
    np.testing.assert_allclose(slow, rope(x, jnp.array([0, 1, 2, 3]), RopeConfig(THETA)), rtol=1e-6, atol=1e-6)


def test_llama3_leaves_fast_pairs_divides_slow_ones_and_blends_between():
    """By hand, in turns over the original context: below 1 all of the factor, above 4 none, at 2.5 half of each."""
    stretch = RopeConfig(THETA, "llama3", 8.0, 1024, low_freq_factor=1.0, high_freq_factor=4.0)
    found, scale = frequencies(HALF, stretch)
    turns = 1024 * PLAIN / (2 * np.pi)
    assert scale == 1.0 and (turns < 1).any() and (turns > 4).any()
    np.testing.assert_allclose(found[turns > 4], PLAIN[turns > 4])
    np.testing.assert_allclose(found[turns < 1], PLAIN[turns < 1] / 8)
    theta = (1024 / (2 * np.pi * 2.5)) ** 2  # the second of two pairs makes 2.5 turns
    second = frequencies(2, replace(stretch, theta=theta))[0][1]
    assert second == pytest.approx(theta**-0.5 * (0.5 + 0.5 / 8))


def test_yarn_leaves_fast_pairs_divides_slow_ones_and_scales():
    stretch = RopeConfig(THETA, "yarn", 4.0, 1024, beta_fast=32.0, beta_slow=1.0)
    found, scale = frequencies(HALF, stretch)
    assert scale == pytest.approx(0.1 * np.log(4) + 1)
    turns = 1024 * PLAIN / (2 * np.pi)
    share = (PLAIN - found) / (PLAIN - PLAIN / 4)  # of the stretch that each pair gets
    assert (np.diff(share) >= -1e-12).all() and share[0] == 0 and share[-1] == pytest.approx(1)
    np.testing.assert_allclose(share[turns > 64], 0, atol=1e-12)
    np.testing.assert_allclose(share[turns < 0.5], 1)


def test_yarn_with_a_factor_of_one_is_plain_and_its_scale_can_be_given():
    found, scale = frequencies(HALF, RopeConfig(THETA, "yarn", 1.0, 1024))
    np.testing.assert_allclose(found, PLAIN)
    assert scale == 1.0
    assert frequencies(HALF, RopeConfig(THETA, "yarn", 2.0, 1024, attention_factor=1.5))[1] == 1.5


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("factor", 0.5, "model.rope.factor must be >= 1, got 0.5"),
        ("original_context", 0, "model.rope.original_context must be >= 1, got 0"),
    ],
)
def test_bad_stretch_is_refused_by_name(field, value, says):
    with pytest.raises(InputError, match=says):
        RopeConfig(**{field: value})
