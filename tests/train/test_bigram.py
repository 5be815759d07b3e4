"""The bigram language follows its table and has no memory; the shifted induction language has no fixed distance."""

import numpy as np
import pytest

from train import corpora
from train.corpora import bigram, induction
from train.corpora.corpus import RowCorpus


@pytest.fixture(scope="module")
def rows():
    return bigram.sample(20_000, 33, np.random.default_rng(0))


def pairs(rows):
    """How often b follows a, [V, V]."""
    return np.histogram2d(rows[:, :-1].ravel(), rows[:, 1:].ravel(), bins=np.arange(bigram.SYMBOLS + 1))[0]


def test_table_is_a_distribution_per_symbol_with_no_impossible_pair():
    table = bigram.transition()
    np.testing.assert_allclose(table.sum(1), 1, atol=1e-12)
    assert table.min() > 0 and not table.flags.writeable


def test_pairs_are_as_often_as_the_table_says(rows):
    """Each cell within five standard deviations of its binomial count."""
    counts, table = pairs(rows), bigram.transition()
    expected = counts.sum(1, keepdims=True) * table
    assert (np.abs(counts - expected) <= 5 * np.sqrt(expected * (1 - table)) + 1).all()


def test_the_symbol_before_the_current_one_tells_nothing(rows):
    """Given the current symbol, the next one is independent of the one before: chi-square per degree near 1."""
    a, b, c = rows[:, :-2].ravel(), rows[:, 1:-1].ravel(), rows[:, 2:].ravel()
    often = np.bincount(b).argmax()
    joint = np.histogram2d(a[b == often], c[b == often], bins=np.arange(bigram.SYMBOLS + 1))[0]
    expected = joint.sum(1, keepdims=True) * joint.sum(0, keepdims=True) / joint.sum()
    told = expected > 5
    assert 0.8 < ((joint - expected)[told] ** 2 / expected[told]).mean() < 1.2


def test_loss_of_the_table_on_its_own_rows_is_its_entropy(rows):
    losses = -np.log(bigram.transition()[rows[:, :-1], rows[:, 1:]])
    error = losses.std() / losses.size**0.5
    assert abs(losses.mean() - bigram.entropy_nats()) < 5 * error + 1e-3


def test_bigram_is_a_corpus_by_name_and_the_same_every_time():
    first, again = (corpora.load("bigram", context=8) for _ in range(2))
    assert isinstance(first, RowCorpus)
    assert first.sha256 == again.sha256 and first.train.shape == (bigram.TRAIN, 9)
    assert len(first.valid) == bigram.VALID and first.alphabet == bigram.ALPHABET


@pytest.mark.parametrize("context", [15, 16])
def test_second_half_of_a_shifted_induction_row_is_its_first_half_turned(context):
    rows, period = np.asarray(corpora.load("induction-shifted", context=context).valid, int), context // 2 + 1
    first, second = rows[:, :period], rows[:, period:]
    turned = np.stack([np.roll(first, -o, axis=1)[:, : second.shape[1]] for o in range(period)])
    places = (turned == second).all(-1)  # [o, rows]
    assert places.any(0).all()
    often = places.mean(1)  # every place about equally often, so no distance tells
    np.testing.assert_allclose(often, 1 / period, atol=5 * (1 / period / len(rows)) ** 0.5)
    assert rows.max() == induction.SHIFTED - 1
