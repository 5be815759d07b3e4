"""What a run is: model + data + optimizer + how long, as frozen dataclasses; no JAX import.

Two runs that differ in `model.attention` alone are a pair: same seed, same initial weights where they share any, same
order of data.
"""

from dataclasses import asdict, dataclass, field, fields, is_dataclass
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from jattn.config import ModelConfig
from jattn.config_groups import check_choices, flatten, option
from jattn.errors import InputError, at_least, below_one, one_of, positive


@dataclass(frozen=True)
class DataConfig:
    """The text, its tokens, and how many of them a step sees."""

    corpus: str = option(
        "pydoc",
        "backcopy, bigram, induction, induction-shifted, grammar, pydoc, stdlib-code, or the path of a file or folder",
    )
    tokenizer: Literal["char", "byte", "bpe", "model"] = option(
        "char", "kind of tokens (languages bring their own symbols); model: that of the run to start from"
    )
    bpe_size: int = option(1024, "vocabulary of the bpe tokenizer")
    bos: bool = option(False, "start every text with one fixed token")
    batch: int = option(12, "sequences per step")
    length: int | None = option(None, "tokens of a sequence; none: the model's context")
    valid_fraction: float = option(0.1, "share of the text that is held out")

    def __post_init__(self):
        check_choices(self, "data")
        at_least("data.length", 1 if self.length is None else self.length, 1)
        at_least("data.batch", self.batch, 1)
        if not 0 < self.valid_fraction < 1:
            raise InputError(f"data.valid_fraction must be above 0 and below 1, got {self.valid_fraction}")


@dataclass(frozen=True)
class OptimizerConfig:
    """AdamW, or Muon for the hidden matrices and AdamW for the rest; warm-up, then a cosine to `final_ratio`."""

    optimizer: Literal["adamw", "muon"] = option("muon", "adamw, or muon for the hidden matrices")
    learning_rate: float = option(1e-3, "peak learning rate of AdamW")
    muon_learning_rate: float = option(0.02, "peak learning rate of Muon")
    final_ratio: float = option(0.1, "learning rate at the end, over the peak")
    warmup: int = option(100, "steps of linear warm-up")
    weight_decay: float = option(0.1, "of matrices; never of norms, biases and sink logits")
    muon_weight_decay: float = option(0.01, "of the matrices that Muon trains")
    beta1: float = option(0.9, "AdamW's decay of the mean gradient")
    beta2: float = option(0.99, "AdamW's decay of the squared gradient")
    clip: float = option(1.0, "largest global norm of the gradient")

    def __post_init__(self):
        check_choices(self, "optimizer")
        for name in ("learning_rate", "muon_learning_rate", "clip"):
            positive(f"optimizer.{name}", getattr(self, name))
        for name in ("warmup", "weight_decay", "muon_weight_decay", "final_ratio"):
            at_least(f"optimizer.{name}", getattr(self, name), 0)
        for name in ("beta1", "beta2"):
            below_one(f"optimizer.{name}", getattr(self, name))


@dataclass(frozen=True)
class RunConfig:
    """Everything a run needs to be repeated."""

    preset: str = option("small", "the preset this config started from")
    seed: int = option(0, "of the initial weights and of the data order")
    steps: int = option(2000, "training steps")
    eval_every: int = option(250, "steps between evaluations")
    eval_windows: int = option(2048, "most validation windows that an evaluation reads")
    log_every: int = option(10, "steps between lines in metrics.jsonl")
    save_every: int = option(500, "steps between checkpoints")
    watch_sinks: bool = option(False, "at evaluations also measure where attention goes that has no use")
    keep: int = option(2, "latest checkpoints to keep; the best is always kept")
    init_from: str | None = option(None, "run or imported model whose weights training starts from")
    null_init: Literal["off", "sink"] = option(
        "off", "a null that `init_from` lacks begins near off, or as a copy of the model's own sink"
    )
    trainable: Literal["all", "null"] = option("all", "train all parameters, or those of the null alone")
    model: ModelConfig = field(default_factory=ModelConfig)
    data: DataConfig = field(default_factory=DataConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)

    def __post_init__(self):
        check_seed("seed", self.seed)
        for name in ("steps", "eval_every", "eval_windows", "log_every", "save_every", "keep"):
            at_least(name, getattr(self, name), 1)
        one_of("null_init", self.null_init, ("off", "sink"))
        one_of("trainable", self.trainable, ("all", "null"))
        if self.length > self.model.context:
            raise InputError(f"data.length must be at most model.context = {self.model.context}, got {self.length}")
        if self.trainable == "null" and not any(layer.has_null for layer in self.model.pattern):
            raise InputError(f"trainable: 'null' needs an attention with a null, got {self.model.attention!r}")
        if (self.data.tokenizer == "model" or self.null_init == "sink") and self.init_from is None:
            field_, value = ("null_init", "sink") if self.null_init == "sink" else ("data.tokenizer", "model")
            raise InputError(f"{field_}: {value!r} needs a run to start from (--from RUN)")

    @property
    def length(self) -> int:
        """Tokens of a training text."""
        return self.data.length or self.model.context

    @property
    def name(self) -> str:
        """The run's folder: <preset>-<attention>-s<seed>, with characters that file systems take."""
        attention = "".join(self.model.attention.split()).replace(":", "").replace(",", "_")
        return f"{self.preset}-{attention}-s{self.seed}"

    @property
    def tokens_per_step(self) -> int:
        return self.data.batch * self.length


