"""What the steps of a run read, made from its material."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from jaxtyping import Array

from jattn.errors import InputError
from train import data
from train.devices import batches_over_devices
from train.evaluate import evenly
from train.material import Material


@dataclass(frozen=True)
class Feed:
    """What the steps read: the batch of each step, the validation windows, and how a batch is put on the devices."""

    batches: Any
    windows: np.ndarray
    put: Callable[[np.ndarray], Array]


def feed_of(material: Material) -> Feed:
    """The same order of data for every attention. Raises InputError if the devices cannot share a batch."""
    config, bos = material.config, material.bos
    size, count = config.data.batch, len(jax.devices())
    if size % count:
        raise InputError(f"data.batch must be a multiple of the number of devices ({count}), got {size}")
    batches = data.batches(material.data.train, context=config.length, batch=size, seed=config.seed, bos=bos)
    windows = evenly(data.windows(material.data.valid, context=config.length, bos=bos), config.eval_windows)
    return Feed(batches, windows, batches_over_devices())
