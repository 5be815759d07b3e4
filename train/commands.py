"""The commands that launch: `jattn train` (one run or every combination) with its dry run, and `jattn runs`.

Heavy imports wait until the arguments are known to be good.
"""

import json
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from jattn.errors import InputError
from train import presets
from train.command_line import Command, Option, Seed
from train.config import RunConfig, override
from train.options import ADVICE, field_options


def train(
    changes: Mapping[str, Any] | None = None,
    *,
    preset: str | None = None,
    init_from: str | None = None,
    attention: Sequence[str] = (),
    seeds: Sequence[int] = (),
    out: Path | None = None,
    resume: bool = False,
    overwrite: bool = False,
    dry_run: bool = False,
    words: Sequence[str] = (),
) -> int:
    """Train all combinations; exit 130 if stopped by Ctrl-C. `words` are the command's, told again after a stop."""
    pretrained = _loaded(init_from)
    plan = configs(
        changes or {}, preset=preset, pretrained=pretrained, path=init_from, attention=attention, seeds=seeds
    )
    if resume and overwrite:
        raise InputError("--resume and --overwrite exclude each other; keep one")
    folders = [_folder(out, config, len(plan)) for config in plan]
    if len(set(folders)) < len(folders):
        raise InputError(f"--attention: {', '.join(attention)} name the same attention twice; give each once")
    if dry_run:
        from train.dry_run import describe

        print("compiling, then timing a few steps", file=sys.stderr)
        for config, folder in zip(plan, folders, strict=True):
            print(describe(config, pretrained, folder.resolve().name), flush=True)
        return 0
    again = [word for word in words if word not in ("--overwrite", "--resume")] or ["train"]
    return _train_all(plan, folders, pretrained, resume=resume, overwrite=overwrite, again=[*again, "--resume"])


TRAIN = Command(
    "train",
    callback=train,
    keeps_words=True,
    advice=ADVICE,
    short_help="train one run, or every combination of attentions and seeds",
    help="Train every combination of --attention and --seeds in turn, with equal data order per seed, and print the "
    "command that compares them. Runs go to runs/<preset>-<attention>-s<seed>.",
    more={"Presets": [(name, (make.__doc__ or "").partition("\n")[0]) for name, make in presets.PRESETS.items()]},
    params=[
        Option(
            "--preset",
            metavar="NAME",
            help=f"starting point: {', '.join(presets.PRESETS)} [small; finetune with --from]",
        ),
        Option(
            "--from", "--init-from", "--start", "init_from", metavar="RUN", help="start from a run or an imported model"
        ),
        Option(
            *("--attention", "--model-attention", "--attentions"),
            multiple=True,
            metavar="KIND...",
            help="standard, null, local:64, null+local:64, a pattern such as local:64,null, ... (docs/attention.md)",
        ),
        Option("--seeds", "--seed", multiple=True, type=Seed(), metavar="N...", help="one run per seed [0]"),
        Option("--out", type=click.Path(path_type=Path), metavar="DIR", help="folder of the run, or of all [runs/...]"),
        Option("--resume", is_flag=True, help="go on with runs that exist, skip finished ones, start others"),
        Option("--overwrite", is_flag=True, help="replace runs that exist"),
        Option("--dry-run", is_flag=True, help="print parameters, tokens, memory and minutes; train nothing"),
        *field_options(),
    ],
)


def _loaded(path: str | None) -> Any:
    """The run that training starts from, if one is given."""
    if path is None:
        return None
    from train.checkpoint import load

    return load(path)


def _train_all(
    configs: list[RunConfig], folders: list[Path], pretrained: Any, *, resume: bool, overwrite: bool, again: list[str]
) -> int:
    from train import loop
    from train.folders import check_folder, prepare_folder, steps_of
    from train.material import check_resumable, prepare
    from train.provenance import machine

    # What can be refused is refused before the first run, not after hours of training.
    # A run that was killed before its first checkpoint has nothing to go on from, and nothing to lose.
    resumed = [resume and bool(steps_of(folder)) for folder in folders]
    anew = overwrite or resume
    for folder, goes_on in zip(folders, resumed, strict=True):
        if not goes_on:
            check_folder(folder, overwrite=anew)
    shared = prepare(configs[0], pretrained)
    size = {"model.vocab_size": shared.config.model.vocab_size}
    materials = [replace(shared, config=override(config, size)) for config in configs]
    for material, folder, goes_on in zip(materials, folders, resumed, strict=True):
        if goes_on:
            check_resumable(folder, material)
    if overwrite:  # all of them now, so that after a stop --resume finds no run of other settings
        for folder in folders:
            prepare_folder(folder, overwrite=True)
    facts = shared.corpus
    print(f"{facts['name']}: {facts['size']:,} characters, {shared.tokenizer.vocab_size} tokens", file=sys.stderr)
    print(f"device: {machine()}; attention: {_implementation(configs[0])}", file=sys.stderr)
    for material, folder, goes_on in zip(materials, folders, resumed, strict=True):
        if goes_on and _finished(material.config, folder):
            print(f"{folder}: finished already", file=sys.stderr)
            continue
        try:
            run = loop.run(material.config, folder, resume=goes_on, overwrite=anew, material=material)
        except loop.Stopped:
            print(f"saved. Go on with: jattn {shlex.join(again)}", file=sys.stderr)
            return 130
        print(f"{folder}  validation loss {run.meta['valid_loss']:.4f}")
    attentions = list(dict.fromkeys(c.model.attention for c in configs))
    if len(attentions) > 1:
        print("compare them: jattn compare " + " ".join(_group(configs, folders, a) for a in attentions))
    return 0


