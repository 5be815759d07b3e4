"""A folder of safetensors files as one set of named arrays; several files with an index are one set too.

The library checks a file's header against the file's length before anything is allocated; nothing here is a pickle.
"""

import json
from pathlib import Path

import numpy as np

from jattn.errors import InputError
from jattn.interop.config_keys import shown

INDEX = "model.safetensors.index.json"
PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")


class SafetensorsFolder:
    """The arrays of a Hugging Face folder, by name; `prefix` is put before names that lack it."""

    def __init__(self, folder: Path, prefix: str = ""):
        self.path = str(folder)
        self._prefix = prefix
        self._files = [folder / name for name in _names(folder)]
        self._where: dict[str, tuple[Path, str]] = {}
        self.shapes: dict[str, tuple[int, ...]] = {}
        for file in self._files:
            for stored, shape in _header(file):
                name = self._name(stored)
                if name in self.shapes:
                    raise InputError(f"{self.path}: {stored!r} stands in two files; which one is meant?")
                self.shapes[name], self._where[name] = shape, (file, stored)

    @property
    def files(self) -> list[Path]:
        return self._files

    def read(self, name: str) -> np.ndarray:
        """One array, in the type it is stored in (bfloat16 too)."""
        from safetensors import SafetensorError, safe_open

        file, stored = self._where[name]
        try:
            with safe_open(file, "np") as opened:
                return opened.get_tensor(stored)
        except (SafetensorError, OSError, ValueError) as error:
            raise InputError(f"{file}: {stored} cannot be read ({error}); is the file complete?") from error

    def _name(self, stored: str) -> str:
        """The name in its present spelling: with the model's prefix, and `weight` and `bias` for gamma and beta."""
        for old, new in (("LayerNorm.gamma", "LayerNorm.weight"), ("LayerNorm.beta", "LayerNorm.bias")):
            stored = stored.replace(old, new)
        whole = stored.startswith((self._prefix, "lm_head.", "cls."))
        return stored if whole else self._prefix + stored


def _names(folder: Path) -> list[str]:
    """The files that hold the model; InputError with the way out where there are pickles only."""
    if (folder / INDEX).exists():
        try:
            names = sorted(set(json.loads((folder / INDEX).read_text(encoding="utf-8"))["weight_map"].values()))
        except (ValueError, KeyError, AttributeError, TypeError) as error:
            raise InputError(f"{folder / INDEX} is no index of safetensors files ({error})") from None
        for name in names:
            if not isinstance(name, str) or Path(name).name != name or not name.endswith(".safetensors"):
                raise InputError(f"{folder / INDEX} names {name!r}; only safetensors files beside it are read")
            if not (folder / name).is_file():
                raise InputError(f"{folder}: {name} is missing; {INDEX} asks for it")
        return names
    if (folder / "model.safetensors").is_file():
        return ["model.safetensors"]
    pickles = sorted(p.name for p in folder.iterdir() if p.name.endswith(PICKLES))
    if pickles:
        raise InputError(refusal(folder / pickles[0]))
    others = sorted(p.name for p in folder.iterdir() if p.name.endswith(".safetensors"))
    named = f"; rename {others[0]} to it if that is the model" if len(others) == 1 else ""
    raise InputError(f"{folder}: there is no model.safetensors{named}")


def refusal(file: Path) -> str:
    """Why a pickle is not read, and what to do."""
    return (
        f"{file.parent}: {file.name} is a pickle, which can run any code when it is opened, so it is never read; "
        "save the model as safetensors (in transformers: model.save_pretrained(folder, safe_serialization=True))"
    )


def _header(file: Path) -> list[tuple[str, tuple[int, ...]]]:
    """Names and shapes in a file."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, "np") as opened:
            arrays = []
            for name in opened.keys():  # noqa: SIM118  (it is no dict)
                if not name.isprintable() or len(name) > 200:
                    raise InputError(f"{file}: {shown(name)} is no name of an array; the file is damaged")
                part = opened.get_slice(name)
                if part.get_dtype() not in ("F64", "F32", "F16", "BF16"):
                    kind = part.get_dtype()
                    if not name.endswith((".attn.bias", ".attn.masked_bias", "position_ids")):
                        raise InputError(f"{file}: {name} is stored as {kind}; only F64, F32, F16 and BF16 are read")
                arrays.append((name, tuple(part.get_shape())))
            return arrays
    except (SafetensorError, OSError, ValueError, OverflowError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{file} cannot be read as safetensors ({error}); is the file complete?") from error
