"""Does the null mean "nothing"? On backcopy: 1 - null mass against cause, every other readout of every model beside it.

    python benchmarks/cause.py --out runs/cause

One layer of one head, and two layers of four; standard attention, standard attention with a fixed first token (which
gives it somewhere to look when there is nothing), and a null. Trains what is missing, about a minute a run on two
cores; a finished run is read. All queries but the first of all 512 held-out sequences. Prints Markdown tables.
"""

import argparse
from pathlib import Path

import jax.numpy as jnp
import numpy as np

from analysis.chapter_type import Measurements, Reading, Results
from analysis.chapters.cause import against_readouts, chosen_heads
from analysis.chapters.cause_figures import cell, class_table, margins, over_seeds, readout_table, scores_of
from analysis.elements import Table
from analysis.interventions import ablation
from train import checkpoint, data, loop
from train.config import override
from train.folders import steps_of
from train.presets import preset
from train.runs import Run
from train.windows import text_of, windows_of

SHAPES = {
    "one layer, one head": ("", {}),
    "two layers, four heads": ("2x4-", {"model.layers": 2, "model.heads": 4}),
}
ARMS = {
    "standard": ("standard", {}),
    "standard, fixed first token": ("bos-standard", {"data.bos": True}),
    "null": ("null", {"model.attention": "null"}),
}
WANTED = 0.95  # AUROC of 1 - null mass


def run_of(out: Path, shape: str, arm: str, seed: int) -> Run:
    """The run of that shape, arm and seed, trained unless its folder holds it."""
    (prefix, size), (name, changes) = SHAPES[shape], ARMS[arm]
    config = override(preset("backcopy"), size | changes | {"seed": seed})
    folder = out / f"backcopy-{prefix}{name}-s{seed}"
    if config.steps not in steps_of(folder):
        loop.run(config, folder, overwrite=True)
    return checkpoint.load(folder)


def found_of(run: Run) -> Measurements:
    """The chapter's measures of cause, on all held-out sequences and queries."""
    T = run.config.model.context
    valid = data.encode_corpus(text_of(run, None), run.tokenizer).valid
    windows = windows_of(run, valid, T, len(valid)).astype(np.int32)
    config = run.config.model
    mean = ablation.means(config, run.parameters, jnp.asarray(windows[:, :-1]))
    return against_readouts(run, windows, T - 1, chosen_heads(config), mean)


def markdown(table: Table) -> str:
    """A table with its caption."""
    rows = [" | ".join(map(str, row)) for row in table.rows]
    rule = "|---" * len(table.columns) + "|"
    return "\n".join([table.caption, "", f"| {' | '.join(table.columns)} |", rule, *(f"| {row} |" for row in rows)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", default=Path("runs/cause"), type=Path)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    args = parser.parse_args()
    for shape in SHAPES:
        runs = {arm: [run_of(args.out, shape, arm, seed) for seed in args.seeds] for arm in ARMS}
        found = {arm: [found_of(run) for run in of_arm] for arm, of_arm in runs.items()}
        print(f"\n## {shape}\n", flush=True)
        for arm, of_arm in runs.items():
            print(f"- {arm}: validation loss {cell(over_seeds([r.meta['valid_loss'] for r in of_arm]), digits=4)} nats")
        for silenced in ("zero", "mean"):
            reached = [s.auroc for s in scores_of(found["null"], silenced, "null")]
            told = "reached" if np.mean(reached) >= WANTED else "missed"
            each = ", ".join(f"{value:.4f}" for value in reached)
            print(
                f"- {silenced}: AUROC of 1 - null mass {cell(over_seeds(reached), digits=4)} ({each}), {told}: {WANTED}"
            )
        reading = Reading(np.zeros((0, 0)), 0, "backcopy")
        for group in ("standard", "standard, fixed first token"):
            pair = {group: found[group], "null": found["null"]}
            for table in margins(Results({arm: runs[arm] for arm in pair}, pair, reading, {})):
                print(f"\nAgainst {group}. {markdown(table)}")
        for table in (readout_table, class_table):
            print("\n" + markdown(table(Results(runs, found, reading, {}))), flush=True)


if __name__ == "__main__":
    main()
