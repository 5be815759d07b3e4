"""One program, one device or several: batches are split over all of them, states are copied to each."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax


def batches_over_devices() -> Callable[[Any], Any]:
    """Puts an array on the devices, its first axis split over them; their number must divide it."""
    return jax.numpy.asarray if len(jax.devices()) == 1 else partial(jax.device_put, device=_sharding("data"))


def replicated(state: Any) -> Any:
    """The state, a copy on every device: placed as each step leaves it, so that the first one compiles for good."""
    return state if len(jax.devices()) == 1 else jax.device_put(state, _sharding())


def _sharding(*axes: str) -> jax.sharding.NamedSharding:
    mesh = jax.make_mesh((len(jax.devices()),), ("data",), axis_types=(jax.sharding.AxisType.Auto,))
    return jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec(*axes))
