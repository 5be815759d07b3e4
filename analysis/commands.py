"""The commands that look: `jattn demo`, `compare`, `info`."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from analysis.chapters import NAMES
from jattn.errors import InputError


def add_compare(commands: Any) -> None:
    p = commands.add_parser(
        "compare",
        help="compare groups of runs and write a report",
        description="Compare groups of runs: jattn compare standard='runs/*-standard-*' null='runs/*-null-*'. "
        "The first group is the baseline. A run may be a model of another library (a Hugging Face folder, a GGUF "
        "file), and one group alone works. Writes report.html, PNG figures, JSON and CSV.",
    )
    p.add_argument("groups", nargs="+", metavar="NAME=RUNS", help="a name, and a path or glob of runs in quotes")
    p.add_argument("--out", metavar="DIR", help="folder of the report [reports/<names>]")
    p.add_argument("--only", metavar="CHAPTERS", help=f"read only these, by comma: {', '.join(NAMES)} [all]")
    p.add_argument("--windows", default="256", help="validation windows to read [256]")
    p.add_argument("--tokens", default="none", help="length of a window [the context, at most 128]")
    p.add_argument("--corpus", help="where the runs' text is now, if it has moved; for imported models, any text")
    p.add_argument("--json", action="store_true", help="print the numbers as JSON instead of a table; writes no report")
    p.set_defaults(run=compare)


def compare(args: argparse.Namespace) -> int:
    """Compare, print a table, write the report; its path is printed last."""
    from train.config import parse_value

    groups = dict(_group(text) for text in args.groups)
    if len(groups) < len(args.groups):
        raise InputError("compare: two groups have the same name; give each its own")
    windows = parse_value("--windows", args.windows, int)
    tokens = parse_value("--tokens", args.tokens, int | None)
    from analysis import comparison as module
    from train.progress import Bar

    with Bar("reading", 1) as bar:

        def progress(what: str, done: int, total: int) -> None:
            bar.total = total
            bar.update(done, group=what)

        only = None if args.only is None else args.only.split(",")
        given: dict[str, Any] = {"chapters": only, "windows": windows, "tokens": tokens, "corpus": args.corpus}
        result = module.compare(groups, progress=progress, **given)
    from analysis.tables import to_json

    if args.json:
        print(json.dumps(to_json(result), indent=1, allow_nan=False))
        return 0
    for line in [*result.warnings, *(f"left out: {why}" for why in result.left_out)]:
        print(f"note: {line}", file=sys.stderr)
    _print_table(result)
    out = Path(args.out) if args.out else Path("reports") / "-vs-".join(groups)
    print(result.write(out))
    return 0


def _group(text: str) -> tuple[str, str]:
    name, equals, runs = text.partition("=")
    if not (name and equals and runs):
        raise InputError(f"compare: {text!r} is no group; write NAME=RUNS, such as null='runs/*-null-*'")
    return name, runs


def _print_table(result: Any) -> None:
    from rich.console import Console
    from rich.table import Table

    from analysis.claims import claims
    from analysis.findings import number, signed, verdict

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
            row = result.find(measure, name)
            cells.append(number(row.value) if row else "-")
            if name != result.baseline:
                cells.append(signed(row.difference) if row else "")
        table.add_row(about.title, *cells)
    console = Console(width=None if sys.stdout.isatty() else 180)
    console.print(table)
    for line in verdict(result):
        console.print(line, highlight=False)
    for claim in claims(result):
        console.print(f"{claim.claim} ({claim.group}): {claim.outcome}. {claim.why}", highlight=False)


def add_info(commands: Any) -> None:
    p = commands.add_parser(
        "info",
        help="say what a run is",
        description="Config, text, steps and losses of a run, or of a model of another library.",
    )
    p.add_argument("path", metavar="RUN", help="folder of a run or of one of its checkpoints, or a model to import")
    p.add_argument("--json", action="store_true", help="everything as JSON")
    p.set_defaults(run=info)


def info(args: argparse.Namespace) -> int:
    """Print what a run is, from its latest checkpoint and its metrics."""
    told = _told(args.path)
    if args.json:
        print(json.dumps(told, indent=1))
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
    elif config.get("start"):
        print(f"  began from  {config['start']}, null {config['null_start']}")


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


def add_demo(commands: Any) -> None:
    p = commands.add_parser(
        "demo",
        help="the whole thing, small: train pairs with and without a null, compare, write a report",
        description="Train pairs with and without a null token on a language whose truth is known and on real text, "
        "compare them, and write a report (about 5 minutes on 2 CPU cores).",
    )
    p.add_argument("--out", default="jattn-demo", metavar="DIR", help="folder of the results [jattn-demo]")
    p.add_argument("--full", action="store_true", help="seeds 0, 1, 2 and longer training, for intervals")
    p.add_argument("--resume", action="store_true", help="go on after a stop; finished runs are kept")
    p.add_argument("--overwrite", action="store_true", help="replace the results of an earlier demo")
    p.set_defaults(run=demo)


def demo(args: argparse.Namespace) -> int:
    """Train, compare, report; the path of the report is printed last."""
    if args.resume and args.overwrite:
        raise InputError("--resume and --overwrite exclude each other; keep one")
    from analysis.demo import run_demo

    return run_demo(Path(args.out), full=args.full, resume=args.resume, overwrite=args.overwrite)
