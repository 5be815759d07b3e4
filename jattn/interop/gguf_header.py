"""What stands at the head of a GGUF file: metadata and where each tensor lies. Everything is checked, nothing copied.

    magic, version, tensors, keys | key, type, value ... | name, dimensions, type, offset ... | padding | data

The library's own reader loops over counts as it finds them, so a damaged file keeps it busy for hours; here every
count and length is compared with the bytes that are left first. Source: ggml's docs/gguf.md, versions 2 and 3.
"""

import math
import struct
from dataclasses import dataclass
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from jattn.errors import InputError
from jattn.interop.config_keys import shown

MAGIC, VERSIONS = b"GGUF", (2, 3)
MOST = 1 << 21  # keys, tensors, or entries of an array: several times the largest vocabulary there is
LONGEST = 1 << 24  # bytes of a string: the longest are chat templates
STRING, ARRAY = 8, 9
NUMBERS = {0: "u1", 1: "i1", 2: "u2", 3: "i2", 4: "u4", 5: "i4", 6: "f4", 7: "?", 10: "u8", 11: "i8", 12: "f8"}


class Stored(NamedTuple):
    """A tensor: its shape (rows first, as numpy has it), ggml's type, and its bytes in the file."""

    shape: tuple[int, ...]
    type: Any
    start: int
    size: int


@dataclass(frozen=True)
class Header:
    """Metadata by key and tensors by name, as the file calls them."""

    values: dict[str, Any]
    tensors: dict[str, Stored]


def library() -> ModuleType:
    """The library gguf, which knows the quantised types; InputError with the command that installs it."""
    try:
        import gguf
    except ImportError:
        raise InputError("reading a .gguf file needs the library gguf: pip install gguf") from None
    return gguf


def read_header(data: Any, where: str) -> Header:
    """The header of a file whose bytes are `data` (a memory map will do).

    Raises InputError, before anything is allocated for it, where a count, a length, a type, a shape or an offset does
    not fit the file. Time and memory are bounded by the header's own length.
    """
    if data[:4] != MAGIC:
        raise InputError(f"{where} is no GGUF file: it starts with {bytes(data[:4])!r}, not {MAGIC!r}")
    walk = _Walk(data, where, 4)
    version = walk.number("u4")
    if version not in VERSIONS:
        if version & 0xFFFF == 0 and version >> 24 in VERSIONS:
            raise InputError(f"{where} is a big-endian GGUF file; only little-endian ones are read")
        raise InputError(f"{where}: GGUF version {version} is not supported, only {VERSIONS[0]} and {VERSIONS[1]}")
    tensors, keys = walk.count("tensors", 32), walk.count("keys", 13)
    values: dict[str, Any] = {}
    for _ in range(keys):
        key = walk.name(values)
        values[key] = walk.value(walk.number("u4"), key)
    stored = [walk.tensor(names) for names in [set()] for _ in range(tensors)]
    return Header(values, _placed(stored, walk, values.get("general.alignment", 32)))


