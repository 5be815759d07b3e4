"""Linear probes: what a straight cut through vectors can tell of a label, and what that proves.

A probe that is right says little by itself: it may have learned each word by heart. Three things stand against that.
Items of one text are never on both sides of a split; a control task gives every word type a random label, and only what
the task scores above it counts (selectivity); and a code length asks how little must be told besides the vectors.

Axes: M items (words or tokens), D dimensions, K classes. Labels, texts and types are any arrays of M comparable values.
Sources: Alain and Bengio 2016 (arXiv 1610.01644); Hewitt and Liang 2019 (arXiv 1909.03368), sections 2 and 3; Voita and
Titov 2020 (arXiv 2003.12298), section 2.2; for the code of several experts Cover and Thomas 2006, section 13.2.
"""

import warnings
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from jattn.errors import InputError, at_least

STRENGTH = 0.1  # C of the logistic regression: 1 / weight of the squared coefficients, features standardised
CODE_STRENGTHS = (0.01, 1.0)
ITERATIONS = 60
LEAST = 20  # items below which nothing is fitted
PORTIONS = (0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.0625, 0.125, 0.25, 0.5, 1.0)  # Voita and Titov's

Vectors = Float[np.ndarray, "M D"]
Labels = Shaped[np.ndarray, " M"]


@dataclass(frozen=True)
class Code:
    """The bits that it takes to tell all labels to someone who has the vectors; with no vectors, M log2 K."""

    bits: float
    uniform_bits: float

    @property
    def compression(self) -> float:
        """uniform / online: 1 if the vectors are of no use, more if they are; not bounded above."""
        return self.uniform_bits / self.bits


def deal(texts: Labels, folds: int = 2, seed: int = 0) -> Int[np.ndarray, " M"]:
    """The fold of every item: whole texts, shuffled and dealt out in turn. Raises InputError for fewer texts than
    folds."""
    names, index = np.unique(texts, return_inverse=True)
    at_least("texts of a probe (each is held out whole)", len(names), folds)
    return (np.random.default_rng(seed).permutation(len(names)) % folds)[index]


def probe(vectors: Vectors, labels: Labels, texts: Labels, seed: int = 0) -> Bool[np.ndarray, " M"]:
    """Whether a linear probe gets each item right that was trained on the other half of the texts. Mean: accuracy.

    Multinomial logistic regression, C = 0.1, at most 60 iterations, features standardised by the half it learns from.
    Raises InputError for fewer than 20 items, lengths that differ, one class, one class in a training half, a NaN.
    """
    vectors, classes, fold = _checked(vectors, labels, texts, seed)
    right = np.zeros(len(classes), bool)
    for held_out in range(2):
        train = fold != held_out
        seen, p = _predict(vectors[train], classes[train], vectors[~train], STRENGTH)
        right[~train] = seen[p.argmax(1)] == classes[~train]
    return right


def guess(labels: Labels, texts: Labels, given: Labels | None = None, seed: int = 0) -> Bool[np.ndarray, " M"]:
    """Whether the commonest label of the other half of the texts is each item's: what a probe must beat.

    given: the commonest label among items of the same kind (of the same word, say); of all where the kind is new.
    """
    _of_one_length(labels=labels, texts=texts, **({} if given is None else {"given": given}))
    classes, fold = np.unique(labels, return_inverse=True)[1], deal(texts, seed=seed)
    groups = np.zeros(len(classes), int) if given is None else np.unique(given, return_inverse=True)[1]
    right = np.zeros(len(classes), bool)
    for held_out in range(2):
        train = fold != held_out
        counts = np.zeros((groups.max() + 1, classes.max() + 1))
        np.add.at(counts, (groups[train], classes[train]), 1)
        counts[counts.sum(1) == 0] = counts.sum(0)
        right[~train] = counts.argmax(1)[groups[~train]] == classes[~train]
    return right


def control_labels(labels: Labels, types: Labels, seed: int = 0) -> Labels:
    """A random label for every word type, drawn from the labels as often as they occur: the control task.

    Nothing but the type itself can tell it, so a probe's accuracy on it is what learning by heart gives.
    Source: Hewitt and Liang 2019, section 2.1.
    """
    _of_one_length(labels=labels, types=types)
    names, index = np.unique(types, return_inverse=True)
    return np.random.default_rng(seed).choice(labels, len(names))[index]


def above_guess(accuracy: float | np.ndarray, guessed: float) -> float | np.ndarray:
    """(accuracy - guessed) / (1 - guessed): 0 for the guess, 1 for all right, below 0 if worse than guessing.

    NaN if guessing is always right.
    """
    return (accuracy - guessed) / (1 - guessed) if guessed < 1 else accuracy * np.nan


