"""Folding norms changes no log-probability, and leaves norms that do nothing."""

import jax
import numpy as np
import pytest

from jattn.errors import InputError
from jattn.interop.fold import fold_norms
from tests.configs import model_config
from tests.small import SIZES, drawn, logits, tiny

GPT2 = {
    "positions": "learned",
    "norm__kind": "layernorm",
    "bias__norm": True,
    "mlp__activation": "gelu",
    "norm__qk": False,
}
BIASED = {"bias__qkv": True, "bias__out": True, "bias__mlp": True}


@pytest.mark.parametrize(
    "changes",
    [
        {"mlp__activation": "swiglu", "norm__qk": False},
        {"mlp__activation": "swiglu", "output__tied": False, "attention": "key_value+local:3"},
        {"attention": "gate"},
        {**GPT2, **BIASED},
        {**GPT2, **BIASED, "output__tied": False, "bias__output": True},
        {"mlp__activation": "none"},
    ],
    ids=str,
)
def test_folding_leaves_log_probabilities_unchanged(x64, changes):
    config = tiny(**changes)
    raw = drawn(config)
    folded, parameters = fold_norms(config, raw)
    before, after = (jax.nn.log_softmax(logits(c, p)) for c, p in ((config, raw), (folded, parameters)))
    np.testing.assert_allclose(after, before, atol=1e-12)
    norms = [n for n in parameters if "_norm." in n and "q_norm" not in n and "k_norm" not in n]
    assert norms
    for name in norms:
        if config.mlp.activation == "none" and "mlp_norm" in name:
            continue
        np.testing.assert_array_equal(parameters[name], float(name.endswith(".scale")))


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({**GPT2, "norm__position": "post"}, "stand after each part"),
        ({"attention": "token"}, "sink token"),
        (GPT2, "the MLP has none"),
    ],
)
def test_where_norms_cannot_be_folded_it_is_said(changes, why):
    config = model_config(**SIZES | changes)
    with pytest.raises(InputError, match=why):
        fold_norms(config, drawn(config))
