"""A config parses what its documentation names, refuses the rest in one line, and counts as one counts by hand."""

import subprocess
import sys
from dataclasses import FrozenInstanceError, fields, is_dataclass, replace
from itertools import chain

import jaxtyping
import pytest

from jattn.config import ModelConfig, NullConfig
from jattn.errors import InputError
from jattn.model import count_parameters
from jattn.variants import LayerAttention, parse_attention
from tests.configs import model_config

PARSED = {
    "standard": LayerAttention(),
    "null": LayerAttention(null="key"),
    "key": LayerAttention(null="key"),
    "zero": LayerAttention(null="zero"),
    "logit": LayerAttention(null="logit"),
    "key_value": LayerAttention(null="key_value"),
    "fixed_value": LayerAttention(null="fixed_value", null_number=1.0),
    "fixed_value:2.5": LayerAttention(null="fixed_value", null_number=2.5),
    "local:64": LayerAttention(window=64),
    "first:4+local:64": LayerAttention(first=4, window=64),
    "null+local:64": LayerAttention(null="key", window=64),
    "local:64+null": LayerAttention(null="key", window=64),
    " null + local:64 ": LayerAttention(null="key", window=64),
    "standard+local:64": LayerAttention(window=64),
    "token": LayerAttention(token=True),
    "value_bias": LayerAttention(value_bias=True),
    "gate": LayerAttention(gate="elementwise"),
    "gate:elementwise": LayerAttention(gate="elementwise"),
    "gate:headwise": LayerAttention(gate="headwise"),
    "sigmoid": LayerAttention(sigmoid=True),
    "sigmoid+local:8+gate": LayerAttention(sigmoid=True, window=8, gate="elementwise"),
    "token+gate+value_bias+first:2+local:4": LayerAttention(
        token=True, gate="elementwise", value_bias=True, first=2, window=4
    ),
}


GROUPS = [f.type for f in fields(ModelConfig) if is_dataclass(f.type)]


