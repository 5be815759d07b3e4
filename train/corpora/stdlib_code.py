"""The source of CPython's standard library, about ten million characters of Python.

Tests, bundled applications and installed packages are left out. The text changes with the version of Python, so losses
are comparable only where the corpus's SHA-256 is the same.
"""

import sysconfig
from pathlib import Path

from train.corpora import files

EXCLUDE = frozenset({"test", "tests", "idlelib", "site-packages", "lib2to3"})


def documents() -> list[str]:
    """The .py files of the standard library, one document each, sorted by path."""
    root = Path(sysconfig.get_path("stdlib"))
    return [files.read_text(path) for path in files.find(root, extensions=(".py",), exclude=EXCLUDE)]
