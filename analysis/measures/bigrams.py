"""The bigram model of a text: what can be known from the current token alone, as the baseline of everything else.

    P(b | a) = (n(ab) + u(a) P(b)) / (n(a) + u(a)),   P(b) = (n(b) + 1) / (n + V)

u(a): how many different tokens follow a. Witten-Bell smoothing (Witten and Bell 1991, method C): nothing to choose.
Axes: V vocabulary, W windows, T queries, I token ids.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int, Integer
from scipy import sparse

from jattn.errors import InputError


@dataclass(frozen=True)
class Bigram:
    """Counts of pairs [V, V], sparse, and P(b) [V]."""

    counts: sparse.csr_array
    unigram: Float[np.ndarray, " V"]

    def log_probs(self, current: Int[np.ndarray, " n"], ids: Int[np.ndarray, " I"]) -> Float[np.ndarray, "n I"]:
        """log P(id | current) in nats of each id after each current token."""
        return self._smoothed(current, self.counts[current][:, ids].toarray(), self.unigram[ids])

    def losses(self, rows: Integer[np.ndarray, "W columns"]) -> Float[np.ndarray, "W columns-1"]:
        """-log P(next | current) in nats of every target of rows of token ids."""
        current, following = rows[:, :-1].ravel(), rows[:, 1:].ravel()
        counts = np.asarray(self.counts[current, following]).ravel()
        log_probs = self._smoothed(current, counts[:, None], self.unigram[following][:, None])
        return -log_probs[:, 0].reshape(len(rows), -1)

    def _smoothed(self, current: np.ndarray, counts: np.ndarray, unigram: np.ndarray):
        of_a, types = self.counts.sum(1)[current][:, None], np.diff(self.counts.indptr)[current][:, None]
        known = of_a + types
        return np.log(np.where(known > 0, (counts + types * unigram) / np.maximum(known, 1), unigram))


def bigram(tokens: Integer[np.ndarray, " n"] | Integer[np.ndarray, "rows length"], vocab_size: int) -> Bigram:
    """The bigram model of a stream of token ids, or of rows that do not follow one another.

    Raises InputError if there is no pair, or an id beyond the vocabulary.
    """
    rows = np.atleast_2d(tokens).astype(np.int64)
    if rows.shape[1] < 2 or not rows.size:
        raise InputError(f"bigram: a text of {rows.size} tokens has no pair; give more text")
    if rows.max() >= vocab_size or rows.min() < 0:
        raise InputError(f"bigram: token id {rows.max()} is not below vocab_size = {vocab_size}; wrong tokenizer?")
    pairs, counts = np.unique(rows[:, :-1] * vocab_size + rows[:, 1:], return_counts=True)
    table = sparse.csr_array((counts.astype(float), np.divmod(pairs, vocab_size)), shape=(vocab_size, vocab_size))
    single = np.bincount(rows.ravel(), minlength=vocab_size) + 1
    return Bigram(table, single / single.sum())


def correlation(a: Float[np.ndarray, "*X n"], b: Float[np.ndarray, "*X n"]) -> Float[np.ndarray, "*X"]:
    """Pearson's correlation over the last axis, from -1 to 1; NaN where one side is constant."""
    a, b = (x - x.mean(-1, keepdims=True) for x in (a.astype(float), b.astype(float)))
    scale = np.linalg.norm(a, axis=-1) * np.linalg.norm(b, axis=-1)
    return np.where(scale > 0, (a * b).sum(-1) / np.where(scale > 0, scale, 1), np.nan)
