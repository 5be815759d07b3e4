"""Scores against their closed forms, alone and inside attention; and that they act on real keys only."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jattn import masks, nulls, scores
from jattn.errors import InputError
from jattn.functional import attention
from jattn.kernels.dense import softmax

pytestmark = pytest.mark.usefixtures("x64")
close: dict[str, Any] = {"rtol": 1e-12, "atol": 1e-12}
attention = jax.jit(attention, static_argnames=("score", "scale", "implementation", "return_lse"))
B, T, S, N, K, H = 1, 4, 6, 4, 2, 3
t, s, head = np.arange(T)[:, None], np.arange(S)[None], np.arange(N)[:, None, None]


def normal(seed, *shape):
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape))


def apply(score, x):
    return score(x, jnp.asarray(t), jnp.asarray(s), jnp.asarray(head))


def test_soft_cap_is_bounded_odd_increasing_and_near_the_identity_for_small_scores():
    x = jnp.linspace(-200, 200, 801)
    y = apply(scores.SoftCap(30.0), x)
    np.testing.assert_allclose(y, [30 * math.tanh(a / 30) for a in x.tolist()], **close)
    assert np.all(np.abs(y) <= 30) and np.all(np.diff(y[300:501]) > 0)
    np.testing.assert_allclose(y, -y[::-1], **close)
    # tanh(u) = u - u^3 / 3 + ...
    small = jnp.linspace(-1, 1, 9)
    np.testing.assert_allclose(apply(scores.SoftCap(1e4), small), small, rtol=1e-8)


@pytest.mark.parametrize("cap", [0.0, -1.0, float("nan")])
def test_soft_cap_that_caps_nothing_is_refused(cap):
    with pytest.raises(InputError, match="soft_cap must be > 0"):
        scores.SoftCap(cap)


def test_alibi_slopes_of_8_heads_are_one_half_to_2_to_the_minus_8():
    assert scores.alibi_slopes(8) == (1 / 2, 1 / 4, 1 / 8, 1 / 16, 1 / 32, 1 / 64, 1 / 128, 1 / 256)


def test_alibi_slopes_of_16_heads_start_at_one_over_root_two():
    np.testing.assert_allclose(scores.alibi_slopes(16), [math.sqrt(0.5) ** i for i in range(1, 17)], **close)


@pytest.mark.parametrize(("heads", "power"), [(1, 1), (3, 2), (6, 4), (12, 8), (15, 8)])
def test_alibi_slopes_between_powers_of_two_take_every_other_slope_of_the_next_power(heads, power):
    expected = [*scores.alibi_slopes(power), *scores.alibi_slopes(2 * power)[::2][: heads - power]]
    np.testing.assert_allclose(scores.alibi_slopes(heads), expected, **close)


def test_alibi_subtracts_slope_times_distance():
    x = normal(0, B, N, T, S)
    slopes = (0.5, 0.25, 2.0, 0.0)
    y = apply(scores.Alibi(slopes), x)
    for n in range(N):
        for i in range(T):
            for j in range(S):
                np.testing.assert_allclose(y[0, n, i, j], x[0, n, i, j] - slopes[n] * abs(i - j), **close)


def test_softmax_of_log_sigmoid_is_sigmoid_over_its_sum():
    x = 5 * normal(0, B, N, T, S)
    gate = 1 / (1 + np.exp(-x))
    p, lse = softmax(apply(scores.LogSigmoid(), x))
    np.testing.assert_allclose(p, gate / gate.sum(-1, keepdims=True), **close)
    np.testing.assert_allclose(lse, np.log(gate.sum(-1)), **close)


def test_log_sigmoid_is_finite_for_scores_that_overflow_a_plain_sigmoid():
    x = jnp.array([-1e4, 1e4])
    np.testing.assert_allclose(apply(scores.LogSigmoid(), x), [-1e4, 0.0], **close)


def test_chain_applies_the_first_score_first():
    x = 5 * normal(0, B, N, T, S)
    alibi, cap = scores.Alibi((0.5, 0.25, 2.0, 0.0)), scores.SoftCap(2.0)
    capped_first = 2 * np.tanh(x / 2) - np.array([0.5, 0.25, 2.0, 0.0])[:, None, None] * np.abs(t - s)
    np.testing.assert_allclose(apply(scores.chain(cap, alibi), x), capped_first, **close)
    assert np.abs(apply(scores.chain(alibi, cap), x) - capped_first).max() > 0.1


def test_chain_of_nothing_is_nothing_and_of_one_is_that_one():
    cap = scores.SoftCap(2.0)
    assert scores.chain() is None and scores.chain(None, None) is None and scores.chain(None, cap) is cap


def test_scale_is_one_over_root_head_size_unless_given():
    assert scores.scale_of(None, 64) == 1 / 8 and scores.scale_of(1.0, 64) == 1.0


# Each score in words of its own: (the score, f(x, t, s, head) on plain numbers).
WRITTEN_OUT = {
    "none": (None, lambda x, t, s, n: x),
    "soft_cap": (scores.SoftCap(0.7), lambda x, t, s, n: 0.7 * math.tanh(x / 0.7)),
    "alibi": (scores.Alibi(scores.alibi_slopes(N)), lambda x, t, s, n: x - 4.0 ** -(n + 1) * abs(t - s)),
    "log_sigmoid": (scores.LogSigmoid(), lambda x, t, s, n: math.log(1 / (1 + math.exp(-x)))),
    "chain": (
        scores.chain(scores.SoftCap(0.7), scores.Alibi(scores.alibi_slopes(N))),
        lambda x, t, s, n: 0.7 * math.tanh(x / 0.7) - 4.0 ** -(n + 1) * abs(t - s),
    ),
}


@pytest.mark.parametrize("implementation", ["dense", "blocks"])
@pytest.mark.parametrize("name", WRITTEN_OUT)
def test_score_acts_on_real_keys_only_and_by_the_query_head(name, implementation):
    """Attention with a null by loops over plain numbers: the null's score 1.5 is neither capped nor moved."""
    score, f = WRITTEN_OUT[name]
    q, k, v = normal(0, B, T, N, H), normal(1, B, S, K, H), normal(2, B, S, K, H)
    null = nulls.logit(q, jnp.full(N, 1.5))
    out, lse = attention(
        q, k, v, mask=masks.causal(), score=score, null=null, implementation=implementation, return_lse=True
    )
    for i in range(T):
        for n in range(N):
            e = [math.exp(f(float(q[0, i, n] @ k[0, j, n // 2]) / math.sqrt(H), i, j, n)) for j in range(i + 1)]
            total = sum(e) + math.exp(1.5)
            np.testing.assert_allclose(lse[0, i, n], math.log(total), **close)
            np.testing.assert_allclose(out[0, i, n], e @ np.asarray(v[0, : i + 1, n // 2]) / total, **close)
