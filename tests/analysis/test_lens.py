"""The logit lens and logit attribution: exact at the last layer, parts that sum to the whole, and planted heads."""

from dataclasses import replace
from importlib.util import find_spec
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from analysis.capture import lens
from jattn.errors import InputError
from jattn.model import assemble, parameter_shapes, parameters_of
from tests.configs import changed, model_config

SIZE = {"vocab_size": 11, "context": 12, "layers": 2, "heads": 4, "width": 12}
LLAMA = model_config(**SIZE, kv_heads=2, head_size=6, mlp__activation="swiglu", output__tied=False)
GPT2 = model_config(
    **SIZE, mlp__activation="gelu_tanh", positions="learned", norm__kind="layernorm", norm__qk=False, bias__norm=True
)
GPT2 = changed(GPT2, bias__qkv=True, bias__out=True, bias__mlp=True, bias__output=True)
CASES = {
    "gpt2": GPT2,
    "attention-only": changed(LLAMA, mlp__activation="none"),
    "no layers": replace(GPT2, layers=0),
    "null without a value": replace(LLAMA, attention="null"),
    "value in one layer": replace(LLAMA, attention="fixed_value:2,local:3"),
    "null, gate and value bias": replace(LLAMA, attention="key_value+gate+value_bias"),
    "sink token and gate": replace(GPT2, attention="token+gate:headwise"),
    "sigmoid": replace(LLAMA, attention="sigmoid"),
    "scanned": changed(LLAMA, compute__layer_loop="scan", attention="null"),
    "scanned with a value": changed(LLAMA, compute__layer_loop="scan", attention="key_value"),
}
TEXT = np.random.default_rng(0).integers(0, 11, (2, 9)).astype(np.int32)
NEXT = np.random.default_rng(1).integers(0, 11, (2, 9)).astype(np.int32)
OTHER = np.random.default_rng(2).integers(0, 11, (2, 9)).astype(np.int32)


def model_of(config) -> Any:
    """A model whose parameters are all random, norms around 1."""
    draw = np.random.default_rng(0)
    shapes = parameter_shapes(config)
    drawn = {n: n.endswith("scale") + draw.normal(0, 0.4, s.shape) for n, s in shapes.items()}
    return assemble(config, {n: jnp.asarray(p, shapes[n].dtype) for n, p in drawn.items()})


def tokens(array, row):
    return np.take_along_axis(np.asarray(array), row[..., None], -1)[..., 0]


@jax.jit
def read(model, text, right):
    x = lens.stream(model, text)
    parts = lens.attribution(model, text, right)
    return model(text), model.unembed(x[-1]), lens.logit_lens(model, x, right), parts, parts.total()


attribute = jax.jit(lens.attribution)
run = jax.jit(lambda model, text: model(text))


@pytest.mark.parametrize("case", CASES)
def test_the_last_lens_is_the_logits_and_all_parts_sum_to_them(case):
    logits, last, found, parts, total = jax.tree.map(np.asarray, read(model_of(CASES[case]), TEXT, NEXT))
    np.testing.assert_array_equal(last, logits)
    np.testing.assert_allclose(found["kl_nats"][-1], 0, atol=1e-6)
    np.testing.assert_array_equal(found["agreement"][-1], 1)
    loss = -tokens(jax.nn.log_softmax(logits), NEXT).mean(-1)
    np.testing.assert_allclose(found["loss_nats"][-1], loss, rtol=1e-5)
    np.testing.assert_allclose(total, tokens(logits, NEXT) - logits.mean(-1), atol=3e-5)
    if CASES[case].attention in ("standard", "null", "sigmoid"):
        assert not parts.nulls.any()  # a null without a value adds nothing
    else:
        assert parts.nulls.any()


@pytest.mark.parametrize("case", ["gpt2", "null, gate and value bias"])
def test_parts_sum_to_the_difference_of_two_logits_exactly_in_float64(case, x64):
    model = model_of(changed(CASES[case], compute__dtype="float64", compute__param_dtype="float64"))
    logits = np.asarray(run(model, TEXT))
    whole = tokens(logits, NEXT) - tokens(logits, OTHER)
    np.testing.assert_allclose(attribute(model, TEXT, NEXT, OTHER).total(), whole, atol=1e-11)
    assert np.abs(attribute(model, TEXT, NEXT, NEXT).total()).max() < 1e-11


