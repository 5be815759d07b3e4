"""What the page shows of one model on one text: plain arrays, checked before anything is drawn.

    Attention.of("mine", weights, tokens=["The", " cat"])        weights [L, N, T, S], or a list of [N, T, S]

Any array goes that NumPy can read (JAX, torch, lists); heads may differ in number from layer to layer, keys may be
another text than the queries (cross-attention). Rows sum to 1 - null.

Axes: L layers, N heads, T queries, S keys (T of the same text where `keys` is not given), H head size.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from jaxtyping import Float, Float32

from analysis.viewer import words
from analysis.viewer.checks import check
from analysis.viewer.words import Tokens
from jattn.errors import InputError
from jattn.masks import Mask


@dataclass(frozen=True)
class Layer:
    """One layer: weights [N, T, S], null [N, T] where it has a null or a sink token.

    number, heads: what the layer and its heads are called, where some are left out. softmax: whether rows sum to 1.
    """

    weights: Float32[np.ndarray, "..."]  # any shape: the check's message says more than a shape
    null: Float32[np.ndarray, "..."] | None = None
    number: int = 0
    heads: tuple[int, ...] = ()
    window: int | None = None
    first: int = 0
    softmax: bool = True

    def __repr__(self) -> str:
        null = "" if self.null is None else ", with a null"
        return f"Layer({self.number}, weights {list(self.weights.shape)}{null})"


@dataclass(frozen=True)
class Vectors:
    """Queries and keys of one head as they meet (after rotation); score = f(scale q . k), as in jattn/scores.py.

    bias: of unnormalised sigmoid attention, added to the score.
    """

    q: Float[np.ndarray, "T H"]
    k: Float[np.ndarray, "S H"]
    s_null: Float[np.ndarray, " T"] | None = None
    scale: float = 1.0
    cap: float | None = None
    slope: float | None = None
    kind: Literal["softmax", "log-sigmoid", "sigmoid"] = "softmax"
    bias: float = 0.0


@dataclass(frozen=True)
class Attention:
    """One model, or one step of it, on one text. `Attention.of` makes one from arrays.

    split: index of the first token of sentence B. vectors: (layer, head), counted in what is here, -> Vectors.
    run: what names the model; steps of one model share it. source: what the reader is told about it.
    """

    name: str
    layers: tuple[Layer, ...]
    tokens: Tokens
    keys: Tokens | None = None
    split: int | None = None
    causal: bool = False
    vectors: Mapping[tuple[int, int], Vectors] = field(default_factory=dict)
    run: str = ""
    step: int | None = None
    source: tuple[tuple[str, str], ...] = ()

    def __post_init__(self):
        check(self)

    def __repr__(self) -> str:
        step = "" if self.step is None else f" at step {self.step:,}"
        keys = "" if self.keys is None else f", keys {self.keys!r}"
        size = f"{len(self.layers)} layers, {len(self.heads)} heads"
        return f"Attention({self.name!r}{step}, {size}, {self.tokens!r}{keys})"

    @classmethod
    def of(
        cls,
        name: str,
        layers: Any,
        tokens: Tokens | Sequence[str],
        *,
        null: Sequence[Any] | Any | None = None,
        keys: Tokens | Sequence[str] | None = None,
        kinds: Sequence[str] | None = None,
        split: int | None = None,
        causal: bool | None = None,
        windows: Sequence[int | None] | None = None,
        softmax: bool = True,
        numbers: Sequence[int] | None = None,
        vectors: Mapping[tuple[int, int], Vectors] | None = None,
    ) -> "Attention":
        """Attention from arrays: weights [L, N, T, S] or a list of [N, T, S], null [L, N, T] likewise.

        causal: whether no query sees a later key; None looks. windows: last keys that a query sees, per layer. kinds:
        the tokens' word classes. Raises InputError for what cannot be attention, with the layer and the value.
        """
        weights = [_array(f"{name}: layer {i}", w) for i, w in enumerate(layers)]
        _same_length(name, len(weights), null=null, windows=windows, numbers=numbers)
        nulls = [
            None if n is None else _array(f"{name}: null of layer {i}", n)
            for i, n in enumerate(() if null is None else null)
        ]
        made = tuple(
            Layer(
                w,
                nulls[i] if nulls else None,
                i if numbers is None else int(numbers[i]),
                tuple(range(len(w) if w.ndim else 0)),
                None if windows is None else windows[i],
                softmax=softmax,
            )
            for i, w in enumerate(weights)
        )
        own = tokens if isinstance(tokens, Tokens) else words.of_strings(tokens, kinds)
        other = keys if keys is None or isinstance(keys, Tokens) else words.of_strings(keys)
        if causal is None:
            causal = other is None and all(w.ndim == 3 and not np.triu(w, 1).any() for w in weights)
        return cls(name, made, own, other, split, causal, vectors or {}, run=name)

    @property
    def T(self) -> int:
        return len(self.tokens)

    @property
    def S(self) -> int:
        return len(self.keys or self.tokens)

    @property
    def heads(self) -> list[tuple[int, int]]:
        """Every head as (layer, head), counted in what is here."""
        return [(i, n) for i, layer in enumerate(self.layers) for n in range(len(layer.weights))]

    def same_text(self, other: "Attention") -> bool:
        """Whether both read the same tokens, so that their maps can be subtracted."""
        keys = self.keys is other.keys or bool(self.keys and other.keys and self.keys.same(other.keys))
        return self.tokens.same(other.tokens) and keys and self.split == other.split

    def visible(self, layer: int) -> np.ndarray:
        """Which keys each query may see, [T, S]."""
        at = self.layers[layer]
        mask = Mask(causal=self.causal, window=at.window, first=at.first)
        return np.asarray(mask.dense(np.arange(self.T), np.arange(self.S))[0, 0])


def _array(what: str, values: Any) -> np.ndarray:
    try:
        return np.asarray(values, np.float32)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"{what}: is no array of numbers ({error}); give one of shape [heads, queries, keys]"
        ) from None


def _same_length(name: str, L: int, **given: Sequence[Any] | None) -> None:
    for field_name, values in given.items():
        if values is not None and len(values) != L:
            raise InputError(f"{name}: {field_name} has {len(values)} entries for {L} layers; give one for each")
