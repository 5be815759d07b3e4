"""Text from disk: one file, or every text file below a folder. Strict UTF-8, so broken text is named, not patched."""

import os
from pathlib import Path

from jattn.errors import InputError

EXTENSIONS = (".txt", ".md", ".py", ".rst")


def read_text(path: Path) -> str:
    """The file's text, a leading byte order mark removed, line ends as they are.

    Raises InputError with the file and the offset of the first byte that is not UTF-8, or if it cannot be read.
    """
    if not path.is_file():
        raise InputError(f"corpus: {path} is not a readable regular file; remove it or mend the link")
    try:
        return path.read_bytes().decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise InputError(
            f"corpus: {path} is not UTF-8: {error.reason} 0x{error.object[error.start]:02x} at byte {error.start}; "
            "convert the file to UTF-8"
        ) from None
    except OSError as error:
        raise InputError(f"corpus: cannot read {path}: {error.strerror}; check its permissions") from None


def find(folder: Path, extensions: tuple[str, ...] = EXTENSIONS, exclude: frozenset[str] = frozenset()) -> list[Path]:
    """Files below `folder` with one of the extensions, sorted by path.

    Folders named in `exclude` are not entered, nor is any folder behind a symbolic link: the walk stays inside and
    ends. Raises InputError naming the extensions if there is no such file, or if a folder cannot be listed.
    """

    def refuse(error: OSError):
        raise InputError(f"corpus: cannot list {error.filename}: {error.strerror}; check its permissions")

    paths: list[Path] = []
    for parent, folders, names in os.walk(folder, followlinks=False, onerror=refuse):
        folders[:] = [name for name in folders if name not in exclude]
        paths += [Path(parent, name) for name in names if name.lower().endswith(extensions)]
    if not paths:
        raise InputError(f"corpus: no {', '.join(extensions)} file in folder {folder}; add one or name another folder")
    return sorted(paths)


def documents(path: Path) -> list[str]:
    """One document per file: `path` itself whatever its extension, or every text file found below it."""
    return [read_text(file) for file in (find(path) if path.is_dir() else [path])]
