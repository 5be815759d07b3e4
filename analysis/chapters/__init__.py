"""The chapters of a comparison, in the order of the report. Add one: a file here with CHAPTER, and its name below."""

from importlib import import_module

from analysis.chapter import Chapter
from jattn.errors import one_of

NAMES: tuple[str, ...] = ()


def chapter(name: str) -> Chapter:
    """The chapter of that name. Raises InputError, naming all, if there is none."""
    return import_module(f"analysis.chapters.{one_of('chapter', name, NAMES)}").CHAPTER
