"""jattn: attention with an explicit null token, windows and their combinations, in JAX.

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
_MODULES = ("masks", "nulls", "scores", "positions", "taps", "decode", "config", "kernels")

if TYPE_CHECKING:
    from jattn import config, decode, kernels, masks, nulls, positions, scores, taps
    from jattn.config import ModelConfig
    from jattn.errors import InputError
    from jattn.functional import attend, attention, attention_fn, attention_weights
    from jattn.masks import Mask
    from jattn.model import Transformer
    from jattn.nulls import Null, null_mass
    from jattn.partial import Partial, identity, merge

__all__ = [
    "InputError",
    "Mask",
    "ModelConfig",
    "Null",
    "Partial",
    "Transformer",
    "attend",
    "attention",
    "attention_fn",
    "attention_weights",
    "config",
    "decode",
    "identity",
    "kernels",
    "masks",
    "merge",
    "null_mass",
    "nulls",
    "positions",
    "scores",
    "taps",
]


def __getattr__(name: str):
    if name in _MODULES:
        return import_module(f"jattn.{name}")
    if name in _HOME:
        value = getattr(import_module(_HOME[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'jattn' has no attribute {name!r}")


def __dir__():
    return __all__
