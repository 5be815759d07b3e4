"""A config that an earlier version stored is read under today's names, and today's as it is."""

import json

import pytest

from jattn.errors import InputError
from tests.configs import model_config
from train.config import RunConfig, field_types, from_dict, to_dict
from train.config_history import RENAMED, renamed
from train.presets import PRESETS

FLAT = {
    "attention": "null,local:8",
    "layers": 3,
    "kv_heads": 2,
    "mlp": "swiglu_clamped",
    "hidden": 40,
    "swiglu_limit": 5.0,
    "experts": 3,
    "experts_per_token": 2,
    "rope_theta": 500.0,
    "rope": {"scaling": "linear", "factor": 2.0},
    "norm": "layernorm",
    "norm_position": "post",
    "norm_eps": 1e-6,
    "qk_norm": False,
    "qkv_bias": True,
    "out_bias": False,
    "mlp_bias": True,
    "norm_bias": True,
    "tied": False,
    "output": "linear",
    "output_bias": True,
    "causal": True,
    "score": "sigmoid_normalised",
    "attention_soft_cap": 5.0,
    "logit_soft_cap": None,
    "embed_dropout": 0.1,
    "resid_dropout": 0.2,
    "mlp_dropout": 0.3,
    "init_std": 0.3,
    "zero_init": False,
    "null": {"decay": False},
    "dtype": "bfloat16",
    "param_dtype": "float32",
    "layer_loop": "scan",
    "implementation": "dense",
}
"""A model of version 0.1.0, as its config.json says it; fields that have not moved are there too."""


def test_flat_model_of_earlier_versions_is_read_into_its_groups():
    stored = json.loads(json.dumps({"seed": 3, "model": FLAT, "data": {"batch": 2}}))
    config = from_dict(RunConfig, renamed(stored))
    m = config.model
    assert (config.seed, config.data.batch, m.attention, m.layers, m.kv_heads) == (3, 2, "null,local:8", 3, 2)
    assert m == model_config(
        attention="null,local:8",
        layers=3,
        kv_heads=2,
        mlp__activation="swiglu_clamped",
        mlp__hidden=40,
        mlp__limit=5.0,
        mlp__experts=3,
        mlp__experts_per_token=2,
        rope__theta=500.0,
        rope__scaling="linear",
        rope__factor=2.0,
        norm__kind="layernorm",
        norm__position="post",
        norm__eps=1e-6,
        norm__qk=False,
        bias__qkv=True,
        bias__mlp=True,
        bias__norm=True,
        bias__output=True,
        output__tied=False,
        score__kind="sigmoid_normalised",
        score__soft_cap=5.0,
        dropout__embed=0.1,
        dropout__resid=0.2,
        dropout__mlp=0.3,
        init__std=0.3,
        init__zero_outputs=False,
        null__decay=False,
        compute__dtype="bfloat16",
        compute__layer_loop="scan",
        compute__implementation="dense",
    )


@pytest.mark.parametrize("name", PRESETS)
def test_config_of_today_is_left_as_it_is(name):
    stored = to_dict(PRESETS[name]())
    assert renamed(stored) == stored


def test_every_old_name_leads_to_a_field_and_is_none_itself():
    assert set(RENAMED.values()) <= set(field_types()) and not set(RENAMED) & set(field_types())
    assert len(set(RENAMED.values())) == len(RENAMED)


def test_what_a_run_of_earlier_versions_started_from_is_what_it_was_initialised_from():
    config = from_dict(RunConfig, renamed({"start": "runs/base", "null_start": "sink"}))
    assert (config.init_from, config.null_init) == ("runs/base", "sink")


def test_field_that_no_version_has_known_is_refused_by_name():
    with pytest.raises(InputError, match=r"unknown value 'model.layrs'\. Did you mean 'model.layers'"):
        from_dict(RunConfig, renamed({"model": {"layrs": 3}}))
