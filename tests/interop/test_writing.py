"""Our models as transformers reads them: equal logits, an exact way back, one line for what a format cannot hold."""

import json
import re
from dataclasses import replace
from functools import lru_cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jattn import interop
from jattn.config import NullConfig, RopeConfig
from jattn.errors import InputError
from jattn.interop.rewriting import for_gpt_oss, parameters_for
from jattn.interop.unsupported import unsupported
from jattn.interop.writing import FORMATS, cannot_hold, new_folder
from jattn.model import assemble, parameter_shapes
from tests.configs import changed, model_config
from tests.small import arrays as drawn

SIZE = {"vocab_size": 19, "context": 32, "layers": 2, "heads": 4, "width": 16}
GPT2 = model_config(**SIZE, mlp__activation="gelu_tanh", positions="learned", norm__kind="layernorm", norm__qk=False)
GPT2 = changed(GPT2, bias__norm=True, bias__qkv=True, bias__out=True, bias__mlp=True)
LLAMA = model_config(**SIZE, kv_heads=2, mlp__activation="swiglu", mlp__hidden=24, output__tied=False, norm__qk=False)
BERT = changed(
    GPT2,
    norm__position="post",
    causal=False,
    token_types=2,
    mlp__activation="gelu",
    output__kind="mlm",
    bias__output=True,
)
OSS = changed(
    LLAMA, attention="logit+local:5,logit", mlp__activation="swiglu_clamped", mlp__experts=3, mlp__experts_per_token=2
)
OSS = changed(OSS, mlp__limit=1.5, bias__qkv=True, bias__out=True)
YARN = RopeConfig(scaling="yarn", factor=4.0, original_context=8, truncate=False)
CASES = {
    "gpt2": ("gpt2", GPT2),
    "gpt2-untied": ("gpt2", changed(GPT2, output__tied=False, mlp__hidden=40)),
    "llama": ("llama", LLAMA),
    "llama-tied-head-size": ("llama", changed(LLAMA, output__tied=True, head_size=6)),
    "llama-biases": ("llama", changed(LLAMA, bias__qkv=True, bias__out=True, bias__mlp=True)),
    "llama-linear": ("llama", replace(LLAMA, rope=RopeConfig(scaling="linear", factor=3.0))),
    "llama-llama3": ("llama", replace(LLAMA, rope=RopeConfig(scaling="llama3", factor=8.0, original_context=16))),
    "llama-yarn": ("llama", replace(LLAMA, rope=YARN)),
    "mistral": ("llama", replace(LLAMA, attention="local:5")),
    "qwen2": ("llama", changed(LLAMA, attention="standard,local:5", bias__qkv=True)),
    "qwen3": ("llama", changed(LLAMA, attention="local:5,standard", norm__qk=True, head_size=8)),
    "gpt_oss": ("gpt_oss", OSS),
    "gpt_oss-plain": ("gpt_oss", changed(OSS, attention="logit", bias__qkv=False, bias__out=False, rope=YARN)),
    "bert": ("bert", BERT),
    "bert-hidden-states": ("bert", changed(BERT, output__kind="none", bias__output=False)),
}
# The same function in other words: what is missing is zero, what is another form has an exact translation.
REWRITTEN = {
    "gpt2-without-biases": ("gpt2", changed(GPT2, bias__qkv=False, bias__out=False, bias__mlp=False, bias__norm=False)),
    "llama-with-sinks": ("gpt_oss", replace(LLAMA, attention="logit+local:5,logit")),
    "llama-with-sinks-biases": ("gpt_oss", changed(LLAMA, attention="logit", bias__mlp=True, bias__qkv=True)),
    "llama-with-null-of-score-0": ("gpt_oss", replace(LLAMA, attention="zero, zero+local:5")),
    "clamped-without-experts": ("gpt_oss", changed(OSS, mlp__experts=0, bias__mlp=True, mlp__experts_per_token=1)),
    "bert-without-biases": ("bert", changed(BERT, bias__qkv=False, bias__mlp=False, bias__output=False, token_types=0)),
}
TEXT = np.random.default_rng(0).integers(0, 19, (2, 20))


