"""`jattn import`: a model of another library as an ordinary run, with a null if one is asked for."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from jattn.errors import InputError, one_of
from train.command_line import Command, Option

WINDOWS, TOKENS = 32, 64  # of text on which the price of a null is measured


def import_model(
    path: str,
    *,
    out: Path | None = None,
    attention: str = "standard",
    null_init: str | None = None,
    corpus: str | None = None,
    fold_norms: bool = False,
    overwrite: bool = False,
) -> int:
    """Read the model, add a null if asked, write the run; its path is printed last."""
    for name, value in (("--null-init", null_init), ("--corpus", corpus)):
        if value is not None and attention == "standard":
            raise InputError(f"{name}: {value!r} is about a null; add one with --attention null, or drop it")
    begins = one_of("--null-init", null_init or "off", ("off", "sink"))
    from jattn.interop import is_external
    from jattn.interop.writing import new_folder
    from train import checkpoint, folders

    # A folder with a config.json that is not ours says itself what is wrong with it, when it is read.
    theirs = is_external(path) or (Path(path) / "config.json").is_file()
    if not theirs or folders.is_run(Path(path)):
        known = "is a run already" if theirs else "is no model of another library"
        what = known if Path(path).exists() else "does not exist"
        raise InputError(f"import: {path!r} {what}; name a folder with config.json and safetensors, or a .gguf file")
    name = Path(path).resolve().name.removesuffix(".gguf")
    out = out or Path("runs") / name
    folders.check_folder(out, overwrite=overwrite, resumes=False)
    run = checkpoint.imported(path)
    if fold_norms:
        run = _folded(run)
    if attention != "standard":
        run = give_null(run, attention, begins, corpus or "pydoc")
    replaced = folders.is_run(out)
    written = out.with_name(f"{out.name}.new") if replaced else out
    with new_folder(written) as new:
        checkpoint.save_imported(run, new)
    if replaced:  # the old run stays until the new one is whole
        folders.prepare_folder(out, overwrite=True)
        for part in written.iterdir():
            part.rename(out / part.name)
        written.rmdir()
    m = run.config.model
    print(f"{m.layers} layers, {m.heads} heads, {m.width} wide; {run.meta['parameters']:,} parameters", file=sys.stderr)
    print(out)
    return 0


IMPORT = Command(
    "import",
    callback=import_model,
    short_help="bring in a model of another library",
    help="Bring in a GPT-2, Llama, SmolLM2, Mistral, Qwen2, Qwen3, gpt-oss or BERT: a Hugging Face folder "
    "(config.json, safetensors, tokenizer.json) or a GGUF file. Every other command takes such a path as well; "
    "importing keeps it as a run, and can give it a null.",
    params=[
        click.Argument(["path"], metavar="PATH", help="a Hugging Face folder or a .gguf file"),
        Option("--out", type=click.Path(path_type=Path), metavar="RUN", help="folder of the run [runs/<name>]"),
        Option("--attention", metavar="NULL", help="null to add: null, key_value, logit, ..."),
        Option("--null-init", "--null-start", metavar="off|sink", help="near off, or a copy of its own sink [off]"),
        Option("--corpus", metavar="TEXT", help="text on which the null is initialised and its price measured [pydoc]"),
        Option("--fold-norms", is_flag=True, help="move the norms' scales into the projections after them"),
        Option("--overwrite", is_flag=True, help="replace a run that exists"),
    ],
)


def _folded(run: Any) -> Any:
    from jattn.interop.fold import fold_norms

    return _told(_changed(run, *fold_norms(run.config.model, run.parameters)), fold_norms=True)


def give_null(run: Any, attention: str, null_init: str, corpus: str) -> Any:
    """The run with a null in every layer; what it changes before any training is printed and in meta["imported"]."""
    from train import corpora
    from train.material import encoded_for
    from train.pretrained import pretrained_parameters, resolve_attention, with_null
    from train.windows import predicts_next, windows_of

    base = run.config.model
    model = replace(base, attention=resolve_attention(base.attention, attention))
    if model.attention == base.attention:
        raise InputError(f"--attention: {attention!r} is what the model has already")
    if not any(layer.has_null for layer in model.pattern):
        raise InputError(f"--attention: {attention!r} has no null to add; use null, key_value, logit, ...")
    model = with_null(model, base, null_init)
    length = min(TOKENS, base.context)
    text = corpora.load(corpus, context=length)
    encoded = encoded_for(run, text)
    windows = windows_of(run, encoded.valid, length, WINDOWS)
    config = replace(run.config, model=model, null_init=null_init)
    changed = _changed(run, model, pretrained_parameters(run, config, windows[:, :length]), null_init=null_init)
    null: dict[str, Any] = {
        "attention": model.attention,
        "start": null_init,
        "corpus": text.name,
        "sha256": text.sha256,
    }
    null |= {"windows": len(windows), "tokens": length}
    if predicts_next(base):
        before, after = loss_of(run, windows), loss_of(changed, windows)
        null |= {"loss_before": before, "loss_after": after}
        what = f"loss {before:.4f} -> {after:.4f} nats ({after - before:+.4f})"
    else:
        null["hidden_moved"] = moved = hidden_moved(run, changed, windows)
        what = f"hidden states moved by {moved[-1]:.2%} of their size after the last layer, {max(moved):.2%} at most"
    print(
        f"null ({model.attention}, null_init: {null_init}): on {len(windows)} x {length} tokens of {corpus}, {what}, "
        "before any training",
        file=sys.stderr,
    )
    return _told(changed, null=null)


def _told(run: Any, **facts: Any) -> Any:
    """The run with what was done to it on the way in, for `info` and whoever asks later."""
    return replace(run, meta=run.meta | {"imported": run.meta["imported"] | facts})


def _changed(run: Any, model: Any, parameters: dict[str, Any], **fields: Any) -> Any:
    """The run with another model, in its config and in all that is told of it."""
    from jattn.model import count_parameters
    from train.config import to_dict

    config = replace(run.config, model=model, **fields)
    meta = run.meta | {"config": to_dict(config), "parameters": count_parameters(model)}
    return replace(run, config=config, meta=meta, parameters=parameters)


def hidden_moved(run: Any, changed: Any, tokens: Any) -> list[float]:
    """Per layer, rms of the difference of two models' hidden states on tokens [W, T] over rms of the first's."""
    import jax
    import jax.numpy as jnp

    @jax.jit
    def share(one: Any, other: Any, tokens: Any):
        see = lambda seen: seen["resid_post"]
        a, b = (model(tokens, observe=see)[1] for model in (one, other))
        return jnp.sqrt(((b - a) ** 2).mean((1, 2, 3)) / (a**2).mean((1, 2, 3)))

    return [float(x) for x in share(run.model, changed.model, jnp.asarray(tokens))]


def loss_of(run: Any, windows: Any) -> float:
    """Mean loss in nats of the next token on windows [W, T + 1]."""
    from train.evaluate import Evaluation

    return Evaluation(run.config, windows)(run.parameters)
