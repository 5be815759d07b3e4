"""Which keys a query may see: a frozen specification on positions, combined with `&` only.

    causal()            s <= t
    window(W)           the last W keys, the query's own included (t - W < s <= t)
    bidirectional()     every key
    documents(ids)      keys of the query's own document (texts packed into one row; padding is a document too)
    first_window(n, W)  the first n keys and the last W: one specification, because a union of two masks
                        is no conjunction (StreamingLLM, Xiao et al. 2023, arXiv 2309.17453)

Positions are counted from 0 for both queries and keys, so a query sees itself where t == s. `dense` gives the boolean
matrix; `block_pairs` gives the static list of (query block, key block) that hold at least one visible key, for the
blockwise kernel. A null is seen under every mask: no mask knows of it.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, runtime_checkable

import jax
import numpy as np
from jaxtyping import Array, Bool, Int

from jattn.errors import InputError, at_least


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Mask:
    """A conjunction of conditions on (query position, key position, document of each). Hashable when it has no arrays.

    causal: keys after the query are hidden.  window: keys at distance >= window are hidden (with `causal`, the last
    W keys; without, W - 1 keys on each side and the query's own).  first: keys at positions < first are exempt
    from the window.  documents: pairs of (ids of the queries, B T; ids of the keys, B S); all pairs must agree.
    """

    causal: bool = field(default=False, metadata={"static": True})
    window: int | None = field(default=None, metadata={"static": True})
    first: int = field(default=0, metadata={"static": True})
    documents: tuple[tuple[Any, Any], ...] = ()

    def __post_init__(self):
        if self.window is not None:
            at_least("window", self.window, 1)
        at_least("first", self.first, 0)
        if self.first and self.window is None:
            raise InputError(f"first must be 0 without a window, got {self.first}: every key is visible already")

    def __and__(self, other: "Mask") -> "Mask":
        """The keys that both masks show; refused where two windows with first keys have no common form."""
        both = sorted((m for m in (self, other) if m.window is not None), key=lambda m: (m.window, m.first))
        if len(both) == 2 and both[0].first > both[1].first:
            a, b = both
            raise InputError(
                f"window: (first {a.first}, window {a.window}) & (first {b.first}, window {b.window}) is no mask of "
                "this form; the smaller window must not keep more first keys"
            )
        window, first = (both[0].window, both[0].first) if both else (None, 0)
        return Mask(self.causal or other.causal, window, first, self.documents + other.documents)

    @property
    def static(self) -> "Mask":
        """The part that is known before any data: the mask without its documents."""
        return replace(self, documents=())

    def visible(self, t: Array | np.ndarray, s: Array | np.ndarray):
        """Whether a query at position t sees a key at position s (arrays that broadcast), documents apart."""
        distance = t - s
        seen = distance >= 0 if self.causal else distance == distance
        if self.window is not None:
            seen = seen & ((abs(distance) < self.window) | (s < self.first))
        return seen

    def dense(
        self, t: Int[Array | np.ndarray, " T"], s: Int[Array | np.ndarray, " S"]
    ) -> Bool[Array | np.ndarray, "#B 1 T S"]:
        """The boolean matrix for queries at positions t and keys at positions s; the second axis is for heads."""
        seen = self.visible(t[:, None], s[None, :])[None, None]
        for of_query, of_key in self.documents:
            seen = seen & (of_query[:, None, :, None] == of_key[:, None, None, :])
        return seen

    def block_pairs(self, T: int, S: int, block_T: int, block_S: int) -> tuple[np.ndarray, np.ndarray]:
        """Pairs (query block, key block) that hold a visible key, as int32 [n, 2]: wholly visible ones, and the rest.

        Documents apart. A block that reaches past T or S is never wholly visible. Found from the range of
        distances in a block, so the cost is the number of blocks, not T S.
        """
        whole, edge = [], []
        for i in range(-(-T // block_T)):
            t = (i * block_T, min((i + 1) * block_T, T) - 1)
            for j in range(-(-S // block_S)):
                s = (j * block_S, min((j + 1) * block_S, S) - 1)
                # The distances t - s in the block are all integers from near to far.
                near, far = t[0] - s[1], t[1] - s[0]
                if (self.causal and far < 0) or not (self._in_window(near, far, any) or s[0] < self.first):
                    continue
                full = t[1] - t[0] + 1 == block_T and s[1] - s[0] + 1 == block_S
                full = full and not (self.causal and near < 0)
                full = full and (self._in_window(near, far, all) or s[1] < self.first)
                (whole if full else edge).append((i, j))
        return np.array(whole, np.int32).reshape(-1, 2), np.array(edge, np.int32).reshape(-1, 2)

    def _in_window(self, near: int, far: int, some: Callable[..., bool]) -> bool:
        """Whether `some` (any, all) of the distances near..far lie inside the window."""
        if self.window is None:
            return True
        if some is all:
            return max(abs(near), abs(far)) < self.window
        return near < self.window and far > -self.window


def causal() -> Mask:
    """Every key up to the query's own."""
    return Mask(causal=True)


def bidirectional() -> Mask:
    """Every key."""
    return Mask()


def window(size: int) -> Mask:
    """The last `size` keys, the query's own included."""
    return Mask(causal=True, window=size)


def first_window(first: int, size: int) -> Mask:
    """The first `first` keys and the last `size` keys; where the two overlap a key counts once."""
    return Mask(causal=True, window=size, first=first)


@runtime_checkable
class Windowed(Protocol):
    """A layer of which the window is known: the last `window` keys and the `first` ones, or all of them (None)."""

    @property
    def window(self) -> int | None: ...
    @property
    def first(self) -> int: ...


def of_layer(layer: Windowed, *, causal: bool) -> Mask:
    """What the queries of a layer see of one text."""
    return Mask(causal=causal, window=layer.window, first=layer.first)


def documents(of_query: Int[Array | np.ndarray, "B T"], of_key: Int[Array | np.ndarray, "B S"] | None = None) -> Mask:
    """Keys of the query's own document. Give `of_key` for cross-attention."""
    return Mask(documents=((of_query, of_query if of_key is None else of_key),))
