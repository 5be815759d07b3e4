"""Readouts on planted queries (attending or resting), and their scoring against counting pairs."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.measures import readouts
from jattn.errors import InputError

T = 16
LABELS = np.arange(T) % 4 == 3  # every fourth query has something to attend to
LATER = slice(1, None)  # query 1 sees one key: attending and resting look alike


def causal_uniform():
    return np.tril(np.ones((T, T))) / np.arange(1, T + 1)[:, None]


def pair(weights, null_mass):
    return jnp.asarray(weights[None, None], jnp.float32), jnp.asarray(null_mass[None, None], jnp.float32)


def null_model():
    """Attending queries look at the previous key, resting ones give 0.95 to the null and spread the rest."""
    share = np.where(LABELS, 0.02, 0.95)
    rows = np.where(LABELS[:, None], np.eye(T, k=-1), causal_uniform())
    return pair(rows * (1 - share)[:, None], share)


def standard_model():
    """Without a null: attending queries look at the previous key, resting ones mostly at the first token."""
    resting = 0.8 * np.eye(1, T) + 0.2 * causal_uniform()
    return pair(np.where(LABELS[:, None], np.eye(T, k=-1), resting), np.zeros(T))


def score(readout):
    return readouts.auroc(readout[0, 0, LATER], LABELS[LATER])


def test_null_readout_is_perfect_on_a_planted_null_model_and_needs_no_threshold():
    readout = readouts.one_minus_null(null_model()[1])
    assert score(readout) == 1
    assert readouts.accuracy_at(readout[0, 0], LABELS) == 1


def test_key_readouts_are_perfect_on_a_planted_null_model():
    weights, null_mass = null_model()
    assert score(readouts.max_weight(weights)) == 1
    assert score(readouts.sharpness_conditional(weights, null_mass)) == 1


def test_first_token_readout_is_perfect_on_a_planted_standard_model():
    readout = readouts.one_minus_first(standard_model()[0])
    assert score(readout) == 1
    assert readouts.accuracy_at(readout[0, 0, LATER], LABELS[LATER]) == 1


def test_entropy_of_rows_that_do_not_sum_to_one_points_the_wrong_way():
    """Why there is no such readout: resting queries keep 5 % of their mass, which looks like certainty."""
    weights, _ = null_model()
    weights = 0.5 * weights + 0.5 * jnp.asarray(causal_uniform(), jnp.float32) * weights.sum(-1, keepdims=True)
    raw_entropy = jax.scipy.special.entr(weights).sum(-1)
    assert score(-raw_entropy) < 0.5
    assert score(readouts.sharpness_conditional(weights, 1 - weights.sum(-1))) == 1


def test_sharpness_does_not_care_where_the_mass_is():
    on_key = readouts.sharpness(*pair(np.eye(T), np.zeros(T)))
    on_null = readouts.sharpness(*pair(np.zeros((T, T)), np.ones(T)))
    np.testing.assert_array_equal(on_key, 1)
    np.testing.assert_array_equal(on_null, 1)


@pytest.mark.parametrize("window", [1, 3, T])
def test_even_attention_has_no_sharpness_under_any_window(window):
    visible = np.minimum(np.arange(1, T + 1), window)
    seen = np.tril(np.ones((T, T))) * ~np.tril(np.ones((T, T), bool), -window)
    with_null = pair(seen / (visible + 1)[:, None], 1 / (visible + 1))
    np.testing.assert_allclose(readouts.sharpness(*with_null, jnp.asarray(visible)), 0, atol=1e-6)
    np.testing.assert_allclose(readouts.sharpness_conditional(*with_null, jnp.asarray(visible)), 0, atol=1e-6)


def test_a_query_wholly_on_the_null_has_no_conditional_sharpness():
    weights, null_mass = pair(np.eye(T) * 1e-9, np.ones(T))
    np.testing.assert_array_equal(readouts.sharpness_conditional(weights, null_mass), 0)


@given(st.integers(0, 10_000))
@settings(deadline=None, max_examples=20)
def test_every_readout_lies_between_zero_and_one(seed):
    rng = np.random.default_rng(seed)
    rows = rng.gamma(0.2, size=(T, T + 1)) + 1e-6
    rows[:, :T] *= np.tril(np.ones((T, T)))
    rows /= rows.sum(-1, keepdims=True)
    weights, null_mass = pair(rows[:, :T], rows[:, T])
    v = rng.normal(size=(T, 5)) * rng.gamma(1, size=(T, 1))
    z = rows[:, :T] @ v  # a zero null value
    norms = (jnp.asarray(np.linalg.norm(x, axis=-1)[None, None], jnp.float32) for x in (z, v))
    for readout in (
        readouts.one_minus_null(null_mass),
        readouts.max_weight(weights),
        readouts.sharpness(weights, null_mass),
        readouts.sharpness_conditional(weights, null_mass),
        readouts.one_minus_first(weights),
        readouts.output_norm(*norms),
    ):
        assert readout.shape == (1, 1, T)
        assert float(readout.min()) >= -1e-5 and float(readout.max()) <= 1 + 1e-5


def test_output_norm_is_one_for_a_copy_of_the_longest_value_so_far_and_blind_to_later_ones():
    v_norm = jnp.asarray([2.0, 4.0, 1.0, 8.0])[None, None]
    z_norm = jnp.asarray([2.0, 4.0, 2.0, 2.0])[None, None]
    np.testing.assert_allclose(readouts.output_norm(z_norm, v_norm)[0, 0], [1, 1, 0.5, 0.25])
    np.testing.assert_array_equal(readouts.output_norm(jnp.zeros((1, 1, 4)), jnp.zeros((1, 1, 4))), 0)


def test_readouts_are_the_same_under_jit():
    weights, null_mass = null_model()
    for readout in (readouts.sharpness, readouts.sharpness_conditional):
        np.testing.assert_allclose(jax.jit(readout)(weights, null_mass), readout(weights, null_mass), atol=1e-6)


graded = st.lists(st.tuples(st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0]), st.booleans()), min_size=2, max_size=12)
both_classes = graded.filter(lambda rows: len({label for _, label in rows}) == 2)


@given(both_classes)
@settings(deadline=None)
def test_auroc_is_the_share_of_pairs_in_the_right_order_ties_counting_half(rows):
    scores, labels = (np.array(column) for column in zip(*rows, strict=True))
    wins = [(a > b) + 0.5 * (a == b) for a in scores[labels] for b in scores[~labels]]
    assert readouts.auroc(scores, labels) == pytest.approx(np.mean(wins), abs=1e-12)
    assert readouts.auroc(scores, labels) + readouts.auroc(-scores, labels) == pytest.approx(1)
    assert readouts.auroc(np.exp(3 * scores), labels) == readouts.auroc(scores, labels)


def test_auroc_agrees_with_scipys_mann_whitney():
    rng = np.random.default_rng(0)
    scores, labels = rng.integers(0, 20, 500) / 20, rng.random(500) < 0.3
    u = scipy.stats.mannwhitneyu(scores[labels], scores[~labels])[0]
    assert readouts.auroc(scores, labels) == pytest.approx(u / (labels.sum() * (~labels).sum()), rel=1e-12)


def test_scores_without_information_give_one_half():
    rng = np.random.default_rng(1)
    labels = rng.random(4000) < 0.3
    assert readouts.auroc(np.full(4000, 0.7), labels) == 0.5
    positives, negatives = labels.sum(), (~labels).sum()
    error = np.sqrt((positives + negatives + 1) / (12 * positives * negatives))
    assert abs(readouts.auroc(rng.random(4000), labels) - 0.5) < 4 * error


def test_accuracies_count_what_they_say():
    scores = np.array([0.9, 0.4, 0.5, 0.1, 0.2])
    labels = np.array([True, True, False, False, False])
    assert readouts.accuracy_at(scores, labels) == pytest.approx(4 / 5)  # 0.5 is not above 0.5
    assert readouts.balanced_accuracy_at(scores, labels) == pytest.approx((1 / 2 + 1) / 2)
    assert readouts.balanced_accuracy_at(scores, labels, threshold=0.3) == pytest.approx((1 + 2 / 3) / 2)


@pytest.mark.parametrize("constant", [0.0, 1.0])
def test_balanced_accuracy_does_not_reward_naming_the_larger_class(constant):
    labels = np.arange(100) < 3
    assert readouts.balanced_accuracy_at(np.full(100, constant), labels) == 0.5


def test_one_class_alone_and_scores_that_are_not_finite_are_refused():
    for scoring in (readouts.auroc, readouts.balanced_accuracy_at):
        with pytest.raises(InputError, match="need True and False, got 2 True of 2"):
            scoring(np.array([0.1, 0.2]), np.array([True, True]))
    with pytest.raises(InputError, match="1 of 2 are not finite"):
        readouts.accuracy_at(np.array([0.1, np.nan]), np.array([True, False]))
