"""Our models as other libraries read them: arrays in safetensors, config.json and the tokenizer's files.

A family's config, written and read again, must say all of the model; what it loses is what the format cannot hold.
Nothing is written of a model that is refused, and a folder appears whole or not at all.
"""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from jattn.config import ModelConfig
from jattn.errors import InputError, one_of
from jattn.interop import layout, transformer_lens
from jattn.interop.config_keys import Keys
from jattn.interop.families import FAMILIES
from jattn.interop.family import Family
from jattn.interop.rewriting import filled, filled_in, parameters_for
from jattn.interop.tokenizer_config import tokenizer_files
from jattn.interop.unsupported import unsupported

FORMATS = (*FAMILIES, "transformerlens")
SHOWN = 3  # what a refusal names of all that a format cannot hold


def write(
    config: ModelConfig,
    parameters: dict[str, Any],
    tokenizer: str,
    folder: str | Path,
    form: str,
    special_tokens: dict[str, Any] | None = None,
) -> Path:
    """Save a model in a format of `FORMATS` into a new folder (or an empty one); the folder.

    special_tokens: with the chat template, what an imported model brought along (`Imported.special_tokens`).
    transformers loads the formats of FAMILIES with equal logits. Raises InputError naming what the format cannot hold.
    """
    check(config, form)
    with new_folder(folder) as part:
        if form == "transformerlens":
            keys, texts = transformer_lens.config_of(config), {"tokenizer.json": tokenizer}
            save_arrays(transformer_lens.state_dict(config, parameters), part / "weights.safetensors")
        else:
            member = _nearest(config, form)
            texts, ids = tokenizer_files(tokenizer, config, special_tokens or {})
            keys = member.keys | ids | {"torch_dtype": config.compute.param_dtype}
            parameters = parameters_for(member.config, config, parameters)
            table = FAMILIES[form].layout(member.config)
            save_arrays(layout.write(parameters, table), part / "model.safetensors")
        for name, text in ({"config.json": json.dumps(keys, indent=2) + "\n"} | texts).items():
            (part / name).write_text(text, encoding="utf-8")
    return Path(folder)


def check(config: ModelConfig, form: str) -> None:
    """InputError, in one line, if a format cannot hold a model: what it cannot hold, and which formats can."""
    fields = cannot_hold(config, form)
    if not fields:
        return
    more = f" and {len(fields) - SHOWN} more" if len(fields) > SHOWN else ""
    able = [other for other in FORMATS if not cannot_hold(config, other)]
    none = "no format of weights can (--text TEXT with npz has its attention, with transformerlens its activations)"
    hint = f"--format {' or '.join(able)} can" if able else none
    raise InputError(f"--format {form} cannot hold {', '.join(fields[:SHOWN])}{more}; {hint}")


def cannot_hold(config: ModelConfig, form: str) -> list[str]:
    """The fields of a model that a format has no place for, each as `model.name = value (why)`; empty if it fits."""
    one_of("--format", form, FORMATS)
    return transformer_lens.cannot_hold(config) if form == "transformerlens" else _nearest(config, form).unsupported


class Member(NamedTuple):
    """A member of a family as it would hold a model: its config.json, the model in its words, what it cannot say."""

    keys: dict[str, Any]
    config: ModelConfig
    unsupported: list[str]


def _nearest(config: ModelConfig, form: str) -> Member:
    """The member that loses least of the model and, of those, has fewest parameters of zero to fill in."""
    members = [_member(config, FAMILIES[form], kind) for kind in FAMILIES[form].members]
    return min(members, key=lambda m: (len(m.unsupported), filled_in(m.config, config)))


def _member(config: ModelConfig, family: Family, kind: str) -> Member:
    target = family.rewritten(config)
    keys = family.to_keys(family.nearest(replace(target, layers=target.layers or 1)), kind)
    told = Keys(json.loads(json.dumps(keys)), "config")
    again = family.config(told, kind)
    told.done()
    again = family.completed(again, [e.theirs for e in family.layout(target)])
    target = filled(target, again)
    return Member(keys, target, unsupported(target, again))


@contextmanager
def new_folder(folder: str | Path) -> Iterator[Path]:
    """A folder to fill that takes its name when all is written: it is made beside its place, a failure leaves nothing.

    Raises InputError unless its place is free or an empty folder.
    """
    folder = Path(folder).resolve()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"out: {str(folder)!r} is not an empty folder; name a new one with --out")
    there = next(p for p in folder.parents if p.exists())
    if not there.is_dir():
        raise InputError(f"out: {str(there)!r} is a file; name a folder")
    part = folder.with_name(f".{folder.name}.{os.getpid()}.part")
    try:
        part.mkdir(parents=True)
    except OSError as error:
        raise InputError(f"out: {str(folder)!r} cannot be made ({error.strerror}); name another with --out") from None
    try:
        yield part
        if folder.exists():
            folder.rmdir()
        part.rename(folder)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise


def save_arrays(arrays: dict[str, Any], file: Path) -> None:
    """Named NumPy arrays as one safetensors file, as torch's libraries like it."""
    from safetensors.numpy import save_file

    save_file(arrays, file, metadata={"format": "pt"})
