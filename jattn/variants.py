"""The attention of every layer as one string, so that a pair with and without a null differs in one field:

standard                    plain softmax attention
null                        a null key per head (the same as `key`); also: zero, logit, key_value, fixed_value:NORM
local:64                    the last 64 keys;   first:4+local:64  the first 4 and the last 64
null+local:64               parts combine with +
local:64,null               a pattern with commas repeats over the layers
token                       a learned sink token before the text (every layer of a model has it or none)
value_bias                  the control: a value added after attention, which no query can turn away from
gate, gate:headwise         an output gate (Qiu et al. 2025, arXiv 2505.06708)
sigmoid                     unnormalised sigmoid attention
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from jattn.errors import InputError, at_least, one_of


@dataclass(frozen=True)
class NullKind:
    """A null that a layer can have: `make(q, *parameters, number)` of jattn/nulls.py gives its score and value.

    make: the name of that function (this file imports no JAX).  parameters: those it learns, in the function's order:
    `key` (N H), `logit` (N), `value` (N H).  has_value: whether it adds anything to the output.  number: what a number
    after the colon is if it is not given; None takes none.
    """

    make: str
    parameters: tuple[str, ...]
    described: str
    has_value: bool = False
    number: float | None = None


NULLS = {
    "zero": NullKind("zero", (), "a null of score 0"),
    "logit": NullKind("logit", ("logit",), "a sink logit per head"),
    "key": NullKind("key", ("key", "logit"), "a null key"),
    "key_value": NullKind("key", ("key", "logit", "value"), "a null key and value", has_value=True),
    "fixed_value": NullKind("fixed_value", ("key", "logit"), "a null of fixed value", has_value=True, number=1.0),
}


@dataclass(frozen=True)
class LayerAttention:
    """The attention of one layer, as parsed from its string. null: a name of `NULLS`; null_number: its number."""

    window: int | None = None
    first: int = 0
    null: str | None = None
    null_number: float | None = None
    token: bool = False
    value_bias: bool = False
    gate: Literal["elementwise", "headwise"] | None = None
    sigmoid: bool = False

    @property
    def has_null(self) -> bool:
        """Whether it has a null or a sink token, so that null mass means something."""
        return self.null is not None or self.token

    @property
    def null_has_value(self) -> bool:
        """Whether its null or sink token adds anything to the output."""
        return self.token or (self.null is not None and NULLS[self.null].has_value)


Fields = dict[str, Any]
Read = Callable[[str, str], Fields]  # a part's name and what follows its colon -> fields of LayerAttention


def _word(**fields: Any) -> Read:
    def read(name: str, argument: str) -> Fields:
        if argument:
            raise InputError(f"attention: {name!r} takes no value, got {f'{name}:{argument}'!r}")
        return fields

    return read


def _count(field: str) -> Read:
    return lambda name, argument: {field: _number(name, argument, int, 1)}


def _null(name: str) -> Read:
    default = NULLS[name].number
    if default is None:
        return _word(null=name)
    return lambda name, argument: {"null": name, "null_number": _number(name, argument or str(default), float, 0)}


def _gate(_: str, argument: str) -> Fields:
    return {"gate": one_of("attention gate", argument or "elementwise", ("elementwise", "headwise"))}


PARTS: dict[str, Read] = {
    "standard": _word(),
    "null": _word(null="key"),
    **{name: _null(name) for name in NULLS},
    "local": _count("window"),
    "first": _count("first"),
    "token": _word(token=True),
    "value_bias": _word(value_bias=True),
    "gate": _gate,
    "sigmoid": _word(sigmoid=True),
}
"""What the parts of an attention string stand for."""


def parse_attention(text: str) -> tuple[LayerAttention, ...]:
    """The repeating pattern that an attention string names; InputError with the nearest name otherwise."""
    pattern = tuple(_parse_layer(layer.strip()) for layer in text.split(","))
    if len({layer.token for layer in pattern}) > 1:
        raise InputError(f"attention: 'token' is one token before the text, so every layer must have it, got {text!r}")
    return pattern


def _parse_layer(text: str) -> LayerAttention:
    chosen: Fields = {}
    for part in text.split("+"):
        name, _, argument = part.strip().partition(":")
        fields = PARTS[one_of("attention", name, PARTS)](name, argument)
        for field in fields:
            if field in chosen:
                raise InputError(f"attention: {text!r} gives {field!r} twice; keep one")
        chosen |= fields
    layer = LayerAttention(**chosen)
    _refuse_nonsense(text, layer)
    return layer


def _number(name: str, text: str, kind: type, minimum: int) -> Any:
    try:
        value = kind(text)
    except ValueError:
        raise InputError(f"attention: {name} needs a number (for example {name}:64), got {text!r}") from None
    return at_least(f"attention: {name}", value, minimum)


def _refuse_nonsense(text: str, layer: LayerAttention) -> None:
    """Combinations that mean nothing, each refused with its reason."""
    if layer.first and layer.window is None:
        raise InputError(f"attention: {text!r}: first:S needs local:W; without a window every key is visible")
    if layer.sigmoid and layer.has_null:
        raise InputError(f"attention: {text!r}: sigmoid attention has no normaliser, so a null or token means nothing")
    if layer.token and layer.null:
        raise InputError(f"attention: {text!r}: a sink token is a null already (key and value of a learned row)")
