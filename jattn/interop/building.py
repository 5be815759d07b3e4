"""Arrays and a config become parameters: checked first, then read."""

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from jattn.config import ModelConfig
from jattn.errors import InputError
from jattn.interop import layout
from jattn.interop.family import Family


@dataclass(frozen=True)
class Imported:
    """A model from elsewhere: `tokenizer` is the JSON of the `tokenizers` library, `sha256` that of the files.

    `special_tokens` says which tokens begin and end a text (jattn/interop/special_tokens.py).
    """

    config: ModelConfig
    parameters: dict[str, Any]
    tokenizer: str
    kind: str
    path: str
    sha256: str
    special_tokens: dict[str, Any]


def build(
    source: layout.Source,
    family: Family,
    config: ModelConfig,
    tokenizer: str,
    special_tokens: dict[str, Any],
    kind: str,
    dtype: str,
    files: list[Path],
) -> Imported:
    """Check the arrays against the config, then read them."""
    from jattn.model import parameter_shapes

    # A config that asks for more layers than there are arrays would only cost time and memory to refuse in detail.
    if config.layers > len(source.shapes):
        raise InputError(
            f"{source.path}: the config asks for {config.layers:,} layers, {len(source.shapes)} arrays found"
        )
    config = replace(config, compute=replace(config.compute, dtype=dtype, param_dtype=dtype))
    shapes = {name: shape.shape for name, shape in parameter_shapes(config).items()}
    table = family.layout(config)
    layout.check(source, table, shapes, family.dropped)
    _check_copies(source, family, {e.theirs for e in table})
    with np.errstate(over="ignore"):  # a value too large for the type is found there as one that is not finite
        parameters = layout.read(source, table, shapes, dtype)
    return Imported(config, parameters, tokenizer, kind, source.path, _sha256(files), special_tokens)


def _check_copies(source: layout.Source, family: Family, used: set[str]) -> None:
    """InputError if what the config ties stands in the file twice, and differs."""
    for copy, original in family.copies.items():
        twice = copy in source.shapes and copy not in used and original in source.shapes
        if twice and not np.array_equal(source.read(copy), source.read(original)):
            raise InputError(
                f"{source.path}: {copy} differs from {original}, which the config ties it to; "
                "set tie_word_embeddings to false in config.json if it is meant"
            )


def _sha256(files: list[Path]) -> str:
    total = hashlib.sha256()
    for file in files:
        with file.open("rb") as opened:
            total.update(hashlib.file_digest(opened, "sha256").digest())
    return total.hexdigest()
