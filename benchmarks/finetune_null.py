"""Does a model's sink move to a null that it is given? A pretrained model trained on in four arms, from equal weights.

    python benchmarks/finetune_null.py MODEL TEXT --out runs/finetune

Arms: no null; null key near off, its parameters alone; null key near off, all parameters; null key and value copied
from its own sink, all parameters. Same text in the same order. The null's parameters alone get a peak rate of 1e-2 (at
1e-4 they hardly move in so few steps), all parameters one of 1e-4 (--learning-rate). Draws null share, first-token
share, massive activations and validation loss along the tokens, prints the last values. Run again, it goes on where it
was stopped.
"""

import argparse
import sys
from pathlib import Path

from analysis.cli import main as jattn
from train.metrics import read_metrics

ARMS = {
    "no null": ["--attention=standard"],
    "null key, null alone": ["--attention=null", "--trainable=null", "--learning-rate=0.01"],
    "null key, all": ["--attention=null"],
    "null key + value from the sink, all": ["--attention=key_value", "--null-init=sink"],
}
SHOWN = {
    "null_share": "null share",
    "first_token_share": "first-token share",
    "massive": "largest over median of the residual stream",
    "valid_loss": "validation loss (nats)",
}
COLOURS = ["#666666", "#e69f00", "#0072b2", "#009e73"]


def train_arm(args: argparse.Namespace, words: list[str], folder: Path) -> None:
    """One arm, from the start or from where it was stopped."""
    steps = -(-args.tokens // (args.batch * args.length))
    every = max(1, steps // args.points)
    given = [f"--{n}={getattr(args, n)}" for n in ("batch", "length")]
    given += [
        f"--steps={steps}",
        f"--eval-every={every}",
        f"--save-every={max(1, steps // 2)}",
        "--keep=1",
        "--eval-windows=24",
    ]
    given += ["--log-every=1", "--warmup=5", f"--learning-rate={args.learning_rate}", *words]
    code = jattn(["train", "--from", args.model, "--corpus", args.text, *given, "--resume", "--out", str(folder)])
    if code:
        sys.exit(code)


def table(rows: dict[str, list[dict]], per_step: int) -> str:
    """First and last values of every arm."""
    lines = ["| arm | tokens | " + " | ".join(SHOWN.values()) + " |", "|---|---" + "|---" * len(SHOWN) + "|"]
    for arm, found in rows.items():
        for row in (found[0], found[-1]):
            cells = " | ".join(f"{row[n]:,.0f}" if n == "massive" else f"{row[n]:.4f}" for n in SHOWN)
            lines.append(f"| {arm} | {row['step'] * per_step:,} | {cells} |")
    return "\n".join(lines)


def draw(rows: dict[str, list[dict]], per_step: int, title: str, path: Path) -> None:
    """The four curves of every arm along the tokens."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 4, figsize=(14, 3.4), layout="constrained")
    for axis, (name, label) in zip(axes, SHOWN.items(), strict=True):
        for (arm, found), colour in zip(rows.items(), COLOURS, strict=True):
            axis.plot(
                [r["step"] * per_step / 1e3 for r in found],
                [r[name] for r in found],
                "o-",
                ms=3,
                label=arm,
                color=colour,
            )
        axis.set_title(label, fontsize=10)
        axis.set_xlabel("thousand tokens")
        axis.spines[["top", "right"]].set_visible(False)
        if name == "massive":
            axis.set_yscale("log")
        elif name != "valid_loss":
            axis.set_ylim(0, 1)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False)
    figure.suptitle(title, fontsize=11)
    figure.savefig(path, dpi=160)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("text")
    parser.add_argument("--out", default="runs/finetune", type=Path)
    parser.add_argument("--tokens", type=int, default=60_000, help="of training, per arm [60000]")
    parser.add_argument("--points", type=int, default=6, help="evaluations along the way [6]")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--length", type=int, default=128)
    parser.add_argument("--learning-rate", type=float, default=1e-4)
    args = parser.parse_args()
    folders = {arm: args.out / arm.replace(",", "").replace(" + ", "-").replace(" ", "-") for arm in ARMS}
    for arm, words in ARMS.items():
        train_arm(args, words, folders[arm])
    rows = {arm: [r for r in read_metrics(f) if "valid_loss" in r] for arm, f in folders.items()}
    per_step = args.batch * args.length
    print(table(rows, per_step))
    draw(rows, per_step, f"{Path(args.model).stem} trained on {Path(args.text).name}", args.out / "finetune.png")
    print(args.out / "finetune.png")


if __name__ == "__main__":
    main()
