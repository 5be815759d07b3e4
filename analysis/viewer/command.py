"""The command `jattn view`: writes the page of some runs on a text, and opens it."""

import argparse
import os
import shlex
from pathlib import Path
from typing import Any

from jattn.errors import InputError

OUT = "attention.html"


def add_view(commands: Any) -> None:
    p = commands.add_parser(
        "view",
        help="look at the attention of runs on a text",
        description="Write one HTML file that shows what runs attend to on a text, side by side, and open it: "
        "jattn view standard=runs/small-standard-s0 null=runs/small-null-s0 --text 'The cat sat on the mat.' "
        "A run may be a model of another library (a Hugging Face folder, a GGUF file).",
    )
    p.add_argument("runs", nargs="+", metavar="RUN", help="a run, or NAME=RUN")
    p.add_argument("--text", help="the text, or sentence A")
    p.add_argument("--text-b", help="sentence B")
    p.add_argument("--file", metavar="FILE", help="read the text from a file (UTF-8)")
    default = "[one per class, more where they fit]"
    p.add_argument("--neurons", metavar="HEADS", help=f"heads whose queries and keys are shown: 3.5,4.0 {default}")
    p.add_argument("--steps", metavar="STEPS", help="checkpoints to show: 0,100 or all [the latest]")
    p.add_argument("--layers", metavar="LAYERS", help="layers to show: 0,5 [all]")
    p.add_argument("--precision", default="auto", help="of the maps: auto, exact (16 bits), display (8 bits) [auto]")
    p.add_argument("--limit-mb", default="25", metavar="MB", help="largest page; over it heads are left out [25]")
    p.add_argument("--out", default=OUT, metavar="FILE", help=f"[{OUT}]")
    p.add_argument("--no-open", action="store_true", help="do not open it in the browser")
    p.set_defaults(run=view)


def view(args: argparse.Namespace) -> int:
    """Write the page, open it; its path is printed last."""
    from train.config import parse_value

    text = _text(args)
    out = Path(args.out)
    if out.is_dir():
        raise InputError(f"--out: {args.out!r} is a folder; name a file in it")
    above = next(folder for folder in out.absolute().parents if folder.exists())
    if not (above.is_dir() and os.access(above, os.W_OK)):
        raise InputError(f"--out: {args.out!r} cannot be written ({above} is no folder that you may write to)")
    runs = _named(args.runs)
    limit = parse_value("--limit-mb", args.limit_mb, float)
    steps = "all" if args.steps == "all" else _numbers("--steps", args.steps)
    layers = _numbers("--layers", args.layers)
    from analysis.viewer.show import view as show

    page = show(
        runs,
        text=text,
        text_b=args.text_b,
        neurons=args.neurons,
        steps=steps,
        layers=layers,
        precision=args.precision,
        limit_mb=limit,
        command=_again(args.argv),
    )
    path = page.write(out)
    if not args.no_open:
        import webbrowser

        webbrowser.open(path.resolve().as_uri())
    print(path)
    return 0


def _text(args: argparse.Namespace) -> str:
    if (args.text is None) == (args.file is None):
        raise InputError("view: give the text with --text, or with --file, and not with both")
    if args.file is None:
        return args.text
    try:
        return Path(args.file).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"--file: {args.file!r} cannot be read ({error}); name a text file in UTF-8") from None


def _named(runs: list[str]) -> dict[str, str]:
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


def _numbers(option: str, text: str | None) -> list[int] | None:
    if text is None:
        return None
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() for part in parts):
        raise InputError(f"{option}: {text!r} is no list of numbers; write them with commas, such as 0,100")
    return [int(part) for part in parts]


def _again(argv: list[str]) -> str:
    """The same command with "{heads}" for the heads of the neuron view; written and opened as by default."""
    words, skip = [], False
    for word in argv:
        if not (skip or word.partition("=")[0] in ("--neurons", "--out", "--no-open")):
            words.append(word)
        skip = word in ("--neurons", "--out")
    return f"jattn {shlex.join(words)} --neurons {{heads}}"
