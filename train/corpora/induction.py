"""Repeated random symbols: the second half of a row is its first half again (Elhage et al. 2021; Olsson et al. 2022).

The first half cannot be guessed, the second is certain to whoever finds the earlier copy of the current symbol and
looks one further: an induction head. Two cautions: the period is the same in every row, so a head that looks a fixed
distance back solves the task without comparing symbols; and symbols repeat inside the first half by chance. `shifted`
is the language without the first.

Axes: B rows, T queries (inputs; the context).
"""

import string
from typing import Any

import numpy as np
from jaxtyping import Bool, Integer

from train.corpora.corpus import RowCorpus, row_corpus

ALPHABET = string.ascii_letters + string.digits
TRAIN, VALID = 49_152, 512
LANGUAGE_SEED = 2209_11895
SHIFTED = 32
"""Symbols of `induction-shifted`."""


def corpus(context: int) -> RowCorpus:
    """Rows of context + 1 symbols with period P = ceil((context + 1) / 2).

    x[t] is uniform over the 62 symbols and independent for t < P, and x[t] = x[t - P] from there on.
    """
    length = context + 1
    period = -(-length // 2)
    first = np.random.default_rng(LANGUAGE_SEED).integers(len(ALPHABET), size=(TRAIN + VALID, period), dtype=np.uint8)
    return row_corpus("induction", np.concatenate([first, first], axis=1)[:, :length], VALID, ALPHABET)


def shifted(context: int) -> RowCorpus:
    """`induction-shifted`: `induction` without its shortcut, over 32 symbols.

    The second half begins at a random place o of the first and goes round: x[P + j] = x[(o + j) mod P]. How far back
    the copy stands is then another in every row, so only a head that compares symbols finds it. What one layer can
    still know is which symbols have been seen; measure it on rows that say each of the 32 once, and once more.
    """
    length, rng = context + 1, np.random.default_rng([LANGUAGE_SEED, 1])
    period = -(-length // 2)
    first = rng.integers(SHIFTED, size=(TRAIN + VALID, period), dtype=np.uint8)
    second = np.take_along_axis(first, (rng.integers(period, size=(len(first), 1)) + np.arange(period)) % period, 1)
    rows = np.concatenate([first, second], axis=1)[:, :length]
    return row_corpus("induction-shifted", rows, VALID, ALPHABET[:SHIFTED])


def second_copy(tokens: Integer[Any, "*B T"]) -> Bool[np.ndarray, "*B T"]:
    """True at the queries that stand in the second copy: their next symbol follows from an earlier one.

    `tokens` are a model's inputs, [..., context], without a fixed first token. The last symbol of the first copy is
    False: its successor is known by position alone, for the symbol itself has not come before.
    """
    period = tokens.shape[-1] // 2 + 1
    return np.broadcast_to(np.arange(tokens.shape[-1]) >= period, tokens.shape)