def online_code(vectors: Vectors, labels: Labels, texts: Labels, seed: int = 0) -> Code:
    """Bits to send the labels portion by portion, each coded by what was learned from the portions before it.

    The first is sent with log2 K bits an item. Then three experts predict: probes with C = 0.01 and C = 1, whose
    p becomes (n p + 1) / (n + K) after n items so that an unseen class has a code, and the labels' frequencies. Their
    Bayesian mixture is sent, -log2 mean_e 2^-bits_e, at most log2 3 bits longer than the best: random labels take
    about the uniform code, M log2 K, where a single probe would take more. Texts are shuffled, never cut.
    Source: Voita and Titov 2020, section 2.2.2 (the portions are theirs). Raises InputError as `probe` does.
    """
    vectors, classes, _ = _checked(vectors, labels, texts, seed)
    order, ends = _portions(texts, seed)
    vectors, classes = vectors[order], classes[order]
    K, M = int(classes.max()) + 1, len(classes)
    bits = np.full(1 + len(CODE_STRENGTHS), ends[0] * np.log2(K))
    for n, end in pairwise(ends):
        of_train, coded = classes[:n], classes[n:end]
        counts = np.bincount(of_train, minlength=K)
        p = np.tile((counts + 1) / (n + K), (len(bits), len(coded), 1))
        if (counts > 0).sum() > 1:
            for e, strength in enumerate(CODE_STRENGTHS, start=1):
                seen, predicted = _predict(vectors[:n], of_train, vectors[n:end], strength)
                known = np.zeros((len(coded), K))
                known[:, seen] = predicted
                p[e] = (n * known + 1) / (n + K)
        bits -= np.log2(p[:, np.arange(len(coded)), coded]).sum(1)
    mixed = np.log2(len(bits)) - np.logaddexp2.reduce(-bits)
    return Code(float(mixed), float(M * np.log2(K)))


def _portions(texts: Any, seed: int) -> tuple[np.ndarray, list[int]]:
    """Items in the order of shuffled texts, and where portions end: at the end of the text that a share falls into."""
    names, index = np.unique(texts, return_inverse=True)
    place = np.random.default_rng(seed).permutation(len(names))[index]
    order = np.argsort(place, kind="stable")
    text_ends = np.cumsum(np.bincount(place))
    ends = text_ends[np.searchsorted(text_ends, np.array(PORTIONS) * len(order) - 1e-9)]
    return order, np.unique(ends).tolist()


def _predict(train: np.ndarray, labels: Any, vectors: np.ndarray, strength: float) -> tuple[np.ndarray, np.ndarray]:
    """The classes that the probe has seen, and its probabilities for each vector."""
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    mean, spread = train.mean(0), train.std(0)
    scale = np.where(spread > 1e-6 * (np.abs(mean) + 1e-30), 1 / np.maximum(spread, 1e-30), 0)
    # One thread: matrices this small take a hundred times as long on several where others compute as well.
    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore", UserWarning)  # of the bound on iterations, and of many classes in few items
        fitted = LogisticRegression(C=strength, max_iter=ITERATIONS).fit((train - mean) * scale, labels)
    return fitted.classes_, fitted.predict_proba((vectors - mean) * scale)


def _checked(vectors: np.ndarray, labels: Any, texts: Any, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Vectors in float64, labels as 0..K-1, folds; InputError where no probe can be fitted."""
    _of_one_length(vectors=vectors, labels=labels, texts=texts)
    names, classes = np.unique(labels, return_inverse=True)
    at_least("items of a probe", len(classes), LEAST)
    if not np.isfinite(vectors).all():
        bad = int((~np.isfinite(vectors)).any(1).sum())
        raise InputError(
            f"vectors: {bad} of {len(vectors)} hold a NaN or an infinity; are the weights of the run whole?"
        )
    if len(names) < 2:
        raise InputError(f"labels: all {len(classes)} are {names[0]!s}; a probe needs at least two classes")
    fold = deal(texts, seed=seed)
    for held_out in range(2):
        present = np.unique(classes[fold != held_out])
        if len(present) < 2:
            raise InputError(
                f"labels: half of the texts hold only {names[present[0]]!s}; give more texts with each of the classes"
            )
    return np.asarray(vectors, np.float64), classes, fold


def _of_one_length(**arrays: Any) -> None:
    """InputError unless there is one entry per item in each."""
    lengths = {name: len(a) for name, a in arrays.items()}
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"{n} of {name}" for name, n in lengths.items())
        raise InputError(f"items of a probe: got {told}; give one of each for every item")
