"""From tokens to the batch of step n, by Grain: random access, so resuming is asking for the next step.

A batch depends on (tokens, context, batch, seed, step) and nothing else: not on the order of access, nor on how many
devices share it. Each holds context + 1 tokens a sequence: inputs [:, :-1], targets [:, 1:].

With a fixed first token (`bos`) every sequence starts with it and the text moves right by one.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Int32

from jattn.errors import InputError, at_least
from train.corpora.corpus import SEPARATOR, RowCorpus, TextCorpus
from train.tokenizers import Tokenizer

if TYPE_CHECKING:
    import grain

STEPS = 2**31 - 1
"""Length of a stream of batches: as far as an int32 step counter goes."""

Tokens = Int32[np.ndarray, " n"] | Int32[np.ndarray, "n length"]
"""A stream of ids, or rows of them."""


@dataclass(frozen=True, eq=False)
class Data:
    """Token ids of both splits: one flat stream each (text), or one row per sequence (languages)."""

    train: Tokens
    valid: Int32[np.ndarray, " m"] | Int32[np.ndarray, "m length"]


def encode_corpus(corpus: TextCorpus | RowCorpus, tokenizer: Tokenizer) -> Data:
    """The corpus as token ids, without the fixed first token (`batches` adds it).

    Text: the documents of a split in their order, "\\n\\n" between two, as one stream; a document is encoded together
    with the separator behind it, so no token reaches into the next document. Rows: as they are.
    Raises InputError if the tokenizer lacks a character of the text, or does not match the rows' alphabet.
    """
    if isinstance(corpus, TextCorpus):
        return Data(_stream(corpus.train, tokenizer), _stream(corpus.valid, tokenizer))
    if not np.array_equal(tokenizer.encode(corpus.alphabet), np.arange(len(corpus.alphabet))):
        raise InputError(f"tokenizer: ids differ from the symbols of {corpus.name!r}; use Tokenizer.symbols(alphabet)")
    return Data(corpus.train.astype(np.int32), corpus.valid.astype(np.int32))


def batches(
    tokens: Tokens, *, context: int, batch: int, seed: int, bos: int | None = None
) -> "grain.MapDataset[np.ndarray]":
    """ds[step] is the batch of that step, int32 [batch, context + 1].

    Stream: windows at uniformly random offsets. Rows: epoch by epoch, each row once in an order shuffled anew, the
    epochs laid end to end (a batch may span two). Raises InputError if there are too few tokens or a number is out of
    range.
    """
    import grain

    at_least("batch", batch, 1)
    at_least("seed", seed, 0)
    width = text_width(tokens, context, bos)
    steps = grain.MapDataset.range(STEPS)
    if tokens.ndim == 1:
        offsets = np.arange(width)

        def windows_at_random(_: int, rng: np.random.Generator):
            starts = rng.integers(len(tokens) - width + 1, size=batch)
            return _with_bos(tokens[starts[:, None] + offsets], bos)

        return steps.seed(seed).random_map(windows_at_random)

    @lru_cache(maxsize=2)
    def order(epoch: int):
        return np.random.default_rng([seed, epoch]).permutation(len(tokens))

    def rows_in_turn(step: int):
        epochs, places = np.divmod(np.arange(step * batch, (step + 1) * batch), len(tokens))
        rows = [order(int(epoch))[places[epochs == epoch]] for epoch in np.unique(epochs)]
        return _with_bos(tokens[np.concatenate(rows), :width], bos)

    return steps.map(rows_in_turn)


def windows(tokens: Tokens, *, context: int, bos: int | None = None) -> Int32[np.ndarray, "m {context+1}"]:
    """The whole split for evaluation: every token of it is the target of one window at most, int32 [m, context + 1].

    A stream is cut every `context` tokens, and a window's last target is the first input of the next, so all tokens
    but the very first are predicted once (with `bos`, the first too); a partial last window is dropped. Rows are rows.
    Raises InputError if there is not one window.
    """
    width = text_width(tokens, context, bos)
    if tokens.ndim == 2:
        return _with_bos(tokens[:, :width], bos)
    starts = np.arange(0, len(tokens) - width + 1, context)
    return _with_bos(tokens[starts[:, None] + np.arange(width)], bos)


def _stream(documents: tuple[str, ...], tokenizer: Tokenizer) -> Int32[np.ndarray, " n"]:
    """The documents as one stream of ids."""
    texts = [document + SEPARATOR for document in documents[:-1]] + list(documents[-1:])
    return np.concatenate([tokenizer.encode(text) for text in texts])


def text_width(tokens: Tokens, context: int, bos: int | None) -> int:
    """Tokens of text in a sequence of context + 1, after checking that there are as many."""
    at_least("context", context, 1)
    width = context + 1 if bos is None else context
    if tokens.ndim == 2 and tokens.shape[1] != context + 1:
        raise InputError(f"context={context} needs rows of {context + 1} symbols, got {tokens.shape[1]}; load the same")
    if tokens.ndim == 1 and len(tokens) < width:
        raise InputError(
            f"the text is too short: {len(tokens)} tokens, context={context} needs at least {width}; "
            "lower the context or give more text"
        )
    return width


def _with_bos(rows: Int32[np.ndarray, "n width"], bos: int | None) -> Int32[np.ndarray, "n context_plus_1"]:
    """The rows, with the fixed first token in front if there is one."""
    return rows if bos is None else np.pad(rows, ((0, 0), (1, 0)), constant_values=bos)
