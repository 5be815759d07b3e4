"""Configs survive JSON, overrides are validated, words become values, and a pair differs in one field."""

import json
import re
import subprocess
import sys
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jattn.config import NullConfig
from jattn.errors import InputError
from tests.configs import model_config
from train.config import (
    DataConfig,
    OptimizerConfig,
    RunConfig,
    field_types,
    flatten,
    from_dict,
    override,
    parse_value,
    to_dict,
    to_nested,
)
from train.presets import PRESETS, preset

ATTENTIONS = (
    "standard",
    "null",
    "zero",
    "logit",
    "key",
    "key_value",
    "fixed_value:1.5",
    "local:64",
    "local:6",
    "first:4+local:64",
    "null+local:64",
    "local:64,null",
    "local:64, null, null",
    "token",
    "value_bias",
    "gate",
    "gate:headwise",
    "sigmoid",
    "null + gate:headwise",
    "local:8\t+ zero",
)

CHANGED = replace(
    RunConfig(),
    seed=7,
    model=model_config(attention="local:8,null", kv_heads=2, output__soft_cap=30.0, null=NullConfig(decay=False)),
    data=DataConfig(corpus="a folder/ü.txt", bos=True),
    optimizer=OptimizerConfig(optimizer="muon"),
)


@pytest.mark.parametrize("config", [*(make() for make in PRESETS.values()), CHANGED], ids=[*PRESETS, "changed"])
def test_config_survives_its_dict_and_json(config):
    assert from_dict(RunConfig, to_dict(config)) == config
    assert from_dict(RunConfig, json.loads(json.dumps(to_dict(config)))) == config


@given(
    layers=st.integers(0, 40),
    heads=st.sampled_from([1, 2, 4]),
    rate=st.floats(1e-8, 10.0),
    seed=st.integers(0, 2**32 - 1),
)
def test_overriding_changes_the_named_fields_and_nothing_else(layers, heads, rate, seed):
    changes = {"model.layers": layers, "model.heads": heads, "optimizer.learning_rate": rate, "seed": seed}
    config = override(CHANGED, changes | {"model.kv_heads": None})
    assert flatten(config) == flatten(CHANGED) | changes | {"model.kv_heads": None}


def test_overriding_with_what_is_there_already_changes_nothing():
    assert override(CHANGED, flatten(CHANGED)) == CHANGED
    assert override(CHANGED, {}) == CHANGED


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("model.layers", -1, "model.layers must be >= 0, got -1"),
        ("model.heads", 3, "model.heads must divide model.width, got 3 and 128"),
        ("model.kv_heads", 3, "model.kv_heads must divide model.heads, got 3 and 4"),
        ("model.attention", "nul", "Did you mean 'null'?"),
        ("model.dropout.embed", 1.0, "model.dropout.embed must be at least 0 and below 1"),
        ("model.null.key_std", -1.0, "model.null.key_std must be >= 0, got -1.0"),
        ("data.batch", 0, "data.batch must be >= 1, got 0"),
        ("data.valid_fraction", 1.0, "data.valid_fraction must be above 0 and below 1, got 1.0"),
        ("optimizer.learning_rate", 0.0, "optimizer.learning_rate must be > 0, got 0.0"),
        ("optimizer.beta1", 1.0, "optimizer.beta1 must be at least 0 and below 1, got 1.0"),
        ("optimizer.warmup", -1, "optimizer.warmup must be >= 0, got -1"),
        ("steps", 0, "steps must be >= 1, got 0"),
        ("keep", 0, "keep must be >= 1, got 0"),
        ("seed", -1, "seed must be >= 0 and below 2**32, got -1"),
        ("seed", 2**32, "seed must be >= 0 and below 2**32, got 4294967296"),
    ],
)
def test_override_is_validated_and_names_field_value_and_range(name, value, told):
    with pytest.raises(InputError) as error:
        override(RunConfig(), {name: value})
    assert told in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("model.layrs", "model.layers"),
        ("stepz", "steps"),
        ("optimizer.beta3", "optimizer.beta"),
        ("heads", "model.heads"),
    ],
)
def test_unknown_field_is_named_with_the_nearest(name, nearest):
    with pytest.raises(InputError, match=re.escape(f"{name!r}. Did you mean '{nearest}")):
        override(RunConfig(), {name: 1})


@pytest.mark.parametrize(
    ("part", "name", "nearest"),
    [((), "sed", "seed"), (("model",), "width_", "model.width"), (("model", "null"), "key_sdt", "model.null.key_std")],
)
def test_unknown_field_of_a_stored_config_is_named_with_the_nearest(part, name, nearest):
    stored = to_dict(RunConfig())
    inner = stored
    for key in part:
        inner = inner[key]
    inner[name] = 1
    with pytest.raises(InputError, match=f"'{'.'.join([*part, name])}'. Did you mean '{nearest}'"):
        from_dict(RunConfig, stored)


