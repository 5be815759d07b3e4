"""`jattn import`: a model of another library as an ordinary run, with a null if one is asked for."""

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from jattn.errors import InputError, one_of

WINDOWS, TOKENS = 32, 64  # of text on which the price of a null is measured


def add_import(commands: Any) -> None:
    p = commands.add_parser(
        "import",
        help="bring in a model of another library",
        description="Bring in a GPT-2, Llama, SmolLM2, Mistral, Qwen2, Qwen3, gpt-oss or BERT: a Hugging Face folder "
        "(config.json, safetensors, tokenizer.json) or a GGUF file. Every other command takes such a path as well; "
        "importing keeps it as a run, and can give it a null.",
    )
    p.add_argument("path", metavar="PATH", help="a Hugging Face folder or a .gguf file")
    p.add_argument("--out", metavar="RUN", help="folder of the run [runs/<name>]")
    p.add_argument("--attention", default="standard", metavar="NULL", help="null to add: null, key_value, logit, ...")
    p.add_argument("--null-start", metavar="off|sink", help="near off, or a copy of its own sink [off]")
    p.add_argument("--corpus", help="text on which the null is started and its price measured [pydoc]")
    p.add_argument("--fold-norms", action="store_true", help="move the norms' scales into the projections after them")
    p.add_argument("--overwrite", action="store_true", help="replace a run that exists")
    p.set_defaults(run=import_model)


def import_model(args: argparse.Namespace) -> int:
    """Read the model, add a null if asked, write the run; its path is printed last."""
    for name, value in (("--null-start", args.null_start), ("--corpus", args.corpus)):
        if value is not None and args.attention == "standard":
            raise InputError(f"{name}: {value!r} is about a null; add one with --attention null, or drop it")
    null_start = one_of("--null-start", args.null_start or "off", ("off", "sink"))
    from jattn.interop import is_foreign

    if not is_foreign(args.path):
        what = "is no model of another library" if Path(args.path).exists() else "does not exist"
        raise InputError(
            f"import: {args.path!r} {what}; name a folder with config.json and safetensors, or a .gguf file"
        )
    from jattn.interop.writing import new_folder
    from train import checkpoint, folders

    name = Path(args.path).resolve().name.removesuffix(".gguf")
    out = Path(args.out) if args.out else Path("runs") / name
    folders.check_folder(out, overwrite=args.overwrite)
    run = checkpoint.load(args.path)
    if args.fold_norms:
        run = _folded(run)
    if args.attention != "standard":
        run = give_null(run, args.attention, null_start, args.corpus or "pydoc")
    beside = out.with_name(f"{out.name}.new")
    with new_folder(beside) as new:  # the old run stays until the new one is whole
        checkpoint.save_imported(run, new)
    folders.prepare_folder(out, overwrite=args.overwrite)
    for part in beside.iterdir():
        part.rename(out / part.name)
    beside.rmdir()
    m = run.config.model
    print(f"{m.layers} layers, {m.heads} heads, {m.width} wide; {run.meta['parameters']:,} parameters", file=sys.stderr)
    print(out)
    return 0


def _folded(run: Any) -> Any:
    from jattn.interop.fold import fold_norms

    return _changed(run, *fold_norms(run.config.model, run.parameters))


def give_null(run: Any, attention: str, start: str, corpus: str) -> Any:
    """The run with a null in every layer; what it costs before any training is printed."""
    from train import corpora, data
    from train.start import attention_of, parameters_from, with_null
    from train.windows import predicts_next, windows_of

    base = run.config.model
    model = replace(base, attention=attention_of(base.attention, attention))
    if model.attention == base.attention:
        raise InputError(f"--attention: {attention!r} is what the model has already")
    if not any(kind.null or kind.token for kind in model.pattern):
        raise InputError(f"--attention: {attention!r} has no null to add; use null, key_value, logit, ...")
    model = with_null(model, base, start)
    length = min(TOKENS, base.context)
    text = corpora.load(corpus, context=length)
    encoded = data.encode_corpus(text, run.tokenizer)
    windows = windows_of(run, encoded.valid, length, WINDOWS)
    config = replace(run.config, model=model, null_start=start)
    changed = _changed(run, model, parameters_from(run, config, windows[:, :length]), null_start=start)
    if predicts_next(base):
        before, after = loss_of(run, windows), loss_of(changed, windows)
        print(
            f"null ({model.attention}, start: {start}): loss on {len(windows)} x {length} tokens of {corpus} "
            f"{before:.4f} -> {after:.4f} nats ({after - before:+.4f}), before any training",
            file=sys.stderr,
        )
    return changed


def _changed(run: Any, model: Any, parameters: dict[str, Any], **fields: Any) -> Any:
    """The run with another model, in its config and in all that is told of it."""
    from jattn.model import count_parameters
    from train.config import to_dict

    config = replace(run.config, model=model, **fields)
    meta = run.meta | {"config": to_dict(config), "parameters": count_parameters(model)}
    return replace(run, config=config, meta=meta, parameters=parameters)


def loss_of(run: Any, windows: Any) -> float:
    """Mean loss in nats of the next token on windows [W, T + 1]."""
    from train.evaluate import Evaluation

    return Evaluation(run.config, windows)(run.parameters)
