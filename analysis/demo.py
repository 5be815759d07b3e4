"""`jattn demo`: the main job end to end, on text that every Python carries.

Three comparisons: Bigram-Backcopy without a fixed first token, the same with one, and real text (pydoc_data.topics).
Everything goes into one folder: runs/, and the report beside it.
"""

import shutil
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from jattn.errors import InputError
from train.config import RunConfig, override
from train.presets import preset
from train.progress import clock

Size = Literal["quick", "usual", "full"]
READ = ("text",)  # of the analysis, for the demo is to be quick; `jattn compare` reads all of it


@dataclass(frozen=True)
class Part:
    """One comparison of the demo: groups by name, each an attention string; the first is the baseline."""

    title: str
    name: str
    config: RunConfig
    groups: dict[str, str]


TITLE = "What does a null token change?"


def parts(size: Size) -> list[Part]:
    """What the demo trains: `full` longer on real text, `quick` one pair a part, on little text."""
    language = preset("backcopy")
    steps = {"quick": 100, "usual": 400, "full": 2000}[size]
    text = override(preset("tiny"), {"steps": steps, "eval_every": min(500, steps // 2), "save_every": steps})
    text = override(text, {"model.layers": 4, "model.context": 64})
    pair = {"standard": "standard", "null key": "null"}
    known = Part("A language whose truth is known, no fixed first token", "backcopy", language, pair)
    real = Part("Real text: the topics of Python's help", "text", text, {"standard": "standard", "null": "null"})
    if size == "quick":
        little = {"steps": 300, "eval_every": 300, "save_every": 300}
        return [
            replace(known, config=override(language, little)),
            replace(real, config=override(text, {"model.layers": 2})),
        ]
    return [
        replace(known, groups=pair | {"zero null": "zero"}),
        Part(
            "The same language, every text starting with one fixed token",
            "backcopy-bos",
            override(language, {"data.bos": True}),
            pair,
        ),
        replace(real, groups=real.groups | {"local": "local:16", "null + local": "null+local:16"}),
    ]


def run_demo(out: Path, *, size: Size = "usual", resume: bool = False, overwrite: bool = False) -> int:
    """Train everything, compare, write the report, print its path last. 130 after a Ctrl-C, when all is saved."""
    _prepare(out, resume, overwrite)
    from analysis.report.compare import WINDOWS, compare
    from analysis.report.page import write
    from train import loop
    from train.folders import steps_of
    from train.material import Material, prepare
    from train.provenance import machine

    began = time.monotonic()
    planned = parts(size)
    seeds = (0, 1, 2) if size == "full" else (0,)
    windows = 64 if size == "quick" else WINDOWS
    jobs = [(c, g, s) for c in planned for g in c.groups for s in seeds]
    print(f"{len(jobs)} runs on {machine()}, then the report; results in {out}", file=sys.stderr)
    folders: dict[tuple[str, str], list[Path]] = {}
    materials = {c.name: prepare(c.config) for c in planned}
    trained = 0
    for number, (part, group, seed) in enumerate(jobs, 1):
        material = materials[part.name]
        config = override(material.config, {"seed": seed, "model.attention": part.groups[group], "preset": part.name})
        folder = out / "runs" / config.name
        folders.setdefault((part.name, group), []).append(folder)
        saved = steps_of(folder)  # none in a run that was killed before its first checkpoint: it starts anew
        if resume and saved and saved[-1] >= config.steps:
            continue
        spent = time.monotonic() - began
        left = f" (about {clock(spent / trained * (len(jobs) - number + 1))} left in all)" if trained else ""
        print(f"run {number} of {len(jobs)}: {part.title}; {group}, seed {seed}{left}", file=sys.stderr)
        trained += 1
        one = Material(config, material.tokenizer, material.data, material.corpus)
        try:
            loop.run(config, folder, resume=resume and bool(saved), overwrite=resume, material=one)
        except loop.Stopped:
            form = "" if size == "usual" else f" --{size}"
            print(f"saved. Go on with: jattn demo --out {out}{form} --resume", file=sys.stderr)
            return 130
    results = []
    for part in planned:
        groups = {g: [str(f) for f in folders[part.name, g]] for g in part.groups}
        results.append(compare(groups, title=part.title, only=READ, windows=windows, progress=True))
    title = f"{TITLE} The quick form: few steps, one seed" if size == "quick" else TITLE
    page = write([result.told for result in results], out, title=title, lesson=True)
    print(f"done in {clock(time.monotonic() - began)}", file=sys.stderr)
    print(page)
    return 0


def _prepare(out: Path, resume: bool, overwrite: bool) -> None:
    if out.exists() and not out.is_dir():
        raise InputError(f"out: {str(out)!r} is a file; name a folder")
    if not out.is_dir() or not any(out.iterdir()) or resume:
        return
    if not overwrite:
        raise InputError(
            f"{str(out)!r} holds an earlier demo; add --resume to go on, --overwrite to replace it, or --out"
        )
    if not (out / "runs").is_dir():
        raise InputError(f"out: {str(out)!r} is not empty and not a demo, so --overwrite leaves it alone")
    shutil.rmtree(out / "runs")
