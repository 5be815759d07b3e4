"""The commands that launch: `jattn train` (one run or every combination), `sample`, `runs`, and the dry run.

Each is a function of parsed arguments; heavy imports wait until the arguments are known to be good.
"""

import argparse
import json
import shlex
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from jattn.errors import InputError, at_least
from train.config import RunConfig, check_seed, override, parse_value
from train.options import add_fields, changes
from train.presets import PRESETS, preset


def add_train(commands: Any) -> None:
    p = commands.add_parser(
        "train",
        help="train one run, or every combination of attentions and seeds",
        description="Train every combination of --attention and --seeds in turn, with equal data order per seed, and "
        "print the command that compares them. Runs go to runs/<preset>-<attention>-s<seed>.",
        epilog="Presets: " + "; ".join(f"{n}: {(f.__doc__ or '').split(':')[0]}" for n, f in PRESETS.items()),
    )
    p.add_argument("--preset", help="named starting point [small; finetune with --from]: " + ", ".join(PRESETS))
    p.add_argument("--from", dest="start", metavar="RUN", help="start from the weights of a run or an imported model")
    p.add_argument(
        "--attention",
        nargs="+",
        metavar="KIND",
        help="standard, null, local:64, null+local:64, a pattern such as local:64,null, ... (docs/attention.md)",
    )
    p.add_argument("--seeds", nargs="+", metavar="SEED", help="one run per seed [0]")
    p.add_argument("--out", metavar="DIR", help="folder of the run; of all runs if there are several [runs/...]")
    p.add_argument("--resume", action="store_true", help="go on with runs that exist, skip finished ones, start others")
    p.add_argument("--overwrite", action="store_true", help="replace runs that exist")
    p.add_argument("--dry-run", action="store_true", help="print parameters, tokens, memory and minutes; train nothing")
    add_fields(p)
    p.set_defaults(run=train)


def train(args: argparse.Namespace) -> int:
    """Train all combinations; exit 130 if stopped by Ctrl-C."""
    start = _start(args)
    configs = _configs(args, start)
    if args.resume and args.overwrite:
        raise InputError("--resume and --overwrite exclude each other; keep one")
    folders = [_folder(args, config, len(configs)) for config in configs]
    if len(set(folders)) < len(folders):
        raise InputError(f"--attention: {', '.join(args.attention)} name the same attention twice; give each once")
    if args.dry_run:
        from train.dry_run import describe

        print("compiling, then timing a few steps", file=sys.stderr)
        for config, folder in zip(configs, folders, strict=True):
            print(describe(config, start, folder.resolve().name), flush=True)
        return 0
    return _train_all(args, configs, folders, start)


def _start(args: argparse.Namespace) -> Any:
    """The run that training starts from, if one is given."""
    if args.start is None:
        return None
    from train.checkpoint import load

    return load(args.start)


def _train_all(args: argparse.Namespace, configs: list[RunConfig], folders: list[Path], start: Any) -> int:
    from train import loop
    from train.folders import check_folder, prepare_folder, steps_of
    from train.provenance import machine

    # What can be refused is refused before the first run, not after hours of training.
    # A run that was killed before its first checkpoint has nothing to go on from, and nothing to lose.
    resumed = [args.resume and bool(steps_of(folder)) for folder in folders]
    anew = args.overwrite or args.resume
    for folder, resume in zip(folders, resumed, strict=True):
        if not resume:
            check_folder(folder, overwrite=anew)
    shared = loop.prepare(configs[0], start)
    size = {"model.vocab_size": shared.config.model.vocab_size}
    materials = [replace(shared, config=override(config, size)) for config in configs]
    for material, folder, resume in zip(materials, folders, resumed, strict=True):
        if resume:
            loop.check_resumable(folder, material)
    if args.overwrite:  # all of them now, so that after a stop --resume finds no run of other settings
        for folder in folders:
            prepare_folder(folder, overwrite=True)
    facts = shared.corpus
    print(f"{facts['name']}: {facts['size']:,} characters, {shared.tokenizer.vocab_size} tokens", file=sys.stderr)
    print(f"device: {machine()}; attention: {_implementation(configs[0])}", file=sys.stderr)
    for material, folder, resume in zip(materials, folders, resumed, strict=True):
        if resume and _finished(material.config, folder):
            print(f"{folder}: finished already", file=sys.stderr)
            continue
        try:
            run = loop.run(material.config, folder, resume=resume, overwrite=anew, material=material)
        except loop.Stopped:
            again = [a for a in args.argv if a not in ("--overwrite", "--resume")]
            print(f"saved. Go on with: jattn {shlex.join([*again, '--resume'])}", file=sys.stderr)
            return 130
        print(f"{folder}  validation loss {run.meta['valid_loss']:.4f}")
    attentions = list(dict.fromkeys(c.model.attention for c in configs))
    if len(attentions) > 1:
        print("compare them: jattn compare " + " ".join(_group(args, configs, folders, a) for a in attentions))
    return 0


def _configs(args: argparse.Namespace, start: Any) -> list[RunConfig]:
    from train.start import config_from, with_attention

    given = changes(args)
    base = preset(args.preset or ("finetune" if start else "small"))
    base = override(base, given) if start is None else config_from(start, args.start, base, given)
    seeds = [_seed("--seeds", s) for s in args.seeds or [str(base.seed)]]
    attentions = args.attention or [base.model.attention]
    for name, several in (("--seeds", seeds), ("--attention", attentions)):
        if len(set(several)) < len(several):
            raise InputError(f"{name}: {' '.join(map(str, several))} names one twice; give each once")
    if start is None:
        return [override(base, {"seed": s, "model.attention": a}) for s in seeds for a in attentions]
    rest = {n: v for n, v in given.items() if not n.startswith("model.")} | {"data.length": base.data.length}
    how = given.get("null_start", base.null_start)
    return [override(with_attention(start, base, a, how), rest | {"seed": s}) for s in seeds for a in attentions]


