"""`jattn.view`: runs, attention or plain arrays, beside each other on one page."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from analysis.viewer import budget, notes
from analysis.viewer.attention import Attention
from analysis.viewer.budget import HeadOf
from analysis.viewer.page import Page, page
from analysis.viewer.payload import pack
from analysis.viewer.read import Reading, read
from analysis.viewer.statistics import Measured, measured
from jattn.errors import InputError, one_of, positive
from jattn.interop.external import is_external
from train.checkpoint import load
from train.corpora.annotated import Annotated
from train.folders import finished_steps
from train.runs import Run

LIMIT = 25.0  # MB
Neurons = Sequence[tuple[int, int]]


def view(
    *things: Any,
    text: str | Annotated | None = None,
    text_b: str | None = None,
    tokens: Sequence[str] | None = None,
    null: Any = None,
    keys: Sequence[str] | None = None,
    neurons: str | Neurons | None = None,
    steps: str | Sequence[int] | None = None,
    layers: Sequence[int] | None = None,
    precision: str = "auto",
    limit_mb: float = LIMIT,
    title: str | None = None,
    command: str | None = None,
) -> Page:
    """A page of what some models attend to. In a notebook it shows itself; `.write(path)` keeps it.

    things: runs or paths of runs, which read `text` (and `text_b`, a second sentence; or an annotated sentence, whose
    word classes are then shown); `Attention`; arrays of weights [L, N, T, S] with their `tokens` (and `null` [L, N, T],
    and `keys` where those are another text); or {name: thing}.
    steps: checkpoints of each run, "all" for every one. neurons: heads whose queries and keys are shown, "3.5,4.0";
    if not given the leading head of every class, and others while there is room. Raises InputError for what cannot be
    shown, in one line.
    """
    asked = parse_heads(neurons) if isinstance(neurons, str) else list(neurons or ())
    named = [pair for thing in things for pair in _named(thing)]
    if not named:
        raise InputError("view: nothing to show; give at least one run, Attention or array")
    reading, arrays = Reading(text, text_b, steps, layers), {"tokens": tokens, "null": null, "keys": keys}
    runs = [isinstance(thing, str | Path | Run) for _, thing in named]
    shown = [run or isinstance(thing, Attention) for run, (_, thing) in zip(runs, named, strict=True)]
    _refuse("runs, and there is none; arrays and Attention are shown as they are", vars(reading), unless=any(runs))
    _refuse("arrays, and there is none; runs and Attention have their own", arrays, unless=not all(shown))
    sides = [side for name, thing in named for side in _sides(name, thing, reading, arrays)]
    told = notes.command(named, reading) if command is None else command
    return draw(sides, neurons=asked, precision=precision, limit_mb=limit_mb, title=title, command=told)


def draw(
    sides: Sequence[Attention],
    *,
    neurons: Neurons = (),
    title: str | None = None,
    command: str = "",
    precision: str = "auto",
    limit_mb: float = LIMIT,
) -> Page:
    """The page of some attention. neurons: the heads, by their own numbers, whose queries and keys are shown; of each
    side the leading head of every class if none is given, and others while there is room."""
    twice = [key for key, count in Counter((side.name, side.step) for side in sides).items() if count > 1]
    if twice:
        raise InputError(f"view: two are called {twice[0][0]!r}; give each a name, as in view({{'a': ..., 'b': ...}})")
    one_of("precision", precision, ("auto", "exact", "display"))
    positive("limit_mb", limit_mb)
    measures = [measured(side) for side in sides]
    chosen = _asked(sides, neurons) if neurons else _leading(measures)
    others = [] if neurons else _beside(sides, chosen)
    plan = budget.plan(sides, chosen, precision, limit_mb * budget.MB, others)
    *first, last = dict.fromkeys(side.name for side in sides)
    name = title or (f"{', '.join(first)} and {last}" if first else last)
    told = {"notes": notes.notes(sides), "provenance": notes.provenance(sides), "command": command}
    return page(pack(sides, measures, plan, title=name, **told))


def parse_heads(text: str) -> list[tuple[int, int]]:
    """ "3.5,4.0" -> [(3, 5), (4, 0)]."""
    heads = []
    for part in text.split(","):
        layer, _, head = part.strip().partition(".")
        if not (layer.isdecimal() and head.isdecimal()):
            raise InputError(f"neurons: {part.strip()!r} is no head; write LAYER.HEAD, both from 0, such as 3.5,4.0")
        heads.append((int(layer), int(head)))
    return heads


def _named(thing: Any) -> Iterator[tuple[str | None, Any]]:
    if isinstance(thing, Mapping):
        yield from thing.items()
    else:
        yield None, thing


def _refuse(only_for: str, options: Mapping[str, Any], *, unless: bool) -> None:
    """InputError for an option that is given and has nothing to act on."""
    for option, value in options.items():
        if value is not None and not unless:
            raise InputError(f"{option}: is for {only_for}")


def _sides(name: str | None, thing: Any, reading: Reading, arrays: Mapping[str, Any]) -> list[Attention]:
    """What is shown of one thing: Attention as it is, a run on the text, or each of its steps, or an array."""
    if isinstance(thing, Attention):
        return [replace(thing, name=name, run=name) if name else thing]
    if isinstance(thing, str | Path | Run):
        return _of_run(name, thing, reading)
    if not hasattr(thing, "__array__") and not isinstance(thing, list | tuple):
        raise InputError(f"view: {thing!r} is no run, path, Attention or array of weights")
    if arrays["tokens"] is None:
        raise InputError("view: an array of weights needs tokens=, one string for each query")
    return [Attention.of(name or "attention", thing, **arrays)]


def _of_run(name: str | None, thing: str | Path | Run, reading: Reading) -> list[Attention]:
    if reading.text is None:
        raise InputError("text: a run needs a text to read; give text=")
    ask = partial(read, text=reading.text, text_b=reading.text_b, layers=reading.layers)
    if reading.steps is None:
        return [ask(thing if isinstance(thing, Run) else load(thing), name=name)]
    path = Path(thing.path if isinstance(thing, Run) else thing)
    if is_external(path):
        raise InputError(f"steps: {str(path)!r} is a model of another library, which has no steps; leave steps out")
    name = name or path.resolve().name
    wanted = finished_steps(path) if reading.steps == "all" else [int(step) for step in reading.steps]
    return [ask(load(path, step), name=name) for step in dict.fromkeys(wanted)]


def _leading(measures: Sequence[Sequence[Measured]]) -> list[HeadOf]:
    """The leading head of each class of each side; the sides in turn, for there may not be room for all."""
    heads = [
        (rank, i, *head) for i, of_side in enumerate(measures) for rank, head in enumerate(budget.leading(of_side))
    ]
    return [(i, layer, head) for _, i, layer, head in sorted(heads)]


def _beside(sides: Sequence[Attention], chosen: Sequence[HeadOf]) -> list[HeadOf]:
    """The other heads, those first that stand beside a chosen one in another side."""
    heads = [(i, *at) for i, side in enumerate(sides) for at in side.heads]
    leading = {head[1:] for head in chosen}
    return sorted((head for head in heads if head not in set(chosen)), key=lambda head: head[1:] not in leading)


def _asked(sides: Sequence[Attention], neurons: Neurons) -> list[HeadOf]:
    """Where the heads of those numbers stand, in every side that has them."""
    chosen: list[HeadOf] = []
    for number, head in dict.fromkeys(neurons):
        here = [
            (i, layer, n)
            for i, side in enumerate(sides)
            for layer, n in side.heads
            if (side.layers[layer].number, side.layers[layer].heads[n]) == (number, head)
        ]
        if not here:
            raise InputError(
                f"neurons: there is no head {number}.{head} among the layers shown; write LAYER.HEAD, both from 0"
            )
        if not any(at[1:] in sides[at[0]].vectors for at in here):
            raise InputError(
                f"neurons: head {number}.{head} comes without queries and keys; give them, Attention.of(..., vectors=)"
            )
        chosen += here
    return chosen
