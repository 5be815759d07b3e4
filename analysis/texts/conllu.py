"""CoNLL-U files, the format of Universal Dependencies (universaldependencies.org/format.html), as annotated sentences.

Ten columns a word: ID FORM LEMMA UPOS XPOS FEATS HEAD DEPREL DEPS MISC; a blank line after each sentence. Characters
are counted in the text that the forms and SpaceAfter=No make; a "# text" line that says otherwise is an error.
"""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from jattn.errors import InputError
from train.corpora import files
from train.corpora.annotated import Annotated

Row = tuple[int, list[str]]  # line number, columns


def conllu(path: str | Path) -> list[Annotated]:
    """The sentences of a CoNLL-U file: UPOS as classes, heads, and each relation as links from dependent to head.

    A multiword token ("1-2 don't") is its words where they spell it ("do", "n't"), else one word: that of its parts
    whose head lies outside it. Empty nodes ("8.1") are left out. A head of "_" is none.
    Raises InputError with the file and the line for what is malformed, and if there is no sentence.
    """
    path = Path(path)
    sentences, rows, told = [], [], None
    lines = files.read_text(path).split("\n")
    for number, raw in enumerate([*lines, ""], 1):
        line = raw.rstrip("\r")
        if line.startswith("#"):
            told = (number, line.partition("=")[2].strip()) if line.replace(" ", "").startswith("#text=") else told
        elif line.strip():
            rows.append((number, line.split("\t")))
        elif rows:
            sentences.append(_sentence(path, rows, told))
            rows, told = [], None
    if not sentences:
        raise InputError(f"conllu: {path} holds no sentence; give a file in CoNLL-U format")
    return sentences


def _fail(path: Path, number: int, why: str) -> InputError:
    return InputError(f"conllu: {path} line {number}: {why}")


def _sentence(path: Path, rows: Sequence[Row], told: tuple[int, str] | None) -> Annotated:
    text, spans, words, groups = "", [], [], []  # groups: ranges of words that are one multiword token
    until, group_end = 0, 0
    for number, columns in rows:
        if len(columns) != 10:
            raise _fail(path, number, f"{len(columns)} columns instead of 10, separated by tabs")
        index, form, misc = columns[0], columns[1], columns[9]
        if not form:
            raise _fail(path, number, "the form is empty")
        space = "" if "SpaceAfter=No" in misc.split("|") else " "
        if "." in index:
            continue
        if "-" in index:
            first, last = _range(path, number, index, len(words))
            groups.append((first - 1, last, (len(text), len(text) + len(form)), form))
            text, until, group_end = text + form + space, last, len(text) + len(form)
            continue
        if index != str(len(words) + 1):
            raise _fail(path, number, f"word {index!r} where {len(words) + 1} is due")
        words.append((number, columns))
        if len(words) <= until:  # inside a multiword token: its characters are that token's
            spans.append((group_end, group_end))
            continue
        spans.append((len(text), len(text) + len(form)))
        text += form + space
    if until > len(words):
        raise _fail(path, rows[-1][0], f"a multiword token ends at word {until}, the sentence at {len(words)}")
    text = text.rstrip()
    if told is not None and told[1] != text:
        raise _fail(path, told[0], f"# text is not what the forms spell: {told[1][:40]!r}, {text[:40]!r}")
    heads = [_head(path, number, columns, len(words)) for number, columns in words]
    relations = [columns[7] for _, columns in words]
    return _merged(text, spans, [c[3] for _, c in words], heads, relations, [c[1] for _, c in words], groups)


def _range(path: Path, number: int, index: str, done: int) -> tuple[int, int]:
    first, _, last = index.partition("-")
    if not (first.isdigit() and last.isdigit() and int(first) == done + 1 and int(last) > int(first)):
        raise _fail(path, number, f"multiword token {index!r} does not start at the next word, {done + 1}")
    return int(first), int(last)


def _head(path: Path, number: int, columns: Sequence[str], count: int) -> int:
    """Index of the head, -1 for the root and for none."""
    head = columns[6]
    if head == "_":
        return -1
    if not head.isdigit() or int(head) > count or head == columns[0]:
        raise _fail(path, number, f"head {head!r} is no other word of the sentence (0 to {count})")
    return int(head) - 1


def _merged(
    text: str,
    spans: list[tuple[int, int]],
    classes: list[str],
    heads: list[int],
    relations: list[str],
    forms: list[str],
    groups: list[tuple[int, int, tuple[int, int], str]],
) -> Annotated:
    """Give the words of multiword tokens their characters; parts that do not spell theirs become one word."""
    of = list(range(len(spans)))  # word -> the word that stands for it
    for first, last, (start, _), form in groups:
        if "".join(forms[first:last]) == form:
            at = start
            for i in range(first, last):
                spans[i] = (at, at + len(forms[i]))
                at += len(forms[i])
            continue
        outside = [i for i in range(first, last) if not first <= heads[i] < last]
        kept = outside[0] if outside else first
        spans[kept] = (start, start + len(form))
        of[first:last] = [kept] * (last - first)
    kept = [i for i in range(len(spans)) if of[i] == i]
    place = {word: i for i, word in enumerate(kept)}
    new_heads = [-1 if heads[i] < 0 else place[of[heads[i]]] for i in kept]
    links = defaultdict(list)
    for i, word in enumerate(kept):
        if new_heads[i] >= 0:
            links[relations[word]].append((i, new_heads[i]))
    return Annotated(
        text,
        tuple(spans[i] for i in kept),
        tuple(classes[i] for i in kept),
        tuple(new_heads),
        {name: tuple(pairs) for name, pairs in links.items()},
    )
