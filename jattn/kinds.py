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

from dataclasses import dataclass
from typing import Any, Literal, get_args

from jattn.errors import InputError, at_least, one_of

NullKind = Literal["zero", "logit", "key", "key_value", "fixed_value"]


@dataclass(frozen=True)
class LayerAttention:
    """The attention of one layer, as parsed from its string."""

    window: int | None = None
    first: int = 0
    null: NullKind | None = None
    null_norm: float = 0.0
    token: bool = False
    value_bias: bool = False
    gate: Literal["elementwise", "headwise"] | None = None
    sigmoid: bool = False

    @property
    def has_null(self) -> bool:
        """Whether it has a null or a sink token, so that null mass means something."""
        return self.null is not None or self.token


_PARTS = ("standard", "null", *get_args(NullKind), "local:W", "first:S", "token", "value_bias", "gate", "sigmoid")


def parse_attention(text: str) -> tuple[LayerAttention, ...]:
    """The repeating pattern that an attention string names; InputError with the nearest name otherwise."""
    pattern = tuple(_parse_layer(layer.strip()) for layer in text.split(","))
    if len({layer.token for layer in pattern}) > 1:
        raise InputError(f"attention: 'token' is one token before the text, so every layer must have it, got {text!r}")
    return pattern


def _parse_layer(text: str) -> LayerAttention:
    chosen: dict[str, Any] = {}

    def choose(name: str, value: Any) -> None:
        if name in chosen:
            raise InputError(f"attention: {text!r} gives {name!r} twice; keep one")
        chosen[name] = value

    for part in text.split("+"):
        name, _, argument = part.strip().partition(":")
        if name == "standard" and not argument:
            continue
        if name == "null" or name in get_args(NullKind):
            choose("null", "key" if name == "null" else name)
            if name == "fixed_value":
                choose("null_norm", _number("fixed_value", argument or "1", float, 0))
                continue
        elif name == "local":
            choose("window", _number("local", argument, int, 1))
            continue
        elif name == "first":
            choose("first", _number("first", argument, int, 1))
            continue
        elif name == "gate":
            choose("gate", one_of("attention gate", argument or "elementwise", ("elementwise", "headwise")))
            continue
        elif name in ("token", "value_bias", "sigmoid"):
            choose(name, True)
        else:
            one_of("attention", name, [p.partition(":")[0] for p in _PARTS])
        if argument:
            raise InputError(f"attention: {name!r} takes no value, got {part!r}")
    layer = LayerAttention(**chosen)
    _refuse_nonsense(text, layer)
    return layer


def _number(name: str, text: str, kind: type, minimum: int):
    try:
        value = kind(text)
    except ValueError:
        raise InputError(f"attention: {name} needs a number (for example {name}:64), got {text!r}") from None
    return at_least(f"attention: {name}", value, minimum)


def _refuse_nonsense(text: str, layer: LayerAttention) -> None:
    """Combinations that mean nothing, each refused with its reason."""
    if layer.first and layer.window is None:
        raise InputError(f"attention: {text!r}: first:S needs local:W; without a window every key is visible")
    if layer.sigmoid and (layer.null or layer.token):
        raise InputError(f"attention: {text!r}: sigmoid attention has no normaliser, so a null or token means nothing")
    if layer.token and layer.null:
        raise InputError(f"attention: {text!r}: a sink token is a null already (key and value of a learned row)")
