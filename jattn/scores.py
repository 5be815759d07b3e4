"""How similarity becomes a score: small frozen functions score(x, t, s, head) -> x, applied before the softmax.

x is scale * q . k; t and s are the positions of query and key, head the index of the query head; all broadcast
to x. They act on any block of scores, so the dense and the blockwise kernel share them. They never touch the null.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array

from jattn.errors import positive

Score = Callable[[Array, Array, Array, Array], Array]


@dataclass(frozen=True)
class SoftCap:
    """cap * tanh(x / cap): scores stay within +-cap (Gemma 2, arXiv 2408.00118, section 2)."""

    cap: float

    def __post_init__(self):
        positive("soft_cap", self.cap)

    def __call__(self, x: Array, t: Array, s: Array, head: Array) -> Array:
        return self.cap * jnp.tanh(x / self.cap)


@dataclass(frozen=True)
class Alibi:
    """x - slope_head * |t - s| (Press et al. 2022, arXiv 2108.12409, section 3)."""

    slopes: tuple[float, ...]

    def __call__(self, x: Array, t: Array, s: Array, head: Array) -> Array:
        return x - jnp.asarray(self.slopes, x.dtype)[head] * jnp.abs(t - s)


@dataclass(frozen=True)
class LogSigmoid:
    """log sigmoid(x), whose softmax is sigmoid attention divided by its sum.

    Source: Gu et al. 2024, arXiv 2410.10781, Table 6 (sigmoid, normalised).
    """

    def __call__(self, x: Array, t: Array, s: Array, head: Array) -> Array:
        return jax.nn.log_sigmoid(x)


@dataclass(frozen=True)
class Chain:
    """Several scores, the first applied first."""

    parts: tuple[Score, ...]

    def __call__(self, x: Array, t: Array, s: Array, head: Array) -> Array:
        for part in self.parts:
            x = part(x, t, s, head)
        return x


def chain(*parts: Score | None) -> Score | None:
    """Several scores as one; None where there is nothing to do."""
    kept = tuple(p for p in parts if p is not None)
    return kept[0] if len(kept) == 1 else Chain(kept) if kept else None


def heads_of(score: Score | None) -> int | None:
    """The number of query heads that a score is made for; None if it takes any."""
    parts = score.parts if isinstance(score, Chain) else (score,)
    return next((len(part.slopes) for part in parts if isinstance(part, Alibi)), None)


def alibi_slopes(heads: int) -> tuple[float, ...]:
    """2^(-8 i / N) for i = 1..N; between powers of two the paper's interleaving (its released code)."""
    power = 2 ** math.floor(math.log2(heads))
    slopes = [2.0 ** (-8 * i / power) for i in range(1, power + 1)]
    return tuple(slopes + [2.0 ** (-4 * i / power) for i in range(1, 2 * (heads - power), 2)])


def scale_of(scale: float | None, head_size: int) -> float:
    """The factor on q . k: 1/sqrt(H) unless given, because Var(q . k) = H for unit-variance q and k."""
    return head_size**-0.5 if scale is None else scale