def check_seed(name: str, seed: int) -> int:
    """The seed if it is one that JAX keeps apart from all others, else InputError."""
    if not 0 <= seed < 2**32:
        raise InputError(f"{name} must be >= 0 and below 2**32, got {seed}")
    return seed


def to_dict(config: RunConfig) -> dict[str, Any]:
    """The config as plain JSON values."""
    return asdict(config)


def from_dict(kind: type, values: dict[str, Any], where: str = "") -> Any:
    """The config with these values; InputError for a field that this version does not know."""
    types = get_type_hints(kind)
    for name in values:
        one_of("field", where + name, [where + f.name for f in fields(kind)])
    return kind(
        **{
            name: from_dict(types[name], value, f"{where}{name}.")
            if is_dataclass(types[name])
            else _of_type(where + name, value, types[name])
            for name, value in values.items()
        }
    )


def _of_type(name: str, value: Any, kind: Any) -> Any:
    """The value if it is of its field's type; InputError otherwise (a bool is no number, a whole number is one)."""
    options = get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,)
    for option_ in options:
        if get_origin(option_) is Literal:
            return value  # its own check names the choices
        if option_ is float and type(value) is int:
            return float(value)
        if type(value) is option_:
            return value
    takes = " or ".join("none" if o is type(None) else o.__name__ for o in options)
    raise InputError(f"{name} takes {takes}, got {value!r}")


def override(config: Any, changes: dict[str, Any]) -> Any:
    """The config with dotted fields replaced: {"model.layers": 6}. Validated where the parts are built."""
    flat = flatten(config)
    for name in changes:
        one_of("field", name, flat)
    return from_dict(type(config), to_nested(flat | changes))


def to_nested(flat: dict[str, Any]) -> dict[str, Any]:
    """{"a.b": 1} as {"a": {"b": 1}}."""
    nested: dict[str, Any] = {}
    for name, value in flat.items():
        head, _, rest = name.partition(".")
        if rest:
            nested.setdefault(head, {})[rest] = value
        else:
            nested[head] = value
    return {k: to_nested(v) if isinstance(v, dict) else v for k, v in nested.items()}


def field_types(kind: type = RunConfig, prefix: str = "") -> dict[str, tuple[Any, str]]:
    """{"model.layers": (type, help)} for every field, nested ones by dotted name."""
    types = get_type_hints(kind)
    table: dict[str, tuple[Any, str]] = {}
    for f in fields(kind):
        if is_dataclass(types[f.name]):
            table |= field_types(types[f.name], f"{prefix}{f.name}.")
        else:
            table[prefix + f.name] = (types[f.name], f.metadata["help"])
    return table


def parse_value(name: str, text: str, kind: Any) -> Any:
    """The text of a command-line value as its field's type; InputError naming the field and what it takes."""
    options = get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,)
    if type(None) in options and text.lower() == "none":
        return None
    (base,) = [o for o in options if o is not type(None)]
    if get_origin(base) is Literal:
        return one_of(name, text, get_args(base))
    if base is bool:
        return {"true": True, "false": False}[one_of(name, text.lower(), ("true", "false"))]
    try:
        value = base(text)
        if value != value:
            raise ValueError("NaN passes every check of a range")
        return value
    except ValueError:
        takes = {"int": "a whole number", "float": "a number"}[base.__name__]
        raise InputError(f"{name} takes {takes}{' or none' if len(options) > 1 else ''}, got {text!r}") from None
