"""What a model is: frozen dataclasses, checked where they are built, no JAX import."""

from dataclasses import dataclass, field, fields
from typing import Any, Literal, get_args

from jattn.errors import InputError, at_least, one_of
from jattn.kinds import LayerAttention, parse_attention

CLAMPED_GAIN = 1.702  # of the sigmoid in swiglu_clamped, gpt-oss's gated activation


def option(default: Any, help: str) -> Any:
    """A field with a default and the one line that `--help` shows for it."""
    return field(default=default, metadata={"help": help})


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
class RopeConfig:
    """How rotary frequencies are stretched for texts longer than those of the pretraining, as in Llama's successors."""

    scaling: Literal["none", "linear", "llama3", "yarn"] = option("none", "rule that stretches the frequencies")
    factor: float = option(1.0, "how much longer the texts are")
    original_context: int = option(8192, "longest text of the pretraining (llama3, yarn)")
    low_freq_factor: float = option(1.0, "llama3: fewer turns than this over the original context are stretched")
    high_freq_factor: float = option(4.0, "llama3: more turns than this are left alone")
    beta_fast: float = option(32.0, "yarn: more turns than this over the original context are left alone")
    beta_slow: float = option(1.0, "yarn: fewer turns than this are stretched")
    truncate: bool = option(True, "yarn: round the range between the two to whole dimensions")
    attention_factor: float | None = option(None, "yarn: scale of rotated q and k; none: 0.1 ln(factor) + 1")

    def __post_init__(self):
        one_of("model.rope.scaling", self.scaling, ("none", "linear", "llama3", "yarn"))
        at_least("model.rope.factor", self.factor, 1)
        at_least("model.rope.original_context", self.original_context, 1)
        if self.scaling == "llama3" and not self.high_freq_factor > self.low_freq_factor:
            raise InputError(
                "model.rope.high_freq_factor must be above low_freq_factor, "
                f"got {self.high_freq_factor} and {self.low_freq_factor}"
            )


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
    mlp: Literal["gelu", "gelu_tanh", "relu2", "swiglu", "swiglu_clamped", "none"] = option(
        "relu2", "activation of the MLP, or none; swiglu_clamped bounds both halves"
    )
    hidden: int | None = option(None, "hidden size of the MLP; none: 4 width (swiglu: 8/3 width)")
    swiglu_limit: float = option(7.0, "bound of swiglu_clamped")
    experts: int = option(0, "MLPs per layer that a router chooses from; 0: one MLP without a router")
    experts_per_token: int = option(1, "MLPs that the router chooses for a token")
    positions: Literal["rope", "learned", "alibi", "none"] = option("rope", "how positions enter")
    rope_theta: float = option(10_000.0, "base of the rotary frequencies")
    rope: RopeConfig = field(default_factory=RopeConfig)
    norm: Literal["rmsnorm", "layernorm"] = option("rmsnorm", "normalisation")
    norm_position: Literal["pre", "post"] = option("pre", "before each part (GPT-2, Llama) or after it (BERT)")
    norm_eps: float = option(1e-5, "epsilon of the normalisation")
    qk_norm: bool = option(True, "normalise queries and keys of each head")
    qkv_bias: bool = option(False, "bias on the query, key and value projections")
    out_bias: bool = option(False, "bias on the attention's output projection")
    mlp_bias: bool = option(False, "bias in the MLP")
    norm_bias: bool = option(False, "bias in LayerNorm")
    tied: bool = option(True, "the output layer is the embedding")
    output: Literal["linear", "mlm", "none"] = option("linear", "output layer; mlm is BERT's, none gives hidden states")
    output_bias: bool = option(False, "bias of the output layer, one per token of the vocabulary")
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
        for name in ("attention_soft_cap", "logit_soft_cap", "rope_theta", "norm_eps", "swiglu_limit"):
            if getattr(self, name) is not None and not getattr(self, name) > 0:
                raise InputError(f"model.{name} must be > 0, got {getattr(self, name)}")
        if self.head_size is None and self.width % self.heads:
            raise InputError(f"model.heads must divide model.width, got {self.heads} and {self.width}")
        if self.heads % self.N_kv:
            raise InputError(f"model.kv_heads must divide model.heads, got {self.kv_heads} and {self.heads}")
        if self.positions == "rope" and self.H % 2:
            raise InputError(f"model.head_size must be even for rope, got {self.H}")
        if self.experts and self.mlp != "swiglu_clamped":
            raise InputError(f"model.experts needs model.mlp = 'swiglu_clamped', got {self.mlp!r}")
        if self.experts and self.experts_per_token > self.experts:
            got = f"{self.experts_per_token} and {self.experts}"
            raise InputError(f"model.experts_per_token must be at most model.experts, got {got}")
        if self.output == "mlm" and self.mlp not in ("gelu", "gelu_tanh", "relu2"):
            raise InputError(f"model.output: 'mlm' needs model.mlp to be gelu, gelu_tanh or relu2, got {self.mlp!r}")
        if self.output == "none" and (self.output_bias or self.logit_soft_cap):
            raise InputError("model.output: 'none' has no logits, so no output_bias and no logit_soft_cap")
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
    def has_null(self) -> bool:
        """Whether any layer has a null or a sink token."""
        return self.layers > 0 and any(kind.has_null for kind in self.pattern)

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
        return self.hidden or (-(-8 * self.width // 24) * 8 if self.mlp.startswith("swiglu") else 4 * self.width)

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
    "experts": 0,
    "experts_per_token": 1,
    "init_std": 0,
}