@lru_cache
def tokenizer():
    """A tokenizer of 18 letters and a first token, as a run has it."""
    from train.tokenizers import Tokenizer

    return Tokenizer.symbols("abcdefghijklmnopq ", bos=True)


def ours(config, parameters, tokens=TEXT):
    return np.asarray(assemble(config, jax.tree.map(jnp.asarray, parameters))(tokens), np.float64)


@lru_cache
def case(name):
    """The format of a case, its config, its parameters and their logits of TEXT."""
    form, config = (CASES | REWRITTEN)[name]
    parameters = drawn(config)
    return form, config, parameters, ours(config, parameters)


def written(name, folder):
    """The config and the parameters of a case, and their logits of TEXT, after writing them."""
    form, config, parameters, expected = case(name)
    interop.write(config, parameters, tokenizer().json, folder, form)
    return config, parameters, expected


@pytest.fixture
def load(monkeypatch):
    """load(folder): the model of transformers, in float32."""
    import torch
    import transformers

    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    transformers.logging.set_verbosity_error()

    def loaded(folder):
        config = transformers.AutoConfig.from_pretrained(folder)
        if config.model_type == "gpt_oss":
            config._experts_implementation = "eager"
        kind = getattr(transformers, config.architectures[0])
        model = kind.from_pretrained(folder, config=config, attn_implementation="eager", dtype=torch.float32)
        return model.eval()

    return loaded


def theirs(model, **inputs):
    import torch

    with torch.no_grad():
        out = model(**inputs)
    return (out.logits if hasattr(out, "logits") else out.last_hidden_state).double().numpy()


def same(found, config, parameters):
    """What was read is the model, bit by bit."""
    assert unsupported(config, found.config) == unsupported(found.config, config) == []
    assert parameters.keys() == found.parameters.keys()
    for n, p in parameters.items():
        np.testing.assert_array_equal(found.parameters[n], p, err_msg=n)


# transformers reads it -----------------------------------------------------------------------------------------------


@pytest.mark.peers
@pytest.mark.parametrize("name", CASES | REWRITTEN)
def test_transformers_computes_the_same_logits(name, load, tmp_path):
    import torch

    _, _, expected = written(name, tmp_path / "out")
    got = theirs(load(tmp_path / "out"), input_ids=torch.tensor(TEXT))
    assert np.abs(got - expected).max() < 1e-5 * np.abs(expected).max()


@pytest.mark.peers
@pytest.mark.parametrize("name", CASES)
def test_way_through_transformers_and_back_is_exact(name, load, tmp_path):
    config, parameters, _ = written(name, tmp_path / "out")
    load(tmp_path / "out").save_pretrained(tmp_path / "again")
    (tmp_path / "again/tokenizer.json").write_text((tmp_path / "out/tokenizer.json").read_text())
    same(interop.read(tmp_path / "again"), config, parameters)


@pytest.mark.peers
@pytest.mark.parametrize("name", ["gpt2", "llama", "bert"])
def test_tokenizer_of_the_folder_gives_the_ids_and_inputs_of_the_run(name, load, tmp_path):
    """First token included; and what it returns can be given to the model as it is."""
    from transformers import AutoTokenizer

    config, parameters, _ = written(name, tmp_path / "out")
    theirs_ = AutoTokenizer.from_pretrained(tmp_path / "out")
    inputs = theirs_("bad cab", return_tensors="pt")
    ids = np.concatenate([[tokenizer().bos], tokenizer().encode("bad cab")])
    assert inputs["input_ids"][0].tolist() == ids.tolist()
    assert theirs_.decode(ids, skip_special_tokens=True) == "bad cab"
    assert (theirs_.bos_token_id, theirs_.eos_token_id) == (tokenizer().bos, None)
    expected = ours(config, parameters, ids[None])
    assert np.abs(theirs(load(tmp_path / "out"), **inputs) - expected).max() < 1e-5 * np.abs(expected).max()


# Our own reader ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CASES)
def test_what_is_written_is_read_again_bit_by_bit(name, tmp_path):
    config, parameters, _ = written(name, tmp_path / "out")
    same(interop.read(tmp_path / "out"), config, parameters)


