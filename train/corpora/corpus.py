"""The two kinds of corpus: documents of text, and rows of symbols of a language whose truth is known.

Both carry the SHA-256 and the size of what they hold, so that a run can name its data and two runs on different data
can be told apart. Nothing here knows of tokens: `train.data.encode_corpus` turns either into arrays.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8

SEPARATOR = "\n\n"
"""What stands between two documents once a text corpus becomes one stream."""


@dataclass(frozen=True)
class TextCorpus:
    """Documents, already split. `size` is in characters, without separators. Made by `train.corpora.split`.

    `sha256` is over all the documents in their own order, before the split: it names the text. The split follows from
    the text and `valid_fraction` alone, never from a seed.
    """

    name: str
    train: tuple[str, ...]
    valid: tuple[str, ...]
    sha256: str
    size: int

    def __repr__(self) -> str:
        texts = f"{len(self.train):,} documents and {len(self.valid):,} held out"
        return f"TextCorpus({self.name!r}, {texts}, {self.size:,} characters, sha256 {self.sha256[:12]})"


@dataclass(frozen=True, eq=False)
class RowCorpus:
    """Independent sequences of symbols, [sequences, length] with length = context + 1 (inputs and shifted targets).

    Symbol i prints as `alphabet[i]`. `size` is the number of symbols in both splits; `sha256` is over both and the
    alphabet.
    """

    name: str
    train: UInt8[np.ndarray, "n length"]
    valid: UInt8[np.ndarray, "m length"]
    alphabet: str
    sha256: str
    size: int


def digest(parts: Iterable[bytes]) -> str:
    """SHA-256 of the parts in order, each preceded by its length in 8 bytes, so that no two lists look alike."""
    sha = hashlib.sha256()
    for part in parts:
        sha.update(len(part).to_bytes(8, "little"))
        sha.update(part)
    return sha.hexdigest()


def row_corpus(name: str, rows: UInt8[np.ndarray, "n length"], held_out: int, alphabet: str) -> RowCorpus:
    """RowCorpus whose last `held_out` rows are the validation split; rows are independent, so any would do."""
    train, valid = rows[:-held_out], rows[-held_out:]
    sha256 = digest([alphabet.encode(), str(rows.shape).encode(), train.tobytes(), valid.tobytes()])
    return RowCorpus(name, train, valid, alphabet, sha256, rows.size)
