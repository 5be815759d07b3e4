"""MLPs: the gated forms at points that can be checked by hand, and experts as a weighted choice of MLPs."""

import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from jattn.config import MlpConfig
from jattn.errors import InputError
from jattn.mlp import Experts, Mlp, gated
from tests.configs import model_config

SIZES = {
    "vocab_size": 3,
    "layers": 1,
    "heads": 2,
    "width": 6,
    "mlp__hidden": 5,
    "positions": "none",
    "init__zero_outputs": False,
    "init__std": 0.5,
}
CLAMPED = {"mlp__activation": "swiglu_clamped", "bias__mlp": True}
X = jnp.asarray(np.random.default_rng(0).normal(size=(2, 3, 6)), jnp.float32)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def test_gated_forms_at_points_by_hand():
    """silu(2) * 3; and gpt-oss's: gate 9 is cut to 7, up -9 to -7, plus 1."""
    of = lambda mlp, g, u: float(gated(MlpConfig(mlp), jnp.array([g]), jnp.array([u]))[0])
    assert of("swiglu", 2.0, 3.0) == pytest.approx(2 * sigmoid(2) * 3, rel=1e-6)
    assert of("swiglu_clamped", 2.0, 3.0) == pytest.approx(2 * sigmoid(1.702 * 2) * 4, rel=1e-6)
    assert of("swiglu_clamped", 9.0, -9.0) == pytest.approx(7 * sigmoid(1.702 * 7) * -6, rel=1e-6)
    assert of("swiglu_clamped", -9.0, 1.0) == pytest.approx(-9 * sigmoid(1.702 * -9) * 2, rel=1e-4)


def test_one_expert_is_an_mlp():
    """A router with one choice gives it all the weight, whatever it scores."""
    config = model_config(**SIZES, **CLAMPED)
    one = Experts(model_config(**SIZES, **CLAMPED, mlp__experts=1), rngs=nnx.Rngs(0))
    mlp = Mlp(config, rngs=nnx.Rngs(1))
    for name in ("up", "gate", "down"):
        getattr(mlp, name).kernel[...] = getattr(one, name)[0]
        getattr(mlp, name).bias[...] = 0.3 + getattr(mlp, name).bias[...]
        getattr(one, f"{name}_bias")[...] = 0.3 + getattr(one, f"{name}_bias")[...]
    np.testing.assert_allclose(one(X), mlp(X), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("chosen", [1, 2, 4])
def test_each_token_goes_through_the_experts_that_the_router_scores_highest(chosen):
    experts = Experts(model_config(**SIZES, **CLAMPED, mlp__experts=4, mlp__experts_per_token=chosen), rngs=nnx.Rngs(2))
    scores = np.asarray(experts.router(X))
    shares = np.asarray(experts.shares(X))
    for score, share in zip(scores.reshape(-1, 4), shares.reshape(-1, 4), strict=True):
        best = np.argsort(score)[::-1][:chosen]
        expected = np.zeros(4)
        expected[best] = np.exp(score[best]) / np.exp(score[best]).sum()
        np.testing.assert_allclose(share, expected, rtol=1e-5)


def test_output_is_the_weighted_sum_of_the_experts():
    experts = Experts(model_config(**SIZES, **CLAMPED, mlp__experts=3, mlp__experts_per_token=2), rngs=nnx.Rngs(3))
    shares = np.asarray(experts.shares(X))
    total = 0
    for e in range(3):
        gate, up = (np.asarray(X) @ np.asarray(w[e]) for w in (experts.gate, experts.up))
        gate, up = np.minimum(gate, 7), np.clip(up, -7, 7)
        total = total + shares[..., e, None] * ((gate * sigmoid(1.702 * gate) * (up + 1)) @ np.asarray(experts.down[e]))
    np.testing.assert_allclose(experts(X), total, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"mlp__experts": 2}, "model.mlp.experts needs model.mlp.activation = 'swiglu_clamped'"),
        (
            {"mlp__experts": 2, "mlp__experts_per_token": 3, "mlp__activation": "swiglu_clamped"},
            "at most model.mlp.experts, got 3 and 2",
        ),
        ({"output__kind": "mlm", "mlp__activation": "swiglu"}, "model.output.kind: 'mlm' needs"),
        ({"output__kind": "none", "bias__output": True}, "no model.bias.output"),
        ({"mlp__limit": 0.0}, "model.mlp.limit must be > 0"),
    ],
)
def test_combinations_that_mean_nothing_are_refused(changes, says):
    with pytest.raises(InputError, match=says):
        model_config(**changes)
