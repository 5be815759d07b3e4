"""What a page says of itself: what its numbers are, what they were made of, the command that writes it again."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from analysis.viewer.attention import Attention
from analysis.viewer.matching import alike
from analysis.viewer.read import Reading
from train.corpora.annotated import Annotated
from train.runs import Run

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


def notes(sides: Sequence[Attention]) -> list[str]:
    """What a reader has to know of the numbers: one sentence each."""
    first = sides[0]
    told = [OF_THIS_TEXT]
    if any(alike(side, first) for side in sides[1:]):
        told.append(MATCHED)
    if not all(side.same_text(first) for side in sides):
        told.append(OTHER_TEXTS)
    if not all(layer.softmax for side in sides for layer in side.layers):
        told.append(UNNORMALISED)
    return [*told, *dict.fromkeys(side.tokens.classes_from for side in sides)]


def provenance(sides: Sequence[Attention]) -> list[tuple[str, str]]:
    """What the sides were made of, each fact once: with the name of its run where the runs differ in it."""
    runs: dict[str, dict[str, dict[str, None]]] = {}
    for side in sides:
        facts = runs.setdefault(side.run or side.name, {})
        for what, value in side.source:
            facts.setdefault(what, {})[value] = None
    named = [
        (what if all(other.get(what) == values for other in runs.values()) else f"{name}: {what}", ", ".join(values))
        for name, facts in runs.items()
        for what, values in facts.items()
    ]
    return list(dict.fromkeys(named))


def command(named: Sequence[tuple[str | None, Any]], reading: Reading) -> str:
    """The command line that writes this page with other heads; none where something is no run on the disk."""
    parts = ["jattn", "view"]
    for name, thing in named:
        if not isinstance(thing, str | Path | Run):
            return ""
        path = thing.path if isinstance(thing, Run) else thing
        parts.append(str(path) if name is None else f"{name}={path}")
    text = reading.text.text if isinstance(reading.text, Annotated) else reading.text
    given = {"--text": text, "--text-b": reading.text_b, "--steps": reading.steps, "--layers": reading.layers}
    for option, value in given.items():
        if value is not None:
            parts += [option, value if isinstance(value, str) else ",".join(map(str, value))]
    return shlex.join(parts) + " --neurons {heads}"
