"""Every field of RunConfig as an option of the command line, with its help from the dataclass itself.

A field is shown under its dotted name without the part of the config (`--layers`, `--learning-rate`, `--rope-theta`)
and understood under every other end of it that no other field shares, with dots, dashes or underscores, under its name
in earlier versions, and under the words of other libraries.
"""

from collections import Counter
from typing import Any, Literal, get_args, get_origin

import click
from click.core import ParameterSource

from train.command_line import Option, Value, plain
from train.config import RunConfig, field_types, flatten
from train.config_history import RENAMED

# Given their own way: several values at once, or set by the preset.
OWN = {"model.attention", "model.vocab_size", "preset", "seed", "init_from"}

TAKEN = {"out"}  # by options of the command itself

# Shown by --help, in this order; --help-all shows all.
COMMON = (
    *("corpus", "tokenizer", "layers", "heads", "width", "context"),
    *("steps", "batch", "learning-rate", "optimizer", "eval-every", "save-every"),
)

# The words of other libraries for the same thing.
SYNONYMS = {
    "layers": ("n-layer", "n-layers", "num-layers", "num-hidden-layers", "depth"),
    "heads": ("n-head", "n-heads", "num-heads", "num-attention-heads"),
    "kv-heads": ("n-kv-head", "n-kv-heads", "num-kv-heads", "num-key-value-heads"),
    "width": ("d-model", "n-embd", "hidden-size", "embed-dim", "model-dim", "dim"),
    "head-size": ("d-head", "head-dim"),
    "mlp-hidden": ("d-mlp", "d-ff", "mlp-dim", "ffn-dim", "intermediate-size"),
    "context": ("block-size", "n-ctx", "ctx", "context-length", "max-position-embeddings"),
    "length": ("seq-len", "seq-length", "sequence-length", "max-length"),
    "corpus": ("dataset", "data-path", "text", "file"),
    "batch": ("batch-size", "bs", "per-device-train-batch-size"),
    "steps": ("max-iters", "max-steps", "num-steps", "n-steps", "iters", "iterations", "train-steps"),
    "eval-every": ("eval-interval", "eval-steps"),
    "log-every": ("log-interval", "logging-steps"),
    "save-every": ("save-interval", "save-steps", "checkpoint-every"),
    "learning-rate": ("lr", "max-lr", "peak-lr"),
    "muon-learning-rate": ("muon-lr",),
    "warmup": ("warmup-steps", "warmup-iters"),
    "weight-decay": ("wd",),
    "clip": ("grad-clip", "clip-grad", "max-grad-norm"),
    "optimizer": ("optim",),
}

# Words for what is done in another way here: the line that says how.
ADVICE = {
    "epochs": "training is counted in steps, --steps N; --dry-run says how many passes over the text that is",
    "num-epochs": "training is counted in steps, --steps N; --dry-run says how many passes over the text that is",
    "dropout": "there are three, --dropout-embed, --dropout-resid and --dropout-mlp",
    "min-lr": "the last learning rate is a share of the peak, --final-ratio X",
    "window": "a window is part of the attention, --attention local:64",
    "sliding-window": "a window is part of the attention, --attention local:64",
    "null": "the null is part of the attention, --attention null",
    "sink": "sinks and nulls are part of the attention, --attention null, key_value, logit, token, ...",
    "vocab-size": "the tokenizer decides; with --tokenizer bpe it is --bpe-size N",
    "name": "a run is named after its preset, attention and seed; --out DIR names its folder",
    "device": "jax picks the device; JAX_PLATFORMS=cpu in the environment forces it",
    "gpu": "jax picks the device; JAX_PLATFORMS=cuda in the environment forces it",
    "compile": "every step is compiled already",
}


def spellings() -> dict[str, list[str]]:
    """Field -> its names without the two dashes, the one to show first, its words in other libraries last.

    A part of the config stands for its first field where that is a word: `--data my.txt` is `--corpus my.txt`.
    """
    types = field_types()
    ends = {name: _ends(name) for name in types}
    count = Counter(end for several in ends.values() for end in several)
    own = {name: plain(name.partition(".")[2] or name) for name in types}
    parts = {plain(name.rpartition(".")[0].rpartition(".")[2]) for name in types}
    kept = {*own.values(), *map(plain, types), *parts, *TAKEN}  # what an end of another name must not read like
    table = {
        name: list(dict.fromkeys([own[name], *(e for e in several if count[e] == 1 and e not in kept), plain(name)]))
        for name, several in ends.items()
    }
    taken = {spelling for several in table.values() for spelling in several} | TAKEN | set(ADVICE)
    for old, name in RENAMED.items():
        if (word := plain(old.rpartition(".")[2])) not in taken:
            table[name].append(word)
            taken.add(word)
    for name, (kind, _) in types.items():
        part = plain(name.rpartition(".")[0].rpartition(".")[2])
        if part and part not in taken and (kind is str or get_origin(kind) is Literal):
            table[name].append(part)
        taken.add(part)
    for name, several in table.items():
        several += [word for word in SYNONYMS.get(several[0], ()) if word not in taken]
        top = name.partition(".")[0]  # any of them may be written with the part it belongs to: --model.n_layer
        longer = [f"{top}-{word}" for word in several if "." in name and not word.startswith(f"{top}-")]
        several += [word for word in longer if word not in several]
    return table


def _ends(name: str) -> list[str]:
    """The ends of a dotted name, shortest first: model.null.rotary is rotary, null-rotary and model-null-rotary."""
    parts = name.split(".")
    return [plain(".".join(parts[-length:])) for length in range(1, len(parts) + 1)]


def field_options() -> list[click.Parameter]:
    """An option per field: the common ones, then the rest in a section per part of the config."""
    types, defaults = field_types(), flatten(RunConfig())
    named = {name: several for name, several in spellings().items() if name not in OWN}
    common = sorted((n for n in named if named[n][0] in COMMON), key=lambda name: COMMON.index(named[name][0]))
    others = [name for name in named if name not in common]
    return [_option(name, named[name], *types[name], defaults[name], name in common) for name in common + others]


def _option(name: str, spelled: list[str], kind: Any, help: str, default: Any, common: bool) -> Option:
    part = name.rpartition(".")[0]
    value = str(default).lower() if default is None or isinstance(default, bool) else default
    return Option(
        name.replace(".", "__"),
        *(f"--{spelling}" for spelling in spelled),
        section=None if common else f"Fields: {part or 'run'}",
        type=Value(kind, name),
        metavar=_metavar(kind),
        help=f"{help} [{value}]",
        expose_value=False,
        callback=lambda ctx, param, given: _keep(ctx, param, name, given),
    )


def _keep(ctx: click.Context, param: click.Parameter, name: str, given: Any) -> None:
    """A field that was given is one of the function's `changes`; none is a value too."""
    if ctx.get_parameter_source(param.name or "") is ParameterSource.COMMANDLINE:
        ctx.params.setdefault("changes", {})[name] = given


def _metavar(kind: Any) -> str:
    choices = [a for a in get_args(kind) if isinstance(a, str)]
    if choices:
        return "|".join(choices)
    if kind is bool:
        return "true|false"
    return "N" if int in (kind, *get_args(kind)) else "X" if float in (kind, *get_args(kind)) else "TEXT"
