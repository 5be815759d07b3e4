"""Parity with independent implementations: torch's layers and attention modules of transformers, on random weights."""

from inspect import signature
from types import SimpleNamespace
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from jattn import masks, nulls
from jattn.functional import attend, attention
from jattn.kernels import dense

pytestmark = pytest.mark.peers
close: dict[str, Any] = {"rtol": 1e-5, "atol": 1e-6}
B, T, S, N, K, H = 2, 11, 7, 4, 2, 8
D = N * H


@pytest.fixture
def torch():
    import torch

    torch.manual_seed(0)
    with torch.no_grad():
        yield torch


def heads(x, weight, bias=None):
    """x W^T + b, cut into heads of size H."""
    y = x @ weight.numpy().T + (0.0 if bias is None else bias.numpy())
    return jnp.asarray(y.reshape(*y.shape[:-1], -1, H))


def weights(q, k, lse, **options):
    """exp(score - lse) of the real keys, (B N T S); with a null in the lse a row lacks the null's share."""
    return np.exp(dense.masked_scores(q, k, **options) - lse.swapaxes(1, 2)[..., None])


@pytest.mark.parametrize("add_zero_attn", [False, True])
@pytest.mark.parametrize("cross", [False, True])
def test_multihead_attention_of_torch(torch, cross, add_zero_attn):
    """add_zero_attn is our zero null: a key column of zeros with a value of zeros, which torch puts last."""
    layer = torch.nn.MultiheadAttention(D, N, batch_first=True, add_zero_attn=add_zero_attn)
    x = torch.randn(B, T, D)
    y = torch.randn(B, S, D) if cross else x
    expected, expected_weights = layer(x, y, y, average_attn_weights=False)

    q, k, v = (
        heads(z.numpy(), w, b)
        for z, w, b in zip((x, y, y), layer.in_proj_weight.chunk(3), layer.in_proj_bias.chunk(3), strict=True)
    )
    null = nulls.zero(q) if add_zero_attn else None
    out, lse = attention(q, k, v, null=null, return_lse=True)
    got = out.reshape(B, T, D) @ layer.out_proj.weight.numpy().T + layer.out_proj.bias.numpy()
    np.testing.assert_allclose(got, expected.numpy(), **close)
    got_weights = weights(q, k, lse, mask=masks.bidirectional())
    if add_zero_attn:
        mass = nulls.null_mass(attend(q, k, v).lse, null.s)
        got_weights = np.concatenate([got_weights, mass.swapaxes(1, 2)[..., None]], -1)
    np.testing.assert_allclose(got_weights, expected_weights.numpy(), **close)


def test_sink_logits_of_gpt_oss_are_logit_nulls(torch):
    from transformers.models.gpt_oss.modeling_gpt_oss import eager_attention_forward

    module = SimpleNamespace(num_key_value_groups=N // K, sinks=torch.randn(N), training=False)
    q, k, v = torch.randn(B, N, T, H), torch.randn(B, K, T, H), torch.randn(B, K, T, H)
    hidden = torch.full((T, T), -torch.inf).triu(1)
    expected, expected_weights = eager_attention_forward(module, q, k, v, hidden, scaling=H**-0.5)

    q, k, v = (jnp.asarray(x.numpy()).swapaxes(1, 2) for x in (q, k, v))
    null = nulls.logit(q, jnp.asarray(module.sinks.numpy()))
    out, lse = attention(q, k, v, mask=masks.causal(), null=null, return_lse=True)
    np.testing.assert_allclose(out, expected.numpy(), **close)
    np.testing.assert_allclose(weights(q, k, lse, mask=masks.causal()), expected_weights.numpy(), **close)


@pytest.mark.parametrize("W", [1, 3, 20])
def test_sliding_window_of_mistral_is_our_window(torch, W):
    """The layer with its own mask; positions are left out by a rotation of zero degrees."""
    from transformers import MistralConfig
    from transformers.masking_utils import create_sliding_window_causal_mask
    from transformers.models.mistral.modeling_mistral import MistralAttention

    config = MistralConfig(
        hidden_size=D, num_attention_heads=N, num_key_value_heads=K, sliding_window=W, attn_implementation="eager"
    )
    layer, x = MistralAttention(config, 0).eval(), torch.randn(B, T, D)
    cache = "cache" if "cache" in signature(create_sliding_window_causal_mask).parameters else "past_key_values"
    mask = create_sliding_window_causal_mask(config, x, attention_mask=None, **{cache: None})
    turn = torch.ones(B, T, H), torch.zeros(B, T, H)
    expected, expected_weights = layer(x, turn, mask)

    q, k, v = (heads(x.numpy(), p.weight) for p in (layer.q_proj, layer.k_proj, layer.v_proj))
    out, lse = attention(q, k, v, mask=masks.window(W), return_lse=True)
    np.testing.assert_allclose(out.reshape(B, T, D) @ layer.o_proj.weight.numpy().T, expected.numpy(), **close)
    np.testing.assert_allclose(weights(q, k, lse, mask=masks.window(W)), expected_weights.numpy(), **close)


@pytest.mark.parametrize("W", [1, 3, 20])
def test_local_attention_of_gpt_neo_is_our_window(torch, W):
    """GPT-Neo does not scale its scores."""
    from transformers import GPTNeoConfig
    from transformers.models.gpt_neo.modeling_gpt_neo import GPTNeoSelfAttention

    config = GPTNeoConfig(
        hidden_size=D,
        num_heads=N,
        num_layers=1,
        attention_types=[[["local"], 1]],
        window_size=W,
        max_position_embeddings=32,
        attn_implementation="eager",
    )
    layer, x = GPTNeoSelfAttention(config, "local", 0).eval(), torch.randn(B, T, D)
    expected, expected_weights = layer(x)

    q, k, v = (heads(x.numpy(), p.weight) for p in (layer.q_proj, layer.k_proj, layer.v_proj))
    options = {"mask": masks.window(W), "scale": 1.0}
    out, lse = attention(q, k, v, **options, return_lse=True)
    got = out.reshape(B, T, D) @ layer.out_proj.weight.numpy().T + layer.out_proj.bias.numpy()
    np.testing.assert_allclose(got, expected.numpy(), **close)
    np.testing.assert_allclose(weights(q, k, lse, **options), expected_weights.numpy(), **close)
