"""Where annotated sentences come from, and which word each token of a model belongs to.

    grammar(count, seed), sentence_pairs(count, seed)   the synthetic grammar (train.corpora.grammar), gold
    python_source(count, seed)                          Python, tokenize's classes and ast's parents, gold
    conllu(path)                                        any CoNLL-U file, as gold as the file is
    silver(texts, tag)                                  classes by a rule or by a tagger of yours: guesses, gold=False

Axes: T tokens, W words. Tokens are matched to words by characters, so any tokenizer can read any annotation.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

from analysis.texts.conllu import conllu
from analysis.texts.python_source import python_source
from jattn.config import ModelConfig
from jattn.errors import InputError
from train.corpora import grammar as language
from train.corpora.annotated import Annotated
from train.tokenizers import Tokenizer

__all__ = ["Encoded", "align", "conllu", "encode", "fitting", "grammar", "python_source", "sentence_pairs", "silver"]

OUTSIDE, APART = -1, -2
"""word_of of a token in no word (a space), and of one that is apart: a special token, or the first of all."""

CLOSED = {
    "DET": "the a an some any this that these those every each no all both",
    "ADP": "of in to for with on at by from about into over after under between through near behind beside without",
    "PRON": "i you he she it we they me him her us them who what which himself herself itself themselves mine yours",
    "AUX": "is are was were be been being am do does did have has had will would can could may might shall should must",
    "CCONJ": "and or but nor yet",
    "SCONJ": "because when while if although though since unless before whether",
    "PART": "not n't",
    "ADV": "very never often always here there now then too also just only even still again soon rarely",
}
_CLASS_OF = {word: word_class for word_class, words in CLOSED.items() for word in words.split()}
_SUFFIXES = (
    ("ADV", ("ly",)),
    ("VERB", ("ing", "ed", "ify", "ise", "ize")),
    ("ADJ", ("ous", "ful", "less", "able", "ible", "ive", "ic", "ish")),
)


@dataclass(frozen=True)
class Encoded:
    """A sentence as a model reads it. ids, types (of sentence A or B) and word_of are [T]; word_of is the index of a
    word, OUTSIDE or APART."""

    annotated: Annotated
    ids: Int[np.ndarray, " T"]
    word_of: Int[np.ndarray, " T"]
    types: Int[np.ndarray, " T"]


def grammar(count: int, seed: int = 0) -> list[Annotated]:
    """Sentences of the synthetic grammar; nine kinds in turn. Gold."""
    return language.sample(count, np.random.default_rng([seed, 1]))


def sentence_pairs(count: int, seed: int = 0) -> list[Annotated]:
    """Pairs of sentences of the synthetic grammar that share one word and differ in two. Gold."""
    return language.pairs(count, np.random.default_rng([seed, 2]))


def silver(texts: Iterable[str], tag: Callable[[list[str]], Sequence[str]] | None = None) -> list[Annotated]:
    """Sentences with guessed word classes, no heads and no links: silver (`gold` is False).

    tag: words of a sentence -> a class for each; None for a rule of thumb (closed classes, suffixes, capitals, else
    NOUN). Raises InputError if `tag` gives another number of classes than words.
    """
    sentences = []
    for text in texts:
        matches = list(re.finditer(r"\w+|[^\w\s]", text))
        words = [match.group() for match in matches]
        classes = tuple(tag(words) if tag else _guess(words))
        if len(classes) != len(words):
            raise InputError(f"tag: gave {len(classes)} classes for {len(words)} words; give one for each")
        spans = tuple(match.span() for match in matches)
        sentences.append(Annotated(text, spans, classes, (-1,) * len(words), gold=False))
    return sentences


def align(annotated: Annotated, tokenizer: Tokenizer) -> Int[np.ndarray, " T"]:
    """The word that each token of `tokenizer.encode(annotated.text)` belongs to, -1 (OUTSIDE) for one in no word.

    A token belongs to the word that it shares most characters with, to the earlier one where two are level.
    """
    return _aligned(annotated, tokenizer)[1]


def encode(annotated: Annotated, tokenizer: Tokenizer, config: ModelConfig) -> Encoded:
    """The sentence with what the model expects around it, one token at least standing before it.

    In front stand the tokenizer's own first tokens (<bos>, [CLS]), or a newline (a space where it has no newline): the
    first token of all draws attention for being first, and so none of the words is. It and special tokens are APART.
    A pair of sentences is encoded as BERT's, with types 0 and 1, where the model has types.
    Raises InputError for a character that the tokenizer lacks. `fitting` leaves out what cannot be read.
    """
    before, after = (np.array(ids, np.int32) for ids in tokenizer.frame)
    after = after[: 0 if config.causal else None]
    before = before if len(before) else _delimiter(tokenizer)
    if annotated.second is not None and config.token_types > 1:
        ids, word_of, types = _pair(annotated, tokenizer)
    else:
        inner, words = _aligned(annotated, tokenizer)
        ids = np.concatenate([before, inner, after]).astype(np.int32)
        word_of = np.concatenate([np.full(len(before), APART), words, np.full(len(after), APART)])
        types = np.zeros(len(ids), np.int32)
    return Encoded(annotated, ids, word_of.astype(np.int32), types)


def fitting(sentences: Iterable[Annotated], tokenizer: Tokenizer, config: ModelConfig) -> list[Encoded]:
    """Those of the sentences, encoded, that the tokenizer can write and that are no longer than the model's context.

    Raises InputError as `encode` does if the tokenizer can write none of them.
    """
    encoded, refused = [], None
    for sentence in sentences:
        try:
            encoded.append(encode(sentence, tokenizer, config))
        except InputError as error:
            refused = refused or error
    if refused and not encoded:
        raise refused
    return [e for e in encoded if len(e.ids) <= config.context]


def _aligned(annotated: Annotated, tokenizer: Tokenizer) -> tuple[np.ndarray, np.ndarray]:
    ids, offsets = tokenizer.encode_with_offsets(annotated.text)
    if not len(ids) or not annotated.spans:
        return ids, np.full(len(ids), OUTSIDE)
    spans = np.array(annotated.spans)
    start, end = (np.array([offsets[:, side]]).T for side in (0, 1))
    shared = np.minimum(end, spans[:, 1]) - np.maximum(start, spans[:, 0])  # [T, W]
    return ids, np.where(shared.max(1) > 0, shared.argmax(1), OUTSIDE)


def _delimiter(tokenizer: Tokenizer) -> np.ndarray:
    for text in ("\n", " "):
        try:
            return tokenizer.encode(text)[:1]
        except InputError:
            continue
    raise InputError("text: the tokenizer has neither a newline nor a space to stand before a sentence; name another")


def _pair(annotated: Annotated, tokenizer: Tokenizer) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """[CLS] A [SEP] B [SEP]; the tokens of A and B are found in it by their types, what is special is APART."""
    cut = annotated.spans[annotated.second or 0][0]
    first, second = annotated.text[:cut].rstrip(), annotated.text[cut:]
    ids, types = tokenizer.encode_pair(first, second)
    word_of = np.full(len(ids), APART)
    apart = np.isin(ids, sorted(tokenizer.special_ids))
    spans, middle = annotated.spans, annotated.second or 0
    for side, text, words in ((0, first, spans[:middle]), (1, second, spans[middle:])):
        shift, start = (0, 0) if side == 0 else (cut, middle)
        part = Annotated(text, tuple((a - shift, b - shift) for a, b in words), ("",) * len(words), (-1,) * len(words))
        inner, inner_words = _aligned(part, tokenizer)
        at = np.flatnonzero((types == side) & ~apart)
        if not np.array_equal(ids[at], inner):
            raise InputError("tokenizer: encodes a pair of sentences other than the two alone; pairs cannot be aligned")
        word_of[at] = np.where(inner_words >= 0, inner_words + start, inner_words)
    return ids, word_of, types


def _guess(words: Sequence[str]) -> list[str]:
    return [_guess_one(word, i) for i, word in enumerate(words)]


def _guess_one(word: str, place: int) -> str:
    if not word[0].isalnum():
        return "PUNCT"
    if word.isdigit():
        return "NUM"
    if word.lower() in _CLASS_OF:
        return _CLASS_OF[word.lower()]
    if place and word[0].isupper():
        return "PROPN"
    return next((c for c, suffixes in _SUFFIXES if len(word) > 4 and word.endswith(suffixes)), "NOUN")
