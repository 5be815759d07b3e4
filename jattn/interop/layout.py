"""Where each of our parameters stands in somebody's file, one table for both ways.

A table is a list of entries. `Entry("h.0.attn.c_attn.weight", (q, k, v), "joined")`: three of ours are one of theirs.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np

from jattn.errors import InputError

Shape = tuple[int, ...]


class Form(NamedTuple):
    """How arrays of ours are stored as one of theirs: the stored shape, from theirs to ours, and back."""

    shape: Callable[[list[Shape]], Shape]
    split: Callable[[np.ndarray, list[Shape]], list[np.ndarray]]
    join: Callable[[list[np.ndarray]], np.ndarray]


FORMS = {
    "same": Form(lambda s: s[0], lambda a, _: [a], lambda a: a[0]),
    # torch's Linear stores (out, in)
    "transposed": Form(lambda s: s[0][::-1], lambda a, _: [a.T], lambda a: a[0].T),
    # GPT-2's c_attn: columns of q, then k, then v
    "joined": Form(
        lambda s: (*s[0][:-1], sum(x[-1] for x in s)),
        lambda a, s: np.split(a, np.cumsum([x[-1] for x in s])[:-1], -1),
        lambda a: np.concatenate(a, -1),
    ),
    # gpt-oss's gate_up_proj: columns of gate and up in turn
    "interleaved": Form(
        lambda s: (*s[0][:-1], 2 * s[0][-1]),
        lambda a, _: [a[..., ::2], a[..., 1::2]],
        lambda a: np.stack(a, -1).reshape(*a[0].shape[:-1], -1),
    ),
}


@dataclass(frozen=True)
class Entry:
    """One array of theirs, by name, and the arrays of ours that it holds."""

    theirs: str
    ours: tuple[str, ...]
    form: str = "same"


def entry(theirs: str, ours: str, form: str = "same") -> Entry:
    """One array of theirs that is one of ours."""
    return Entry(theirs, (ours,), form)


def linear(theirs: str, ours: str, bias: bool) -> list[Entry]:
    """A projection stored as torch does."""
    pair = [entry(f"{theirs}.weight", f"{ours}.kernel", "transposed")]
    return [*pair, entry(f"{theirs}.bias", f"{ours}.bias")] if bias else pair


@runtime_checkable
class Source(Protocol):
    """Named arrays in a file: their shapes are known before any is read."""

    path: str
    shapes: dict[str, Shape]

    def read(self, name: str) -> np.ndarray: ...


def check(source: Source, layout: list[Entry], shapes: dict[str, Shape], dropped: Callable[[str], bool]) -> None:
    """InputError naming arrays that are missing, of the wrong shape (both shapes), or not known. Nothing is read."""
    missing = [e.theirs for e in layout if e.theirs not in source.shapes]
    if missing:
        raise InputError(f"{source.path}: {_some(missing)} missing; the config asks for it. Is the file complete?")
    for e in layout:
        wanted, given = FORMS[e.form].shape([shapes[o] for o in e.ours]), source.shapes[e.theirs]
        if tuple(given) != tuple(wanted):
            raise InputError(f"{source.path}: {e.theirs} has shape {list(given)}, the config makes it {list(wanted)}")
    known = {e.theirs for e in layout}
    extra = sorted(n for n in source.shapes if n not in known and not dropped(n))
    if extra:
        raise InputError(f"{source.path}: {_some(extra)} not known; the model would be wrong without it")


def read(source: Source, layout: list[Entry], shapes: dict[str, Shape], dtype: str) -> dict[str, Any]:
    """Our parameters, one array of theirs in memory at a time."""
    import jax.numpy as jnp

    parameters = {}
    for e in layout:
        parts = FORMS[e.form].split(source.read(e.theirs), [shapes[o] for o in e.ours])
        for name, part in zip(e.ours, parts, strict=True):
            # A copy of its own: a view would keep the whole of what was read alive.
            parameters[name] = jnp.array(np.array(part, dtype, order="C"))
            _check_finite(f"{source.path}: {e.theirs}", parameters[name])
    return parameters


def write(parameters: dict[str, Any], layout: list[Entry]) -> dict[str, np.ndarray]:
    """Their arrays by name, from our parameters."""
    return {
        e.theirs: np.ascontiguousarray(FORMS[e.form].join([np.asarray(parameters[o]) for o in e.ours])) for e in layout
    }


def _check_finite(what: str, array: Any) -> None:
    import jax.numpy as jnp

    if not bool(jnp.isfinite(array).all()):
        raise InputError(f"{what} holds a value that is not finite; the file is damaged")


def _some(names: Iterable[str]) -> str:
    names = list(names)
    shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    return f"{shown} {'is' if len(names) == 1 else 'are'}"
