"""The commands that look: `jattn demo`, `compare`, `info`."""

import sys
from collections.abc import Mapping, Sequence
from json import dumps
from pathlib import Path
from typing import Any

import click

from analysis.chapters import NAMES
from jattn.errors import InputError
from train.command_line import Command, Option, Value


def compare(
    groups: Mapping[str, str],
    *,
    out: Path | None = None,
    only: Sequence[str] | None = None,
    windows: int = 256,
    tokens: int | None = None,
    corpus: str | None = None,
    json: bool = False,
) -> int:
    """Compare, print a table, write the report; its path is printed last."""
    from analysis.report import compare as module
    from analysis.report.tables import to_json

    result = module.compare(groups, only=only, windows=windows, tokens=tokens, corpus=corpus, progress=True)
    if json:
        print(dumps(to_json(result.told), indent=1, allow_nan=False))
        return 0
    for line in [*result.warnings, *(f"left out: {why}" for why in result.left_out)]:
        print(f"note: {line}", file=sys.stderr)
    _print_table(result)
    print(result.write(out or Path("reports") / "-vs-".join(groups)))
    return 0


def _groups(_ctx: click.Context, _param: click.Parameter, words: Sequence[str]) -> dict[str, str]:
    """NAME=RUNS of every word, by name."""
    groups: dict[str, str] = {}
    for word in words:
        name, equals, runs = word.partition("=")
        if not (name and equals and runs):
            raise InputError(f"compare: {word!r} is no group; write NAME=RUNS, such as null='runs/*-null-*'")
        if name in groups:
            raise InputError("compare: two groups have the same name; give each its own")
        groups[name] = runs
    return groups


COMPARE = Command(
    "compare",
    callback=compare,
    short_help="compare groups of runs and write a report",
    help="Compare groups of runs: jattn compare standard='runs/*-standard-*' null='runs/*-null-*'. The first group is "
    "the baseline. A run may be a model of another library (a Hugging Face folder, a GGUF file), and one group alone "
    "works. Writes report.html, PNG figures, JSON and CSV.",
    params=[
        click.Argument(
            ["groups"],
            metavar="NAME=RUNS...",
            help="a name, and a path or glob of runs in quotes",
            nargs=-1,
            required=True,
            callback=_groups,
        ),
        Option("--out", type=click.Path(path_type=Path), metavar="DIR", help="folder of the report [reports/<names>]"),
        Option(
            *("--only", "--chapters"),
            metavar="CHAPTERS",
            help=f"read only these, by comma: {', '.join(NAMES)} [all]",
            callback=lambda _ctx, _param, names: names and names.split(","),
        ),
        Option("--windows", type=Value(int), metavar="N", help="validation windows to read [256]"),
        Option("--tokens", type=Value(int | None), metavar="N", help="length of a window [the context, at most 128]"),
        Option(
            "--corpus",
            metavar="TEXT",
            help="where the runs' text is now, if it has moved; for imported models, any text",
        ),
        Option("--json", is_flag=True, help="print the numbers as JSON instead of a table; writes no report"),
    ],
)


def _print_table(result: Any) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, header_style="bold")
    table.add_column(f"{result.windows} windows, T = {result.tokens}")
    for name in result.groups:
        table.add_column(name, justify="right")
        if name != result.baseline:
            table.add_column("difference", justify="right", style="dim")
    for measure, about in result.measures.items():
        if not result.has(measure):
            continue
        cells = []
        for name in result.groups:
            estimate = result.find(measure, name)
            cells.append(f"{estimate.value:.3f}" if estimate else "-")
            if name != result.baseline:
                cells.append(f"{estimate.difference:+.3f}" if estimate and estimate.difference else "")
        table.add_row(about.title, *cells)
    console = Console(width=None if sys.stdout.isatty() else 180)
    console.print(table)
    for line in result.told.verdict:
        console.print(line, highlight=False)
    for claim in result.told.claims:
        console.print(f"{claim.claim} ({claim.group}): {claim.outcome}. {claim.why}", highlight=False)


