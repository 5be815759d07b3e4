"""The command `jattn export`: a run as other libraries read it, or what it makes of a text, as arrays."""

import json
import sys
from pathlib import Path
from typing import Any

import click

from jattn.errors import InputError, one_of
from train.command_line import Command, Option

FORMATS = ("gpt2", "llama", "bert", "gpt_oss", "transformerlens", "npz")


def export(path: str, *, format: str | None = None, text: str | None = None, out: Path | None = None) -> int:
    """Write the folder and print its path."""
    if format is None:
        raise InputError(f"--format is missing; choose from: {', '.join(FORMATS)}")
    form = one_of("--format", format, FORMATS)
    if text is not None and form not in ("npz", "transformerlens"):
        raise InputError(f"--text: --format {form} holds weights only; drop it, or use --format transformerlens or npz")
    if text is None and form == "npz":
        raise InputError("--format npz holds the attention of a text; add --text TEXT")
    from train.checkpoint import load

    run = load(path)
    here = run.path.resolve()
    out = out or here.with_name(f"{here.name.removesuffix('.gguf')}-{form}")
    tokens = None if text is None else _encode(run, text)
    write = {"npz": write_attention, "transformerlens": write_transformer_lens}.get(form)
    if write is None:
        from jattn import interop

        interop.write(run.config.model, run.parameters, run.tokenizer.json, out, form, run.special_tokens)
    else:
        write(run, tokens, text, out)
    print(out)
    return 0


EXPORT = Command(
    "export",
    callback=export,
    short_help="write a run for transformers, TransformerLens or NumPy",
    help="Write a run as other libraries read it (docs/export.md): gpt2, llama, bert and gpt_oss for transformers, "
    "transformerlens for TransformerLens, npz for the attention of a text as plain arrays.",
    params=[
        click.Argument(["path"], metavar="RUN", help="a run, one of its checkpoints, or a model to import"),
        Option("--format", metavar="FORMAT", help=", ".join(FORMATS)),
        Option(
            "--text",
            metavar="TEXT",
            help="npz: the text whose attention is written; transformerlens: also its activations",
        ),
        Option("--out", type=click.Path(path_type=Path), metavar="DIR", help="a new folder [RUN-FORMAT]"),
    ],
)


def _encode(run: Any, text: str) -> Any:
    try:
        tokens = run.encode(text)
    except InputError as error:
        raise InputError(f"--text: {error}") from None
    if tokens.shape[1] == 0:
        raise InputError("--text is empty; give at least one character")
    count, model = tokens.shape[1], run.config.model
    if model.positions != "learned" and count > model.context:  # learned positions refuse it themselves
        print(
            f"note: the text has {count} tokens, the model's context is {model.context}: what attention does beyond "
            "it was never trained",
            file=sys.stderr,
        )
    return tokens


def write_attention(run: Any, tokens: Any, text: str, out: Path) -> None:
    """attention.npz: the schema is in docs/export.md, and numpy.load needs no pickle for it."""
    import numpy as np

    from jattn.interop.writing import new_folder

    model = run.config.model
    if model.layers == 0:
        raise InputError("--format npz: the model has no layers, so it has no attention")
    attention = np.asarray(run.attention(text), np.float32)
    arrays: dict[str, Any] = {
        "attention": attention,
        "null_mass": attention[..., 0],
        "tokens": np.array(_words(run, tokens)),
        "ids": np.asarray(tokens[0], np.int32),
        "layers": np.array(_layers(model)),
        "meta": np.array(json.dumps(_meta(run, text))),
    }
    with new_folder(out) as part:
        np.savez_compressed(part / "attention.npz", **arrays)


def write_transformer_lens(run: Any, tokens: Any, text: str | None, out: Path) -> None:
    """weights.safetensors and config.json; with a text, activations.npz, which a model of any kind has."""
    import numpy as np

    from jattn import interop
    from jattn.interop import transformer_lens
    from jattn.interop.writing import check, new_folder

    unsupported = transformer_lens.cannot_hold(run.config.model)
    if unsupported and text is None:
        check(run.config.model, "transformerlens")
    with new_folder(out) as part:
        if unsupported:
            print(
                f"note: no weights, TransformerLens cannot hold {', '.join(unsupported)}; activations only",
                file=sys.stderr,
            )
        else:
            interop.write(run.config.model, run.parameters, run.tokenizer.json, part, "transformerlens")
        if text is not None:
            arrays: dict[str, Any] = transformer_lens.activations(run.model, tokens)
            arrays |= {"tokens": np.array(_words(run, tokens)), "meta": np.array(json.dumps(_meta(run, text)))}
            np.savez_compressed(part / "activations.npz", **arrays)


def _words(run: Any, tokens: Any) -> list[str]:
    return [run.tokenizer.token(int(i)) for i in tokens[0]]


def _layers(model: Any) -> list[str]:
    """The attention string of every layer."""
    pattern = [part.strip() for part in model.attention.split(",")]
    return [pattern[i % len(pattern)] for i in range(model.layers)]


def _meta(run: Any, text: str) -> dict[str, Any]:
    """Where the arrays come from."""
    from train.provenance import versions

    return {"run": str(run.path), "step": run.step, "text": text, "versions": versions()}
