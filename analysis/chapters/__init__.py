"""The chapters of a comparison, in the order of the report. Add one: a file here with CHAPTER, and its name below."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from jattn.errors import one_of

if TYPE_CHECKING:
    from analysis.chapter_type import Chapter

NAMES = (
    "text",
    "dormancy",
    "shape",
    "language",
    "depth",
    "circuits",
    "formation",
    "cause",
    "side_effects",
    "agreement",
)
ALWAYS = ("text",)  # every report begins with what its findings and pictures rest on


def chapter(name: str) -> "Chapter[Any]":
    """The chapter of that name. Raises InputError, naming all, if there is none."""
    return import_module(f"analysis.chapters.{one_of('chapter', name, NAMES)}").CHAPTER
