"""jattn: attention with an explicit null token, windows and their combinations, in JAX; and what heads do with them.

This is the one face: `run`, `load`, `capture`, `compare` and `view` come from the packages beside this (launcher.py).
Names are loaded when first used, so `import jattn` costs nothing until an array is needed.
"""

from importlib import import_module
from typing import TYPE_CHECKING

_HOME = {
    "attend": "jattn.functional",
    "attention": "jattn.functional",
    "attention_fn": "jattn.functional",
    "attention_weights": "jattn.functional",
    "Partial": "jattn.partial",
    "merge": "jattn.partial",
    "identity": "jattn.partial",
    "Mask": "jattn.masks",
    "Null": "jattn.nulls",
    "null_mass": "jattn.nulls",
    "ModelConfig": "jattn.config",
    "Transformer": "jattn.model",
    "InputError": "jattn.errors",
}
_BESIDE = {
    "Run": "train.runs",
    "load": "train.checkpoint",
    "RunConfig": "train.config",
    "override": "train.config",
    "preset": "train.presets",
    "run": "train.loop",
    "Attention": "analysis.viewer.attention",
    "Comparison": "analysis.comparison",
    "Record": "analysis.record",
    "capture": "analysis.capture.capture",
    "compare": "analysis.report.compare",
    "view": "analysis.viewer.show",
}
_MODULES = ("masks", "nulls", "scores", "positions", "taps", "decode", "config", "kernels")

if TYPE_CHECKING:
    from analysis.capture.capture import capture
    from analysis.comparison import Comparison
    from analysis.record import Record
    from analysis.report.compare import compare
    from analysis.viewer.attention import Attention
    from analysis.viewer.show import view
    from jattn import config, decode, kernels, masks, nulls, positions, scores, taps
    from jattn.config import ModelConfig
    from jattn.errors import InputError
    from jattn.functional import attend, attention, attention_fn, attention_weights
    from jattn.masks import Mask
    from jattn.model import Transformer
    from jattn.nulls import Null, null_mass
    from jattn.partial import Partial, identity, merge
    from train.checkpoint import load
    from train.config import RunConfig, override
    from train.loop import run
    from train.presets import preset
    from train.runs import Run

__all__ = [
    "Attention",
    "Comparison",
    "InputError",
    "Mask",
    "ModelConfig",
    "Null",
    "Partial",
    "Record",
    "Run",
    "RunConfig",
    "Transformer",
    "attend",
    "attention",
    "attention_fn",
    "attention_weights",
    "capture",
    "compare",
    "config",
    "decode",
    "identity",
    "kernels",
    "load",
    "masks",
    "merge",
    "null_mass",
    "nulls",
    "override",
    "positions",
    "preset",
    "run",
    "scores",
    "taps",
    "view",
]


def __getattr__(name: str):
    if name in _MODULES:
        return import_module(f"jattn.{name}")
    if name in _HOME:
        value = getattr(import_module(_HOME[name]), name)
    elif name in _BESIDE:
        from jattn import launcher

        value = getattr(launcher.module(_BESIDE[name]), name)
    else:
        raise AttributeError(f"module 'jattn' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__():
    return __all__
