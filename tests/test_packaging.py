"""What a stranger gets: every import declared, every dependency justified, types, one version, one licence."""

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions, version
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PACKAGES = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
FILES = [f for package in PACKAGES for f in (ROOT / package).rglob("*.py") if "node_modules" not in f.parts]
OPTIONAL = {"gguf", "playwright", "IPython"}  # looked for, and done without


def names(requirements):
    """The packages that requirements name, as an index spells them."""
    return {re.sub(r"[-_.]+", "-", re.split(r"[^\w.-]", r)[0]).lower() for r in requirements}


def imported(file):
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]


def test_whatever_is_imported_is_a_dependency():
    """What another dependency happens to bring may leave with its next release."""
    found = set().union(*map(imported, FILES)) - set(sys.stdlib_module_names) - set(PACKAGES) - OPTIONAL
    of = packages_distributions()
    undeclared = {name for name in found if not names(of.get(name, [name])) & names(PROJECT["project"]["dependencies"])}
    assert undeclared == set()


def test_every_dependency_has_its_reason():
    table = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `([\w-]+)`", table, re.MULTILINE)) == names(PROJECT["project"]["dependencies"])


@pytest.mark.parametrize("package", PACKAGES)
def test_types_are_shipped(package):
    assert (ROOT / package / "py.typed").exists()


def test_the_version_stands_in_pyproject_alone():
    stated = PROJECT["project"]["version"]
    assert version("jattn") == stated, "installed from another pyproject.toml: pip install -e ."
    texts = [*FILES, ROOT / "CITATION.cff", ROOT / "README.md"]
    assert [f for f in texts if re.search(rf"(?<![\d.]){re.escape(stated)}(?![\d.])", f.read_text("utf-8"))] == []


def test_citation_is_of_the_same_thing():
    told = dict(re.findall(r'^(\w+): "?(.+?)"?$', (ROOT / "CITATION.cff").read_text("utf-8"), re.MULTILINE))
    assert told["license"] == PROJECT["project"]["license"]
    assert told["abstract"] == PROJECT["project"]["description"]
