"""A language of which nothing but the current symbol matters: each row is a Markov chain of order one.

26 letters. x[0] is uniform; x[t + 1] ~ transition()[x[t]]. The table is drawn once, each row Dirichlet(1), from a fixed
seed that belongs to the language and not to any run. A model without layers can know all of it: log P(b | a) is a
function of one symbol. So it is the test of what zero layers learn (Elhage et al. 2021, A Mathematical Framework for
Transformer Circuits, "Zero-Layer Transformers").

Axes: B rows, T queries, V symbols (26).
"""

import string
from functools import lru_cache

import numpy as np
from jaxtyping import Float64, UInt8

from train.corpora.corpus import RowCorpus, row_corpus

ALPHABET = string.ascii_lowercase
SYMBOLS = len(ALPHABET)
TRAIN, VALID = 49_152, 512
LANGUAGE_SEED = 2021_1222


def corpus(context: int) -> RowCorpus:
    """The fixed pool: 49,152 rows to train on and 512 held out, of context + 1 symbols each."""
    rows = sample(TRAIN + VALID, context + 1, np.random.default_rng([LANGUAGE_SEED, 1]))
    return row_corpus("bigram", rows, VALID, ALPHABET)


@lru_cache(maxsize=1)
def transition() -> Float64[np.ndarray, "V V"]:
    """P(next | current), [26, 26], rows sum to 1: the table that the rows are drawn from."""
    table = np.random.default_rng(LANGUAGE_SEED).dirichlet(np.ones(SYMBOLS), size=SYMBOLS)
    table.flags.writeable = False
    return table


def sample(count: int, length: int, rng: np.random.Generator) -> UInt8[np.ndarray, "count length"]:
    """`count` independent rows of the language, all advanced together one symbol at a time."""
    cumulative = np.cumsum(transition(), axis=1)
    rows = np.empty((length, count), np.uint8)
    rows[0] = rng.integers(SYMBOLS, size=count)
    for t in range(1, length):
        above = rng.random(count)[:, None] >= cumulative[rows[t - 1]]
        rows[t] = np.minimum(above.sum(-1), SYMBOLS - 1)  # the last sum may round to just below 1
    return np.ascontiguousarray(rows.T)


def entropy_nats() -> float:
    """Mean loss of a model that knows the table, on queries from the chain's stationary distribution."""
    table = transition()
    values, vectors = np.linalg.eig(table.T)
    stationary = np.abs(np.real(vectors[:, np.argmax(np.real(values))]))
    stationary /= stationary.sum()
    return float(-(stationary[:, None] * table * np.log(table)).sum())
