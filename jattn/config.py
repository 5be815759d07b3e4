"""What a model is: frozen dataclasses, checked where they are built, no JAX import.

The attention of every layer is one string, so that a pair with and without a null differs in one field:

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

from dataclasses import dataclass, field, fields
from typing import Any, Literal, get_args

from jattn.errors import InputError, at_least, one_of

NullKind = Literal["zero", "logit", "key", "key_value", "fixed_value"]


def option(default: Any, help: str) -> Any:
    """A field with a default and the one line that `--help` shows for it."""
    return field(default=default, metadata={"help": help})


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


@dataclass(frozen=True)
class NullConfig:
    """How null parameters start and whether weight decay touches them (Sun et al. 2024, Gu et al. 2024: N(0, 0.02))."""

    key_std: float = option(0.02, "standard deviation of null keys at the start")
    value_std: float = option(0.02, "standard deviation of null values (key_value) and of value_bias at the start")
    logit_init: float = option(0.0, "sink logit at the start; -10 is near off")
    rotary: Literal["before", "after"] = option(
        "before", "take q before or after rotation (after: a key at position 0)"
    )
    decay: bool = option(True, "weight decay on null keys and values (sink logits, being vectors, never decay)")

    def __post_init__(self):
        at_least("model.null.key_std", self.key_std, 0)
        at_least("model.null.value_std", self.value_std, 0)
        one_of("model.null.rotary", self.rotary, ("before", "after"))


@dataclass(frozen=True)
class ModelConfig:
    """A Transformer. The default is ours: RoPE, RMSNorm, QK-norm, squared ReLU, zero-initialised outputs."""

    attention: str = option("standard", "attention of the layers; see docs/attention.md")
    vocab_size: int = option(0, "number of tokens; 0 takes the tokenizer's")
    context: int = option(64, "longest text in tokens")
    layers: int = option(4, "number of layers; 0 is the bigram model")
    heads: int = option(4, "query heads")
    kv_heads: int | None = option(None, "key/value heads; none: as many as query heads")
    width: int = option(128, "size of the hidden state")
    head_size: int | None = option(None, "size of a head; none: width / heads")
    mlp: Literal["gelu", "gelu_tanh", "relu2", "swiglu", "none"] = option("relu2", "activation of the MLP, or none")
    hidden: int | None = option(None, "hidden size of the MLP; none: 4 width (swiglu: 8/3 width)")
    positions: Literal["rope", "learned", "alibi", "none"] = option("rope", "how positions enter")
    rope_theta: float = option(10_000.0, "base of the rotary frequencies")
    norm: Literal["rmsnorm", "layernorm"] = option("rmsnorm", "normalisation")
    norm_position: Literal["pre", "post"] = option("pre", "before each part (GPT-2, Llama) or after it (BERT)")
    norm_eps: float = option(1e-5, "epsilon of the normalisation")
    qk_norm: bool = option(True, "normalise queries and keys of each head")
    qkv_bias: bool = option(False, "bias on the query, key and value projections")
    out_bias: bool = option(False, "bias on the attention's output projection")
    mlp_bias: bool = option(False, "bias in the MLP")
    norm_bias: bool = option(False, "bias in LayerNorm")
    tied: bool = option(True, "the output layer is the embedding")
    causal: bool = option(True, "false: every token sees both sides (BERT)")
    token_types: int = option(0, "number of token types (BERT's sentence A and B)")
    score: Literal["softmax", "sigmoid_normalised"] = option("softmax", "weights from scores")
    attention_soft_cap: float | None = option(None, "cap * tanh(score / cap)")
    logit_soft_cap: float | None = option(None, "cap * tanh(logit / cap)")
    embed_dropout: float = option(0.0, "dropout after the embedding")
    resid_dropout: float = option(0.0, "dropout on what attention adds")
    mlp_dropout: float = option(0.0, "dropout on what the MLP adds")
    init_std: float = option(0.02, "standard deviation of weights at the start")
    zero_init: bool = option(True, "output projections start at zero")
    null: NullConfig = field(default_factory=NullConfig)
    dtype: Literal["float32", "bfloat16", "float64"] = option("float32", "type of the computation")
    param_dtype: Literal["float32", "float64"] = option("float32", "type of the parameters")
    layer_loop: Literal["auto", "python", "unrolled", "scan"] = option(
        "auto", "auto: python up to 12 layers, then scan"
    )
    implementation: Literal["auto", "dense", "blocks"] = option(
        "auto", "attention kernel for whole texts; a cache is read by dense"
    )

    def __post_init__(self):
        for f in fields(self):
            if get_args(f.type) and all(isinstance(a, str) for a in get_args(f.type)):
                one_of(f"model.{f.name}", getattr(self, f.name), get_args(f.type))
        for name, minimum in _MINIMA.items():
            if getattr(self, name) is not None:
                at_least(f"model.{name}", getattr(self, name), minimum)
        for name in ("embed_dropout", "resid_dropout", "mlp_dropout"):
            if not 0 <= getattr(self, name) < 1:
                raise InputError(f"model.{name} must be at least 0 and below 1, got {getattr(self, name)}")
        for name in ("attention_soft_cap", "logit_soft_cap", "rope_theta", "norm_eps"):
            if getattr(self, name) is not None and not getattr(self, name) > 0:
                raise InputError(f"model.{name} must be > 0, got {getattr(self, name)}")
        if self.head_size is None and self.width % self.heads:
            raise InputError(f"model.heads must divide model.width, got {self.heads} and {self.width}")
        if self.heads % self.N_kv:
            raise InputError(f"model.kv_heads must divide model.heads, got {self.kv_heads} and {self.heads}")
        if self.positions == "rope" and self.H % 2:
            raise InputError(f"model.head_size must be even for rope, got {self.H}")
        pattern = self.pattern  # parsed here, so that a wrong name is refused where it is written
        if any(layer.sigmoid for layer in self.pattern):
            if self.score != "softmax":
                raise InputError(f"model.score must be softmax with attention 'sigmoid', got {self.score!r}")
            if self.implementation == "blocks":
                raise InputError("model.implementation: 'blocks' has no sigmoid attention; use auto or dense")
        if not self.causal and any(layer.token for layer in pattern):
            raise InputError("model.attention: a sink token needs a causal model: it must not see the text")

    @property
    def pattern(self) -> tuple[LayerAttention, ...]:
        """The attention of the layers, one entry per layer of the repeating pattern."""
        return parse_attention(self.attention)

    def layer(self, index: int) -> LayerAttention:
        """The attention of one layer."""
        return self.pattern[index % len(self.pattern)]

    @property
    def H(self) -> int:
        """Size of a head."""
        return self.head_size or self.width // self.heads

    @property
    def N_kv(self) -> int:
        """Key/value heads."""
        return self.kv_heads or self.heads

    @property
    def F(self) -> int:
        """Hidden size of the MLP: 4 D, or 8/3 D rounded up to a multiple of 8 where the gate is a third matrix."""
        return self.hidden or (-(-8 * self.width // 24) * 8 if self.mlp == "swiglu" else 4 * self.width)

    @property
    def sink_token(self) -> bool:
        """Whether a learned token stands before the text."""
        return self.layers > 0 and self.pattern[0].token


_MINIMA = {
    "vocab_size": 0,
    "context": 1,
    "layers": 0,
    "heads": 1,
    "kv_heads": 1,
    "width": 1,
    "head_size": 1,
    "hidden": 1,
    "token_types": 0,
    "init_std": 0,
}
