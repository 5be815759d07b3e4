"""Tokens as people read them: spaces and line ends marked, control characters spelled out, bytes of a split character.

A byte-level tokenizer may cut a character into pieces. A piece is shown as its bytes ("E5 B0"), with the whole
character beside it, whatever other tokens hold the rest of it.

Axes: T tokens.
"""

import re
import reprlib
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import Bool, Int

from analysis.texts.marks import delimiters, paragraphs
from jattn.errors import InputError
from train.tokenizers import Tokenizer

LONGEST = 48  # characters of a token that are shown
MARKS = {" ": "·", "\u2581": "·", "\n": "⏎", "\r": "␍", "\t": "⇥"}
HIDDEN = {"Cc", "Cf", "Cs", "Zl", "Zp", "Zs"}  # Unicode classes that do not print, or that turn what stands around them
BY_FORM = "Word classes are told by the form of a token alone, not by a parser."
GIVEN = "Word classes were given with the text."

_BYTE_LEVEL = {0x120: " ", 0x10A: "\n"}  # as byte-level tokenizers of other libraries write them
_SPECIAL = re.compile(r"\[[A-Z]+\]|<[^<>\s]+>")
_FALLBACK = re.compile(r"<0x([0-9A-F]{2})>")
_ESCAPED = re.compile(r"\\x([0-9a-f]{2})")


@dataclass(frozen=True)
class Tokens:
    """The tokens of a text, all of length T.

    text: as shown. joined: for a piece of a character the whole of it, else None. word_class: of each; `classes_from`
    says where they come from. ids: equal where tokens are. delimiters, paragraphs: as in text_patterns.py.
    """

    text: tuple[str, ...]
    joined: tuple[str | None, ...]
    word_class: tuple[str, ...]
    ids: Int[np.ndarray, " T"]
    delimiters: Bool[np.ndarray, " T"]
    paragraphs: Int[np.ndarray, " T"]
    classes_from: str = BY_FORM

    def __len__(self) -> int:
        return len(self.text)

    def __repr__(self) -> str:
        return f"Tokens({len(self)}: {reprlib.repr(''.join(self.text))})"

    def same(self, other: "Tokens") -> bool:
        """Whether the two are the same text, cut in the same way."""
        return self.text == other.text and self.joined == other.joined


def of_ids(
    tokenizer: Tokenizer,
    ids: Sequence[int] | Int[np.ndarray, " T"],
    word_classes: Sequence[str | None] | None = None,
    classes_from: str = GIVEN,
) -> Tokens:
    """The tokens behind some ids, in their order. word_classes: None where the form is to tell; `classes_from`
    says whose they are."""
    ids = np.asarray(ids, np.int32)
    raw = [_bytes_of(tokenizer, int(i)) for i in ids]
    whole = _characters_of(raw)
    text = [b.decode() if w is None else "" for b, w in zip(raw, whole, strict=True)]
    ends = [None, *text] if tokenizer.kind != "wordpiece" else [None] * len(text)
    known = [
        "special" if int(i) in tokenizer.special_ids else "byte" if w is not None else _word_class(t, before)
        for i, t, w, before in zip(ids, text, whole, ends, strict=False)
    ]
    if word_classes is not None:
        known = [by_form if given is None else given for by_form, given in zip(known, word_classes, strict=True)]
    return Tokens(
        tuple(shown(t) if w is None else b.hex(" ").upper() for t, w, b in zip(text, whole, raw, strict=True)),
        tuple(w if w is None else shown(w) for w in whole),
        tuple(known),
        ids,
        delimiters(tokenizer)[ids],
        paragraphs(tokenizer, ids[None])[0],
        BY_FORM if word_classes is None else classes_from,
    )


