"""CKA, paraphrases and senses on vectors whose similarity is known in closed form."""

import numpy as np
import pytest
from scipy.stats import ortho_group

from analysis.measures import similarity
from jattn.errors import InputError


def gaussian(M, D, seed=0):
    return np.random.default_rng(seed).normal(size=(M, D))


def orthogonal(M, D):
    """D centred columns of length 1 at right angles."""
    x = gaussian(M, D)
    return np.linalg.qr(x - x.mean(0))[0]


def test_cka_of_a_rotation_and_scaling_is_one():
    x = gaussian(50, 6) * [1, 2, 3, 4, 5, 60]
    turned = -3 * x @ ortho_group.rvs(6, random_state=0) + gaussian(1, 6, 1)
    assert abs(similarity.linear_cka(x, turned) - 1) < 1e-12
    assert abs(similarity.linear_cka(x, turned) - similarity.linear_cka(turned, x)) < 1e-12


def plain_cka(x, y):
    """Kornblith et al. 2019, equation 4: with its bias."""
    x, y = x - x.mean(0), y - y.mean(0)
    return np.square(y.T @ x).sum() / (np.linalg.norm(x.T @ x) * np.linalg.norm(y.T @ y))


def test_cka_of_independent_vectors_is_zero_where_the_plain_one_is_not():
    pairs = [(gaussian(60, 40, s), gaussian(60, 40, s + 100)) for s in range(20)]
    assert abs(np.mean([plain_cka(x, y) for x, y in pairs]) - 40 / (60 + 40)) < 0.03
    assert abs(np.mean([similarity.linear_cka(x, y) for x, y in pairs])) < 0.03


def test_cka_is_the_plain_one_where_items_are_many():
    """Y = X diag(a) with orthonormal X: sum a² / sqrt(p sum a⁴); k of p columns: sqrt(k / p)."""
    x, a = orthogonal(4000, 5), np.array([1.0, 2, 3, 0.5, 0])
    for y, closed in ((x * a, (a**2).sum() / np.sqrt(5 * (a**4).sum())), (x[:, :2], np.sqrt(2 / 5))):
        assert abs(plain_cka(x, y) - closed) < 1e-12
        assert abs(similarity.linear_cka(x, y) - closed) < 0.005
    assert abs(similarity.linear_cka(x[:, :2], x[:, 2:])) < 0.005


def test_unbiased_hsic_is_the_mean_over_all_quadruples():
    """Song et al.'s definition, tuple by tuple: E over distinct (i, j, q, r) of K_ij (L_ij + L_qr - 2 L_iq)."""
    from itertools import permutations

    x, y = gaussian(6, 2), gaussian(6, 3, 1)
    k, g = x @ x.T, y @ y.T
    told = np.mean([k[i, j] * (g[i, j] + g[q, r] - 2 * g[i, q]) for i, j, q, r in permutations(range(6), 4)])
    k, g = k - np.diag(np.diag(k)), g - np.diag(np.diag(g))
    assert abs(similarity._hsic(k, g, 6) / (6 * 3) - told) < 1e-12


def test_one_rogue_dimension_does_not_carry_standardised_cosines():
    x = gaussian(500, 8) + np.array([1000.0] + [0] * 7)
    rest = ~np.eye(500, dtype=bool)
    assert similarity.cosines(x, x)[rest].mean() > 0.99
    standard = similarity.standardise(x)
    assert abs(similarity.cosines(standard, standard)[rest].mean()) < 0.01
    np.testing.assert_allclose(standard.std(0), 1)


def test_standardising_leaves_a_dimension_that_never_varies_at_zero():
    x = np.stack([np.arange(5.0), np.full(5, 7.0)], 1)
    np.testing.assert_array_equal(similarity.standardise(x)[:, 1], 0)


def test_paraphrases_that_share_a_direction_are_each_others_nearest():
    """Pair i is e_i twice: cosine 1 with its own, 0 with the others."""
    own, others, auroc = similarity.paraphrases(np.eye(6), 3 * np.eye(6))
    np.testing.assert_array_equal((own, others, auroc), (np.ones(6), np.zeros(6), np.ones(6)))


def test_paraphrases_that_are_no_nearer_than_others_score_one_half():
    own, others, auroc = similarity.paraphrases(np.ones((5, 3)), np.ones((5, 3)))
    np.testing.assert_allclose((own, others, auroc), (np.ones(5), np.ones(5), np.full(5, 0.5)))
    assert abs(similarity.paraphrases(gaussian(200, 9), gaussian(200, 9, 1))[2].mean() - 0.5) < 0.06


def test_senses_with_a_direction_each_are_apart_and_a_mixture_is_not():
    """Two senses at right angles: within 1, across 0. The same vectors without regard to sense: 0 in the mean."""
    words, senses = np.array(["bank"] * 40), np.tile(["river", "money"], 20)
    apart = np.eye(2)[(senses == "river").astype(int)]
    assert similarity.sense_separation(apart, words, senses) == {"bank": 1.0}
    mixed = similarity.sense_separation(gaussian(40, 30), words, senses)["bank"]
    assert abs(mixed) < 0.05


def test_senses_are_compared_within_a_word_and_words_of_one_sense_are_left_out():
    words = np.array(["bank", "bank", "bank", "cat", "cat", "bat", "bat"])
    senses = np.array(["a", "a", "b", "a", "a", "a", "b"])
    found = similarity.sense_separation(np.eye(7)[[0, 0, 1, 2, 2, 3, 4]], words, senses)
    assert found == {"bank": 1.0}


def test_what_cannot_be_compared_is_refused_in_one_line():
    x = gaussian(10, 3)
    broken = x.copy()
    broken[0, 0] = np.nan
    with pytest.raises(InputError, match="items of a CKA must be >= 4, got 3"):
        similarity.linear_cka(x[:3], x[:3])
    with pytest.raises(InputError, match="a NaN or an infinity"):
        similarity.linear_cka(x, broken)
    with pytest.raises(InputError, match="all 10 are the same"):
        similarity.linear_cka(x, np.ones((10, 3)))
    with pytest.raises(InputError, match="pairs of paraphrases must be >= 2, got 1"):
        similarity.paraphrases(x[:1], x[:1])
