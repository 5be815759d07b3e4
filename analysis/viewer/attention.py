"""What the page shows of one model on one text: plain arrays, checked before anything is drawn.

    Attention.of("mine", weights, tokens=["The", " cat"])        weights [L, N, T, S], or a list of [N, T, S]

Any array goes that NumPy can read (JAX, torch, lists); heads may differ in number from layer to layer, keys may be
another text than the queries (cross-attention). Rows sum to 1 - null.

Axes: L layers, N heads, T queries, S keys (T of the same text where `keys` is not given), H head size.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from analysis.viewer import words
from analysis.viewer.checks import check_layer, check_vectors
from analysis.viewer.layer import Layer, Vectors
from analysis.viewer.words import Tokens
from jattn import masks
from jattn.errors import InputError


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
        _check(self)

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
        word_classes: Sequence[str] | None = None,
        split: int | None = None,
        causal: bool | None = None,
        windows: Sequence[int | None] | None = None,
        softmax: bool = True,
        numbers: Sequence[int] | None = None,
        vectors: Mapping[tuple[int, int], Vectors] | None = None,
    ) -> "Attention":
        """Attention from arrays: weights [L, N, T, S] or a list of [N, T, S], null [L, N, T] likewise.

        causal: whether no query sees a later key; None looks. windows: last keys that a query sees, per layer.
        word_classes: of the tokens, by their form if not given. Raises InputError for what cannot be attention, with
        the layer and the value.
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
        own = tokens if isinstance(tokens, Tokens) else words.of_strings(tokens, word_classes)
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
        mask = masks.of_layer(self.layers[layer], causal=self.causal)
        return np.asarray(mask.dense(np.arange(self.T), np.arange(self.S))[0, 0])


def _check(a: Attention) -> None:
    """InputError for what cannot be attention: arrays that are none would only look like some."""
    if not a.layers:
        raise InputError(f"{a.name}: there are no layers; give at least one [heads, queries, keys]")
    if not a.T or not a.S:
        raise InputError(f"{a.name}: tokens is empty; give at least one token")
    if a.causal and a.keys is not None:
        raise InputError(f"{a.name}: causal with keys of another text means nothing; leave causal out")
    if a.split is not None and not 0 < a.split < a.T:
        raise InputError(f"{a.name}: split must be from 1 to {a.T - 1}, the first token of sentence B, got {a.split}")
    for i, layer in enumerate(a.layers):
        check_layer(f"{a.name}: layer {i}", layer, a.visible(i))
    for (i, n), vectors in a.vectors.items():
        where = f"{a.name}: vectors of head {i}.{n}"
        if not (0 <= i < len(a.layers) and 0 <= n < len(a.layers[i].weights)):
            raise InputError(f"{where}, which is not here")
        check_vectors(where, vectors, a.T, a.S)


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
