"""The chapters of a comparison, in the order of the report. Add one: a file here with CHAPTER, and its name below."""

from importlib import import_module
from typing import TYPE_CHECKING

from jattn.errors import one_of

if TYPE_CHECKING:
    import analysis.chapter

NAMES = (
    "text",
    "waking",
    "shape",
    "language",
    "depth",
    "circuits",
    "formation",
    "cause",
    "side_effects",
    "agreement",
)


def chapter(name: str) -> "analysis.chapter.Chapter":
    """The chapter of that name. Raises InputError, naming all, if there is none."""
    return import_module(f"analysis.chapters.{one_of('chapter', name, NAMES)}").CHAPTER
