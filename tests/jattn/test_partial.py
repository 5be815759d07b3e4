"""merge is a commutative monoid and its result is attention over the union: laws, closed-form gradients, edges."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jattn.partial import Partial, identity, merge, shares

pytestmark = pytest.mark.usefixtures("x64")
close: dict[str, Any] = {"rtol": 1e-12, "atol": 1e-12}
jit_merge = jax.jit(merge)


@st.composite
def partials(draw):
    """One Partial of 2 queries and 3 heads of size 2; any of its six rows may be empty, that is (0, -inf)."""
    lse = draw(st.lists(st.one_of(st.just(-np.inf), st.floats(-300, 300)), min_size=6, max_size=6))
    lse = np.array(lse).reshape(2, 3)
    out = np.random.default_rng(draw(st.integers(0, 2**16))).normal(size=(2, 3, 2))
    return Partial(jnp.asarray(out * (lse > -np.inf)[..., None]), jnp.asarray(lse))


def random(seed, lse=None):
    rng = np.random.default_rng(seed)
    out = jnp.asarray(rng.normal(size=(2, 3, 2)))
    return Partial(out, jnp.asarray(rng.normal(size=(2, 3))) if lse is None else jnp.full((2, 3), lse))


def assert_same(a: Partial, b: Partial):
    np.testing.assert_allclose(a.out, b.out, **close)
    np.testing.assert_allclose(a.lse, b.lse, **close)


@settings(deadline=None)
@given(partials(), partials())
def test_merge_is_commutative(a, b):
    assert_same(jit_merge(a, b), jit_merge(b, a))


@settings(deadline=None)
@given(partials(), partials(), partials())
def test_merge_is_associative(a, b, c):
    assert_same(jit_merge(jit_merge(a, b), c), jit_merge(a, jit_merge(b, c)))


@settings(deadline=None)
@given(partials())
def test_identity_changes_nothing_on_either_side(a):
    empty = identity(a)
    assert np.all(empty.lse == -np.inf) and not np.any(empty.out)
    assert_same(jit_merge(a, empty), a)
    assert_same(jit_merge(empty, a), a)


@settings(deadline=None)
@given(partials(), partials())
def test_shares_sum_to_one_unless_both_sides_are_empty(a, b):
    both_empty = np.isneginf(a.lse) & np.isneginf(b.lse)
    np.testing.assert_allclose(sum(shares(a.lse, b.lse)), np.where(both_empty, 0.0, 1.0), **close)


def softmax_over(q, k, v, keys):
    """Attention of q (T N H) over the listed keys of k, v (S N H), written out in numpy; no key gives (0, -inf)."""
    if len(keys) == 0:
        return Partial(jnp.zeros(q.shape), jnp.full(q.shape[:2], -jnp.inf))
    e = np.exp(np.einsum("tnh,snh->tns", q, k[keys]))
    total = e.sum(-1)
    return Partial(jnp.asarray(np.einsum("tns,snh->tnh", e / total[..., None], v[keys])), jnp.asarray(np.log(total)))


@settings(deadline=None)
@given(st.permutations(range(7)), st.lists(st.integers(0, 7), max_size=4), st.randoms(use_true_random=False))
def test_any_split_of_the_keys_merges_in_any_order_to_full_attention(keys, cuts, order):
    rng = np.random.default_rng(0)
    q, k, v = rng.normal(size=(2, 3, 2)), rng.normal(size=(7, 3, 2)), rng.normal(size=(7, 3, 2))
    parts = [softmax_over(q, k, v, list(part)) for part in np.split(keys, sorted(cuts))]
    order.shuffle(parts)
    whole = parts[0]
    for part in parts[1:]:
        whole = jit_merge(whole, part)
    assert_same(whole, softmax_over(q, k, v, list(range(7))))


def test_gradients_of_merge_are_the_shares_and_their_product():
    a, b = random(1), random(2)
    share = 1 / (1 + np.exp(b.lse - a.lse))
    d_out, d_lse = random(3)
    _, pull = jax.vjp(merge, a, b)
    d_a, d_b = pull(Partial(d_out, d_lse))
    # d out/d lse_a = share (1 - share) (out_a - out_b), and the opposite for lse_b.
    through_out = share * (1 - share) * np.sum(d_out * (a.out - b.out), -1)
    np.testing.assert_allclose(d_a.out, share[..., None] * d_out, **close)
    np.testing.assert_allclose(d_b.out, (1 - share)[..., None] * d_out, **close)
    np.testing.assert_allclose(d_a.lse, share * d_lse + through_out, **close)
    np.testing.assert_allclose(d_b.lse, (1 - share) * d_lse - through_out, **close)


def test_two_empty_sides_give_the_identity_with_zero_gradients():
    a, b = random(1, lse=-jnp.inf), random(2, lse=-jnp.inf)
    result, pull = jax.vjp(merge, a, b)
    assert not np.any(result.out) and np.all(result.lse == -np.inf)
    for gradient in jax.tree.leaves(pull(random(3))):
        assert np.array_equal(gradient, np.zeros(gradient.shape))


@pytest.mark.parametrize("swap", [False, True])
def test_one_empty_side_passes_every_gradient_to_the_other(swap):
    full, empty, cotangent = random(1), identity(random(2)), random(3)
    _, pull = jax.vjp(lambda a, b: merge(b, a) if swap else merge(a, b), full, empty)
    to_full, to_empty = pull(cotangent)
    assert_same(to_full, cotangent)
    for gradient in to_empty:
        assert np.array_equal(gradient, np.zeros(gradient.shape))


@pytest.mark.parametrize("far", [1e3, 1e4, 1e300])
def test_lse_far_apart_stay_finite(far):
    a, b = random(1, lse=far), random(2, lse=-far)
    result, pull = jax.vjp(merge, a, b)
    assert_same(result, a)
    assert all(np.all(np.isfinite(g)) for g in jax.tree.leaves(pull(random(3))))


def test_small_side_survives_float32():
    """1 - sigmoid(40) is 0 in float32; sigmoid(-40) is not."""
    a, b = shares(jnp.zeros(1, jnp.float32), jnp.full(1, -40.0, jnp.float32))
    assert a.dtype == b.dtype == jnp.float32
    np.testing.assert_allclose(b, np.exp(-40.0), rtol=1e-5)


def test_merge_keeps_bfloat16_values_and_float32_lse():
    a, b = (Partial(p.out.astype(jnp.bfloat16), p.lse.astype(jnp.float32)) for p in (random(1), random(2)))
    result = merge(a, b)
    assert result.out.dtype == jnp.bfloat16 and result.lse.dtype == jnp.float32