def test_the_null_is_a_source_of_its_own_where_its_value_is_learned():
    """Against the formula: null mass x v_null, through the output projection, on the direction of the logit."""
    config = replace(GPT2, attention="key_value")
    model = model_of(config)
    found = attribute(model, TEXT, NEXT)
    mass = np.asarray(jax.jit(lambda model, text: model(text, observe=lambda seen: seen.null_mass)[1])(model, TEXT))
    x = np.asarray(lens.stream(model, TEXT)[-1])
    centred = x - x.mean(-1, keepdims=True)
    rows = np.asarray(model.token_rows[...])
    u = (rows[NEXT] - rows.mean(0)) * np.asarray(model.final_norm.scale[...])
    u = (u - u.mean(-1, keepdims=True)) / np.sqrt((centred**2).mean(-1, keepdims=True) + config.norm.eps)
    for layer, block in enumerate(model.blocks):
        kernel = np.asarray(block.attention.out.kernel[...]).reshape(config.heads, config.H, -1)
        value = np.asarray(block.attention.null.value[...])
        told = mass[layer] * np.einsum("nh,nhd,btd->btn", value, kernel, u)
        np.testing.assert_allclose(found.nulls[layer], told, atol=2e-5)
        assert np.abs(told).max() > 0.01


def test_a_head_with_an_output_of_zero_adds_nothing():
    """Head 2 of layer 1 cut off: its part is 0, the parts still sum to the logits, which change by what it added."""
    model = model_of(LLAMA)
    out = model.blocks[1].attention.out
    out.kernel[...] = out.kernel[...].at[12:18].set(0)
    found = attribute(model, TEXT, NEXT)
    assert not np.asarray(found.heads[1, :, :, 2]).any() and np.asarray(found.heads[1, :, :, 1]).all()


def copying_model():
    """One layer, one head, no MLP: every token sees itself only and writes 3 times its row at the token after it.

    The embedding is the identity, the window 1, so z = x / rms(x) and the stream is e_i + 3 sqrt(D) e_(i+1).
    """
    D = 8
    config = model_config(
        vocab_size=D, context=4, layers=1, heads=1, width=D, mlp__activation="none", positions="none", norm__qk=False,
        attention="local:1", norm__eps=1e-12,
    )  # fmt: skip
    shapes = parameter_shapes(config)
    of = {n: jnp.zeros(s.shape) for n, s in shapes.items()}
    of |= {n: jnp.ones(s.shape) for n, s in shapes.items() if n.endswith("scale")}
    of |= {"token_rows": jnp.eye(D), "blocks.0.attention.v.kernel": jnp.eye(D)}
    of["blocks.0.attention.out.kernel"] = 3 * jnp.roll(jnp.eye(D), 1, 1)
    return assemble(config, of), D


def test_a_head_that_writes_the_next_token_gets_all_of_its_logit():
    """In closed form: the norm of the stream is r = sqrt(1 + 9 D) / sqrt(D)."""
    model, D = copying_model()
    text = np.arange(4, dtype=np.int32)[None]
    r = ((1 + 9 * D) / D) ** 0.5
    against_itself = attribute(model, text, text + 1, text)
    np.testing.assert_allclose(against_itself.heads[0, ..., 0], 3 * D**0.5 / r, rtol=1e-5)
    np.testing.assert_allclose(against_itself.embedding, -1 / r, rtol=1e-5)
    against_mean = attribute(model, text, text + 1)
    np.testing.assert_allclose(against_mean.heads[0, ..., 0], 3 * D**0.5 / r * (1 - 1 / D), rtol=1e-5)
    np.testing.assert_allclose(against_mean.embedding, -1 / r / D, rtol=1e-5)


