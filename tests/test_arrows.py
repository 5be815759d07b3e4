"""Arrows run one way: between the packages and between their rooms; heavy libraries keep to theirs; light modules
import no JAX. Every import counts, also those inside functions and under TYPE_CHECKING.
"""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("jattn", "train", "analysis")
FILES = sorted(str(f.relative_to(ROOT)) for package in PACKAGES for f in (ROOT / package).rglob("*.py"))

# From the ground up: a file imports from its own room and from those above it in this list. A room is a folder or some
# files; the page that a newcomer reads, docs/architecture.md, has the same list (tests/test_docs.py).
ROOMS = {
    "jattn": ("jattn/",),
    "train": ("train/",),
    "numbers": ("analysis/stats.py", "analysis/record.py"),
    "measures": ("analysis/measures/",),
    "texts": ("analysis/texts/",),
    "capture": ("analysis/capture/",),
    "interventions": ("analysis/interventions/",),
    "drawing": ("analysis/drawing/",),
    "chapter": ("analysis/elements.py", "analysis/chapter_type.py"),
    "comparison": ("analysis/estimates.py", "analysis/comparable.py", "analysis/comparison.py"),
    "chapters": ("analysis/chapters/",),
    "viewer": ("analysis/viewer/",),
    "report": ("analysis/report/",),
    "commands": ("analysis/demo.py", "analysis/commands.py", "analysis/cli.py"),
}
# The public face, the command, and what finds the packages beside jattn for both: they name what is above, lazily
# (tests/test_face.py).
FACES = {"jattn/__init__.py", "jattn/__main__.py", "jattn/launcher.py", "train/__init__.py", "analysis/__init__.py"}

# Who may import what: library -> folders or files in which it may stand.
LIBRARIES = {
    "optax": ("train/",),
    "orbax": ("train/checkpoint.py",),
    "grain": ("train/data.py",),
    "matplotlib": ("analysis/drawing/style.py",),
}
# Functions of arrays and plain values: no model, no run, no file.
PURE = {
    "analysis/measures/": ("analysis.measures", "analysis.stats", "jattn.errors", "jattn.config", "jattn.positions")
}
# Modules of these names hold settings, plain values, errors and command lines: they are read before anybody needs an
# array.
LIGHT = ("__init__", "__main__", "cli", "config", "errors", "launcher", "presets", "runs")
HEAVY = ("jax", "flax", "optax", "orbax", "grain", "matplotlib")


def imports(file):
    """The modules of a file's imports, wherever they stand, as dotted names: `from a import b` gives a.b if that is a
    module, else a."""
    for node in ast.walk(ast.parse((ROOT / file).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{file}:{node.lineno}: imports are absolute, so that they can be read"
            yield from (_module(f"{node.module}.{alias.name}") or node.module for alias in node.names)
        elif isinstance(node, ast.Call) and "import_module" in ast.unparse(node.func) and node.args:
            yield ast.unparse(node.args[0]).lstrip("f").strip("'\"").partition(".{")[0]


def _module(name):
    """The name if it is a module or a package of ours."""
    path = ROOT / name.replace(".", "/")
    return name if path.with_suffix(".py").exists() or (path / "__init__.py").exists() else None


def file_of(name):
    path = name.replace(".", "/")
    return f"{path}.py" if (ROOT / f"{path}.py").exists() else f"{path}/__init__.py"


def room_of(file):
    """The room that a file stands in; its place in the list is its floor."""
    (room,) = [name for name, places in ROOMS.items() if file.startswith(places)]
    return room


def upward(files, imports_of=imports):
    """The arrows that run up: "file -> file" for every import of a higher room."""
    floor = list(ROOMS).index
    ours = [(f, file_of(m)) for f in files for m in imports_of(f) if m.split(".")[0] in PACKAGES]
    return [f"{a} -> {b}" for a, b in ours if b not in FACES and floor(room_of(b)) > floor(room_of(a))]


def circles(arrows):
    """The files that can be reached from themselves, given file -> files."""

    def reached(start):
        seen, todo = set(), list(arrows.get(start, ()))
        while todo:
            if (file := todo.pop()) not in seen:
                seen.add(file)
                todo += arrows.get(file, ())
        return seen

    return sorted(file for file in arrows if file in reached(file))


def arrows():
    names = {f: {file_of(m) for m in imports(f) if m.split(".")[0] in PACKAGES} for f in FILES}
    return {f: {t for t in targets if t != f and not t.endswith("__init__.py")} for f, targets in names.items()}


def test_every_file_stands_in_one_room():
    assert {file.split("/")[0] for file in FILES} == set(PACKAGES)
    assert {room_of(file) for file in FILES if file not in FACES} == set(ROOMS)


def test_no_import_runs_to_a_higher_room():
    assert upward([file for file in FILES if file not in FACES]) == []


def test_an_arrow_that_is_turned_is_found():
    assert upward(["analysis/measures/sinks.py"], lambda _: ["analysis.capture.layers"]) == [
        "analysis/measures/sinks.py -> analysis/capture/layers.py"
    ]
    assert upward(["train/loop.py"], lambda _: ["analysis.stats"]) and upward(
        ["jattn/model.py"], lambda _: ["train.step"]
    )
    assert upward(["analysis/capture/layers.py"], lambda _: ["analysis.measures.sinks", "jattn.model"]) == []


def test_no_circle_of_files():
    assert circles(arrows()) == []
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}) == ["a", "b", "c"]


@pytest.mark.parametrize("place", PURE)
def test_measures_are_functions_of_arrays(place):
    ours = [(f, m) for f in FILES if f.startswith(place) for m in imports(f) if m.split(".")[0] in PACKAGES]
    assert [f"{f}: {m}" for f, m in ours if not m.startswith(PURE[place])] == []


@pytest.mark.parametrize("library", LIBRARIES)
def test_library_is_imported_in_its_room_alone(library):
    users = [file for file in FILES if library in {name.split(".")[0] for name in imports(file)}]
    assert users and [file for file in users if not file.startswith(LIBRARIES[library])] == []


def test_light_modules_import_no_jax():
    names = [file.removesuffix(".py").replace("/", ".").removesuffix(".__init__") for file in FILES]
    light = [name for file, name in zip(FILES, names, strict=True) if Path(file).stem in LIGHT]
    program = f"""
import sys
from importlib import import_module
for name in {light}:
    import_module(name)
    heavy = [m for m in {HEAVY} if m in sys.modules]
    assert not heavy, f"{{name}} imports {{heavy}}"
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
