"""Numbers that textbooks print, and examples small enough to check by hand."""

from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from jattn import masks, nulls
from jattn.functional import attention
from jattn.kernels import dense
from jattn.scores import SoftCap

pytestmark = pytest.mark.usefixtures("x64")
close: dict[str, Any] = {"rtol": 1e-12, "atol": 1e-12}


def one_query(scores, values, null=None):
    """Attention of a single query whose scores against the keys are the given numbers: q = e_1, k_s = score_s e_1."""
    S = len(scores)
    q = jnp.zeros((1, 1, 1, S)).at[..., 0].set(1.0)
    k = jnp.zeros((1, S, 1, S)).at[0, :, 0, 0].set(jnp.asarray(scores))
    v = jnp.asarray(values, jnp.float64).reshape(1, S, 1, S)
    term = None if null is None else nulls.logit(q, jnp.array([null]))
    return np.asarray(attention(q, k, v, scale=1.0, null=term))[0, 0, 0]


def test_dot_products_of_a_query_with_three_keys():
    """0.8*0.2 + 0.2*0.8 + 0.7*0.3 = 0.53, 0.24 + 0.14 + 0.28 = 0.66, 0.08 + 0.18 + 0.14 = 0.40."""
    q = jnp.array([0.8, 0.2, 0.7]).reshape(1, 1, 1, 3)
    k = jnp.array([[0.2, 0.8, 0.3], [0.3, 0.7, 0.4], [0.1, 0.9, 0.2]]).reshape(1, 3, 1, 3)
    scores = dense.masked_scores(q, k, mask=masks.bidirectional(), scale=1.0)
    np.testing.assert_allclose(scores[0, 0, 0], [0.53, 0.66, 0.40], **close)


def test_softmax_of_four_scores():
    """softmax([3.5, -2.1, 8.7, 0.3]); a common textbook prints 0.05 and 0.94, a misprint for 0.0055 and 0.9943.

    exp(8.7 - 3.5) = 181.3, so the first weight is 181.3 times smaller than the third: 0.05 and 0.94 are 19 apart.
    """
    weights = one_query([3.5, -2.1, 8.7, 0.3], np.eye(4))
    assert [round(w, 4) for w in weights.tolist()] == [0.0055, 0.0, 0.9943, 0.0002]
    assert round(float(weights[1]), 5) == 0.00002
    np.testing.assert_allclose(weights[2] / weights[0], np.exp(5.2), **close)
    np.testing.assert_allclose(weights.sum(), 1.0, **close)


@pytest.mark.parametrize(
    ("null", "expected"),
    [
        (None, [6 / 6, 2 / 6, 3 / 6]),
        # A zero null has the weight of a score of 0 = log 1: seven parts instead of six, and no value of its own.
        (0.0, [6 / 7, 2 / 7, 3 / 7]),
        # A null logit of log 6 weighs as much as all keys together, so the output is half.
        (np.log(6.0), [3 / 6, 1 / 6, 1.5 / 6]),
    ],
)
def test_three_keys_by_hand(null, expected):
    """Scores log 1, log 2, log 3 give the weights 1/6, 2/6, 3/6; the values are (6, 0, 0), (0, 1, 0), (0, 0, 1)."""
    out = one_query(np.log([1.0, 2.0, 3.0]), np.diag([6.0, 1.0, 1.0]), null)
    np.testing.assert_allclose(out, expected, **close)


def test_null_mass_of_three_keys_by_hand():
    """Scores log 1, log 2, log 3 against a null of log 4: lse = log 6, so the null takes 4 / (4 + 6)."""
    np.testing.assert_allclose(nulls.null_mass(jnp.log(jnp.array([6.0])), jnp.log(jnp.array([4.0]))), 0.4, **close)


def test_soft_cap_of_fifty_by_hand():
    """50 tanh(50 / 50) = 38.08."""
    zero = jnp.zeros((), int)
    assert round(float(SoftCap(50.0)(jnp.array(50.0), zero, zero, zero)), 2) == 38.08


@pytest.mark.parametrize(("scale", "variance"), [(1.0, 64.0), (None, 1.0)])
def test_variance_of_scores_is_the_head_size_and_after_scaling_one(scale, variance):
    """q, k independent and standard normal, d = 64: Var(q . k) = d, hence the scale 1 / sqrt(d).

    The mean of n squares of q . k / sqrt(d) has variance (E x^4 - 1) / n with E x^4 = 3 + 6 / d; the bound is five
    standard deviations.
    """
    d, n = 64, 20_000
    rng = np.random.default_rng(0)
    q, k = (jnp.asarray(rng.normal(size=(n, 1, 1, d))) for _ in range(2))
    scores = dense.masked_scores(q, k, mask=masks.bidirectional(), scale=scale)
    assert abs(float(jnp.mean(scores**2)) / variance - 1) < 5 * np.sqrt((2 + 6 / d) / n)