@pytest.fixture
def unchecked():
    """Annotations unchecked, as they are outside the tests: jattn's own refusals are then the ones a user meets."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


def refusal(make, *args, **fields) -> str:
    with pytest.raises(InputError) as error:
        make(*args, **fields)
    message = str(error.value)
    assert "\n" not in message and len(message) < 300
    return message


@pytest.mark.parametrize("text", PARSED)
def test_attention_string_means_what_the_documentation_says(text):
    assert parse_attention(text) == (PARSED[text],)


def test_commas_make_a_pattern_that_repeats_over_the_layers():
    config = ModelConfig(attention="local:64,null", layers=5)
    assert config.pattern == (PARSED["local:64"], PARSED["null"])
    assert [config.layer(i).window for i in range(5)] == [64, None, 64, None, 64]


@pytest.mark.parametrize(
    ("text", "nearest"),
    [
        ("nul", "null"),
        ("locl:3", "local"),
        ("sigmod", "sigmoid"),
        ("null+tokn", "token"),
        ("null,fixed_valu:2", "fixed_value"),
        ("gate:headwize", "headwise"),
        ("valuebias", "value_bias"),
        ("standart", "standard"),
    ],
)
def test_misspelt_attention_is_answered_with_the_nearest_name(text, nearest):
    message = refusal(parse_attention, text)
    assert f"Did you mean {nearest!r}?" in message and "Choose from: " in message


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "unknown value ''"),
        ("null,", "unknown value ''"),
        ("local", "local needs a number"),
        ("local:x", "local needs a number (for example local:64), got 'x'"),
        ("local:2.5", "got '2.5'"),
        ("local:1\n2", r"got '1\n2'"),
        ("local:0", "local must be >= 1, got 0"),
        ("first:0+local:3", "first must be >= 1, got 0"),
        ("fixed_value:-1", "fixed_value must be >= 0, got -1"),
        ("fixed_value:big", "fixed_value needs a number"),
        ("null:3", "'null' takes no value, got 'null:3'"),
        ("standard:1", "'standard' takes no value"),
        ("token:1", "'token' takes no value"),
        ("null+zero", "'null+zero' gives 'null' twice; keep one"),
        ("local:2+local:3", "gives 'window' twice"),
        ("first:4", "'first:4': first:S needs local:W"),
        ("first:4,local:3", "'first:4': first:S needs local:W"),
        ("sigmoid+null", "sigmoid attention has no normaliser"),
        ("sigmoid+token", "sigmoid attention has no normaliser"),
        ("token+null", "a sink token is a null already"),
        ("token,standard", "'token' is one token before the text, so every layer must have it"),
    ],
)
def test_attention_that_means_nothing_is_refused_with_the_reason(text, said):
    message = refusal(parse_attention, text)
    assert said in message and message.startswith("attention")


def test_wrong_attention_is_refused_where_the_config_is_written():
    assert "Did you mean 'null'?" in refusal(ModelConfig, attention="nul")
    assert "Did you mean 'null'?" in refusal(ModelConfig, attention="nul", layers=0)


@pytest.mark.parametrize(
    "wrong",
    [
        {"vocab_size": -1},
        {"context": 0},
        {"layers": -1},
        {"heads": 0},
        {"kv_heads": 0},
        {"width": 0},
        {"head_size": 0},
        {"mlp__hidden": 0},
        {"token_types": -1},
        {"init__std": -0.1},
        {"dropout__embed": 1.0},
        {"dropout__resid": -0.1},
        {"dropout__mlp": 2.0},
        {"score__soft_cap": 0.0},
        {"output__soft_cap": -1.0},
        {"rope__theta": 0.0},
        {"norm__eps": 0.0},
        {"heads": 3},
        {"kv_heads": 3},
        {"head_size": 3},
        {"mlp__activation": "gelu_tan"},
        {"positions": "rotary"},
        {"norm__kind": "rms"},
        {"norm__position": "last"},
        {"score__kind": "sigmoid"},
        {"compute__dtype": "float16"},
        {"compute__param_dtype": "bfloat16"},
        {"compute__layer_loop": "loop"},
        {"compute__implementation": "flash"},
    ],
    ids=lambda wrong: "-".join(map(str, *wrong.items())),
)
def test_value_out_of_range_is_refused_with_field_and_value(wrong, unchecked):
    ((name, value),) = wrong.items()
    message = refusal(model_config, **wrong)
    assert message.startswith(f"model.{name.replace('__', '.')}") and str(value) in message


@pytest.mark.parametrize("wrong", [{"key_std": -1.0}, {"value_std": -0.5}, {"rotary": "between"}])
def test_null_config_refuses_with_field_and_value(wrong, unchecked):
    ((name, value),) = wrong.items()
    message = refusal(NullConfig, **wrong)
    assert message.startswith(f"model.null.{name}") and str(value) in message


def test_sink_token_needs_a_causal_model():
    message = refusal(ModelConfig, attention="token", causal=False)
    assert message.startswith("model.attention: a sink token needs a causal model")
    assert ModelConfig(attention="null", causal=False).pattern[0].null == "key"


def test_config_is_frozen_and_equal_by_value():
    config = ModelConfig(attention="null")
    with pytest.raises(FrozenInstanceError):
        config.layers = 2  # pyright: ignore[reportAttributeAccessIssue]
    assert replace(config, attention="standard") == ModelConfig() and hash(config) == hash(ModelConfig("null"))


def test_a_pair_with_and_without_null_differs_in_one_field():
    a, b = ModelConfig(attention="standard"), ModelConfig(attention="null")
    assert [f.name for f in fields(a) if getattr(a, f.name) != getattr(b, f.name)] == ["attention"]


def test_every_option_has_one_line_of_help():
    for f in chain(fields(ModelConfig), *(fields(group) for group in GROUPS)):
        assert f.type in GROUPS or (f.metadata["help"] and "\n" not in f.metadata["help"])


def test_sizes_follow_the_width_unless_they_are_given():
    config = ModelConfig(width=48, heads=4)
    assert (config.H, config.N_kv, config.F) == (12, 4, 192)
    config = model_config(width=48, heads=4, head_size=10, kv_heads=2, mlp__hidden=7)
    assert (config.H, config.N_kv, config.F) == (10, 2, 7)


@pytest.mark.parametrize("width", [8, 24, 104, 128, 256, 4096])
def test_hidden_size_of_swiglu_is_the_least_multiple_of_8_from_8_thirds_of_the_width(width):
    F = model_config(width=width, mlp__activation="swiglu").F
    assert F % 8 == 0 and 3 * F >= 8 * width > 3 * (F - 8)


@pytest.mark.parametrize("module", ["jattn", "jattn.config"])
def test_importing_needs_no_jax(module):
    """`--help` and a wrong option answer at once; loading JAX takes a second."""
    program = f"import sys, {module}; print({{'jax', 'flax', 'numpy'}} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


# Parameters, counted by hand. V, D, L, N, H, F as in the axis legend.
V, D, L, N, H, F = 11, 24, 3, 4, 6, 96
SIZES = {"vocab_size": V, "width": D, "layers": L, "heads": N, "context": 13}
DEFAULT_LAYER = 4 * D * D + 2 * H + 2 * D * F + 2 * D  # q k v out; two QK-norms; up and down; two norms


def count(**changes) -> int:
    return count_parameters(model_config(**(SIZES | changes)))


def test_parameters_of_the_default_model_are_counted_by_hand():
    assert count() == V * D + L * DEFAULT_LAYER + D


def test_parameters_of_a_gpt2_are_counted_by_hand():
    """Rows of tokens and positions; per layer 12 D^2 weights, 9 D biases of projections, 4 D of norms; final norm."""
    gpt2 = {
        "positions": "learned",
        "norm__kind": "layernorm",
        "bias__norm": True,
        "norm__qk": False,
        "mlp__activation": "gelu_tanh",
    }
    biases = {"bias__qkv": True, "bias__out": True, "bias__mlp": True}
    assert count(**gpt2, **biases) == (V + 13) * D + L * (12 * D * D + 9 * D + 4 * D) + 2 * D
    assert count(**gpt2, **biases, vocab_size=50257, width=768, heads=12, layers=12, context=1024) == 124_439_808


def test_parameters_of_a_llama_are_counted_by_hand():
    layer = 2 * D * N * H + 2 * D * 2 * H + 3 * D * 64 + 2 * D
    llama = {"kv_heads": 2, "mlp__activation": "swiglu", "output__tied": False, "norm__qk": False}
    assert count(**llama) == 2 * V * D + L * layer + D


def test_parameters_of_a_bert_are_counted_by_hand():
    """Post-norm: a norm after the embedding and none at the end."""
    layer = 4 * (D * D + D) + 2 * D * F + F + D + 4 * D
    bert = {
        "positions": "learned",
        "norm__kind": "layernorm",
        "bias__norm": True,
        "norm__qk": False,
        "mlp__activation": "gelu",
    }
    rest = {"bias__qkv": True, "bias__out": True, "bias__mlp": True, "norm__position": "post", "causal": False}
    assert count(**bert, **rest, token_types=2) == (V + 13 + 2) * D + 2 * D + L * layer


def test_a_model_of_attention_alone_has_no_mlp_and_no_norm_for_it():
    assert count(mlp__activation="none") == V * D + L * (4 * D * D + 2 * H + D) + D


def test_zero_layers_leave_embedding_and_final_norm():
    assert count(layers=0) == V * D + D
    assert count(layers=0, attention="token") == V * D + D


@pytest.mark.parametrize(
    ("attention", "more"),
    [
        ("zero", 0),
        ("logit", L * N),
        ("null", L * N * (H + 1)),
        ("key_value", L * N * (2 * H + 1)),
        ("fixed_value:3", L * N * (H + 1)),
        ("token", D),
        ("value_bias", L * N * H),
        ("gate", L * D * N * H),
        ("gate:headwise", L * D * N),
        ("local:3", 0),
        ("first:1+local:3", 0),
        ("sigmoid", 0),
        ("local:3,null", 1 * N * (H + 1)),
        ("null,local:3", 2 * N * (H + 1)),
    ],
)
def test_each_kind_of_attention_adds_its_own_parameters_only(attention, more):
    assert count(attention=attention) - count() == more


def test_null_parameters_are_per_query_head_under_grouped_queries():
    assert count(attention="null", kv_heads=1) - count(kv_heads=1) == L * N * (H + 1)
