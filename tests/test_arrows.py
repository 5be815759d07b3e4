"""Arrows run one way, analysis -> train -> jattn; heavy libraries keep to their rooms; light modules import no JAX."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("jattn", "train", "analysis")
FILES = sorted(str(f.relative_to(ROOT)) for package in PACKAGES for f in (ROOT / package).rglob("*.py"))

# The public face, the command, and what finds the packages beside jattn for both (tests/test_face.py: lazily).
FACE = ("jattn/__init__.py", "jattn/__main__.py", "jattn/launcher.py")
# Who may import what: package -> folders or files in which it may stand.
ROOMS = {
    "train": ("train/", "analysis/", *FACE),
    "analysis": ("analysis/", *FACE),
    "optax": ("train/",),
    "orbax": ("train/checkpoint.py",),
    "grain": ("train/data.py",),
    "matplotlib": ("analysis/drawing/figures.py",),
}
# Modules of these names hold settings, errors and command lines: they are read before anybody needs an array.
LIGHT = ("__init__", "__main__", "cli", "config", "errors", "launcher", "presets")
HEAVY = ("jax", "flax", "optax", "orbax", "grain", "matplotlib")


def imports(file):
    """Top-level packages that a file imports anywhere in it: in functions, under TYPE_CHECKING, by import_module."""
    for node in ast.walk(ast.parse((ROOT / file).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield file.split("/")[0] if node.level else node.module.split(".")[0]
        elif isinstance(node, ast.Call) and "import_module" in ast.unparse(node.func) and node.args:
            yield ast.unparse(node.args[0]).lstrip("f").strip("'\"").split(".")[0]


def test_every_package_was_found():
    assert {file.split("/")[0] for file in FILES} == set(PACKAGES)


@pytest.mark.parametrize("package", ROOMS)
def test_package_is_imported_only_in_its_rooms(package):
    outside = [file for file in FILES if not file.startswith(ROOMS[package]) and package in imports(file)]
    assert outside == []


@pytest.mark.parametrize("package", [p for p in ROOMS if p not in PACKAGES])
def test_named_room_is_the_one_that_is_used(package):
    """A row of the table that nothing uses any more proves nothing."""
    assert any(package in imports(file) for file in FILES if file.startswith(ROOMS[package]))


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
