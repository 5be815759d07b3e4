"""Whether two reports of the same runs hold the same numbers, names apart: python benchmarks/same_numbers.py OLD NEW

OLD was written before the names of 2026-12, NEW after. Every row of measures.csv and heads.csv and every entry of
comparison.json is found in the other under its new name; prints the largest difference of each file, and exits
with 1 if a name is missing on either side or a number differs by more than what another order of float32 sums gives.
"""

import csv
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from analysis.measures.readouts import READOUTS
from train.config_history import RENAMED as FIELDS

TOLERANCE = 1e-5
MEASURES = {"awake_share": "active_share", "block": "paragraph", "block_raw": "paragraph_raw"}
CHAPTERS = {"waking": "dormancy"}
SCORES = {title: name for name, title in READOUTS.items()}  # of the known truth: by title once, by name now
TEXT = {"title", "unit", "findings", "claims", "warnings", "left_out"}  # for people, and free to be worded anew


def rows(path: Path, keys: tuple[str, ...]) -> dict[tuple[str, ...], dict[str, str]]:
    """The rows of a CSV file by the columns that name them."""
    with path.open(newline="", encoding="utf-8") as file:
        found = list(csv.DictReader(file))
    return {tuple(row[key] for key in keys): row for row in found}


def leaves(value: Any, at: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every number and word of a JSON value with the names and places that lead to it."""
    if isinstance(value, dict):
        for name, part in value.items():
            yield from leaves(part, (*at, name))
    elif isinstance(value, list):
        for place, part in enumerate(value):
            yield from leaves(part, (*at, name_of(part) or str(place)))
    else:
        yield at, value


def name_of(entry: Any) -> str | None:
    """What an entry of a list is called, so that lists compare whatever their order."""
    if not isinstance(entry, dict):
        return None
    names = [str(entry[key]) for key in ("measure", "chapter", "group", "run", "claim") if key in entry]
    return "|".join(renamed(name) for name in names) or None


def renamed(name: str) -> str:
    return MEASURES.get(name, CHAPTERS.get(name, SCORES.get(name, name)))


def today(at: tuple[str, ...]) -> tuple[str, ...]:
    """The place of a leaf under today's names; the config's fields by the table that loads old runs."""
    if "config" in at:
        before, field = at[: at.index("config") + 1], ".".join(at[at.index("config") + 1 :])
        return (*before, *FIELDS.get(field, field).split("."))
    return tuple(renamed(name) for name in at)


def differences(old: dict[Any, Any], new: dict[Any, Any]) -> tuple[float, list[str]]:
    """The largest difference of two tables of the same names, and what does not agree."""
    wrong = [f"only before: {at}" for at in old.keys() - new.keys()] + [
        f"only after: {at}" for at in new.keys() - old.keys()
    ]
    largest = 0.0
    for at in old.keys() & new.keys():
        a, b = number(old[at]), number(new[at])
        if isinstance(a, float) and isinstance(b, float):
            apart = abs(a - b) / max(abs(a), abs(b), 1)
            largest = max(largest, apart)
            wrong += [f"{at}: {a} and {b}"] if apart > TOLERANCE else []
        elif renamed(str(a)) != renamed(str(b)):
            wrong.append(f"{at}: {a!r} and {b!r}")
    return largest, wrong


def number(value: Any) -> Any:
    try:
        return float(value)
    except (TypeError, ValueError):
        return value


def table(folder: Path, name: str, keys: tuple[str, ...], old: bool) -> dict[Any, Any]:
    found = rows(folder / name, keys).items()
    named = {tuple(renamed(key) for key in at) if old else at: row for at, row in found}
    return {(*at, column): cell for at, row in named.items() for column, cell in row.items() if column not in TEXT}


def entries(folder: Path, old: bool) -> dict[Any, Any]:
    told = [
        {k: v for k, v in one.items() if k not in TEXT} for one in json.loads((folder / "comparison.json").read_text())
    ]
    return {today(at) if old else at: value for at, value in leaves(told)}


def main(before: Path, after: Path) -> int:
    bad = 0
    for name, keys in (
        ("measures.csv", ("comparison", "measure", "group")),
        ("heads.csv", ("comparison", "run", "layer", "head", "measure")),
    ):
        largest, wrong = differences(table(before, name, keys, True), table(after, name, keys, False))
        bad += len(wrong)
        print(f"{name}: largest difference {largest:.1e}; {len(wrong)} that do not agree")
        print(*wrong[:20], sep="\n")
    largest, wrong = differences(entries(before, True), entries(after, False))
    bad += len(wrong)
    print(f"comparison.json: largest difference {largest:.1e}; {len(wrong)} that do not agree")
    print(*wrong[:20], sep="\n")
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
