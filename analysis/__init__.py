"""analysis: from checkpoints to understanding. `analysis.compare` compares groups of runs and shows itself."""

from importlib import import_module
from typing import TYPE_CHECKING

_HOME = {
    "compare": "analysis.comparison",
    "Comparison": "analysis.comparison",
    "capture": "analysis.capturing",
    "Record": "analysis.record",
}

if TYPE_CHECKING:
    from analysis.capturing import capture
    from analysis.comparison import Comparison, compare
    from analysis.record import Record

__all__ = ["Comparison", "Record", "capture", "compare"]


def __getattr__(name: str):
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'analysis' has no attribute {name!r}")