def test_the_lens_of_a_model_that_copies_in_its_layer_sees_it_after_that_layer():
    """Before: the token itself has all the logit, sqrt(D) after the norm; the next has 1 / (e^sqrt(D) + D - 1)."""
    model, D = copying_model()
    text = np.arange(4, dtype=np.int32)[None]
    found = lens.logit_lens(model, lens.stream(model, text), text + 1)
    np.testing.assert_allclose(found["loss_nats"][0], np.log(np.exp(D**0.5) + D - 1), rtol=1e-5)
    np.testing.assert_array_equal(found["agreement"][:, 0], [0, 1])
    assert found["loss_nats"][1, 0] < found["loss_nats"][0, 0] - 2


def test_uniform_logits_have_a_loss_of_log_v_and_their_kl_in_closed_form():
    final = jnp.log(jnp.array([[[0.5, 0.25, 0.125, 0.125]]]))
    found = lens.lens_measures(jnp.zeros((1, 1, 4)), final, np.array([[2]]))
    np.testing.assert_allclose(found["loss_nats"], np.log(4), rtol=1e-6)
    np.testing.assert_allclose(found["kl_nats"], np.log(4) - 1.75 * np.log(2), rtol=1e-6)


def test_models_whose_logits_are_no_sum_of_parts_are_refused_by_name():
    bert = model_config(
        **SIZE, norm__position="post", causal=False, output__kind="mlm", mlp__activation="gelu", positions="learned"
    )
    for config, name in (
        (bert, "model.norm.position = 'post'"),
        (changed(bert, norm__position="pre"), "model.output.kind = 'mlm'"),
        (changed(LLAMA, output__kind="none"), "model.output.kind = 'none'"),
    ):
        with pytest.raises(InputError, match=name) as error:
            lens.attribution(model_of(config), TEXT, NEXT)
        assert "\n" not in str(error.value)
    with pytest.raises(InputError, match="causal=False and output 'mlm' predicts no next token"):
        lens.logit_lens(model_of(bert), jnp.zeros((1, 2, 9, 12)), NEXT)


@pytest.mark.peers
def test_lens_equals_that_of_transformer_lens():
    """The same random weights in its native model: log-probabilities at every point of the stream."""
    if find_spec("transformer_lens") is None:
        pytest.skip("needs transformer_lens 4.3")
    import torch
    from transformer_lens.config import TransformerBridgeConfig
    from transformer_lens.model_bridge import TransformerBridge
    from transformer_lens.tools.analysis import logit_lens

    model = model_of(GPT2)
    theirs = TransformerBridge.boot_native(
        TransformerBridgeConfig(
            d_model=12, d_head=3, n_heads=4, n_layers=2, n_ctx=12, d_vocab=11, d_mlp=48, act_fn="gelu_new",
            normalization_type="LN", architecture="TransformerLensNative",
        )
    ).eval()  # fmt: skip
    ours = lens_state(model, list(theirs.state_dict()))
    theirs.load_state_dict({n: torch.as_tensor(np.array(a)) for n, a in ours.items()})
    told = logit_lens(theirs, torch.as_tensor(TEXT, dtype=torch.long), positions=None, return_type="log_probs")
    mine = jnp.stack([jax.nn.log_softmax(model.unembed(x)) for x in lens.stream(model, TEXT)])
    np.testing.assert_allclose(mine, told.values.numpy(), atol=2e-5)


def lens_state(model, names):
    """Our parameters under the names of the native model; torch keeps matrices transposed."""
    of = parameters_of(model)
    found = {}
    for name in names:
        ours = (
            name.replace(".ln1.", ".attention_norm.").replace(".ln2.", ".mlp_norm.").replace("ln_final", "final_norm")
        )
        ours = ours.replace(".attn.o.", ".attn.out.").replace(".attn.", ".attention.").replace(".mlp.in.", ".mlp.up.")
        ours = ours.replace(".mlp.out.", ".mlp.down.")
        table = {"embed.weight": "token_rows", "pos_embed.weight": "position_rows", "unembed.weight": "token_rows"}
        ours = {**table, "unembed.bias": "output_bias"}.get(name, ours)
        if "norm" in ours:
            ours = ours.replace(".weight", ".scale")
        array = of[ours.replace(".weight", ".kernel")]
        found[name] = array.T if ours.endswith(".weight") else array
    return found
