"""Readouts on the language whose truth is known, against plain counting on the same maps."""

import numpy as np
import pytest

from analysis.capture.truth import SCORED, truth
from analysis.measures.readouts import NEED_NULL, auroc
from train import corpora
from train.corpora import backcopy


@pytest.fixture(scope="module")
def rows():
    return np.asarray(corpora.load("backcopy", context=16).valid, np.int32)


def null_mass(run, rows):
    return np.asarray(run.model(rows[:, :-1], observe=lambda seen: seen.null_mass)[1])[0, :, :, 0]


def test_null_masses_are_means_over_triggers_and_the_rest(language, rows):
    found, mass = truth(language["null"], rows), null_mass(language["null"], rows)
    trigger = backcopy.is_trigger(rows[:, :-1])
    assert found.null_on_triggers == pytest.approx(mass[trigger].mean(), abs=1e-5)
    assert found.null_elsewhere == pytest.approx(mass[~trigger].mean(), abs=1e-5)
    assert found.scores["null"][0] == pytest.approx(auroc(1 - mass.ravel(), trigger.ravel()), abs=1e-6)
    assert found.trigger_share == pytest.approx(trigger.mean())


def test_a_model_without_a_null_is_scored_by_all_other_readouts(language, rows):
    found = truth(language["standard"], rows)
    assert found.null_elsewhere is None and "null" not in found.scores
    assert set(found.scores) == {name for name in SCORED if name not in NEED_NULL}


def test_the_language_itself_cannot_be_beaten(language, rows):
    found = truth(language["null"], rows)
    assert found.best_loss_nats == pytest.approx(backcopy.truth_loss_nats(rows).mean())
    assert found.loss_nats > found.best_loss_nats


def test_a_fixed_first_token_moves_the_text_and_is_not_scored(bos_run, rows):
    found = truth(bos_run, rows)
    assert len(found.labels) == rows.shape[0] * (rows.shape[1] - 2)
    inputs = rows[:, :-2]
    assert found.trigger_share == pytest.approx(backcopy.is_trigger(inputs).mean())