@pytest.mark.parametrize("name", REWRITTEN)
def test_what_is_written_in_other_words_is_read_as_the_same_function(name, tmp_path):
    _, _, expected = written(name, tmp_path / "out")
    found = interop.read(tmp_path / "out")
    assert np.abs(ours(found.config, found.parameters) - expected).max() < 1e-5 * np.abs(expected).max()


@pytest.mark.parametrize("attention", ["logit", "zero+local:3,logit"])
def test_one_expert_is_the_gated_mlp_of_any_size(attention, x64):
    """u lifted before 1 is taken from it: even where u is a thousandth, float64 agrees to 1e-13."""
    config = changed(LLAMA, attention=attention, compute__dtype="float64", compute__param_dtype="float64")
    parameters = drawn(config)
    parameters |= {n: p * 1e-3 for n, p in parameters.items() if n.endswith("mlp.up.kernel")}
    target = for_gpt_oss(config)
    assert target.mlp.experts == 1 and "zero" not in target.attention
    got = ours(target, parameters_for(target, config, parameters))
    np.testing.assert_allclose(got, ours(config, parameters), rtol=0, atol=1e-13)


def test_small_gate_keeps_its_digits_in_float32():
    """The MLP's own output, with u about a thousandth: to float32's rounding, not to that of 1."""
    config = replace(LLAMA, attention="logit", layers=1)
    parameters = drawn(config)
    parameters |= {n: p * 1e-3 for n, p in parameters.items() if n.endswith("mlp.up.kernel")}
    target = for_gpt_oss(config)
    parameters, rewritten = (
        jax.tree.map(jnp.asarray, p) for p in (parameters, parameters_for(target, config, parameters))
    )
    models = assemble(config, parameters), assemble(target, rewritten)
    x = jax.random.normal(jax.random.key(0), (1, 7, 16))
    expected, got = (np.asarray(model.blocks[0].mlp(x)) for model in models)
    assert np.abs(got - expected).max() < 2e-6 * np.abs(expected).max()


def test_training_settings_and_types_are_no_loss():
    free = {
        "dropout__mlp": 0.1,
        "dropout__resid": 0.2,
        "dropout__embed": 0.1,
        "init__std": 0.5,
        "init__zero_outputs": True,
    }
    free |= {
        "null": NullConfig(key_std=3.0),
        "compute__layer_loop": "scan",
        "compute__implementation": "dense",
        "compute__dtype": "bfloat16",
    }
    for form, config in CASES.values():
        assert cannot_hold(changed(config, **free), form) == []


# Refused -------------------------------------------------------------------------------------------------------------

OWN = model_config(**SIZE)
REFUSED = [
    ("gpt2", replace(GPT2, attention="null"), "--format gpt2 cannot hold model.attention = 'null' (a null key); no fo"),
    (
        "gpt2",
        LLAMA,
        r"model.kv_heads = 2 \(it has 4\), model.positions = 'rope' .*, model.mlp.activation = 'swiglu' .*; --format",
    ),
    ("gpt2", replace(GPT2, positions="alibi"), r"model.positions = 'alibi' .*; --format transformerlens can$"),
    ("gpt2", replace(GPT2, attention="gate"), r"\(an output gate\)"),
    ("gpt2", replace(GPT2, attention="standard,local:4"), r"\(a window of 4\); --format transformerlens can$"),
    ("gpt2", changed(GPT2, norm__qk=True), "model.norm.qk = True"),
    ("llama", replace(LLAMA, attention="logit"), r"\(a sink logit per head\); --format gpt_oss can$"),
    ("llama", replace(LLAMA, attention="token"), r"\(a sink token\)"),
    ("llama", replace(LLAMA, attention="sigmoid"), r"\(sigmoid attention\)"),
    ("llama", changed(LLAMA, score__soft_cap=5.0), "model.score.soft_cap = 5.0"),
    ("llama", OWN, "model.mlp.activation = 'relu2'"),
    ("gpt_oss", LLAMA, r"\(a layer without a sink logit\); --format llama or transformerlens can$"),
    ("gpt_oss", replace(LLAMA, attention="null,value_bias"), r"\(a null key, .*a value bias\)"),
    ("gpt_oss", replace(OSS, attention="logit+local:3,logit+local:5"), r"a window of 3"),
    ("gpt_oss", replace(OWN, attention="logit"), "model.mlp.activation = 'relu2'"),
    ("bert", changed(BERT, mlp__activation="relu2"), "model.mlp.activation = 'relu2'"),
    ("bert", LLAMA, "and .* more; --format llama"),
    ("transformerlens", replace(LLAMA, attention="key_value"), r"\(a null key and value\)"),
    ("llama", replace(LLAMA, layers=0), "model.layers = 0"),
    ("bert", replace(BERT, layers=0), "model.layers = 0"),
]


