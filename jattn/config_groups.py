"""The groups of a model's config, each checked where it is built: MLP, rotation, norm, biases, output, score, dropout,
start, null, computation. No JAX import."""

from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any, Literal, get_args

from jattn.errors import InputError, at_least, below_one, one_of, positive


def option(default: Any, help: str) -> Any:
    """A field with a default and the one line that `--help` shows for it."""
    return field(default=default, metadata={"help": help})


def check_choices(config: Any, group: str) -> None:
    """InputError for a field whose type lists its values and that has another."""
    for f in fields(config):
        choices = get_args(f.type)
        if choices and all(isinstance(choice, str) for choice in choices):
            one_of(f"{group}.{f.name}", getattr(config, f.name), choices)


def flatten(config: Any, prefix: str = "") -> dict[str, Any]:
    """A config as {"model.layers": 4, "model.mlp.hidden": None, ...}, in the order of its fields."""
    flat: dict[str, Any] = {}
    for f in fields(config):
        value = getattr(config, f.name)
        if is_dataclass(value):
            flat |= flatten(value, f"{prefix}{f.name}.")
        else:
            flat[prefix + f.name] = value
    return flat


@dataclass(frozen=True)
class MlpConfig:
    """The MLP of a layer, or several that a router chooses from."""

    activation: Literal["gelu", "gelu_tanh", "relu2", "swiglu", "swiglu_clamped", "none"] = option(
        "relu2", "activation, or none for no MLP; swiglu_clamped bounds both halves"
    )
    hidden: int | None = option(None, "hidden size; none: 4 width (swiglu: 8/3 width)")
    limit: float = option(7.0, "bound of swiglu_clamped")
    experts: int = option(0, "MLPs per layer that a router chooses from; 0: one MLP without a router")
    experts_per_token: int = option(1, "MLPs that the router chooses for a token")

    def __post_init__(self):
        check_choices(self, "model.mlp")
        if self.hidden is not None:
            at_least("model.mlp.hidden", self.hidden, 1)
        positive("model.mlp.limit", self.limit)
        at_least("model.mlp.experts", self.experts, 0)
        at_least("model.mlp.experts_per_token", self.experts_per_token, 1)
        if self.experts and self.activation != "swiglu_clamped":
            raise InputError(
                f"model.mlp.experts needs model.mlp.activation = 'swiglu_clamped', got {self.activation!r}"
            )
        if self.experts and self.experts_per_token > self.experts:
            got = f"{self.experts_per_token} and {self.experts}"
            raise InputError(f"model.mlp.experts_per_token must be at most model.mlp.experts, got {got}")

    @property
    def gated(self) -> bool:
        """Whether a third matrix makes a gate."""
        return self.activation.startswith("swiglu")


@dataclass(frozen=True)
class RopeConfig:
    """Rotary frequencies, and how they are stretched for longer texts than the pretraining's (Llama's successors)."""

    theta: float = option(10_000.0, "base of the rotary frequencies")
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
        check_choices(self, "model.rope")
        positive("model.rope.theta", self.theta)
        at_least("model.rope.factor", self.factor, 1)
        at_least("model.rope.original_context", self.original_context, 1)
        if self.scaling == "llama3" and not self.high_freq_factor > self.low_freq_factor:
            raise InputError(
                "model.rope.high_freq_factor must be above low_freq_factor, "
                f"got {self.high_freq_factor} and {self.low_freq_factor}"
            )


@dataclass(frozen=True)
class NormConfig:
    """Normalisation of the residual stream, and of queries and keys."""

    kind: Literal["rmsnorm", "layernorm"] = option("rmsnorm", "normalisation")
    position: Literal["pre", "post"] = option("pre", "before each part (GPT-2, Llama) or after it (BERT)")
    eps: float = option(1e-5, "epsilon of the normalisation")
    qk: bool = option(True, "normalise queries and keys of each head")

    def __post_init__(self):
        check_choices(self, "model.norm")
        positive("model.norm.eps", self.eps)


@dataclass(frozen=True)
class BiasConfig:
    """Which parts have biases."""

    qkv: bool = option(False, "of the query, key and value projections")
    out: bool = option(False, "of the attention's output projection")
    mlp: bool = option(False, "in the MLP")
    norm: bool = option(False, "in LayerNorm")
    output: bool = option(False, "of the output layer, one per token of the vocabulary")


@dataclass(frozen=True)
class OutputConfig:
    """From the last hidden state to logits."""

    kind: Literal["linear", "mlm", "none"] = option("linear", "output layer; mlm is BERT's, none gives hidden states")
    tied: bool = option(True, "the output layer is the embedding")
    soft_cap: float | None = option(None, "cap * tanh(logit / cap)")

    def __post_init__(self):
        check_choices(self, "model.output")
        if self.soft_cap is not None:
            positive("model.output.soft_cap", self.soft_cap)


@dataclass(frozen=True)
class ScoreConfig:
    """From q . k to weights."""

    kind: Literal["softmax", "sigmoid_normalised"] = option("softmax", "weights from scores")
    soft_cap: float | None = option(None, "cap * tanh(score / cap)")

    def __post_init__(self):
        check_choices(self, "model.score")
        if self.soft_cap is not None:
            positive("model.score.soft_cap", self.soft_cap)


@dataclass(frozen=True)
class DropoutConfig:
    """Shares of entries that are zeroed in training."""

    embed: float = option(0.0, "after the embedding")
    resid: float = option(0.0, "on what attention adds")
    mlp: float = option(0.0, "on what the MLP adds")

    def __post_init__(self):
        for f in fields(self):
            below_one(f"model.dropout.{f.name}", getattr(self, f.name))


@dataclass(frozen=True)
class InitConfig:
    """How weights start."""

    std: float = option(0.02, "standard deviation of weights at the start")
    zero_outputs: bool = option(True, "output projections start at zero")

    def __post_init__(self):
        at_least("model.init.std", self.std, 0)


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
        check_choices(self, "model.null")
        at_least("model.null.key_std", self.key_std, 0)
        at_least("model.null.value_std", self.value_std, 0)


@dataclass(frozen=True)
class ComputeConfig:
    """How the same numbers are computed: types, loop over layers, kernel."""

    dtype: Literal["float32", "bfloat16", "float64"] = option("float32", "type of the computation")
    param_dtype: Literal["float32", "float64"] = option("float32", "type of the parameters")
    layer_loop: Literal["auto", "python", "unrolled", "scan"] = option(
        "auto", "auto: python up to 12 layers, then scan"
    )
    implementation: Literal["auto", "dense", "blocks"] = option(
        "auto", "attention kernel for whole texts; a cache is read by dense"
    )

    def __post_init__(self):
        check_choices(self, "model.compute")
