"""The folders of runs: which are runs, which steps they hold, whether a new run may go there. No JAX, no Orbax."""

import json
import shutil
from pathlib import Path
from typing import Any

from jattn.errors import InputError

FINISHED = "commit_success.txt"  # Orbax writes it last


def is_run(folder: Path) -> bool:
    """Whether a folder holds a run: a config.json that says with which config and on which text it was trained."""
    try:
        told = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(told, dict) and {"config", "corpus"} <= told.keys()


def find_runs(pattern: str) -> list[Path]:
    """Folders of runs that match a path or glob, sorted; InputError if there is none."""
    from glob import glob  # not Path.glob: a pattern may be absolute, and its folders patterns too

    from jattn.interop.external import is_external

    paths = sorted(Path(p) for p in glob(pattern) if is_run(Path(p)) or is_external(p))
    if not paths:
        near = f"; runs there: {', '.join(known)}" if (known := _siblings(Path(pattern))) else ""
        raise InputError(f"no run matches {pattern!r}{near}")
    return paths


def steps_of(folder: Path) -> list[int]:
    """The steps of the finished checkpoints in a folder, ascending; none where there is no run."""
    markers = (folder / "checkpoints").glob(f"*/{FINISHED}")
    return sorted(int(p.parent.name) for p in markers if p.parent.name.isdigit())


def finished_steps(folder: Path) -> list[int]:
    """The steps of a run's finished checkpoints, ascending; InputError if there is none."""
    root = folder / "checkpoints"
    if not root.is_dir():
        near = f"; runs here: {', '.join(names)}" if (names := _siblings(folder)) else ""
        reason = "is not a run (it has no checkpoints)" if folder.exists() else "does not exist"
        raise InputError(f"run {str(folder)!r} {reason}{near}")
    steps = steps_of(folder)
    if not steps:
        rest = sorted(p.name for p in root.iterdir())
        left = f" (unfinished: {', '.join(rest)})" if rest else ""
        raise InputError(f"run {str(folder)!r} has no finished checkpoint{left}; train it again with --overwrite")
    return steps


def locate(path: str | Path) -> tuple[Path, Path]:
    """The folder of a run and its latest checkpoint; given a checkpoint's own folder, that one."""
    folder = Path(path)
    if (folder / FINISHED).exists():
        return (folder.parent.parent if folder.parent.name == "checkpoints" else folder), folder
    return folder, folder / "checkpoints" / str(finished_steps(folder)[-1])


def _siblings(folder: Path) -> list[str]:
    parent = folder.parent
    return sorted(p.name for p in parent.iterdir() if is_run(p))[:8] if parent.is_dir() else []


def check_folder(folder: Path, *, overwrite: bool, resumes: bool = True) -> None:
    """InputError unless a new run may go there: nothing is there yet, or, with `overwrite`, a run.

    resumes: whether the command could go on with a run that is there.
    """
    there = next(p for p in (folder, *folder.parents) if p.exists())
    if not there.is_dir():
        raise InputError(f"out: {str(there)!r} is a file; name a folder")
    if there != folder or not any(folder.iterdir()):
        return
    if not is_run(folder):
        raise InputError(f"out: {str(folder)!r} is not empty and not a run, so it is left alone; name another folder")
    if not overwrite:
        ways = "add --resume to go on, --overwrite to start anew" if resumes else "add --overwrite to replace it"
        raise InputError(f"run {str(folder)!r} exists; {ways}, or choose another --out")


def prepare_folder(folder: Path, *, overwrite: bool) -> None:
    """A folder for a new run, checked by `check_folder`; an old run's own files are removed, any others stay."""
    check_folder(folder, overwrite=overwrite)
    shutil.rmtree(folder / "checkpoints", ignore_errors=True)
    for name in ("config.json", "metrics.jsonl"):
        (folder / name).unlink(missing_ok=True)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"out: {str(folder)!r} cannot be made ({error.strerror}); name another folder") from None


def check_same(stored: dict[str, Any], given: dict[str, Any], free: set[str]) -> None:
    """InputError naming every field in which a run on disk and the config to resume it with differ."""
    differ = [name for name in given if name not in free and stored.get(name) != given[name]]
    if differ:
        shown = ", ".join(f"{n}: {stored.get(n)!r} on disk, {given[n]!r} given" for n in differ)
        raise InputError(f"resume: the run was made with other settings ({shown}); drop them or choose another --out")
