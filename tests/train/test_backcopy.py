"""Bigram-Backcopy: the rows follow the stated rule, and the stated truth is that of the rows."""

import numpy as np
import pytest

from jattn.errors import InputError
from train import corpora
from train.corpora import backcopy


@pytest.fixture(scope="module")
def corpus():
    return corpora.load("backcopy", context=64)


def test_pool_has_the_stated_shape_and_alphabet(corpus):
    assert corpus.train.shape == (49_152, 65) and corpus.valid.shape == (512, 65)
    assert len(set(corpus.alphabet)) == 64
    assert [corpus.alphabet[i] for i in np.flatnonzero(backcopy.is_trigger(np.arange(64)))] == ["!", "?", "#"]


def test_symbol_after_a_trigger_repeats_the_symbol_before_it(corpus):
    rows = corpus.train
    row, t = np.nonzero(backcopy.is_trigger(rows[:, :-1]))
    assert len(row) > 50_000
    np.testing.assert_array_equal(rows[row, t + 1], rows[row, t - 1])


def test_no_row_starts_with_a_trigger_and_no_trigger_follows_a_trigger(corpus):
    trigger = backcopy.is_trigger(corpus.train)
    assert not trigger[:, 0].any()
    assert not (trigger[:, 1:] & trigger[:, :-1]).any()


def test_fixed_first_token_is_no_trigger():
    assert not backcopy.is_trigger(np.array([64, 0, 60])).any()
    assert backcopy.is_trigger(np.array([[61, 62, 63]])).all()


def test_every_trigger_occurs_often_enough_to_learn_from(corpus):
    shares = np.bincount(corpus.train.ravel(), minlength=64)[61:] / corpus.train.size
    assert (shares > 0.003).all() and shares.sum() < 0.2


def test_first_symbol_is_uniform_over_letters(corpus):
    shares = np.bincount(corpus.train[:, 0], minlength=61) / len(corpus.train)
    np.testing.assert_allclose(shares, 1 / 61, atol=6 * np.sqrt(1 / 61 / len(corpus.train)))


def test_bigram_counts_after_letters_match_the_table(corpus):
    here, after = corpus.train[:, :-1].ravel(), corpus.train[:, 1:].ravel()
    letter = ~backcopy.is_trigger(here)
    counts = np.bincount(64 * here[letter].astype(int) + after[letter], minlength=61 * 64).reshape(61, 64)
    expected = counts.sum(axis=1, keepdims=True) * backcopy.transition()
    assert (np.abs(counts - expected) <= 6 * np.sqrt(expected) + 6).all()


def test_table_is_a_distribution_that_no_one_can_change():
    table = backcopy.transition()
    assert table.shape == (61, 64) and (table >= 0).all()
    np.testing.assert_allclose(table.sum(axis=1), 1, rtol=0, atol=1e-12)
    with pytest.raises(ValueError, match="read-only"):
        table[0, 0] = 1


def test_truth_sums_to_one_and_is_certain_at_triggers_only(corpus):
    inputs = corpus.valid[:, :-1]
    probs = np.exp(backcopy.next_log_probs(inputs))
    np.testing.assert_allclose(probs.sum(axis=-1), 1, rtol=0, atol=1e-12)
    np.testing.assert_array_equal(probs.max(axis=-1) == 1, backcopy.is_trigger(inputs))


def test_truth_by_hand():
    tokens = np.array([[5, 62, 5, 7]])
    log_probs = backcopy.next_log_probs(tokens)[0]
    np.testing.assert_array_equal(log_probs[0], np.log(backcopy.transition()[5]))
    np.testing.assert_array_equal(np.exp(log_probs[1]), np.eye(64)[5])
    np.testing.assert_array_equal(log_probs[3], np.log(backcopy.transition()[7]))


def test_loss_of_the_truth_is_zero_at_triggers_and_agrees_with_the_entropy_of_the_table(corpus):
    rows = corpus.valid
    loss = backcopy.truth_loss_nats(rows)
    trigger = backcopy.is_trigger(rows[:, :-1])
    assert (loss[trigger] == 0).all() and np.isfinite(loss).all()
    table = backcopy.transition()
    surprise = -np.log(table)
    entropy = (table * surprise).sum(axis=1)
    spread = np.sqrt((table * surprise**2).sum(axis=1) - entropy**2)
    letters = rows[:, :-1][~trigger]
    error = 5 * np.sqrt((spread[letters] ** 2).sum()) / len(letters)
    assert abs(loss[~trigger].mean() - entropy[letters].mean()) < error < 0.1


def test_truth_assigns_nothing_to_a_broken_copy():
    assert backcopy.truth_loss_nats(np.array([[5, 62, 6]]))[0, 1] == np.inf


def test_row_starting_with_a_trigger_is_refused():
    with pytest.raises(InputError, match="row 1 starts with a trigger"):
        backcopy.next_log_probs(np.array([[1, 2], [63, 1]]))


def test_rows_of_another_generator_are_other_rows_of_the_same_language():
    one, two = (backcopy.sample(100, 20, np.random.default_rng(seed)) for seed in (0, 1))
    assert not np.array_equal(one, two)
    assert np.isfinite(backcopy.truth_loss_nats(one)).all() and np.isfinite(backcopy.truth_loss_nats(two)).all()
