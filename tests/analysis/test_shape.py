"""The chapter on shape on models built by hand: one that goes by position alone, and some where parts are undefined."""

import jax.numpy as jnp
import numpy as np
import pytest

from analysis.chapter_type import Reading, Results, Unfit
from analysis.chapters import shape
from analysis.elements import Plot, Table
from tests import planted
from tests.configs import model_config

V, T, L, N = 13, 16, 2, 2
SMALL = {
    "vocab_size": V,
    "context": 32,
    "layers": L,
    "heads": N,
    "width": 8,
    "init__zero_outputs": False,
    "init__std": 0.5,
}
WINDOWS = np.random.default_rng(0).integers(0, V, (6, T + 1)).astype(np.int32)


def run_of(changes=None, **config):
    return planted.run_of(model_config(**SMALL | config), **(changes or {}))


def read(run, windows=WINDOWS):
    return shape.read(run, Reading(windows, windows.shape[1] - 1, "text"), lambda *_: None)


def test_a_model_that_sees_positions_alone_does_not_vary_and_asks_the_same_of_every_text():
    found = read(run_of({"token_rows": jnp.zeros((V, 8))}, positions="learned", attention="null"))
    for name in ("variability", "variability_with_null"):
        np.testing.assert_allclose(found.heads[name], 0, atol=1e-6)
    np.testing.assert_allclose(found.heads["query_cosine_texts"], 1, atol=1e-5)
    assert (found.heads["query_cosine_tokens"] < 0.99).all()


def test_a_model_without_positions_asks_by_content():
    found = read(run_of(positions="none"))
    assert (found.heads["variability"].mean(0) > 0.05).all() and (found.heads["query_cosine_texts"] < 0.9).all()


@pytest.mark.parametrize("config", [{}, {"attention": "null,standard"}, {"attention": "sigmoid"}, {"causal": False}])
def test_every_measure_has_its_shape_and_a_title_for_every_kind_of_model(config):
    found = read(run_of(**config), WINDOWS if config.get("causal", True) else WINDOWS[:, :-1])
    assert set(found.heads) == set(shape.MEASURES) == set(found.chance)
    for name, values in found.heads.items():
        assert values.shape == (1 if name == "decaying_dimensions" else 6, L, N)
        assert np.isfinite(values).all()


def test_distances_beyond_a_layers_window_do_not_count():
    found = read(run_of(attention="local:3,local:6"))
    assert np.isnan(found.heads["decay_correlation"][:, 0]).all()
    assert np.isfinite(found.heads["decay_correlation"][:, 1]).all()
    assert [layer.shape[-1] for layer in found.detail.layers] == [3, 6]


def test_texts_that_are_too_short_are_unfit():
    with pytest.raises(Unfit, match="shape needs two texts of at least 12 tokens, got 6 of 11"):
        read(run_of(), WINDOWS[:, :12])


def test_what_is_shown_names_the_decaying_dimensions():
    groups = {"standard": [run_of()], "local": [run_of(attention="local:3")]}
    found = {group: [read(run) for run in runs] for group, runs in groups.items()}
    reading = Reading(WINDOWS, T, "text")
    elements = shape.show(Results(groups, found, reading, {"standard": "#000000", "local": "#777777"}))
    assert [type(e) for e in elements] == [Plot, Plot, Table]
    table = elements[-1]
    assert isinstance(table, Table)
    assert {row[0] for row in table.rows} == {"standard"} and len(table.rows) == L * N
    falls = [row[3] for row in table.rows]
    assert falls == sorted(falls, reverse=True)