def of_strings(texts: Sequence[str], word_classes: Sequence[str] | None = None) -> Tokens:
    """Tokens given as text; `word_classes` by form if not given."""
    texts = [str(t) for t in texts]
    if not any(" " in t for t in texts):
        texts = [t.translate(_BYTE_LEVEL) for t in texts]
    first = {t: i for i, t in reversed(list(enumerate(texts)))}
    spaced = any(t[:1] in (" ", "\u2581") for t in texts)  # else nothing tells where a word begins, but for "##"
    pairs = zip(texts, [None, *texts] if spaced else [None] * len(texts), strict=False)
    form = ["special" if _SPECIAL.fullmatch(t) else _word_class(t, before) for t, before in pairs]
    if word_classes is not None and len(word_classes) != len(texts):
        raise InputError(f"word_classes: {len(word_classes)} word classes for {len(texts)} tokens; give one for each")
    apart = [k in ("punctuation", "special") or (k == "space" and "\n" in t) for k, t in zip(form, texts, strict=True)]
    return Tokens(
        tuple(map(shown, texts)),
        (None,) * len(texts),
        tuple(form if word_classes is None else map(str, word_classes)),
        np.array([first[t] for t in texts], np.int32),
        np.array(apart, bool),
        np.zeros(len(texts), int),
        BY_FORM if word_classes is None else GIVEN,
    )


def shown(text: str) -> str:
    """One token as text that takes its place: nothing in it is invisible, and nothing changes what stands around it."""
    return "".join(map(_visible, cut(text, LONGEST))) or "‹empty›"


def cut(text: str, most: int) -> str:
    """The text, or its beginning with "…" behind it, in `most` characters."""
    return text if len(text) <= most else text[: most - 1] + "…"


def plain(text: str) -> str:
    """A name or a sentence as text whose every character prints; spaces stay as they are."""
    return "".join(c if c == " " else _visible(c) for c in text)


def _visible(character: str) -> str:
    if character in MARKS:
        return MARKS[character]
    return f"‹{ord(character):04X}›" if unicodedata.category(character) in HIDDEN else character


def _word_class(text: str, before: str | None) -> str:
    """A class that the form alone tells; `before` is the token before, None where a word begins in any case."""
    bare = text.removeprefix("##")
    ink = bare.strip(" \t\r\n\u2581")
    if not ink:
        return "space"
    if all(c.isdigit() or c in ".,%" for c in ink) and any(map(str.isdigit, ink)):
        return "number"
    if not any(c.isalnum() for c in ink):
        return "punctuation"
    inside = bare != text or (bare[0] == ink[0] and before is not None and before[-1:].isalpha() and ink[0].isalpha())
    return "word piece" if inside and len(ink) == len(bare) else "word"


def _bytes_of(tokenizer: Tokenizer, index: int) -> bytes:
    """What a token stands for in UTF-8; of a piece of a character the bytes that are its own."""
    text = tokenizer.token(index)
    if fallback := _FALLBACK.fullmatch(text):
        return bytes([int(fallback[1], 16)])
    if "\\x" not in text or "\ufffd" not in tokenizer.decode([index]):
        return text.encode()
    parts, last = [], 0
    for escaped in _ESCAPED.finditer(text):
        parts += [text[last : escaped.start()].encode(), bytes([int(escaped[1], 16)])]
        last = escaped.end()
    return b"".join([*parts, text[last:].encode()])


def _characters_of(raw: Sequence[bytes]) -> list[str | None]:
    """For each token that begins or ends inside a character, the characters that it has a part in; None for others."""
    characters = b"".join(raw).decode("utf-8", "surrogateescape")
    ends = np.cumsum([0] + [len(c.encode("utf-8", "surrogateescape")) for c in characters])
    stops = np.cumsum([0] + [len(b) for b in raw])
    wholes: list[str | None] = []
    for start, stop in pairwise(stops):
        first, last = np.searchsorted(ends, start, "right") - 1, np.searchsorted(ends, stop, "left")
        whole = characters[first:last]
        broken = any("\udc80" <= c <= "\udcff" for c in whole)  # bytes that are no character at all
        inside = ends[first] != start or ends[last] != stop
        wholes.append(whole.encode("utf-8", "surrogateescape").decode("utf-8", "replace") if inside or broken else None)
    return wholes
