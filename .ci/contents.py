"""What is in a wheel and an sdist: every tracked file that belongs there, and nothing else.

python .ci/contents.py DIST      in a clone; DIST holds one wheel and one sdist of it
"""

import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

FACTS = {"METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE"}


def main(dist: Path) -> None:
    (wheel,), (sdist,) = dist.glob("*.whl"), dist.glob("*.tar.gz")
    build = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["tool"]["hatch"]["build"]
    packages, sources = (tuple(f"{p}/" for p in build["targets"]["wheel"][key]) for key in ("packages", "exclude"))
    tracked = set(subprocess.run(["git", "ls-files"], capture_output=True, text=True, check=True).stdout.splitlines())
    wanted = {file for file in tracked if file.startswith(packages) and not file.startswith(sources)}
    with zipfile.ZipFile(wheel) as archive:
        found = {name for name in archive.namelist() if ".dist-info/" not in name}
        told = {name.partition(".dist-info/")[2] for name in archive.namelist()} - {""}
    same(wheel.name, found, wanted)
    same(f"{wheel.name}, dist-info", told, FACTS)
    with tarfile.open(sdist) as archive:
        found = {m.name.partition("/")[2] for m in archive.getmembers() if m.isfile()}
    same(sdist.name, found, tracked | {"PKG-INFO"})


def same(name: str, found: set[str], wanted: set[str]) -> None:
    """Ends with the difference if there is one."""
    if found != wanted:
        sys.exit(f"{name}: lacks {sorted(wanted - found)}, holds too much: {sorted(found - wanted)}")
    print(f"{name}: {len(found)} files")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
