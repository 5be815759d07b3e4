"""Measures along the checkpoints of one run, and what context is worth."""

import shutil

import numpy as np
import pytest

import train
from analysis.capture.formation import NEGLIGIBLE, formation, onset_index
from analysis.chapter_type import Reading, Results, Unfit
from analysis.chapters import circuits as circuits_chapter
from analysis.chapters import formation as formation_chapter
from analysis.measures.incontext import early_and_late, icl_score, said_twice, second_copy_gain
from jattn.errors import InputError
from tests.analysis.conftest import run_of
from train import corpora

T = 16


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A run with a null on repeated symbols, four checkpoints, two layers of two heads."""
    changes = {"data.corpus": "induction", "model.layers": 2, "model.heads": 2, "save_every": 3, "keep": 10}
    return run_of(tmp_path_factory.mktemp("formation"), "tiny", "key_value", **changes)


@pytest.fixture(scope="module")
def rows():
    return np.asarray(corpora.load("induction", context=T).valid, np.int32)


def test_onset_is_the_first_step_half_of_the_way_from_chance_to_the_end():
    values = np.array([0.1, 0.1, 0.52, 0.7, 0.9])
    assert onset_index(values, chance=0.1) == 2
    assert onset_index(values, chance=0.3) == 3
    assert onset_index(-values, chance=-0.1) == 2  # a measure that falls
    assert onset_index(np.array([np.nan, 0.2, 1.0]), chance=0.0) == 2


def test_measure_that_ends_at_chance_has_no_onset():
    assert onset_index(np.array([0.1, 0.9, 0.12]), chance=0.1) is None
    assert onset_index(np.array([0.0, 0.0, NEGLIGIBLE]), chance=0.0) == 2
    assert onset_index(np.array([0.0, np.nan]), chance=0.0) is None


def test_second_copy_gain_compares_what_has_a_copy_with_what_has_not():
    """P = 4: targets 1 to 3 of the first copy, 5 to 7 of the second; target 4 begins the second and is left out."""
    losses = np.array([[3.0, 3, 3, 100, 1, 1, 1]])
    np.testing.assert_allclose(second_copy_gain(losses), [-2])


def test_icl_score_compares_the_last_tenth_with_the_one_before_a_fifth():
    losses = np.full((1, 100), 7.0)
    losses[0, 10:20], losses[0, 90:] = 3, 1
    np.testing.assert_allclose(icl_score(losses), [-2])
    early, late = early_and_late(512)
    assert early.start <= 50 + 1 and late.start <= 500 < late.stop  # Olsson's targets lie inside
    with pytest.raises(InputError, match="must be >= 10, got 9"):
        icl_score(np.ones((1, 9)))


def test_random_tokens_said_twice_are_all_different_within_a_copy():
    found = said_twice(np.arange(5, 40), 3, 20)
    assert found.shape == (3, 20) and found.min() >= 5
    np.testing.assert_array_equal(found[:, :10], found[:, 10:])
    assert all(len(set(row[:10])) == 10 for row in found.tolist())
    assert said_twice(np.arange(4), 2, 20).shape == (2, 8)  # no more than there are
    for tokens, length, message in ((np.arange(9), 5, "must be >= 6, got 5"), (np.arange(2), 9, "3 or more, got 2")):
        with pytest.raises(InputError, match=message):
            said_twice(tokens, 1, length)


def test_measures_of_the_last_checkpoint_are_those_of_the_run(saved, rows):
    found = formation(saved, rows)
    np.testing.assert_array_equal(found.steps, [3, 6, 9, 12])
    np.testing.assert_array_equal(found.tokens, found.steps * 8 * T)
    logits, seen = saved.model(rows[:16, :-1], observe=lambda s: (s.weights(), s.null_mass))
    weights, null = (np.asarray(a) for a in seen)
    log_probs = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    loss = -np.take_along_axis(log_probs, rows[:16, 1:, None], -1).mean()
    previous = weights[..., np.arange(1, T), np.arange(T - 1)].mean((1, 3)).max()
    expected = {
        "loss": loss,
        "null_share": null[:, :, 1:].mean(),
        "first_token_share": weights[..., 1:, 0].mean(),
        "alpha_1": weights[..., 0].mean(),
        "previous": previous,
    }
    for name, value in expected.items():
        assert found.values[name][-1] == pytest.approx(float(value), abs=1e-5)
    assert found.heads["induction"].shape == (4, 2, 2)
    assert found.values["induction"][-1] == pytest.approx(found.heads["induction"][-1].max())


def test_a_run_by_its_path_gives_the_same(saved, rows):
    ours, again = formation(saved, rows), formation(str(saved.path), rows)
    for name, values in ours.values.items():
        np.testing.assert_array_equal(values, again.values[name])


def test_model_without_layers_has_losses_and_no_heads(tmp_path):
    changes = {"data.corpus": "bigram", "model.layers": 0, "save_every": 6, "keep": 10}
    run = run_of(tmp_path, "tiny", "standard", **changes)
    found = formation(run, np.asarray(corpora.load("bigram", context=T).valid, np.int32))
    assert np.isfinite(found.values["loss"]).all() and found.heads == {}
    np.testing.assert_allclose(found.values["second_copy"], 0, atol=1e-5)  # it looks at nothing
    assert np.isnan(found.values["induction"]).all() and np.isnan(found.onset("induction"))


def test_run_with_one_checkpoint_or_none_is_refused_in_one_line(language, saved, rows, tmp_path):
    with pytest.raises(InputError, match="has one checkpoint, at least 2 are needed; train with a lower --save-every"):
        formation(language["null"], rows)
    copy = tmp_path / "run"
    shutil.copytree(saved.path, copy)
    run = train.load(copy)
    shutil.rmtree(copy / "checkpoints")
    with pytest.raises(InputError, match="is not a run"):
        formation(run, rows)


def test_weights_that_are_not_finite_are_refused_with_their_step(saved, rows):
    broken = {**saved.parameters, "token_rows": saved.parameters["token_rows"] * np.nan}
    run = train.Run(saved.path, saved.step, saved.config, saved.meta, broken)
    with pytest.raises(InputError, match="at step 12 is not finite"):
        formation(run, rows)


def results_of(chapter, run, rows):
    reading = Reading(rows, T, "induction")
    calls = []
    found = chapter.CHAPTER.read(run, reading, lambda done, total: calls.append((done, total)))
    assert calls[-1][0] == calls[-1][1]
    return Results({"null": [run]}, {"null": [found]}, reading, {"null": "#d9730d"})


@pytest.mark.parametrize("chapter", [circuits_chapter, formation_chapter], ids=["circuits", "formation"])
def test_chapter_reads_a_run_and_shows_it(chapter, saved, rows):
    results = results_of(chapter, saved, rows[:24])
    (found,) = results.measured["null"]
    told = {**found.heads, **found.layers, **found.values}
    assert set(told) <= set(chapter.MEASURES) and set(found.chance) <= set(told)
    assert all(a.shape[1:] == (2, 2) and len(a) <= 64 for a in found.heads.values())
    shown = chapter.CHAPTER.show(results)
    assert len({e.name for e in shown}) == len(shown) >= 2
    for table in (e for e in shown if hasattr(e, "rows")):
        assert table.rows and all(len(row) == len(table.columns) for row in table.rows)


def test_bigram_of_a_run_is_counted_on_its_own_training_text(saved, rows):
    (found,) = results_of(circuits_chapter, saved, rows[:24]).measured["null"]
    assert found.detail.counted.endswith("tokens of its training text")
    assert found.values["bigram_loss"].shape == (24,)
    assert found.values["bigram_loss"].mean() == pytest.approx(np.log(62), abs=0.2)  # no pair foretells anything
    assert found.heads["null_write_ratio"].min() > 0


def test_formation_chapter_is_unfit_for_fewer_than_three_checkpoints(language, rows):
    with pytest.raises(Unfit, match="checkpoints of the run: 1, at least 3 are needed; lower --save-every"):
        formation_chapter.CHAPTER.read(language["null"], Reading(rows, T, "x"), lambda *_: None)


def test_circuits_chapter_says_why_it_cannot_read_a_model(saved, rows):
    from dataclasses import replace

    def unfit(reading=rows, **changes):
        config = replace(saved.config, model=replace(saved.config.model, **changes))
        run = train.Run(saved.path, saved.step, config, saved.meta, saved.parameters)
        with pytest.raises(Unfit) as error:
            circuits_chapter.CHAPTER.read(run, Reading(reading, T, "x"), lambda *_: None)
        return str(error.value)

    assert unfit(causal=False).startswith("the model predicts no next token")
    assert unfit(layers=0) == "a model without layers has no heads"
    assert unfit(attention="gate").startswith("circuits: attention 'gate'")
    assert unfit(rows[:, :8]) == "windows of 7 tokens are too short, at least 10 are needed"
