"""The bytes of every file of a checkpoint, noted beside them, so that a damaged copy is known by its missing part."""

import json
from pathlib import Path

from jattn.errors import InputError

SIZES = "sizes.json"


def note_sizes(checkpoint: Path) -> None:
    """Write down the bytes of every file of a finished checkpoint, once."""
    if not (checkpoint / SIZES).exists():
        sizes = {str(p.relative_to(checkpoint)): p.stat().st_size for p in checkpoint.rglob("*") if p.is_file()}
        (checkpoint / "sizes.part").write_text(json.dumps(sizes))
        (checkpoint / "sizes.part").rename(checkpoint / SIZES)


def check_whole(checkpoint: Path) -> None:
    """InputError if a file of the checkpoint is missing or cut short."""
    sizes = checkpoint / SIZES
    for name, size in json.loads(sizes.read_text()).items() if sizes.exists() else []:
        actual = (checkpoint / name).stat().st_size if (checkpoint / name).exists() else None
        if actual != size:
            what = "is missing" if actual is None else f"has {actual:,} bytes instead of {size:,}"
            raise InputError(unreadable(checkpoint, f"{name} {what}"))


def unreadable(checkpoint: Path, reason: str) -> str:
    return f"checkpoint {str(checkpoint)!r} cannot be read; delete it to use an earlier one ({reason})"
