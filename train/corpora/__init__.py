"""Named corpora, text files and folders, and languages whose truth is known: `load` gives any of them by name or path.

Add a corpus: one file here, one entry in a table below.
"""

from difflib import get_close_matches
from pathlib import Path

from jattn.errors import InputError, at_least
from train.corpora import backcopy, bigram, files, grammar, induction, pydoc, stdlib_code
from train.corpora.corpus import RowCorpus, TextCorpus
from train.corpora.split import text_corpus

TEXTS = {"grammar": grammar.documents, "pydoc": pydoc.documents, "stdlib-code": stdlib_code.documents}
ROWS = {
    "backcopy": backcopy.corpus,
    "bigram": bigram.corpus,
    "induction": induction.corpus,
    "induction-shifted": induction.shifted,
}


def load(name_or_path: str | Path, *, context: int, valid_fraction: float = 0.1) -> TextCorpus | RowCorpus:
    """The corpus of that name, or of the text file or folder at that path (a file called like a name: `./pydoc`).

    `context` (tokens) sets the row length of the generated languages, context + 1; text does not depend on it.
    `valid_fraction` of the characters of a text is held out; the languages bring their own 512 held-out rows.
    Raises InputError for an unknown name, a path without text, or text that is not UTF-8.
    """
    at_least("context", context, 1)
    name = str(name_or_path)
    if name in ROWS:
        return ROWS[name](context)
    if name in TEXTS:
        return text_corpus(name, TEXTS[name](), valid_fraction)
    path = Path(name_or_path).expanduser()
    if not name or not path.exists():
        near = get_close_matches(name, [*ROWS, *TEXTS], n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        known = ", ".join([*ROWS, *TEXTS])
        raise InputError(f"corpus: there is no file or folder {name!r}.{hint} Give the path of one, or one of: {known}")
    return text_corpus(name, files.documents(path), valid_fraction)
