"""One program, one device or several: batches are split over all of them, states are copied to each."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax


def batches_over_devices() -> Callable[[Any], Any]:
    """Puts an array on the devices, its first axis split over them; their number must divide it."""
    return jax.numpy.asarray if len(jax.devices()) == 1 else partial(jax.device_put, device=_sharding("data"))


def replicated(state: Any) -> Any:
    """The state, a copy on every device, every array bound to them as a step leaves it.

    Loaded arrays are bound to a device and new ones are not; to JAX these are two programs, compiled one by one.
    """
    return jax.device_put(state, jax.devices()[0] if len(jax.devices()) == 1 else _sharding())


def _sharding(*axes: str) -> jax.sharding.NamedSharding:
    mesh = jax.make_mesh((len(jax.devices()),), ("data",), axis_types=(jax.sharding.AxisType.Auto,))
    return jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec(*axes))