@pytest.mark.parametrize(
    ("name", "word", "value"),
    [
        ("model.layers", "6", 6),
        ("model.kv_heads", "none", None),
        ("model.kv_heads", "None", None),
        ("model.kv_heads", "2", 2),
        ("model.output.soft_cap", "none", None),
        ("model.output.soft_cap", "3e1", 30.0),
        ("model.output.tied", "true", True),
        ("model.output.tied", "False", False),
        ("model.mlp.activation", "swiglu", "swiglu"),
        ("model.mlp.activation", "none", "none"),
        ("model.positions", "none", "none"),
        ("model.null.logit_init", "-10", -10.0),
        ("data.corpus", "none", "none"),
        ("data.corpus", "", ""),
        ("optimizer.clip", "inf", float("inf")),
    ],
)
def test_word_becomes_a_value_of_its_fields_type(name, word, value):
    parsed = parse_value(name, word, field_types()[name][0])
    assert parsed == value and type(parsed) is type(value)


@pytest.mark.parametrize(
    ("name", "word", "told"),
    [
        ("model.layers", "2.5", "model.layers takes a whole number, got '2.5'"),
        ("model.layers", "none", "model.layers takes a whole number, got 'none'"),
        ("model.layers", "", "model.layers takes a whole number, got ''"),
        ("model.kv_heads", "nul", "model.kv_heads takes a whole number or none, got 'nul'"),
        ("model.output.soft_cap", "x", "model.output.soft_cap takes a number or none, got 'x'"),
        ("optimizer.weight_decay", "nan", "optimizer.weight_decay takes a number, got 'nan'"),
        ("model.output.tied", "yes", "model.output.tied: unknown value 'yes'. Choose from: true, false"),
        ("model.output.tied", "ture", "Did you mean 'true'?"),
        ("model.mlp.activation", "None", "Did you mean 'none'?"),
        ("model.mlp.activation", "glu", "Did you mean 'gelu'?"),
        ("data.tokenizer", "chars", "Did you mean 'char'?"),
        ("optimizer.optimizer", "adam", "Did you mean 'adamw'?"),
    ],
)
def test_word_of_another_type_is_refused_by_field_and_type(name, word, told):
    with pytest.raises(InputError) as error:
        parse_value(name, word, field_types()[name][0])
    assert told in str(error.value)


def test_every_field_has_a_type_that_words_can_become_and_a_line_of_help():
    table = field_types()
    assert list(table) == list(flatten(RunConfig()))
    for name, (kind, help) in table.items():
        value = flatten(RunConfig())[name]
        assert parse_value(name, str(value), kind) == value, name
        assert help and "\n" not in help, name


@pytest.mark.parametrize("kind", ["null", "zero", "logit", "key_value", "fixed_value:2", "token"])
def test_pair_with_and_without_a_null_differs_in_one_field(kind):
    base = preset("tiny")
    pair = override(base, {"model.attention": kind})
    differ = [name for name, value in flatten(base).items() if flatten(pair)[name] != value]
    assert differ == ["model.attention"]


def test_run_names_are_folder_names_on_every_system():
    for attention in ATTENTIONS:
        name = override(preset("nanogpt-cpu"), {"model.attention": attention, "seed": 3}).name
        assert re.fullmatch(r"nanogpt-cpu-[A-Za-z0-9_+.]+-s3", name), name


def test_run_names_tell_attentions_apart():
    names = [override(preset("tiny"), {"model.attention": a}).name for a in ATTENTIONS]
    assert len(set(names)) == len(ATTENTIONS)


def test_run_name_does_not_depend_on_spaces():
    names = {
        override(preset("tiny"), {"model.attention": a}).name for a in ("null+local:8,zero", "null + local:8 , zero")
    }
    assert names == {"tiny-null+local8_zero-s0"}


@given(st.dictionaries(st.sampled_from(list(flatten(RunConfig()))), st.integers(), max_size=8))
def test_nesting_puts_every_dotted_value_in_its_place(flat):
    nested = to_nested(flat)
    for name, value in flat.items():
        found = nested
        for part in name.split("."):
            found = found[part]
        assert found == value


def test_configs_and_command_line_import_no_jax():
    program = """
import sys, train, train.config, train.presets, train.options, train.commands, analysis.cli
train.preset("tiny"), train.RunConfig
assert not [m for m in ("jax", "flax", "optax", "orbax", "grain") if m in sys.modules]
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("name", "value", "takes"),
    [
        ("steps", "10", "int"),
        ("steps", 2.5, "int"),
        ("steps", True, "int"),
        ("model.kv_heads", "2", "int or none"),
        ("optimizer.learning_rate", "fast", "float"),
        ("data.bos", 1, "bool"),
        ("data.corpus", None, "str"),
    ],
)
def test_override_refuses_a_value_of_another_type(name, value, takes):
    with pytest.raises(InputError, match=rf"^{name} takes {takes}, got {value!r}$"):
        override(RunConfig(), {name: value})


def test_whole_number_is_a_number():
    assert override(RunConfig(), {"optimizer.learning_rate": 1}).optimizer.learning_rate == 1