def _placed(stored: list[tuple[str, Stored]], walk: "_Walk", alignment: Any) -> dict[str, Stored]:
    """The tensors with their place in the file; InputError where one lies beyond the end or over another."""
    if type(alignment) is not int or not 0 < alignment <= 1 << 16 or alignment & (alignment - 1):
        raise InputError(f"{walk.where}: general.alignment must be a power of two, got {shown(alignment)}")
    begin, total = -(-walk.at // alignment) * alignment, len(walk.data)
    placed, end, before = {}, begin, ""
    for name, at in sorted(stored, key=lambda pair: pair[1].start):
        t = at._replace(start=begin + at.start)
        if t.start + t.size > total:
            raise InputError(f"{walk.where}: {name} ends at byte {t.start + t.size:,}, the file at {total:,}: {AGAIN}")
        if t.start % alignment or t.start < end:
            raise InputError(f"{walk.where}: {name} starts at byte {t.start:,}, inside {before or 'the header'}")
        placed[name], end, before = t, t.start + t.size, name
    return placed


AGAIN = "the file is damaged or incomplete, fetch it again"


class _Walk:
    """A position in the bytes of a file that never passes their end."""

    def __init__(self, data: Any, where: str, at: int):
        self.data, self.where, self.at = data, where, at

    def array(self, kind: str, count: int, what: str = "the header") -> np.ndarray:
        size = count * np.dtype(kind).itemsize
        if size > len(self.data) - self.at:
            raise InputError(
                f"{self.where}: {what} needs {size:,} more bytes, {len(self.data) - self.at:,} are left: {AGAIN}"
            )
        values = np.frombuffer(self.data, np.dtype(kind).newbyteorder("<"), count, self.at)
        self.at += size
        return values

    def number(self, kind: str, what: str = "the header") -> Any:
        return self.array(kind, 1, what)[0].item()

    def count(self, what: str, least: int) -> int:
        """A count of things of at least so many bytes."""
        number = self.number("u8", what)
        if number > min(MOST, (len(self.data) - self.at) // least):
            raise InputError(f"{self.where}: a count of {number:,} {what} does not fit into the file: {AGAIN}")
        return number

    def string(self, what: str) -> str:
        # The only part that runs a hundred thousand times, so without numpy.
        left = len(self.data) - self.at - 8
        if left < 0:
            raise InputError(f"{self.where}: the file ends inside {what}: {AGAIN}")
        (size,) = struct.unpack_from("<Q", self.data, self.at)
        if size > min(left, LONGEST):
            raise InputError(f"{self.where}: a length of {size:,} in {what} does not fit into the file: {AGAIN}")
        self.at += 8 + size
        try:
            return bytes(self.data[self.at - size : self.at]).decode()
        except UnicodeDecodeError:
            raise InputError(f"{self.where}: {what} is no UTF-8 at byte {self.at - size:,}: {AGAIN}") from None

    def name(self, taken: Any) -> str:
        """A new name that can be printed."""
        name = self.string("a name")
        if not name.isprintable() or not 0 < len(name) <= 200:
            raise InputError(f"{self.where}: {shown(name)} is no name: {AGAIN}")
        if name in taken:
            raise InputError(f"{self.where}: {name} stands there twice; which one is meant?")
        return name

    def value(self, kind: int, key: str) -> Any:
        if kind in NUMBERS:
            return self.number(NUMBERS[kind], key)
        if kind == STRING:
            return self.string(key)
        if kind != ARRAY:
            raise InputError(f"{self.where}: {key} is of type {kind}, which GGUF does not have: {AGAIN}")
        inner = self.number("u4", key)
        count = self.count(f"entries in {key}", 8 if inner == STRING else 1)
        if inner == STRING:
            return [self.string(key) for _ in range(count)]
        if inner not in NUMBERS:
            raise InputError(f"{self.where}: {key} is an array of type {inner}; only numbers and strings are read")
        return self.array(NUMBERS[inner], count, key).tolist()

    def tensor(self, taken: set[str]) -> tuple[str, Stored]:
        name = self.name(taken)
        taken.add(name)
        axes = self.number("u4", name)
        if not 1 <= axes <= 4:
            raise InputError(f"{self.where}: {name} has {axes:,} dimensions, not 1 to 4: {AGAIN}")
        shape = tuple(self.array("u8", axes, name).tolist()[::-1])
        kind, start = self.number("u4", name), self.number("u8", name)
        sizes = library().GGML_QUANT_SIZES
        if kind not in sizes:
            raise InputError(f"{self.where}: {name} is of type {kind}, which the library gguf does not know")
        block, size = sizes[kind]
        if 0 in shape or shape[-1] % block:
            raise InputError(f"{self.where}: {name} has shape {list(shape)}, not in blocks of {block}: {AGAIN}")
        return name, Stored(shape, library().GGMLQuantizationType(kind), start, math.prod(shape) // block * size)
