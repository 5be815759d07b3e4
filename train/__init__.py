"""train: from text to a checkpoint. `load` is the one loader, `run` the one way to train; `jattn` gives both."""

from importlib import import_module
from typing import TYPE_CHECKING

_HOME = {
    "load": "train.checkpoint",
    "Run": "train.runs",
    "run": "train.loop",
    "preset": "train.presets",
    "RunConfig": "train.config",
    "override": "train.config",
}

if TYPE_CHECKING:
    from train.checkpoint import load
    from train.config import RunConfig, override
    from train.loop import run
    from train.presets import preset
    from train.runs import Run

__all__ = ["Run", "RunConfig", "load", "override", "preset", "run"]


def __getattr__(name: str):
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'train' has no attribute {name!r}")


def __dir__():
    return __all__
