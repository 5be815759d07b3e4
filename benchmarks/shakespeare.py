"""Tiny Shakespeare, char level, last 10 % held out, full split: recipes at equal steps and at equal wall-clock.

    python benchmarks/shakespeare.py PATH/tinyshakespeare.txt --out runs/shakespeare --seeds 0 1 2

Prints a Markdown table as runs finish; a folder that holds a finished run is read, not trained again. How much longer a
step of Muon takes is measured first, steps of both taking turns.
"""

import argparse
import statistics
import time
from pathlib import Path

from timing import interleaved, ms, stepper

from analysis.stats import interval, paired
from train import checkpoint, loop
from train.config import RunConfig, override
from train.presets import preset

QUIET = {"eval_every": 1_000_000, "save_every": 1_000_000, "log_every": 20}
RECIPES = {
    "nanogpt-cpu": ("nanogpt-cpu", {}),
    "ours, AdamW": ("small", {"optimizer.optimizer": "adamw"}),
    "ours, AdamW, null": ("small", {"optimizer.optimizer": "adamw", "model.attention": "null"}),
    "ours, Muon": ("small", {"optimizer.optimizer": "muon"}),
    "ours, Muon, null": ("small", {"optimizer.optimizer": "muon", "model.attention": "null"}),
}


def config_of(recipe: str, corpus: str, seed: int, steps: int | None = None) -> RunConfig:
    """The run of a recipe; `steps` stretches its schedule."""
    name, changes = RECIPES[recipe]
    extra = {"data.corpus": corpus, "seed": seed, **QUIET} | ({"steps": steps} if steps else {})
    return override(preset(name), {**changes, **extra})


def train_one(config: RunConfig, folder: Path) -> float:
    """Validation loss in nats over the full split."""
    if not (folder / "config.json").exists() or checkpoint.finished_steps(folder)[-1] < config.steps:
        loop.run(config, folder, overwrite=True)
    return checkpoint.load(folder).meta["valid_loss"]


def muon_over_adamw(corpus: str) -> float:
    """Seconds of a Muon step over those of an AdamW step."""
    contenders = {
        r: stepper(override(config_of(r, corpus, 0), {"model.vocab_size": 65})) for r in ("ours, AdamW", "ours, Muon")
    }
    times = interleaved(contenders, rounds=60)
    print(", ".join(f"{name}: {ms(times, name)} a step" for name in contenders), flush=True)
    return statistics.median(b / a for a, b in zip(*times.values(), strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpus")
    parser.add_argument("--out", default="runs/shakespeare")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    args = parser.parse_args()
    ratio = muon_over_adamw(args.corpus)
    longer = round(preset("small").steps * ratio)
    print(
        f"Muon's step takes {ratio:.2f} times AdamW's: at equal wall-clock AdamW gets {longer:,} steps.\n", flush=True
    )
    print("| recipe | steps | validation loss (mean, 95 % interval) | per seed |\n|---|---|---|---|", flush=True)
    losses: dict[str, list[float]] = {}

    def measure(title: str, recipe: str, steps: int | None = None) -> None:
        configs = [config_of(recipe, args.corpus, seed, steps) for seed in args.seeds]
        slug = title.replace(" ", "").replace(",", "-").lower()
        losses[title] = [train_one(c, Path(args.out) / f"{slug}-s{c.seed}") for c in configs]
        i = interval(losses[title])
        spread = "" if i.low is None else f" [{i.low:.4f}, {i.high:.4f}]"
        each = ", ".join(f"{x:.4f}" for x in losses[title])
        print(f"| {title} | {configs[0].steps:,} | {i.mean:.4f}{spread} | {each} |", flush=True)

    for recipe in RECIPES:
        measure(recipe, recipe)
    # Equal wall-clock: AdamW for as many steps as fit into Muon's time, its schedule stretched over them.
    measure("ours, AdamW, equal time", "ours, AdamW", longer)
    print()
    for optimizer in ("AdamW", "Muon"):
        d = paired(losses[f"ours, {optimizer}, null"], losses[f"ours, {optimizer}"])
        print(f"null against none, {optimizer}: {d.mean:+.4f} [{d.low}, {d.high}]")


if __name__ == "__main__":
    began = time.monotonic()
    main()
    print(f"{(time.monotonic() - began) / 60:.0f} minutes")
