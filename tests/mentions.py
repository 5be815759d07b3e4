"""What a page mentions that is not there: files, names that it says are in a file, dotted names, names in capitals.

Of the prose what is set as code is read, of the page's Python what it imports.
"""

import ast
import re
from functools import cache
from importlib import import_module
from pathlib import Path

from train.config import field_types

ROOT = Path(__file__).parents[1]
FENCED = re.compile(r"^ *```(.*)\n((?:.*\n)*?) *```$", re.MULTILINE)
FOLDERS = ("jattn", "train", "analysis", "tests", "docs", "benchmarks")
ALL = (file for folder in FOLDERS for file in (ROOT / folder).rglob("*.*") if "node_modules" not in file.parts)
FILES = sorted(str(file.relative_to(ROOT)) for file in ALL)
PATH = re.compile(rf"(?:{'|'.join(FOLDERS)})/[\w./*-]*")
SOURCE = re.compile(r"[\w./*-]+\.(?:py|ts|css|mjs)")  # a file's name, perhaps without its folder
NAME = r"`[A-Za-z_][\w.]*(?:\(\))?`"
SAID = re.compile(rf"({NAME}(?:(?:,| and) {NAME})*) (?:in|of) `([\w./-]+\.(?:py|ts|css))`")


def spans(text):
    """What is set as code in the prose of a page."""
    return [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", FENCED.sub("", text))]


def lost_paths(text):
    """The paths and names of files that are none; a name without its folder is any file's that ends so."""
    lost = [p for p in spans(text) if PATH.fullmatch(p) and not any(ROOT.glob(p.rstrip("/")))]
    files = [p for p in spans(text) if SOURCE.fullmatch(p) and not PATH.fullmatch(p)]
    return lost + [p for p in files if not any(file == p or file.endswith(f"/{p}") for file in FILES)]


@cache
def defined(file):
    """The names that a Python file defines: at its top level, and what its classes hold, as Class.name."""

    def names(body):
        for node in body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                yield node.name
                if isinstance(node, ast.ClassDef):
                    yield from (f"{node.name}.{name}" for name in names(node.body))
            elif isinstance(node, ast.Assign | ast.AnnAssign):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                yield from (n.id for target in targets for n in ast.walk(target) if isinstance(n, ast.Name))

    return set(names(ast.parse((ROOT / file).read_text(encoding="utf-8")).body))


def holds(file, name):
    if file.endswith(".py"):
        return name in defined(file)
    return re.search(rf"\b{name}\b", (ROOT / file).read_text(encoding="utf-8")) is not None


def lost_names(text):
    """The names that the page says are in a file, `name` in `file`, and that are not."""
    for names, said in SAID.findall(" ".join(FENCED.sub("", text).split())):
        files = [file for file in FILES if file == said or file.endswith(f"/{said}")]
        for name in re.findall(r"`([\w.]+)", names):
            if not any(holds(file, name) for file in files):
                yield f"{name} in {said}"


def is_there(name):
    """Whether a dotted name of ours leads to something: a module, or what is in one."""
    parts = name.split(".")
    for cut in range(len(parts), 0, -1):
        try:
            found = import_module(".".join(parts[:cut]))
        except ModuleNotFoundError:
            continue
        for part in parts[cut:]:
            found = getattr(found, part, None)
        return found is not None
    return False


def lost_dotted(text):
    """Dotted names that lead nowhere: `train.load`, and `sinks.alpha`, which begins with the name of a file of ours."""
    stems = {stem: [f for f in FILES if f.endswith(f"/{stem}.py")] for stem in {Path(f).stem for f in FILES}}
    for span in spans(text):
        if not (match := re.match(r"[A-Za-z_]\w*(?:\.\w+)+(?=\(|$)", span)):
            continue
        first, _, rest = match[0].partition(".")
        if first in ("jattn", "train", "analysis"):
            if not is_there(match[0]):
                yield match[0]
        elif first[0].isupper():
            if not any(match[0] in defined(file) for file in FILES if file.endswith(".py")):
                yield match[0]
        elif rest in ("json", "jsonl", "csv", "npz", "txt", "html", "safetensors", "py", "ts") or is_field(match[0]):
            continue
        elif (files := stems.get(first)) and not any(rest in defined(file) for file in files):
            yield match[0]


def is_field(name):
    """Whether it is a field of a run or a group of them, perhaps without `model.`, or after `config.`, its file."""
    fields = [f"{prefix}{field}." for field in field_types() for prefix in ("", "config.")]
    return any(field.startswith((f"{name}.", f"model.{name}.")) for field in fields)


def lost_words(text):
    """NAMES, ClassNames and functions(of arguments) that neither our code nor the code on the page knows."""
    code = "".join(body for _, body in FENCED.findall(text))
    known = {name.rpartition(".")[2] for file in FILES if file.endswith(".py") for name in defined(file)}
    for span in spans(text):
        name = re.fullmatch(r"([A-Z][A-Z_]{2,}|[A-Z][a-z]+[A-Z]\w+)|([a-z_]\w*)\(.*\)", span)
        if name and span.partition("(")[0] not in known and not re.search(rf"\b{span.partition('(')[0]}\b", code):
            yield span.partition("(")[0]


def lost_imports(text):
    """What the page's Python imports of ours and does not get, also where it is not run."""
    for body in (body for info, body in FENCED.findall(text) if info.startswith("python")):
        for node in ast.parse("\n".join(re.findall(r"^(?:from|import) .*$", body, re.MULTILINE))).body:
            if isinstance(node, ast.ImportFrom):
                names = [f"{node.module}.{alias.name}" for alias in node.names]
            else:
                names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            yield from (n for n in names if n.split(".")[0] in ("jattn", "train", "analysis") and not is_there(n))


def not_there(text):
    """All that a page mentions and that is not there."""
    ways = (lost_paths, lost_names, lost_dotted, lost_words, lost_imports)
    return [lost for way in ways for lost in way(text)]
