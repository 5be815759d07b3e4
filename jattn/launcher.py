"""Loads train and analysis, the folders beside this package, also where a user has files of the same names.

People work in folders that hold a `train.py` or an `analysis/` of their own, and Python takes what it finds first. So
we look where a name leads before anything is imported, and a stranger's file is never run:

    no stranger                      an ordinary import
    a stranger, imported or not yet  ours are loaded from their own place, all modules at once; then the bare names go
                                     back to the user. Ours are still found by their dotted names (`train.checkpoint`),
                                     which is how our functions import, because Python looks those up whole
    two modules of one dotted name   an InputError: one process has one `train.config`
    the command `jattn`              runs no code of the user's, so ours simply take the names
"""

import sys
from importlib import import_module
from importlib.machinery import all_suffixes
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from threading import RLock
from types import ModuleType
from typing import Any

from jattn.errors import InputError

HOME = Path(__file__).resolve().parent.parent
PACKAGES = ("train", "analysis")  # the second imports the first
_lock = RLock()


def module(name: str) -> ModuleType:
    """Our module of that dotted name, such as "train.checkpoint". Raises InputError where a user's has the same."""
    with _lock:
        if not _is_ours(name):
            strangers = [package for package in PACKAGES if _leads_elsewhere(package)]
            if strangers:
                _load_beside(strangers)
        return import_module(name)


def command(name: str) -> ModuleType:
    """Our module of that dotted name in a process that runs no code of the user's: ours take the bare names."""
    for package in PACKAGES:
        if not _is_ours(package):
            _take(package)
    return import_module(name)


def _load_beside(strangers: list[str]) -> None:
    """Load all of ours, and hand the bare names of the strangers back."""
    ours = [name for package in PACKAGES for name in _names(package)]
    for package in strangers:
        _check_names(package, _folders(package))
    theirs = {package: sys.modules.pop(package) for package in strangers if package in sys.modules}
    before = set(sys.modules)
    try:
        for package in PACKAGES:
            if not _is_ours(package):
                _take(package)
        for name in ours:
            import_module(name)
    except BaseException:
        for name in set(ours) - before:  # half a package would be taken for a whole one
            sys.modules.pop(name, None)
        raise
    finally:
        for package in strangers:
            sys.modules.pop(package, None)
        sys.modules.update(theirs)


def _take(package: str) -> None:
    """Put ours under its bare name. Its modules are then imported as ever, from its own folder."""
    folder = HOME / package
    spec = spec_from_file_location(package, folder / "__init__.py", submodule_search_locations=[str(folder)])
    assert spec is not None and spec.loader is not None
    sys.modules[package] = module_from_spec(spec)
    spec.loader.exec_module(sys.modules[package])


def _names(package: str) -> list[str]:
    """The dotted names of our modules."""
    files = sorted((HOME / package).rglob("*.py"))
    parts = (file.relative_to(HOME).with_suffix("").parts for file in files)
    return [".".join(p[:-1] if p[-1] == "__init__" else p) for p in parts]


def _is_ours(name: str) -> bool:
    """Whether a module of that name is imported, and is ours."""
    return name in sys.modules and _in_ours(getattr(sys.modules[name], "__file__", None), name)


def _in_ours(file: str | None, name: str) -> bool:
    return file is not None and (HOME / name.partition(".")[0]) in Path(file).resolve().parents


def _leads_elsewhere(package: str) -> bool:
    """Whether the bare name leads, or would lead, to a stranger's file or to nothing."""
    if package in sys.modules:
        return not _is_ours(package)
    spec = find_spec(package)  # of a name without dots: looks, and runs nothing
    return spec is None or not _in_ours(spec.origin, package)


def _folders(package: str) -> list[str]:
    """Where the modules of a stranger's package are; none for a file."""
    if package in sys.modules:
        return list(getattr(sys.modules[package], "__path__", []))
    spec = find_spec(package)
    return list(spec.submodule_search_locations or []) if spec else []


def _check_names(package: str, folders: list[str]) -> None:
    """InputError if a stranger's package has a module of the same dotted name as one of ours."""
    for name in _names(package)[1:]:
        if theirs := _theirs(name, folders):
            ours = HOME.joinpath(*name.split("."))
            ours = ours / "__init__.py" if ours.is_dir() else ours.with_suffix(".py")
            raise InputError(
                f"one process cannot hold two modules called {name!r}: yours ({theirs}) and jattn's ({ours}); rename "
                f"your package {package!r}, or use the command `jattn`"
            )


def _theirs(name: str, folders: list[str]) -> str | None:
    """The place of a stranger's module of that dotted name, imported or in the folders of their package."""
    if name in sys.modules:
        return None if _is_ours(name) else str(_place(sys.modules[name]))
    if name.count(".") > 1:
        return None  # the package that it would be in is found
    files = [f"{name.partition('.')[2]}{end}" for end in (*all_suffixes(), *(f"/*{end}" for end in all_suffixes()))]
    return next((str(path) for folder in folders for file in files for path in Path(folder).glob(file)), None)


def _place(module: ModuleType) -> Any:
    """The file of a module, or the folder of one that has none."""
    return getattr(module, "__file__", None) or next(iter(getattr(module, "__path__", [])), "made in memory")
