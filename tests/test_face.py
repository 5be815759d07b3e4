"""`import jattn` is the one face, and works where people work: beside a train.py and an analysis of their own."""

import ast
import os
import re
import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path

import pytest

import jattn
from jattn import launcher

ROOT = Path(__file__).parents[1]
STRANGERS = {
    "a file and a package": ("train.py", "analysis/__init__.py", "tests.py"),
    "a package and a file": ("train/__init__.py", "analysis.py", "tests/__init__.py"),
}
FACE = (
    "attention",
    "load",
    "capture",
    "compare",
    "view",
    "run",
    "preset",
    "override",
    "Attention",
    "Comparison",
    "Run",
)


def python(folder, *words, path=()):
    """A Python of its own in a folder, with ours on the path behind what `path` puts first."""
    env = os.environ | {"PYTHONPATH": os.pathsep.join([*path, str(ROOT)])}
    return subprocess.run(
        [sys.executable, *map(str, words)], cwd=folder, env=env, capture_output=True, text=True, check=False
    )


def script(folder, text):
    """Run a user's script, whose folder Python puts first."""
    (folder / "script.py").write_text(text)
    done = python(folder, "script.py")
    assert done.returncode == 0, done.stderr
    return done.stdout


def write(folder, files, text):
    for name in files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


RAISES = 'open("ran", "a").write(__name__)\nraise RuntimeError(f"{__name__} was run")\n'
TINY = {"steps": 2, "model.layers": 1, "model.heads": 2, "model.width": 16, "model.context": 16, "data.batch": 4}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The folder of a run."""
    folder = tmp_path_factory.mktemp("trained") / "tiny"
    jattn.run(jattn.override(jattn.preset("tiny"), TINY), folder)
    return folder


# What is public -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("package", ["jattn", "train", "analysis"])
def test_dir_lists_exactly_what_is_public_and_all_of_it_is_there(package):
    module = import_module(package)
    assert dir(module) == sorted(module.__all__)
    assert [name for name in dir(module) if not hasattr(module, name)] == []


def test_what_train_and_analysis_give_is_the_same_under_the_face():
    assert set(FACE) <= set(dir(jattn))
    for package in ("train", "analysis"):
        module = import_module(package)
        assert [name for name in dir(module) if getattr(jattn, name) is not getattr(module, name)] == []


def test_face_without_a_use_imports_no_jax_and_neither_package(tmp_path):
    done = python(tmp_path, "-c", "import jattn, sys; print(*{'jax', 'numpy', 'train', 'analysis'} & set(sys.modules))")
    assert (done.returncode, done.stdout.strip()) == (0, ""), done.stderr


# Strangers ------------------------------------------------------------------------------------------------------------


def test_script_among_strangers_uses_ours_and_runs_none_of_theirs(tmp_path, run):
    """From text to report; what our functions import as they go is ours too, after the names went back."""
    write(tmp_path, STRANGERS["a file and a package"], RAISES)
    script(
        tmp_path,
        f"""
import sys
import jattn

run = jattn.run(jattn.override(jattn.preset("tiny"), {TINY}), "runs/again")
assert jattn.load({str(run)!r}).step == run.step == 2
assert jattn.capture(run, run.encode("What takes a token?")[:, :16]).mean_map.shape[:2] == (1, 2)
comparison = jattn.compare(a=run, windows=8, only=["cause"])
assert comparison.write("report").name == "report.html"
assert "<iframe" in comparison._repr_html_()
jattn.view(run, text="What takes?").write("page.html")
assert not {{"train", "analysis", "tests"}} & set(sys.modules)
""",
    )
    assert not (tmp_path / "ran").exists()


def test_user_keeps_their_own_before_and_after_ours_is_used(tmp_path, run):
    write(tmp_path, ["train/__init__.py", "analysis.py"], "MINE = __name__\n")
    write(tmp_path, ["train/mine.py"], "from train import MINE\n")
    write(tmp_path, ["train/data/words.txt"], "a folder of data with the name of one of our modules is no module")
    script(
        tmp_path,
        f"""
import train as before
import jattn

