"""`jattn.view`: runs, attention or plain arrays, beside each other on one page."""

import shlex
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from analysis.viewer import budget
from analysis.viewer.attention import Attention
from analysis.viewer.budget import HeadOf
from analysis.viewer.matching import alike
from analysis.viewer.page import Page, page
from analysis.viewer.payload import pack
from analysis.viewer.read import read
from analysis.viewer.statistics import Measured, measured
from jattn.errors import InputError, one_of
from jattn.interop.foreign import is_foreign
from train.checkpoint import Run, load
from train.corpora.annotated import Annotated
from train.folders import finished_steps

LIMIT = 25.0  # MB
Neurons = Sequence[tuple[int, int]]

OF_THIS_TEXT = (
    "Statistics and classes describe this text alone. A class says what a head does with the attention that goes to "
    "neither the null nor the first token, above chance; a sink gives half or more to those two. Help (?) defines each."
)
MATCHED = (
    "Best match pairs the heads of a layer one to one by the Jensen-Shannon distance of their maps on this text; by "
    "number, two heads share nothing unless the models grew from the same weights."
)
UNNORMALISED = "Rows of sigmoid attention do not sum to 1; their statistics are of rows divided by their sum."
OTHER_TEXTS = "The models cut the text into different tokens, so their maps stand side by side and have no difference."


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
    of_runs = {"text": text, "text_b": text_b, "steps": steps, "layers": layers}
    given = [option for option, value in of_runs.items() if value is not None]
    if given and not any(isinstance(thing, str | Path | Run) for _, thing in named):
        raise InputError(f"{given[0]}: is for runs, and there is none; arrays and Attention are shown as they are")
    of_arrays = {"tokens": tokens, "null": null, "keys": keys}
    given = [option for option, value in of_arrays.items() if value is not None]
    if given and all(isinstance(thing, str | Path | Run | Attention) for _, thing in named):
        raise InputError(f"{given[0]}: is for arrays, and there is none; runs and Attention have their own")
    sides = []
    for name, thing in named:
        if isinstance(thing, Attention):
            sides.append(replace(thing, name=name, run=name) if name else thing)
        elif isinstance(thing, str | Path | Run):
            sides += _of_run(name, thing, text, text_b, steps, layers)
        elif not hasattr(thing, "__array__") and not isinstance(thing, list | tuple):
            raise InputError(f"view: {thing!r} is no run, path, Attention or array of weights")
        elif tokens is None:
            raise InputError("view: an array of weights needs tokens=, one string for each query")
        else:
            sides.append(Attention.of(name or "attention", thing, tokens, null=null, keys=keys))
    told = command if command is not None else _command(named, text, text_b, steps, layers)
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
    if not limit_mb > 0:
        raise InputError(f"limit_mb must be > 0, got {limit_mb}")
    found = [measured(side) for side in sides]
    chosen = _asked(sides, neurons) if neurons else _leading(found)
    others = [] if neurons else _beside(sides, chosen)
    plan = budget.plan(sides, chosen, precision, limit_mb * budget.MB, others)
    *first, last = dict.fromkeys(side.name for side in sides)
    name = title or (f"{', '.join(first)} and {last}" if first else last)
    return page(pack(sides, found, plan, title=name, notes=_notes(sides), command=command, provenance=_told(sides)))


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


def _of_run(
    name: str | None,
    thing: str | Path | Run,
    text: str | Annotated | None,
    text_b: str | None,
    steps: str | Sequence[int] | None,
    layers: Sequence[int] | None,
) -> list[Attention]:
    """A run on the text, or each of its steps."""
    if text is None:
        raise InputError("text: a run needs a text to read; give text=")
    if steps is None:
        run = thing if isinstance(thing, Run) else load(thing)
        return [read(run, text, text_b, layers=layers, name=name)]
    path = Path(thing.path if isinstance(thing, Run) else thing)
    if is_foreign(path):
        raise InputError(f"steps: {str(path)!r} is a model of another library, which has no steps; leave steps out")
    name = name or path.resolve().name
    wanted = finished_steps(path) if steps == "all" else [int(step) for step in steps]
    return [read(load(path, s), text, text_b, layers=layers, name=name) for s in dict.fromkeys(wanted)]


def _leading(found: Sequence[Sequence[Measured]]) -> list[HeadOf]:
    """The leading head of each class of each side; the sides in turn, for there may not be room for all."""
    heads = [(rank, i, *head) for i, of_side in enumerate(found) for rank, head in enumerate(budget.leading(of_side))]
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


def _told(sides: Sequence[Attention]) -> list[tuple[str, str]]:
    """What the sides were made of, each fact once: with the name of its run where the runs differ in it."""
    runs: dict[str, dict[str, dict[str, None]]] = {}
    for side in sides:
        facts = runs.setdefault(side.run or side.name, {})
        for what, value in side.source:
            facts.setdefault(what, {})[value] = None
    found = [
        (what if all(other.get(what) == values for other in runs.values()) else f"{name}: {what}", ", ".join(values))
        for name, facts in runs.items()
        for what, values in facts.items()
    ]
    return list(dict.fromkeys(found))


def _notes(sides: Sequence[Attention]) -> list[str]:
    first = sides[0]
    notes = [OF_THIS_TEXT]
    if any(alike(side, first) for side in sides[1:]):
        notes.append(MATCHED)
    if not all(side.same_text(first) for side in sides):
        notes.append(OTHER_TEXTS)
    if not all(layer.softmax for side in sides for layer in side.layers):
        notes.append(UNNORMALISED)
    return [*notes, *dict.fromkeys(side.tokens.classes for side in sides)]


def _command(
    named: Sequence[tuple[str | None, Any]],
    text: str | Annotated | None,
    text_b: str | None,
    steps: str | Sequence[int] | None,
    layers: Sequence[int] | None,
) -> str:
    """The command line that writes this page with other heads; none where something is no run on the disk."""
    parts = ["jattn", "view"]
    for name, thing in named:
        if not isinstance(thing, str | Path | Run):
            return ""
        path = thing.path if isinstance(thing, Run) else thing
        parts.append(str(path) if name is None else f"{name}={path}")
    text = text.text if isinstance(text, Annotated) else text
    given = {"--text": text, "--text-b": text_b, "--steps": steps, "--layers": layers}
    for option, value in given.items():
        if value is not None:
            parts += [option, value if isinstance(value, str) else ",".join(map(str, value))]
    return shlex.join(parts) + " --neurons {heads}"
