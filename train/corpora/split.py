"""Training and validation text: by document where there are several, by tail where there is one.

A split by document keeps a whole topic or file on one side, so the validation loss measures new text, not the rest of
a page already read. It depends on the text and the fraction alone, never on a seed, so runs of any seed are comparable.
"""

import hashlib
from collections.abc import Sequence

from jattn.errors import InputError
from train.corpora.corpus import TextCorpus, digest


def text_corpus(name: str, documents: Sequence[str], valid_fraction: float) -> TextCorpus:
    """TextCorpus of the documents, about `valid_fraction` of the characters held out for validation.

    Both splits keep the order of `documents`; documents without any text are dropped. `sha256` and `size` are over the
    documents before the split. Raises InputError if there is no text, too little to split, or a bad fraction.
    """
    documents = tuple(document for document in documents if document)
    if not documents:
        raise InputError(f"corpus {name!r} is empty; give a file or a folder with text in it")
    if not 0 < valid_fraction < 1:
        raise InputError(f"valid_fraction must be between 0 and 1, both excluded, got {valid_fraction}")
    split = by_document if len(documents) > 1 else by_tail
    train, valid = split(documents, valid_fraction)
    if not train or not valid:
        raise InputError(
            f"corpus {name!r} cannot be split into train and valid: {len(documents)} document(s) with "
            f"{len(set(documents))} distinct text(s), {sum(map(len, documents))} characters; give more text"
        )
    sha256 = digest(document.encode() for document in documents)
    return TextCorpus(name, train, valid, sha256, sum(map(len, documents)))


def by_tail(documents: tuple[str, ...], valid_fraction: float) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The first (1 - valid_fraction) of the characters of the only document for training, the rest for validation."""
    (text,) = documents
    cut = int(len(text) * (1 - valid_fraction))
    return tuple(filter(None, (text[:cut],))), tuple(filter(None, (text[cut:],)))


def by_document(documents: tuple[str, ...], valid_fraction: float) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Documents drawn for validation in the order of their SHA-256, each one that still fits in the fraction.

    A document too long for what is left is passed over, so one long document cannot become most of the validation
    split; where none fits, the shortest is taken. Equal documents stay on the same side, so the sides are disjoint.
    """
    size: dict[str, int] = {}
    for document in documents:
        size[document] = size.get(document, 0) + len(document)
    left = valid_fraction * sum(size.values())
    held_out = set()
    for document in sorted(size, key=lambda text: hashlib.sha256(text.encode()).digest()):
        if size[document] <= left:
            held_out.add(document)
            left -= size[document]
    held_out = held_out or {min(size, key=lambda text: (size[text], text))}
    train = tuple(document for document in documents if document not in held_out)
    valid = tuple(document for document in documents if document in held_out)
    return train, valid