jattn.load({str(run)!r}).model
import train, train.mine, analysis
assert train is before and train.MINE == train.mine.MINE == "train" and analysis.MINE == "analysis"
assert sorted(n for n in dir(train) if n[0] != "_") == ["MINE", "mine"]
assert jattn.load({str(run)!r}).encode("head").shape == (1, 4)
""",
    )


@pytest.mark.parametrize("imported", ["", "import train.config; "])
@pytest.mark.parametrize("theirs", ["train/config.py", "train/corpora/mine.py"])
def test_module_of_the_same_dotted_name_is_refused_in_one_line(tmp_path, imported, theirs):
    write(tmp_path, ["train/__init__.py", "train/config.py", theirs], "")
    if theirs != "train/config.py":
        (tmp_path / "train/config.py").unlink()
        imported = imported.replace("config", "corpora.mine")
    done = python(tmp_path, "-c", f"{imported}import jattn; jattn.load")
    line = done.stderr.splitlines()[-1]
    assert line.startswith("jattn.errors.InputError: one process cannot hold two modules called 'train.co")
    assert str(tmp_path / "train") in line and str(ROOT / "train") in line and "rename" in line


def test_failure_while_ours_is_loaded_leaves_the_names_as_they_were(tmp_path):
    write(tmp_path, ["train.py"], "MINE = True")
    program = """
import sys, train
sys.modules["orbax"] = sys.modules["jinja2"] = None  # not installed
import jattn
for _ in range(2):
    try:
        jattn.compare
    except ModuleNotFoundError as error:
        assert error.name == "jinja2", error
    else:
        raise AssertionError
assert sys.modules["train"] is train and train.MINE
assert not [n for n in sys.modules if n.startswith(("train.", "analysis"))]
"""
    done = python(tmp_path, "-c", program)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("strangers", STRANGERS)
def test_command_among_strangers_runs_none_of_theirs(tmp_path, strangers):
    """As `python -m jattn`, as the script that pip writes, and with the folder on the path."""
    write(tmp_path, [*STRANGERS[strangers], "rich.py"], RAISES)
    (tmp_path / "runs").mkdir()
    module, _, function = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]["jattn"].partition(
        ":"
    )
    installed = tmp_path / "bin" / "jattn"
    write(tmp_path, ["bin/jattn"], f"import sys\nfrom {module} import {function}\nsys.exit({function}())\n")
    for words, path in [(["-m", "jattn"], []), ([installed], []), ([installed], ["."])]:
        if path:
            (tmp_path / "rich.py").unlink()  # a path that the user set is the user's
        done = python(tmp_path, *words, "runs", path=path)
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
        assert done.stdout.startswith("no runs in 'runs'")
    assert not (tmp_path / "ran").exists()


# What this stands on --------------------------------------------------------------------------------------------------

OURS = sorted(f for package in launcher.PACKAGES for f in (ROOT / package).rglob("*.py"))
FACE_FILES = {"jattn/__init__.py", "jattn/__main__.py", "jattn/launcher.py"}
# What only the command line reads: there ours hold the names.
COMMANDS = ("analysis/demo.py", "train/commands.py", "train/importing.py")


def test_of_jattn_only_the_face_names_what_stands_above_it_and_only_lazily():
    """As a string too: the table of the face, or an argument of import_module."""
    naming = set()
    for file in (ROOT / "jattn").rglob("*.py"):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        strings = [n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str)]
        if any(re.fullmatch(r"(train|analysis)(\.\w+)*", text) for text in strings):
            naming.add(str(file.relative_to(ROOT)))
        at_once = [n.module or "" if isinstance(n, ast.ImportFrom) else n.names[0].name for n in imports_of(tree.body)]
        assert not {"train", "analysis"} & {name.partition(".")[0] for name in at_once}, file
    assert naming == FACE_FILES


def imports_of(nodes):
    return [node for node in nodes if isinstance(node, ast.Import | ast.ImportFrom)]


def by_bare_name(tree):
    """Imports inside functions that ask for `train` or `analysis` itself, which may be the user's by then."""
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            for node in ast.walk(function):
                if isinstance(node, ast.Import):
                    yield from (a.name for a in node.names if a.name.partition(".")[0] in launcher.PACKAGES)
                elif isinstance(node, ast.ImportFrom) and (node.level or node.module in launcher.PACKAGES):
                    yield node.module
                elif isinstance(node, ast.Constant) and node.value in launcher.PACKAGES:
                    yield f"the string {node.value!r}"


def test_functions_of_ours_import_by_dotted_names():
    """`from train.x import y`, never `import train.x` or `from train import x`: those ask for `train` first."""
    files = [file for file in OURS if str(file.relative_to(ROOT)) not in COMMANDS]
    assert {str(f): names for f in files if (names := [*by_bare_name(ast.parse(f.read_text(encoding="utf-8")))])} == {}


@pytest.mark.parametrize("line", ["import train", "import train.x as y", "from train import x", "from . import x"])
def test_the_other_forms_are_found(line):
    assert [*by_bare_name(ast.parse(f"def f():\n    {line}"))]
    assert not [*by_bare_name(ast.parse(f"{line}\ndef f():\n    from train.x import y"))]
