"""Unnormalised sigmoid attention against a loop; each key is judged alone."""

import math
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from jattn import masks, scores
from jattn.sigmoid import default_bias, sigmoid_attention, sigmoid_weights

pytestmark = pytest.mark.usefixtures("x64")
close: dict[str, Any] = {"rtol": 1e-12, "atol": 1e-12}
B, T, S, N, K, H = 2, 4, 5, 4, 2, 3


def qkv():
    rng = np.random.default_rng(0)
    return [jnp.asarray(rng.normal(size=shape)) for shape in ((B, T, N, H), (B, S, K, H), (B, S, K, H))]


@pytest.mark.parametrize("score", [None, scores.SoftCap(0.5)])
def test_output_equals_a_loop_over_the_visible_keys(score):
    q, k, v = qkv()
    out = sigmoid_attention(q, k, v, bias=-0.7, mask=masks.window(3), score=score)
    q, k, v = (np.asarray(x) for x in (q, k, v))
    for b in range(B):
        for t in range(T):
            for n in range(N):
                expected = np.zeros(H)
                for s in range(max(0, t - 2), t + 1):
                    x = q[b, t, n] @ k[b, s, n // 2] / math.sqrt(H)
                    x = x if score is None else 0.5 * math.tanh(x / 0.5)
                    expected += v[b, s, n // 2] / (1 + math.exp(0.7 - x))
                np.testing.assert_allclose(out[b, t, n], expected, **close)


def test_weight_of_a_key_depends_on_that_key_alone():
    q, k, _ = qkv()
    before = sigmoid_weights(q, k, bias=-0.7, mask=masks.bidirectional())
    after = sigmoid_weights(q, k.at[:, 1].multiply(-3.0), bias=-0.7, mask=masks.bidirectional())
    others = np.arange(S) != 1
    assert np.array_equal(before[..., others], after[..., others])
    assert np.all(before[..., 1] != after[..., 1])


def test_rows_are_not_normalised_and_a_closed_head_outputs_nearly_nothing():
    q, k, v = qkv()
    ones = jnp.ones_like(v)
    sums = sigmoid_attention(q, k, ones, bias=0.0, mask=masks.bidirectional())
    np.testing.assert_allclose(
        sums[..., 0], np.swapaxes(sigmoid_weights(q, k, bias=0.0, mask=masks.bidirectional()).sum(-1), 1, 2), **close
    )
    assert np.abs(sums - 1).min() > 0.1
    assert np.all(sigmoid_attention(q, k, ones, bias=-50.0, mask=masks.bidirectional()) < 1e-15)


def test_hidden_keys_have_weight_exactly_zero():
    q, k, _ = qkv()
    weights = sigmoid_weights(q, k, bias=0.0, mask=masks.causal())
    assert np.array_equal(np.asarray(weights) > 0, np.broadcast_to(np.tri(T, S) > 0, weights.shape))


@pytest.mark.parametrize("context", [1, 16, 1024])
def test_default_bias_makes_a_row_of_zero_scores_sum_to_almost_one(context):
    """sigmoid(-log T) = 1 / (1 + T), so T of them sum to T / (T + 1)."""
    weight = 1 / (1 + math.exp(-default_bias(context)))
    np.testing.assert_allclose(context * weight, context / (context + 1), **close)
