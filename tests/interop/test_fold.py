"""Folding norms changes no log-probability, and leaves norms that do nothing."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jattn.config import ModelConfig
from jattn.errors import InputError
from jattn.interop.fold import fold_norms
from jattn.model import assemble, init_parameters

SIZES = {"vocab_size": 11, "context": 9, "layers": 2, "heads": 2, "width": 8, "zero_init": False}
DOUBLE = {"dtype": "float64", "param_dtype": "float64"}
GPT2 = {"positions": "learned", "norm": "layernorm", "norm_bias": True, "mlp": "gelu", "qk_norm": False}
BIASED = {"qkv_bias": True, "out_bias": True, "mlp_bias": True}
TOKENS = jnp.asarray(np.random.default_rng(0).integers(0, 11, (2, 7)))


def noisy(config):
    """Parameters with nothing at 0 or 1."""
    draw = np.random.default_rng(1)
    return {n: p + jnp.asarray(0.3 * draw.normal(size=p.shape)) for n, p in init_parameters(config).items()}


@pytest.mark.parametrize(
    "changes",
    [
        {"mlp": "swiglu", "qk_norm": False},
        {"mlp": "swiglu", "tied": False, "attention": "key_value+local:3"},
        {"attention": "gate"},
        {**GPT2, **BIASED},
        {**GPT2, **BIASED, "tied": False, "output_bias": True},
        {"mlp": "none"},
    ],
    ids=str,
)
def test_folding_leaves_log_probabilities_unchanged(x64, changes):
    config = ModelConfig(**SIZES, **DOUBLE, **changes)
    raw = noisy(config)
    folded, parameters = fold_norms(config, raw)
    before, after = (jax.nn.log_softmax(assemble(c, p)(TOKENS)) for c, p in ((config, raw), (folded, parameters)))
    np.testing.assert_allclose(after, before, atol=1e-12)
    norms = [n for n in parameters if "_norm." in n and "q_norm" not in n and "k_norm" not in n]
    assert norms
    for name in norms:
        if config.mlp == "none" and "mlp_norm" in name:
            continue
        np.testing.assert_array_equal(parameters[name], float(name.endswith(".scale")))


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({**GPT2, "norm_position": "post"}, "stand after each part"),
        ({"attention": "token"}, "sink token"),
        (GPT2, "the MLP has none"),
    ],
)
def test_where_norms_cannot_be_folded_it_is_said(changes, why):
    config = ModelConfig(**SIZES, **changes)
    with pytest.raises(InputError, match=why):
        fold_norms(config, init_parameters(config))
