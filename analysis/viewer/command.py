"""The command `jattn view`: writes the page of some runs on a text, and opens it."""

import os
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from jattn.errors import InputError
from train.command_line import Command, Option, Value, plain

OUT = Path("attention.html")


def view(
    runs: Sequence[str],
    *,
    text: str | None = None,
    text_b: str | None = None,
    file: str | None = None,
    neurons: str | None = None,
    steps: str | Sequence[int] | None = None,
    layers: Sequence[int] | None = None,
    precision: str = "auto",
    limit_mb: float = 25.0,
    out: Path = OUT,
    no_open: bool = False,
    words: Sequence[str] = (),
) -> int:
    """Write the page, open it; its path is printed last."""
    text = _text(text, file)
    if out.is_dir():
        raise InputError(f"--out: {str(out)!r} is a folder; name a file in it")
    above = next(folder for folder in out.absolute().parents if folder.exists())
    if not (above.is_dir() and os.access(above, os.W_OK)):
        raise InputError(f"--out: {str(out)!r} cannot be written ({above} is no folder that you may write to)")
    named = _named(runs)
    from analysis.viewer.show import view as show

    page = show(
        named,
        text=text,
        text_b=text_b,
        neurons=neurons,
        steps=steps,
        layers=layers,
        precision=precision,
        limit_mb=limit_mb,
        command=_again(words) if words else None,
    )
    path = page.write(out)
    if not no_open:
        import webbrowser

        webbrowser.open(path.resolve().as_uri())
    print(path)
    return 0


def _text(text: str | None, file: str | None) -> str:
    if (text is None) == (file is None):
        raise InputError("view: give the text with --text, or with --file, and not with both")
    if text is not None:
        return text
    try:
        return Path(file or "").read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"--file: {file!r} cannot be read ({error}); name a text file in UTF-8") from None


def _named(runs: Sequence[str]) -> dict[str, str]:
    """Name -> path: NAME=PATH, or a path, whose last part is its name where no other run has that."""
    named: dict[str, str] = {}
    last = [Path(run).resolve().name for run in runs]
    for run, short in zip(runs, last, strict=True):
        name, equals, path = run.partition("=")
        if not equals or Path(run).exists():
            name, path = short if last.count(short) == 1 else run, run
        if not name:
            raise InputError(f"view: {run!r} has no name before the =; write NAME=RUN, or the path alone")
        if named.get(name) == path:
            raise InputError(f"view: {run!r} is given twice; name it once")
        if name in named:
            raise InputError(f"view: two runs are called {name!r}; give each its own name, NAME=RUN")
        named[name] = path
    return named


class _Numbers(click.ParamType[Any]):
    """Numbers with commas, 0,100, or a word that stands for all of them."""

    name = "numbers"

    def __init__(self, word: str | None = None):
        self.word = word

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value == self.word or not isinstance(value, str):
            return value
        parts = [part.strip() for part in value.split(",")]
        if not all(part.isdecimal() for part in parts):
            name = param.opts[0] if param else self.name
            raise InputError(f"{name}: {value!r} is no list of numbers; write them with commas, such as 0,100")
        return [int(part) for part in parts]


def _again(argv: Sequence[str]) -> str:
    """The same command with "{heads}" for the heads of the neuron view; written and opened as by default."""
    words, skip = [], False
    for word in argv:
        if not (skip or plain(word.partition("=")[0]) in ("--neurons", "--out", "--no-open")):
            words.append(word)
        skip = word in ("--neurons", "--out")
    return f"jattn {shlex.join(words)} --neurons {{heads}}"


VIEW = Command(
    "view",
    callback=view,
    keeps_words=True,
    short_help="look at the attention of runs on a text",
    help="Write one HTML file that shows what runs attend to on a text, side by side, and open it: jattn view "
    "standard=runs/small-standard-s0 null=runs/small-null-s0 --text 'The cat sat on the mat.' A run may be a model of "
    "another library (a Hugging Face folder, a GGUF file).",
    params=[
        click.Argument(["runs"], metavar="RUN...", help="a run, or NAME=RUN", nargs=-1, required=True),
        Option("--text", metavar="TEXT", help="the text, or sentence A"),
        Option("--text-b", metavar="TEXT", help="sentence B"),
        Option("--file", metavar="FILE", help="read the text from a file (UTF-8)"),
        Option(
            "--neurons",
            metavar="HEADS",
            help="heads whose queries and keys are shown: 3.5,4.0 [one per class, more where they fit]",
        ),
        Option("--steps", type=_Numbers("all"), metavar="STEPS", help="checkpoints to show: 0,100 or all [the latest]"),
        Option("--layers", type=_Numbers(), metavar="LAYERS", help="layers to show: 0,5 [all]"),
        Option("--precision", metavar="NAME", help="of the maps: auto, exact (16 bits), display (8 bits) [auto]"),
        Option("--limit-mb", type=Value(float), metavar="MB", help="largest page; over it heads are left out [25]"),
        Option("--out", type=click.Path(path_type=Path), metavar="FILE", help=f"[{OUT}]"),
        Option("--no-open", is_flag=True, help="do not open it in the browser"),
    ],
)
