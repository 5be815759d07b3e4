"""The chapter on side effects on small models of every kind: what applies is there, what does not is absent."""

from functools import cache

import numpy as np
import pytest

from analysis.chapter_type import Reading, Results, Unfit
from analysis.chapters import side_effects
from analysis.elements import Plot, Table
from analysis.texts.sample import few
from jattn.config import ModelConfig
from tests import planted
from tests.configs import model_config

V, T, L, N, H = 13, 12, 2, 2, 4
SMALL = {
    "vocab_size": V,
    "context": 32,
    "layers": L,
    "heads": N,
    "width": 8,
    "init__zero_outputs": False,
    "init__std": 0.5,
}
WINDOWS = np.random.default_rng(0).integers(0, V, (5, T + 1)).astype(np.int32)
INT8 = {"int8_weights", "int8_activations", "int8_both"}
CACHE = {"cache_0", "cache_1", "cache_4"}
NO_NULL = {"no_null", *(f"{name}_no_null" for name in CACHE)}
ALWAYS = {"parameters_added", "parameters_added_share", "max_infinity_norm", "max_infinity_norm_attention"}


def run_of(**config):
    return planted.run_of(model_config(**SMALL | config))


@cache
def found_in(**config):
    """What is read of a model; the same model is read once."""
    windows = WINDOWS if config.get("causal", True) else WINDOWS[:, :-1]
    return side_effects.read(run_of(**config), Reading(windows, T, "text"), lambda *_: None)


@pytest.mark.parametrize(
    ("config", "there"),
    [
        ({}, INT8 | CACHE),
        ({"attention": "null,standard"}, INT8 | CACHE | NO_NULL),
        ({"attention": "sigmoid"}, INT8),
        ({"causal": False}, set()),
        ({"mlp__experts": 2, "mlp__activation": "swiglu_clamped"}, CACHE),
    ],
)
def test_a_model_gets_the_numbers_that_apply_to_it(config, there):
    found = found_in(**config)
    assert set(found.values) == ALWAYS | there
    assert set(found.values) | set(found.layers) <= set(side_effects.MEASURES)
    assert all(values.shape == (5, L) for values in found.layers.values())
    assert all(v.shape == ((1,) if n.startswith("parameters") else (5,)) for n, v in found.values.items())
    assert all(np.isfinite(v).all() for v in (*found.values.values(), *found.layers.values()))


@pytest.mark.parametrize(
    ("attention", "added"), [("standard", 0), ("local:4", 0), ("zero", 0), ("logit", L * N), ("null", L * N * (H + 1))]
)
def test_parameters_are_counted_against_standard_attention(attention, added):
    assert side_effects.parameters_added(model_config(**SMALL, attention=attention)) == added


def test_a_model_without_layers_is_unfit():
    with pytest.raises(Unfit, match="a model without layers has no attention"):
        found_in(layers=0)


def test_the_largest_infinity_norm_is_the_mean_over_texts_of_one_layer():
    found = found_in()
    expected = found.layers["infinity_norm"].mean(0).max()
    np.testing.assert_allclose(found.values["max_infinity_norm"].mean(), expected)


def test_calibration_texts_are_not_those_that_are_measured():
    many = np.arange(40)[:, None] * np.ones((1, 5), np.int32)
    measured = many[::4]
    others = side_effects._others(many, measured)
    assert len(others) == len(measured) and not set(others[:, 0]) & set(measured[:, 0])
    np.testing.assert_array_equal(side_effects._others(many, many), many)


def test_larger_models_read_fewer_texts_whatever_their_attention():
    windows = np.zeros((256, 129), np.int32)
    small = ModelConfig(vocab_size=65)
    llama = {
        "vocab_size": 49152,
        "layers": 30,
        "heads": 9,
        "width": 576,
        "mlp__activation": "swiglu",
        "mlp__hidden": 1536,
    }
    assert len(few(windows, small)) == 64 and len(few(windows[:5], small)) == 5
    assert len(few(windows, model_config(**llama))) == len(few(windows, model_config(**llama, attention="null"))) == 8


def test_what_is_shown_has_perplexities_with_and_without_the_null():
    groups = {"standard": [run_of()], "null": [run_of(attention="null,standard")]}
    found = {"standard": [found_in()], "null": [found_in(attention="null,standard")]}
    colours = {"standard": "#000000", "null": "#777777"}
    elements = side_effects.show(Results(groups, found, Reading(WINDOWS, T, "text"), colours))
    assert [type(e) for e in elements] == [Plot, Plot, Table, Table]
    table = elements[-1]
    assert isinstance(table, Table)
    rows = table.rows
    assert [row[:3] for row in rows] == [["standard", "none", 8], ["null", "kept", 8], ["null", "evicted", 8]]
    detail, values = found["null"][0].detail, found["null"][0].values
    assert rows[2][3] == pytest.approx(np.exp(detail.late_loss + values["no_null"].mean()), abs=1e-3)
    assert rows[1][4] == pytest.approx(np.exp(detail.late_loss + values["cache_0"].mean()), abs=1e-3)