def info(path: str, *, json: bool = False) -> int:
    """Print what a run is, from its latest checkpoint and its metrics."""
    told = _told(path)
    if json:
        print(dumps(told, indent=1))
        return 0
    c, text, source = told["config"], told["corpus"], told.get("imported")
    m = c["model"]
    shared = f" ({m['kv_heads']} of keys and values)" if m["kv_heads"] not in (None, m["heads"]) else ""
    print(told["run"])
    if source:
        print(f"  imported    {source['kind']}, from {source['path']}")
        print(f"              sha256 {source['sha256']}{', norms folded' if source.get('fold_norms') else ''}")
    print(f"  attention   {m['attention']}{'' if m['causal'] else ', every token sees both sides'}")
    _print_null(source, c)
    print(f"  model       {m['layers']} layers, {m['heads']} heads{shared}, {m['width']} wide, context {m['context']}")
    parts = f"{m['positions']}, {m['norm']['kind']}, {m['mlp']['activation']}"
    print(f"              {parts}; {told['parameters']:,} parameters")
    if text["sha256"]:
        print(f"  text        {text['name']}, {text['size']:,} characters, sha256 {text['sha256'][:16]}")
    kind = "the model's own" if c["data"]["tokenizer"] == "model" else c["data"]["tokenizer"]
    print(f"  tokens      {kind}, {m['vocab_size']}")
    if told["step"] or not source:
        saved = ", ".join(map(str, told["checkpoints"]))
        print(f"  seed        {c['seed']}")
        print(f"  steps       {told['step']} of {c['steps']}; checkpoints {saved}")
    else:
        print("  steps       0, not trained here")
    if "valid_loss" in told:
        print(f"  valid loss  {told['valid_loss']:.4f} nats")
    print(f"  made with   {', '.join(f'{k} {v}' for k, v in told['versions'].items())} on {told['machine']}")
    return 0


INFO = Command(
    "info",
    callback=info,
    short_help="say what a run is",
    help="Config, text, steps and losses of a run, or of a model of another library.",
    params=[
        click.Argument(["path"], metavar="RUN", help="a run, one of its checkpoints, or a model to import"),
        Option("--json", is_flag=True, help="everything as JSON"),
    ],
)


def _print_null(source: dict[str, Any] | None, config: dict[str, Any]) -> None:
    """How a null that a trained model was given began, and what that changed, if it is known."""
    given = (source or {}).get("null")
    if given and "loss_before" in given:
        jump = given["loss_after"] - given["loss_before"]
        print(
            f"  null        began {given['start']}; loss {given['loss_before']:.4f} -> {given['loss_after']:.4f} nats",
            end="",
        )
        print(f" ({jump:+.4f}) on {given['windows']} windows of {given['tokens']} tokens")
    elif given:
        print(f"  null        began {given['start']}; hidden states moved by at most {max(given['hidden_moved']):.2%}")
    elif config.get("init_from"):
        print(f"  began from  {config['init_from']}, null {config['null_init']}")


def _told(path: str) -> dict[str, Any]:
    """All that is known of a run, or of a model that could be imported, without its tokenizer."""
    from jattn.interop.external import is_external
    from train.checkpoint import load, read_meta
    from train.folders import finished_steps, is_run, locate
    from train.metrics import read_metrics

    if is_external(path):
        folder, meta, steps, rows = Path(path), load(path).meta, [], []
    else:
        folder, checkpoint = locate(path)
        meta, rows = read_meta(checkpoint), read_metrics(folder)
        steps = finished_steps(folder) if is_run(folder) else [meta["step"]]
    shown = {name: value for name, value in meta.items() if name != "tokenizer"}
    return {"run": str(folder), "checkpoints": steps, **shown, "last": rows[-1] if rows else None}


def demo(
    out: Path = Path("jattn-demo"),
    *,
    quick: bool = False,
    full: bool = False,
    resume: bool = False,
    overwrite: bool = False,
) -> int:
    """Train, compare, report; the path of the report is printed last."""
    if resume and overwrite:
        raise InputError("--resume and --overwrite exclude each other; keep one")
    if quick and full:
        raise InputError("--quick and --full exclude each other; keep one")
    from analysis.demo import run_demo

    size = "quick" if quick else "full" if full else "usual"
    return run_demo(out, size=size, resume=resume, overwrite=overwrite)


DEMO = Command(
    "demo",
    callback=demo,
    short_help="the whole thing, small: train pairs with and without a null, compare, write a report",
    help="Train pairs with and without a null token on a language whose truth is known and on real text, compare them, "
    "and write a report (about 5 minutes on 2 CPU cores).",
    params=[
        Option("--out", type=click.Path(path_type=Path), metavar="DIR", help="folder of the results [jattn-demo]"),
        Option("--quick", is_flag=True, help="about a minute: small pairs and few steps, to see that all works"),
        Option("--full", is_flag=True, help="seeds 0, 1, 2 and longer training, for intervals"),
        Option("--resume", is_flag=True, help="go on after a stop; finished runs are kept"),
        Option("--overwrite", is_flag=True, help="replace the results of an earlier demo"),
    ],
)
