"""Text to token ids and back: characters, bytes, or byte-level BPE (Sennrich et al. 2016; Radford et al. 2019).

A Tokenizer is one value: the JSON that the `tokenizers` library reads and writes (tokenizer.json in a checkpoint).
Everything else follows from it. Characters are looked up in a NumPy table, several times as fast as the library, which
gives the same ids; bytes and BPE run through the library. A fixed first token (BOS) is one more entry after all others:
no text encodes to it, decoding skips it.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Int32, Int64, Integer

from jattn.errors import InputError, at_least, one_of
from train.corpora.corpus import SEPARATOR

if TYPE_CHECKING:
    import tokenizers

KINDS = ("char", "byte", "bpe")
BOS = "<bos>"
BYTES = 256


@dataclass(frozen=True)
class Tokenizer:
    """A frozen tokenizer; two with the same JSON are equal. Make one with `train`, `symbols` or `from_json`."""

    json: str

    def __repr__(self) -> str:
        return f"Tokenizer({self.vocab_size:,} tokens, sha256 {self.sha256[:12]})"

    @classmethod
    def train(cls, kind: str, texts: Iterable[str], vocab_size: int | None = None, bos: bool = False) -> "Tokenizer":
        """Tokenizer of the kind for the texts; `bos` adds the fixed first token on top of the vocabulary.

        char: the sorted characters of all the texts, which should be those of both splits; the separator's too if
        there are several texts. byte: the 256 bytes, id = byte, whatever the texts. bpe: `vocab_size` tokens of bytes.
        Raises InputError for an unknown kind, a vocab_size that is missing or out of place, or too little text for it.
        """
        one_of("tokenizer.kind", kind, KINDS)
        if (vocab_size is None) != (kind != "bpe"):
            raise InputError(f"vocab_size={vocab_size} with tokenizer {kind!r}: bpe needs it, the others set it")
        if vocab_size is not None:
            return cls(_finish(_bpe(texts, at_least("data.bpe_size", vocab_size, BYTES + 1)), bos))
        if kind == "byte":
            return cls(_finish(_bytes(), bos))
        texts = list(texts)
        return cls.symbols("".join(sorted(set().union(*texts, SEPARATOR if len(texts) > 1 else ""))), bos=bos)

    @classmethod
    def symbols(cls, alphabet: str, bos: bool = False) -> "Tokenizer":
        """Char tokenizer whose ids are the places in `alphabet`, as in a RowCorpus. InputError if not unique."""
        if not alphabet or len(set(alphabet)) < len(alphabet):
            raise InputError(f"alphabet must hold at least one symbol and each symbol once, got {alphabet!r}")
        _check_encodable(alphabet)
        return cls(_finish(_characters(alphabet), bos))

    @classmethod
    def from_json(cls, text: str) -> "Tokenizer":
        """The tokenizer that `to_json` wrote. InputError if the text is no tokenizer.json, or one of another kind."""
        tokenizer = cls(text)
        try:
            _ = tokenizer._library
        except Exception as error:  # the library raises bare Exception
            raise InputError(f"tokenizer.json cannot be read: {error}; give the file a run saved") from None
        _ = tokenizer.kind
        return tokenizer

    def to_json(self) -> str:
        """The tokenizer.json of the `tokenizers` library, as stored in a checkpoint."""
        return self.json

    @cached_property
    def sha256(self) -> str:
        """SHA-256 of the JSON: two runs used the same tokenizer if and only if these agree."""
        return hashlib.sha256(self.json.encode()).hexdigest()

    @cached_property
    def kind(self) -> str:
        """ "char", "byte", "bpe", or what another library's is: "wordlevel", "wordpiece", "unigram"."""
        model = self._model
        if model["type"] == "BPE":
            return "bpe" if model["merges"] else "byte"
        if model["type"] == "WordLevel" and all(len(token) == 1 for token in model["vocab"]):
            return "char"
        return model["type"].lower()

    @cached_property
    def vocab_size(self) -> int:
        """One more than the largest id, the fixed first token included."""
        return 1 + max(self._library.get_vocab(with_added_tokens=True).values())

    @cached_property
    def bos(self) -> int | None:
        """Id of the fixed first token, if every text starts with one, or None."""
        before, _ = self.frame
        return before[0] if len(before) == 1 else None

    @cached_property
    def frame(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The ids that stand before and after every text: our <bos>, or what another library's model expects.

        BERT's is [CLS] before and [SEP] after.
        """
        own = next((t["id"] for t in self._parsed["added_tokens"] if t["content"] == BOS and t["special"]), None)
        if own is not None:
            return (own,), ()
        if not self._parsed.get("post_processor"):
            return (), ()
        encoding = self._library.encode("a", add_special_tokens=True)
        text = [i for i, special in enumerate(encoding.special_tokens_mask) if not special]
        first, last = (text[0], text[-1] + 1) if text else (len(encoding.ids), len(encoding.ids))
        return tuple(encoding.ids[:first]), tuple(encoding.ids[last:])

    @cached_property
    def special_ids(self) -> frozenset[int]:
        """Ids that no text encodes to."""
        return frozenset(t["id"] for t in self._parsed["added_tokens"] if t["special"])

    @cached_property
    def ordinary(self) -> Int64[np.ndarray, " n"]:
        """All ids but the special ones, ascending: what random tokens are drawn from."""
        return np.setdiff1d(np.arange(self.vocab_size), np.array(sorted(self.special_ids), int))

    def encode_pair(self, first: str, second: str) -> tuple[Int32[np.ndarray, " n"], Int32[np.ndarray, " n"]]:
        """Ids of two texts with what the model expects around them, and which text (0 or 1) each belongs to."""
        _check_encodable(first + second)
        encoding = self._library.encode(first, second, add_special_tokens=True)
        return np.array(encoding.ids, np.int32), np.array(encoding.type_ids, np.int32)

    def encode(self, text: str) -> Int32[np.ndarray, " n"]:
        """Ids of the text, without the fixed first token. InputError for a character that the vocabulary lacks."""
        _check_encodable(text)
        if self.kind == "char":
            return self._look_up(text)
        try:
            return np.array(self._library.encode_batch_fast([text], add_special_tokens=False)[0].ids, np.int32)
        except Exception as error:  # the library raises bare Exception: no token for what it does not know
            raise InputError(f"text: the tokenizer cannot encode it ({error}); remove what it does not know") from None

    def encode_with_offsets(self, text: str) -> tuple[Int32[np.ndarray, " n"], Int32[np.ndarray, "n 2"]]:
        """Ids, and the characters [start, end) of the text behind each.

        Tokens that are parts of one character's bytes all point to that character.
        """
        _check_encodable(text)
        if self.kind == "char":
            start = np.arange(len(text), dtype=np.int32)
            return self._look_up(text), np.stack([start, start + 1], axis=1)
        encoding = self._library.encode(text, add_special_tokens=False)
        return np.array(encoding.ids, np.int32), np.array(encoding.offsets, np.int32).reshape(-1, 2)

    def decode(self, ids: Integer[Any, " n"] | Sequence[int], skip_special_tokens: bool = True) -> str:
        """Text of the ids; bytes that are no UTF-8 become U+FFFD. Special tokens are skipped, or else shown by name.

        Raises InputError for an id outside the vocabulary.
        """
        ids = self._check_ids(ids)
        if self.kind == "char":
            if not skip_special_tokens:
                return "".join(self.token(int(i)) for i in ids)
            return self._characters[ids[ids != self.bos]].tobytes().decode("utf-32-le")
        return self._library.decode(ids.tolist(), skip_special_tokens=skip_special_tokens)

    def token(self, index: int) -> str:
        """One token for display: its text, `\\xNN` for bytes that are no UTF-8 by themselves, "<bos>".

        A token of another's tokenizer.json that is not written in the byte-level alphabet is shown as it is stored.
        """
        self._check_ids([index])
        stored, byte_of = str(self._library.id_to_token(index)), _byte_of()
        if index == self.bos or self.kind == "char" or not byte_of.keys() >= set(stored):
            return stored
        return bytes(byte_of[character] for character in stored).decode("utf-8", "backslashreplace")

    @cached_property
    def _library(self) -> "tokenizers.Tokenizer":
        from tokenizers import Tokenizer as Library

        library = Library.from_str(self.json)
        library.encode_special_tokens = True  # "<bos>" typed in a text is five characters
        library.no_padding()
        library.no_truncation()
        return library

    @cached_property
    def _parsed(self) -> dict[str, Any]:
        return json.loads(self.json)

    @property
    def _model(self) -> dict[str, Any]:
        return self._parsed["model"]

    @cached_property
    def _characters(self) -> np.ndarray:
        """Code point of each id of a char tokenizer; the fixed first token has none."""
        vocab = self._model["vocab"]
        return np.array([ord(character) for character in sorted(vocab, key=vocab.__getitem__)], "<u4")

    @cached_property
    def _ids(self) -> np.ndarray:
        """Id of each code point, -1 where there is none; the last entry stands for all beyond the vocabulary's."""
        ids = np.full(int(self._characters.max()) + 2, -1, np.int32)
        ids[self._characters] = np.arange(len(self._characters))
        return ids

    def _look_up(self, text: str) -> Int32[np.ndarray, " n"]:
        codes = np.frombuffer(text.encode("utf-32-le"), "<u4")
        ids = self._ids[np.minimum(codes, len(self._ids) - 1)]
        if (ids < 0).any():
            at = int(np.argmax(ids < 0))
            raise InputError(
                f"text: character {text[at]!r} at offset {at} is not among the {len(self._characters)} of the char "
                "tokenizer; remove it, train the tokenizer on text that has it, or use kind byte"
            )
        return ids

    def _check_ids(self, ids: Integer[Any, " n"] | Sequence[int]) -> np.ndarray:
        ids = np.asarray(ids, dtype=np.int64)
        outside = (ids < 0) | (ids >= self.vocab_size)
        if outside.any():
            raise InputError(f"token id {ids[outside][0]} is outside the vocabulary; use 0 to {self.vocab_size - 1}")
        return ids


def _check_encodable(text: str) -> None:
    """Refuse a lone surrogate, the one thing in a Python string that no UTF can write."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InputError(
            f"text: lone surrogate {text[error.start]!r} at offset {error.start}; decode the text as strict UTF-8"
        ) from None


def _characters(alphabet: str) -> "tokenizers.Tokenizer":
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers

    library = Tokenizer(models.WordLevel({character: i for i, character in enumerate(alphabet)}))
    library.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
    library.decoder = decoders.Fuse()
    return library


def _bytes() -> "tokenizers.Tokenizer":
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    library = Tokenizer(models.BPE(vocab=_byte_of(), merges=[]))
    library.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    library.decoder = decoders.ByteLevel()
    return library


def _bpe(texts: Iterable[str], vocab_size: int) -> "tokenizers.Tokenizer":
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    library = Tokenizer(models.BPE())
    library.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    library.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=vocab_size, initial_alphabet=alphabet, show_progress=False)
    library.train_from_iterator(texts, trainer)
    if (reached := library.get_vocab_size()) < vocab_size:
        raise InputError(
            f"data.bpe_size={vocab_size}: the text gives only {reached} tokens; "
            f"ask for at most {reached} (more than {BYTES}), use kind byte, or give more text"
        )
    return library


def _finish(library: "tokenizers.Tokenizer", bos: bool) -> str:
    from tokenizers import AddedToken

    if bos:
        library.add_special_tokens([AddedToken(BOS, special=True, normalized=False)])
    return library.to_str()


def _byte_of() -> dict[str, int]:
    """The byte behind each character of the byte-level alphabet (Radford et al. 2019).

    Bytes that print in Latin-1 stand for themselves, the 68 others for the characters from U+0100 on.
    """
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    others = [byte for byte in range(BYTES) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(BYTES + i): byte for i, byte in enumerate(others)}
