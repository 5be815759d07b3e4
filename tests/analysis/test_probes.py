"""Linear probes: planted labels are found, memorised types count for nothing, and codes have their known lengths."""

import numpy as np
import pytest

from analysis.measures import probes
from jattn.errors import InputError

TEXTS, PER, D = 60, 10, 16
M = TEXTS * PER


@pytest.fixture(scope="module")
def data():
    """Gaussian vectors, the text of each item, and a label of four classes."""
    rng = np.random.default_rng(0)
    return rng.normal(size=(M, D)), np.repeat(np.arange(TEXTS), PER), rng.integers(0, 4, M)


def planted(vectors, labels):
    """The same vectors with a direction for every class."""
    found = vectors.copy()
    found[:, :4] += 8 * np.eye(4)[labels]
    return found


def test_a_planted_label_is_found_where_it_is_and_nowhere_else(data):
    vectors, texts, labels = data
    assert probes.probe(planted(vectors, labels), labels, texts).mean() > 0.98
    chance = 4 * (1 / 4 * 3 / 4 / M) ** 0.5  # four standard deviations
    assert abs(probes.probe(vectors, labels, texts).mean() - 1 / 4) < chance


def test_a_probe_does_not_change_when_dimensions_are_scaled_and_shifted(data):
    vectors, texts, labels = data
    rng = np.random.default_rng(1)
    noisy = vectors + planted(np.zeros_like(vectors), labels) / 8
    moved = noisy * np.exp(rng.normal(0, 3, D)) + rng.normal(0, 9, D)
    assert (probes.probe(noisy, labels, texts) == probes.probe(moved, labels, texts)).mean() > 0.995


def test_a_dimension_that_never_varies_is_ignored(data):
    vectors, texts, labels = data
    with_constant = np.concatenate([vectors, np.full((M, 1), 1e4)], 1)
    np.testing.assert_array_equal(probes.probe(with_constant, labels, texts), probes.probe(vectors, labels, texts))


def test_whole_texts_are_held_out(data):
    _, texts, _ = data
    fold = probes.deal(texts, folds=3)
    for text in range(TEXTS):
        assert len(set(fold[texts == text])) == 1
    assert np.bincount(fold).tolist() == [TEXTS // 3 * PER] * 3


def test_what_only_tells_the_text_is_not_found_in_held_out_texts():
    """A label of the text, and vectors that only name the text: a split by token would score 1."""
    texts = np.repeat(np.arange(TEXTS), PER)
    labels = np.random.default_rng(5).permutation(np.arange(TEXTS) % 2)[texts]
    assert probes.probe(np.eye(TEXTS)[texts], labels, texts).mean() < 0.65


def test_a_control_task_gives_every_type_one_label_and_keeps_their_frequencies():
    rng = np.random.default_rng(0)
    labels, types = np.array(["noun"] * 900 + ["verb"] * 100), rng.integers(0, 400, 1000)
    control = probes.control_labels(labels, types)
    assert all(len(set(control[types == t])) == 1 for t in set(types))
    of_types = np.array([control[types == t][0] for t in sorted(set(types))])
    assert abs((of_types == "verb").mean() - 0.1) < 4 * (0.1 * 0.9 / len(of_types)) ** 0.5


def test_selectivity_is_zero_for_types_that_are_known_by_heart(data):
    """One direction per type: any label of types is learned, a random one as well."""
    _, texts, _ = data
    types = np.random.default_rng(2).integers(0, 8, M)
    by_heart = np.eye(8)[types]
    control = probes.control_labels(types % 2, types)
    assert probes.probe(by_heart, types % 2, texts).all() and probes.probe(by_heart, control, texts).all()


def test_selectivity_is_high_for_a_label_that_types_do_not_tell(data):
    vectors, texts, labels = data
    types = np.random.default_rng(2).integers(0, 300, M)
    right, control = (
        probes.probe(planted(vectors, labels), told, texts).mean()
        for told in (labels, probes.control_labels(labels, types))
    )
    assert right - control > 0.6


def test_guessing_is_right_as_often_as_the_commonest_label(data):
    _, texts, _ = data
    labels = (np.arange(M) % PER < 7).astype(int)  # the same share in every text
    assert probes.guess(labels, texts).mean() == 0.7
    assert probes.above_guess(0.7, 0.7) == 0 and probes.above_guess(1.0, 0.7) == 1
    assert np.isnan(probes.above_guess(1.0, 1.0))


def test_guessing_given_the_type_knows_what_the_type_tells(data):
    _, texts, _ = data
    types = np.random.default_rng(0).integers(0, 5, M)
    assert probes.guess(types % 3, texts, given=types).all()
    assert probes.guess(types % 3, texts).mean() < 0.5


def test_a_label_without_noise_is_told_in_few_bits(data):
    vectors, texts, labels = data
    code = probes.online_code(planted(vectors, labels), labels, texts)
    assert code.uniform_bits == M * 2
    assert code.compression > 5


def test_random_labels_take_about_the_uniform_code(data):
    """Never less by chance than a few bits, and at most log2 3 more than the code of frequencies (Krichevsky)."""
    vectors, texts, labels = data
    code = probes.online_code(vectors, labels, texts)
    assert 0.97 < code.compression < 1.01
    assert code.bits < code.uniform_bits + np.log2(3) + 3 * np.log2(M)


def test_labels_that_vectors_do_not_tell_take_their_entropy():
    """Two classes at 9 to 1 without any vectors: 0.469 bits an item."""
    texts = np.repeat(np.arange(200), PER)
    labels = (np.tile(np.arange(PER), 200) == 0).astype(int)
    code = probes.online_code(np.zeros((2000, 2)), labels, texts)
    entropy = -(0.1 * np.log2(0.1) + 0.9 * np.log2(0.9)) * 2000
    assert entropy < code.bits < entropy + 30 and code.uniform_bits == 2000


def test_portions_end_with_a_text_and_cover_all():
    texts = np.repeat(np.arange(100), 20)
    order, ends = probes._portions(texts, 0)
    assert ends[-1] == 2000 and all(end % 20 == 0 for end in ends)
    assert ends == [20, 40, 80, 140, 260, 500, 1000, 2000]
    assert sorted(order) == list(range(2000))


def test_vectors_that_cannot_be_probed_are_refused_in_one_line(data):
    vectors, texts, labels = data
    broken = vectors.copy()
    broken[3, 2] = np.nan
    one_text = np.where(texts == 0, labels, 0)
    cases = [
        (vectors, np.full(M, 7), texts, "all 600 are 7; a probe needs at least two classes"),
        (vectors, one_text, texts, "half of the texts hold only 0"),
        (vectors[:9], labels[:9], texts[:9], "items of a probe must be >= 20, got 9"),
        (broken, labels, texts, "vectors: 1 of 600 hold a NaN"),
        (vectors, labels, np.zeros(M, int), r"texts of a probe \(each is held out whole\) must be >= 2, got 1"),
    ]
    for x, y, where, message in cases:
        for measure in (probes.probe, probes.online_code):
            with pytest.raises(InputError, match=message) as error:
                measure(x, y, where)
            assert "\n" not in str(error.value)


def test_arrays_of_different_lengths_are_one_clear_line(data):
    """Without the annotations, which refuse them first where they are checked."""
    vectors, texts, labels = data
    with pytest.raises(InputError, match=f"got {M} of vectors, {M - 1} of labels, {M} of texts; give one of each"):
        probes._checked(vectors, labels[:-1], texts, 0)
    with pytest.raises(InputError, match=f"got {M} of labels, {M - 1} of types"):
        probes._of_one_length(labels=labels, types=texts[:-1])
