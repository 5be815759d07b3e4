"""Bigram-Backcopy: a language in which we know which queries have something to attend to (Guo et al. 2024, 2410.13835).

64 symbols: 61 letters and 3 triggers. A row x[0], x[1], ... is drawn so:

    x[0]      is uniform over the 61 letters: no row starts with a trigger;
    x[t + 1]  = x[t - 1]               if x[t] is a trigger: the symbol before the trigger, again;
              ~ transition()[x[t]]     otherwise.

Hence the symbol before a trigger is always a letter, no trigger follows a trigger, and the truth is defined everywhere.
The table is drawn once, each row Dirichlet(0.1), from a fixed seed that belongs to the language and not to any run.

Axes: B rows, T queries, V symbols (64).
"""

import string
from functools import lru_cache
from typing import Any

import numpy as np
from jaxtyping import Bool, Float64, Integer, UInt8

from jattn.errors import InputError
from train.corpora.corpus import RowCorpus, row_corpus

ALPHABET = string.ascii_letters + "012345678" + "!?#"
SYMBOLS = len(ALPHABET)
LETTERS = SYMBOLS - 3
"""Symbols below LETTERS are letters, the rest are triggers."""

TRAIN, VALID = 49_152, 512
LANGUAGE_SEED = 2410_13835


def corpus(context: int) -> RowCorpus:
    """The fixed pool: 49,152 rows to train on and 512 held out, of context + 1 symbols each."""
    rows = sample(TRAIN + VALID, context + 1, np.random.default_rng([LANGUAGE_SEED, 1]))
    return row_corpus("backcopy", rows, VALID, ALPHABET)


@lru_cache(maxsize=1)
def transition() -> Float64[np.ndarray, "letters V"]:
    """P(next | letter), [61, 64], rows sum to 1: the table the rows are drawn from. Triggers have no row."""
    table = np.random.default_rng(LANGUAGE_SEED).dirichlet(np.full(SYMBOLS, 0.1), size=LETTERS)
    table.flags.writeable = False
    return table


def is_trigger(tokens: Integer[Any, "*B T"]) -> Bool[np.ndarray, "*B T"]:
    """True at the triggers: the queries that have something to attend to. A fixed first token (id 64) is none."""
    tokens = np.asarray(tokens)
    return (tokens >= LETTERS) & (tokens < SYMBOLS)


def sample(count: int, length: int, rng: np.random.Generator) -> UInt8[np.ndarray, "count length"]:
    """`count` independent rows of the language, all advanced together one symbol at a time."""
    cumulative = np.cumsum(transition(), axis=1)
    cumulative[:, -1] = 1
    ladder = (np.arange(LETTERS)[:, None] + cumulative).ravel()  # ascending: letter a owns the interval [a, a + 1)
    rows = np.empty((length, count), np.uint8)
    rows[0] = rng.integers(LETTERS, size=count)
    for t in range(1, length):
        trigger = is_trigger(rows[t - 1])
        letter = np.where(trigger, 0, rows[t - 1].astype(int))
        drawn = np.searchsorted(ladder, letter + rng.random(count), side="right") - SYMBOLS * letter
        drawn = np.minimum(drawn, SYMBOLS - 1)  # letter + u may round up to letter + 1
        rows[t] = np.where(trigger, rows[t - 2], drawn)
    return np.ascontiguousarray(rows.T)


def next_log_probs(tokens: Integer[Any, "B T"]) -> Float64[np.ndarray, "B T V"]:
    """log P(x[t + 1] | x[0..t]) of the language itself, in nats; -inf for what cannot come.

    `tokens` are rows of the language without a fixed first token. B * T * 64 numbers: for the held-out rows.
    Raises InputError if a row starts with a trigger, where the language says nothing.
    """
    tokens = np.asarray(tokens).astype(int)
    trigger = is_trigger(tokens)
    if trigger[:, 0].any():
        raise InputError(f"tokens: row {np.argmax(trigger[:, 0])} starts with a trigger, which no row of backcopy does")
    before = np.roll(tokens, 1, axis=1)
    probs = np.where(
        trigger[..., None], np.arange(SYMBOLS) == before[..., None], transition()[np.where(trigger, 0, tokens)]
    )
    with np.errstate(divide="ignore"):
        return np.log(probs)


def truth_loss_nats(rows: Integer[Any, "B length"]) -> Float64[np.ndarray, "B length-1"]:
    """-log P(x[t + 1] | x[0..t]) of the rows' own next symbols: the loss of a model that knows the language.

    Its mean over the held-out rows is the best loss to expect on them; it is exactly 0 at every trigger.
    """
    rows = np.asarray(rows)
    log_probs = next_log_probs(rows[:, :-1])
    return -np.take_along_axis(log_probs, rows[:, 1:, None].astype(int), axis=-1)[..., 0]
