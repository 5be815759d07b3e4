"""What a model is: frozen dataclasses, checked where they are built, no JAX import."""

from dataclasses import dataclass, field
from typing import Literal

from jattn.config_groups import (
    BiasConfig,
    ComputeConfig,
    DropoutConfig,
    InitConfig,
    MlpConfig,
    NormConfig,
    NullConfig,
    OutputConfig,
    RopeConfig,
    ScoreConfig,
    check_choices,
    option,
)
from jattn.errors import InputError, at_least
from jattn.variants import LayerAttention, parse_attention

CLAMPED_GAIN = 1.702  # of the sigmoid in swiglu_clamped, gpt-oss's gated activation


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
    positions: Literal["rope", "learned", "alibi", "none"] = option("rope", "how positions enter")
    causal: bool = option(True, "false: every token sees both sides (BERT)")
    token_types: int = option(0, "number of token types (BERT's sentence A and B)")
    mlp: MlpConfig = field(default_factory=MlpConfig)
    rope: RopeConfig = field(default_factory=RopeConfig)
    norm: NormConfig = field(default_factory=NormConfig)
    bias: BiasConfig = field(default_factory=BiasConfig)
    output: OutputConfig = field(default_factory=OutputConfig)
    score: ScoreConfig = field(default_factory=ScoreConfig)
    dropout: DropoutConfig = field(default_factory=DropoutConfig)
    init: InitConfig = field(default_factory=InitConfig)
    null: NullConfig = field(default_factory=NullConfig)
    compute: ComputeConfig = field(default_factory=ComputeConfig)

    def __post_init__(self):
        check_choices(self, "model")
        for name, minimum in _MINIMA.items():
            if getattr(self, name) is not None:
                at_least(f"model.{name}", getattr(self, name), minimum)
        if self.head_size is None and self.width % self.heads:
            raise InputError(f"model.heads must divide model.width, got {self.heads} and {self.width}")
        if self.heads % self.N_kv:
            raise InputError(f"model.kv_heads must divide model.heads, got {self.kv_heads} and {self.heads}")
        if self.positions == "rope" and self.H % 2:
            raise InputError(f"model.head_size must be even for rope, got {self.H}")
        if self.output.kind == "mlm" and self.mlp.activation not in ("gelu", "gelu_tanh", "relu2"):
            raise InputError(
                "model.output.kind: 'mlm' needs model.mlp.activation to be gelu, gelu_tanh or relu2, "
                f"got {self.mlp.activation!r}"
            )
        if self.output.kind == "none" and (self.bias.output or self.output.soft_cap):
            raise InputError("model.output.kind: 'none' has no logits, so no model.bias.output and no soft_cap")
        pattern = self.pattern  # parsed here, so that a wrong name is refused where it is written
        if any(layer.sigmoid for layer in pattern):
            if self.score.kind != "softmax":
                raise InputError(f"model.score.kind must be softmax with attention 'sigmoid', got {self.score.kind!r}")
            if self.compute.implementation == "blocks":
                raise InputError("model.compute.implementation: 'blocks' has no sigmoid attention; use auto or dense")
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
        return self.layers > 0 and any(layer.has_null for layer in self.pattern)

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
        return self.mlp.hidden or (-(-8 * self.width // 24) * 8 if self.mlp.gated else 4 * self.width)

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
    "token_types": 0,
}