def _seed(name: str, text: str) -> int:
    return check_seed(name, parse_value(name, text, int))


def _folder(args: argparse.Namespace, config: RunConfig, count: int) -> Path:
    if args.out is None:
        return Path("runs") / config.name
    return Path(args.out) if count == 1 else Path(args.out) / config.name


def _finished(config: RunConfig, folder: Path) -> bool:
    from train.folders import finished_steps

    return finished_steps(folder)[-1] >= config.steps


def _group(args, configs, folders, attention: str) -> str:
    """name='runs/preset-attention-s*' for the runs of one attention."""
    first = next(f for c, f in zip(configs, folders, strict=True) if c.model.attention == attention)
    same = [f for c, f in zip(configs, folders, strict=True) if c.model.attention == attention]
    pattern = str(first) if len(same) == 1 else str(first).rpartition("-s")[0] + "-s*"
    return f"{''.join(attention.split()).replace(':', '')}={shlex.quote(pattern)}"


def _implementation(config: RunConfig) -> str:
    from jattn.kernels.select import pick

    chosen = config.model.compute.implementation
    return pick(None if chosen == "auto" else chosen, config.length, config.length).name


def add_sample(commands: Any) -> None:
    p = commands.add_parser("sample", help="let a run write", description="Sample text from a run.")
    p.add_argument("path", metavar="RUN")
    p.add_argument("--prompt", help="the text to go on from [a line break, or the first token]")
    p.add_argument("--length", default="200", help="tokens to write [200]")
    p.add_argument("--temperature", default="0.8", help="0 takes the likeliest token [0.8]")
    p.add_argument("--top-k", default="none", help="keep the k likeliest tokens [none]")
    p.add_argument("--seed", default="0")
    p.add_argument(
        "--past-end", action="store_true", help="go on after the model's end of text, for models that have one"
    )
    p.set_defaults(run=sample)


def sample(args: argparse.Namespace) -> int:
    """Print the prompt and what the model makes of it, up to its end of text; special tokens are shown by name."""
    length = at_least("--length", parse_value("--length", args.length, int), 1)
    temperature = at_least("--temperature", parse_value("--temperature", args.temperature, float), 0)
    top_k = parse_value("--top-k", args.top_k, int | None)
    seed = _seed("--seed", args.seed)
    if top_k is not None:
        at_least("--top-k", top_k, 1)
    from train.checkpoint import load

    run = load(args.path)
    prompt = _opening(run) if args.prompt is None else args.prompt
    try:
        ids = run.encode(prompt)
    except InputError as error:
        raise InputError(f"--prompt: {error}") from None
    if ids.shape[1] == 0:
        raise InputError("--prompt is empty; give at least one character")
    import jax

    from jattn.decode import generate

    ends = () if args.past_end else run.ends
    fixed = {"temperature": temperature, "top_k": top_k, "vocab": run.tokenizer.vocab_size, "ends": ends}
    tokens = jax.jit(generate, static_argnums=(2,), static_argnames=tuple(fixed))(
        run.model, ids, length, jax.random.key(seed), **fixed
    )
    written = list(map(int, tokens[0]))
    written = written[: next((n for n, token in enumerate(written) if token in ends), length)]
    asked = list(map(int, ids[0]))[len(run.tokenizer.frame[0]) :]
    print(run.tokenizer.decode([*asked, *written], special=True))  # together: spaces depend on neighbours
    return 0


def _opening(run: Any) -> str:
    """A line break if the run's text has any, else its first token."""
    try:
        if len(run.tokenizer.encode("\n")):
            return "\n"
    except InputError:
        pass
    return run.tokenizer.token(0)


def add_runs(commands: Any) -> None:
    p = commands.add_parser("runs", help="list runs", description="List the runs in a folder.")
    p.add_argument("folder", nargs="?", default="runs", help="[runs]")
    p.set_defaults(run=runs)


def runs(args: argparse.Namespace) -> int:
    """A table of runs: steps done, validation loss, corpus, parameters."""
    from rich.console import Console
    from rich.table import Table

    from train.folders import is_run
    from train.metrics import read_metrics

    root = Path(args.folder)
    found = sorted(p for p in root.iterdir() if is_run(p)) if root.is_dir() else []
    if not found:
        print(f"no runs in {str(root)!r}; train one with: jattn train --preset tiny")
        return 0
    table = Table(box=None, header_style="bold")
    for name in ("run", "attention", "steps", "valid loss", "corpus", "parameters"):
        table.add_column(name, justify="right" if name in ("steps", "valid loss", "parameters") else "left")
    for folder in found:
        told = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        config, rows = told["config"], read_metrics(folder)
        losses = [r["valid_loss"] for r in rows if "valid_loss" in r]
        done = rows[-1]["step"] if rows else 0
        table.add_row(
            folder.name,
            config["model"]["attention"],
            f"{done}/{config['steps']}",
            f"{losses[-1]:.4f}" if losses else "-",
            Path(told["corpus"]["name"]).name,
            f"{told['parameters']:,}",
        )
    Console(width=None if sys.stdout.isatty() else 140).print(table)
    return 0