def configs(
    changes: Mapping[str, Any],
    *,
    preset: str | None = None,
    pretrained: Any = None,
    path: str | None = None,
    attention: Sequence[str] = (),
    seeds: Sequence[int] = (),
) -> list[RunConfig]:
    """One config per seed and attention; the model of a `pretrained` run, read from `path`, is kept."""
    from train.pretrained import finetune_config, with_attention

    given = dict(changes)
    base = presets.preset(preset or ("finetune" if pretrained else "small"))
    base = override(base, given) if pretrained is None else finetune_config(pretrained, path or "", base, given)
    seeds = seeds or [base.seed]
    attention = attention or [base.model.attention]
    for name, several in (("--seeds", seeds), ("--attention", attention)):
        if len(set(several)) < len(several):
            raise InputError(f"{name}: {' '.join(map(str, several))} names one twice; give each once")
    if pretrained is None:
        return [override(base, {"seed": s, "model.attention": a}) for s in seeds for a in attention]
    rest = {n: v for n, v in given.items() if not n.startswith("model.")} | {"data.length": base.data.length}
    how = given.get("null_init", base.null_init)
    return [override(with_attention(pretrained, base, a, how), rest | {"seed": s}) for s in seeds for a in attention]


def _folder(out: Path | None, config: RunConfig, count: int) -> Path:
    if out is None:
        return Path("runs") / config.name
    return out if count == 1 else out / config.name


def _finished(config: RunConfig, folder: Path) -> bool:
    from train.folders import finished_steps

    return finished_steps(folder)[-1] >= config.steps


def _group(configs: list[RunConfig], folders: list[Path], attention: str) -> str:
    """name='runs/preset-attention-s*' for the runs of one attention."""
    first = next(f for c, f in zip(configs, folders, strict=True) if c.model.attention == attention)
    same = [f for c, f in zip(configs, folders, strict=True) if c.model.attention == attention]
    pattern = str(first) if len(same) == 1 else str(first).rpartition("-s")[0] + "-s*"
    return f"{''.join(attention.split()).replace(':', '')}={shlex.quote(pattern)}"


def _implementation(config: RunConfig) -> str:
    from jattn.kernels.select import pick

    chosen = config.model.compute.implementation
    return pick(None if chosen == "auto" else chosen, config.length, config.length).name


def runs(folder: Path = Path("runs")) -> int:
    """A table of runs: steps done, validation loss, corpus, parameters."""
    from rich.console import Console
    from rich.table import Table

    from train.folders import is_run
    from train.metrics import read_metrics

    folders = sorted(p for p in folder.iterdir() if is_run(p)) if folder.is_dir() else []
    if not folders:
        print(f"no runs in {str(folder)!r}; train one with: jattn train --preset tiny")
        return 0
    table = Table(box=None, header_style="bold")
    for name in ("run", "attention", "steps", "valid loss", "corpus", "parameters"):
        table.add_column(name, justify="right" if name in ("steps", "valid loss", "parameters") else "left")
    for run in folders:
        told = json.loads((run / "config.json").read_text(encoding="utf-8"))
        config, rows = told["config"], read_metrics(run)
        losses = [r["valid_loss"] for r in rows if "valid_loss" in r]
        done = rows[-1]["step"] if rows else 0
        table.add_row(
            run.name,
            config["model"]["attention"],
            f"{done}/{config['steps']}",
            f"{losses[-1]:.4f}" if losses else "-",
            Path(told["corpus"]["name"]).name,
            f"{told['parameters']:,}",
        )
    Console(width=None if sys.stdout.isatty() else 140).print(table)
    return 0


RUNS = Command(
    "runs",
    callback=runs,
    short_help="list runs",
    help="List the runs in a folder.",
    params=[
        click.Argument(
            ["folder"],
            metavar="[DIR]",
            help="the folder that holds them [runs]",
            required=False,
            type=click.Path(path_type=Path),
        )
    ],
)
