"""analysis: from checkpoints to understanding. `compare` compares groups of runs and shows itself.

`view` shows what runs attend to on a text; `jattn` gives both, and `jattn.capture`, whose name is here that of a room.
"""

from importlib import import_module
from typing import TYPE_CHECKING

_HOME = {
    "Attention": "analysis.viewer.attention",
    "compare": "analysis.report.compare",
    "Comparison": "analysis.comparison",
    "Record": "analysis.record",
    "view": "analysis.viewer.show",
}

if TYPE_CHECKING:
    from analysis.comparison import Comparison
    from analysis.record import Record
    from analysis.report.compare import compare
    from analysis.viewer.attention import Attention
    from analysis.viewer.show import view

__all__ = ["Attention", "Comparison", "Record", "compare", "view"]


def __getattr__(name: str):
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'analysis' has no attribute {name!r}")


def __dir__():
    return __all__
