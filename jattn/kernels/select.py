"""The ways to compute the same attention, what each can do, and the one function that picks and says what it picked.

A kernel that cannot do what is asked refuses with one line; nothing falls back silently. A new kernel (GPU, TPU) is one
file, one row of KERNELS, and the shared test suite.
"""

from collections.abc import Callable
from dataclasses import dataclass

import jax

from jattn.errors import InputError, one_of
from jattn.kernels import blocks, dense
from jattn.partial import Partial


@dataclass(frozen=True)
class Kernel:
    """`attend` computes Partial; the flags say what else it takes.

    positions: queries and keys at positions given as arrays (decoding from a cache).  forward_mode: jax.jvp, and second
    derivatives through it.  linear_memory: O(T) memory.
    """

    name: str
    attend: Callable[..., Partial]
    positions: bool = False
    forward_mode: bool = False
    linear_memory: bool = False


KERNELS = {
    "dense": Kernel("dense", dense.attend, positions=True, forward_mode=True),
    "blocks": Kernel("blocks", blocks.attend, linear_memory=True),
}


def pick(implementation: str | None, T: int, S: int, *, positions: bool = False, backend: str | None = None) -> Kernel:
    """The kernel to use. None picks: dense where only it can serve, and off the CPU for rows that fit in memory.

    On a CPU `blocks` is faster at every length (benchmarks/kernels.py). On a GPU or TPU a scan runs the blocks one
    after the other, so up to 2,048 keys the matrix is taken; above, its memory decides (not measured on either yet).
    """
    if implementation is not None:
        kernel = KERNELS[one_of("implementation", implementation, KERNELS)]
        if positions and not kernel.positions:
            raise InputError(f"implementation: {kernel.name!r} takes no q_pos/k_pos; use 'dense'")
        return kernel
    backend = backend or jax.default_backend()
    small = backend != "cpu" and max(T, S) <= 2048
    return KERNELS["dense" if positions or small else "blocks"]
