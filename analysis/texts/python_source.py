"""Python source as annotated text: its lexer and its parser say what each token is and what it belongs to."""

import ast
import io
import keyword
import textwrap
import tokenize
from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np

from jattn.errors import InputError
from train.corpora import stdlib_code
from train.corpora.annotated import Annotated

LONGEST, PER_FILE = 160, 4
CLASSES = {tokenize.NUMBER: "number", tokenize.STRING: "string", tokenize.OP: "operator", tokenize.COMMENT: "comment"}


def python_source(
    count: int, seed: int = 0, documents: Sequence[str] | None = None, longest: int = LONGEST
) -> list[Annotated]:
    """At most `count` statements (functions, loops, assignments) of `documents`, None for the standard library's.

    ASCII statements of 20 to `longest` characters, at most 4 of a file. Classes are those of `tokenize` (name,
    keyword, number, string, operator, comment). The head of a token follows `ast`: each node is stood for by its first
    token that is in none of its children; other tokens of the node hang on that one, and it on the parent's. Links:
    "bracket" (closing to opening), "name-repeat" (a name to its earlier occurrences). f-strings are left out: their
    tokens differ between versions of Python. Raises InputError if no document holds such a statement.
    """
    rng = np.random.default_rng([seed, 3])
    texts = stdlib_code.documents() if documents is None else list(documents)
    statements: list[Annotated] = []
    for i in rng.permutation(len(texts)):
        if len(statements) >= count:
            break
        pieces = list(_statements(texts[int(i)], longest))
        statements += [pieces[j] for j in sorted(rng.permutation(len(pieces))[:PER_FILE])]
    if not statements:
        raise InputError(f"corpus: no Python statement of 20 to {longest} characters in it; give Python source")
    return statements[:count]


def annotate(source: str) -> Annotated | None:
    """One piece of Python with its truth; None if it does not parse alone or holds an f-string."""
    try:
        tree = ast.parse(source)
        tokens = list(tokenize.generate_tokens(io.StringIO(source).readline))
    except (SyntaxError, tokenize.TokenError):
        return None
    if any(isinstance(node, ast.JoinedStr) for node in ast.walk(tree)):
        return None
    shown = [t for t in tokens if t.type == tokenize.NAME or t.type in CLASSES]
    starts = np.cumsum([0] + [len(line) for line in source.splitlines(keepends=True)])
    spans = tuple((int(starts[t.start[0] - 1]) + t.start[1], int(starts[t.end[0] - 1]) + t.end[1]) for t in shown)
    classes = tuple(CLASSES.get(t.type) or ("keyword" if keyword.iskeyword(t.string) else "name") for t in shown)
    words = [t.string for t in shown]
    return Annotated(source, spans, classes, _heads(tree, spans, starts), _links(words, classes))


def _statements(document: str, longest: int) -> Iterator[Annotated]:
    try:
        tree = ast.parse(document)
    except (SyntaxError, ValueError):  # another Python's, or a text that is no Python
        return
    lines = document.splitlines(keepends=True)
    for node in ast.walk(tree):
        if not isinstance(node, ast.stmt) or _is_text(node):
            continue
        source = textwrap.dedent("".join(lines[node.lineno - 1 : node.end_lineno])).strip("\n")
        if 20 <= len(source) <= longest and source.isascii() and (annotated := annotate(source)) is not None:
            yield annotated


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _heads(tree: ast.AST, spans: Sequence[tuple[int, int]], starts: np.ndarray) -> tuple[int, ...]:
    """The head of each token by the rule of `python_source`; -1 for the root."""
    owner: list[ast.AST | None] = [None] * len(spans)  # the smallest node around each token
    parent: dict[ast.AST, ast.AST | None] = {}

    def visit(node: ast.AST, above: ast.AST | None) -> None:
        here = above
        if isinstance(node, (ast.stmt, ast.expr, ast.arg, ast.keyword, ast.alias, ast.excepthandler)):
            start = starts[node.lineno - 1] + node.col_offset
            end = starts[(node.end_lineno or node.lineno) - 1] + (node.end_col_offset or 0)
            parent[node], here = above, node
            for i, (a, b) in enumerate(spans):
                if start <= a and b <= end:
                    owner[i] = node
        for child in ast.iter_child_nodes(node):
            visit(child, here)

    visit(tree, None)
    anchor: dict[ast.AST, int] = {}
    for i, node in enumerate(owner):
        if node is not None:
            anchor.setdefault(node, i)
    heads = []
    for i, node in enumerate(owner):
        above = node
        if node is not None and anchor[node] == i:
            above = parent[node]
            while above is not None and above not in anchor:
                above = parent[above]
        heads.append(-1 if above is None else anchor[above])
    return tuple(heads)


def _links(words: Sequence[str], classes: Sequence[str]) -> dict[str, tuple[tuple[int, int], ...]]:
    links, opened, seen = defaultdict(list), [], defaultdict(list)
    for i, (word, word_class) in enumerate(zip(words, classes, strict=True)):
        if word_class == "operator" and word in "([{":
            opened.append(i)
        elif word_class == "operator" and word in ")]}":
            links["bracket"].append((i, opened.pop()))
        elif word_class == "name":
            links["name-repeat"] += [(i, j) for j in seen[word]]
            seen[word].append(i)
    return {name: tuple(pairs) for name, pairs in links.items() if pairs}