@pytest.mark.parametrize(("form", "config", "reason"), REFUSED)
def test_what_a_format_cannot_hold_is_named_with_the_format_that_can(form, config, reason, tmp_path):
    parameters = dict.fromkeys(parameter_shapes(config))  # refused before any is looked at
    with pytest.raises(InputError) as caught:
        interop.write(config, parameters, tokenizer().json, tmp_path / "deep/out", form)
    message = str(caught.value)
    assert re.search(reason if "\\" in reason or "$" in reason or ".*" in reason else re.escape(reason), message)
    assert message.startswith(f"--format {form} cannot hold") and "\n" not in message
    assert list(tmp_path.iterdir()) == []


OPTIONS = {
    "attention": ["standard", "null,local:4", "logit", "zero+local:3", "token", "sigmoid", "gate+value_bias"],
    "mlp__activation": ["gelu", "relu2", "swiglu", "swiglu_clamped", "none"],
    "positions": ["rope", "learned", "alibi", "none"],
    "norm__kind": ["rmsnorm", "layernorm"],
    "norm__position": ["pre", "post"],
    "layers": [0, 1, 3],
    "heads": [2, 3],
    "head_size": [6, 7],
    "token_types": [0, 2],
    "output__kind": ["linear", "none", "mlm"],
    "norm__qk": [True, False],
    "mlp__experts": [0, 2],
}


@given(st.fixed_dictionaries({name: st.sampled_from(values) for name, values in OPTIONS.items()}))
@settings(max_examples=200)
def test_every_format_holds_a_model_or_says_why_not(options):
    try:
        config = model_config(**SIZE | options)
    except InputError:
        return
    for form in FORMATS:
        found = cannot_hold(config, form)
        assert all(reason.startswith("model.") for reason in found)
        assert len(set(found)) == len(found)


def test_refusal_names_positions_and_not_what_is_part_of_them():
    found = cannot_hold(LLAMA, "gpt2")
    assert any("model.positions" in reason for reason in found) and not any("model.rope" in r for r in found)


def test_format_that_a_refusal_names_holds_the_model():
    for form, config, _ in REFUSED:
        able = [f for f in FORMATS if not cannot_hold(config, f)]
        assert form not in able


def test_unknown_format_names_the_nearest(tmp_path):
    with pytest.raises(InputError, match="Did you mean 'llama'"):
        interop.write(LLAMA, {}, "{}", tmp_path / "out", "lama")


# The folder ----------------------------------------------------------------------------------------------------------


def test_folder_that_is_not_empty_is_left_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("here")
    with pytest.raises(InputError, match="not an empty folder; name a new one"):
        written("llama", tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["mine.txt"]


def test_file_in_the_way_is_named(tmp_path):
    (tmp_path / "file").write_text("here")
    with pytest.raises(InputError, match="file' is a file; name a folder"):
        written("llama", tmp_path / "file/out")


def test_empty_folder_is_filled(tmp_path):
    written("llama", tmp_path)
    assert {p.name for p in tmp_path.iterdir()} == {
        "config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    }


def test_failure_half_way_leaves_nothing(tmp_path):
    with pytest.raises(RuntimeError), new_folder(tmp_path / "out") as part:
        (part / "half").write_text("written")
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_ids_that_the_tokenizer_lacks_are_null_and_not_the_defaults_of_the_class(tmp_path):
    written("gpt2", tmp_path / "out")
    told = json.loads((tmp_path / "out/config.json").read_text())
    assert (told["bos_token_id"], told["eos_token_id"], told["pad_token_id"]) == (18, None, None)
