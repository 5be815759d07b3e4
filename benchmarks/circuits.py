"""Attention-only models of zero, one and two layers: what each can learn, in one figure (Elhage et al. 2021).

    python benchmarks/circuits.py --out runs/circuits

Trains zero layers on `bigram`, and zero, one and two layers on `induction-shifted`, where the copy stands at another
distance in every row. Measured on rows that say all 32 symbols once, in random order, and then once more: which symbols
have been seen says nothing there, so only an induction head gains. Checkpoints along the way are kept and measured.
Prints a table and writes circuits.png. A folder that holds a finished run is read, not trained again.
"""

import argparse
import time
from pathlib import Path

import jax
import numpy as np

from analysis.capture.formation import Formation, formation
from analysis.measures import bigrams
from analysis.measures.circuits import composition_baseline, composition_scores, eigenvalue_scores
from analysis.measures.incontext import said_twice, second_copy_gain
from train import checkpoint, corpora, loop
from train.config import RunConfig, override
from train.corpora import bigram, induction
from train.presets import preset
from train.runs import Run

LAYERS = (0, 1, 2)
ZERO = 8  # times as many steps for `bigram`: its rare pairs need many rows, and a step without layers costs little
COLOURS = {0: "#9aa5b1", 1: "#d9730d", 2: "#1f5fa8"}
NAMES = {0: "zero layers", 1: "one layer", 2: "two layers"}
INK = "#1f2933"


def config_of(corpus: str, layers: int, steps: int, seed: int) -> RunConfig:
    """An attention-only model 128 wide, two heads a layer, learned positions; twenty-five checkpoints kept."""
    changes = {
        "model.positions": "learned",
        "model.layers": layers,
        "model.heads": 2,
        "model.width": 128,
        "model.mlp.activation": "none",
        "model.output.tied": False,
        "data.corpus": corpus,
        "data.batch": 32,
        "optimizer.optimizer": "muon" if layers else "adamw",
        "optimizer.learning_rate": 3e-3 if layers else 1e-2,
        "optimizer.weight_decay": 0.1 if layers else 0.0,
        "seed": seed,
        "steps": steps,
        "eval_every": steps,
        "eval_windows": 64,
        "save_every": max(1, steps // 25),
        "keep": steps,
        "log_every": 50,
    }
    return override(preset("tiny"), changes)


def trained(config: RunConfig, folder: Path) -> Run:
    """The run in the folder, trained now unless it is there, finished."""
    if not (folder / "config.json").exists() or checkpoint.finished_steps(folder)[-1] < config.steps:
        loop.run(config, folder, overwrite=True)
    return checkpoint.load(folder)


def losses_of(run: Run, rows: np.ndarray) -> np.ndarray:
    """Loss of every target of rows [B, T + 1]."""
    log_probs = jax.nn.log_softmax(run.model(rows[:, :-1]))
    return -np.take_along_axis(np.asarray(log_probs), rows[:, 1:, None].astype(int), -1)[..., 0]


def table_of(run: Run) -> tuple[np.ndarray, np.ndarray]:
    """The model's log P(b | a) and the language's, [V, V] each."""
    logits = run.model(np.arange(bigram.SYMBOLS)[None])
    return np.asarray(jax.nn.log_softmax(logits)[0]), np.log(bigram.transition())


def draw(found: dict, path: Path) -> None:
    """Two rows of panels: what was learned, and when."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 6.4), layout="constrained")
    panels = figure.subplot_mosaic([["table", "rows", "rows"], ["loss", "gain", "head"]])
    ours, theirs = found["table"]
    panels["table"].plot([theirs.min(), 0], [theirs.min(), 0], color="#d5dae0", lw=1, zorder=0)
    panels["table"].scatter(theirs, ours, s=6, color=COLOURS[0], lw=0)
    panels["table"].set(xlabel="log P(b | a) of the language", ylabel="log P(b | a) of the model")
    panels["table"].set_title(f"zero layers on bigram: r = {found['r']:.4f}")
    V = induction.SHIFTED
    for layers, losses in found["rows"].items():
        panels["rows"].plot(np.arange(1, losses.shape[1] + 1), losses.mean(0), color=COLOURS[layers], lw=1.6)
        formed: Formation = found["formation"][layers]
        x = formed.tokens / 1e6
        for name, values in (("loss", "loss"), ("gain", "second_copy"), ("head", "induction")):
            if np.isfinite(formed.values[values]).all():
                panels[name].plot(x, formed.values[values], color=COLOURS[layers], lw=1.6, label=NAMES[layers])
    panels["rows"].axhline(np.log(V), color=INK, lw=0.9, ls=":", label=f"a guess among {V} symbols")
    panels["rows"].axvline(V, color="#d5dae0", lw=1, zorder=0)
    panels["rows"].text(V + 3, 1.5, "second copy", fontsize=8, color=INK)
    panels["rows"].set(xlabel="symbols before the target", ylabel="loss (nats)", ylim=(0, None))
    panels["rows"].set_title(f"{V} symbols in random order, said twice, after training")
    panels["rows"].legend(fontsize=8, frameon=False, loc="lower left")
    panels["loss"].set_title("loss on held-out rows (nats)")
    panels["gain"].set_title("second copy less the first (nats)")
    panels["head"].axhline(found["formation"][1].chance["induction"], color=INK, lw=0.9, ls=":")
    panels["head"].set_title("prefix matching of the best head")
    panels["head"].set_ylim(0, 1.02)
    panels["loss"].legend(fontsize=8, frameon=False)
    for name in ("loss", "gain", "head"):
        panels[name].set_xlabel("million tokens seen")
        onset = found["formation"][2].onset("induction") / 1e6
        panels[name].axvline(onset, color=COLOURS[2], lw=0.8, ls="--", zorder=0)
    for axis in panels.values():
        axis.spines[["top", "right"]].set_visible(False)
        axis.tick_params(labelsize=8)
        axis.title.set_fontsize(9.5)
        axis.xaxis.label.set_fontsize(8.5)
        axis.yaxis.label.set_fontsize(8.5)
    figure.savefig(path, dpi=160, facecolor="white")


def report(found: dict, two: Run) -> None:
    """The numbers behind the figure."""
    print(f"\nzero layers on bigram: correlation of log-probabilities with the table {found['r']:.4f}")
    print(f"the same with the bigram counted on the training rows: {found['r_counted']:.4f}")
    print(
        "\n| layers | loss | first copy | second copy | gain | prefix matching: last, peak |\n|---|---|---|---|---|---|"
    )
    V = induction.SHIFTED
    for layers, losses in found["rows"].items():
        first, second = losses[:, : V - 1].mean(), losses[:, V:].mean()
        head = found["formation"][layers].values["induction"]
        shown = "–" if np.isnan(head).all() else f"{head[-1]:.3f}, {head.max():.3f}"
        loss, gain = found["formation"][layers].values["loss"][-1], second_copy_gain(losses).mean()
        print(f"| {layers} | {loss:.3f} | {first:.3f} | {second:.3f} | {gain:+.3f} | {shown} |")
    formed: Formation = found["formation"][2]
    print("\nonset in two layers, thousand tokens:", end=" ")
    print(", ".join(f"{m} {formed.onset(m) / 1e3:.0f}" for m in ("previous", "induction", "second_copy")))
    head = np.unravel_index(formed.heads["induction"][-1].argmax(), formed.heads["induction"][-1].shape)
    k = composition_scores(two.config.model, two.parameters)["k"][0, :, 1, head[1]]
    copying = eigenvalue_scores(two.config.model, two.parameters).copying[head]
    previous = formed.heads["previous"][-1, 0]
    print(f"induction head {head[0]}.{head[1]}: copying score {copying:.2f}")
    for n, (share, score) in enumerate(zip(previous, k, strict=True)):
        print(f"head 0.{n}: {share:.2f} of its attention on the token before; K-composition {score:.3f}", end=" ")
        print(f"(random {composition_baseline(two.config.model):.3f})")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", default="runs/circuits", type=Path)
    parser.add_argument("--steps", type=int, default=800, help="of training, per model [800]")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    zero = trained(config_of("bigram", 0, ZERO * args.steps, args.seed), args.out / "bigram-0")
    runs = {
        n: trained(config_of("induction-shifted", n, args.steps, args.seed), args.out / f"induction-shifted-{n}")
        for n in LAYERS
    }
    context = zero.config.model.context
    rows = np.asarray(corpora.load("induction-shifted", context=context).valid, np.int32)
    ours, theirs = table_of(zero)
    ids = np.arange(bigram.SYMBOLS)
    counted = bigrams.bigram(np.asarray(corpora.load("bigram", context=context).train), bigram.SYMBOLS).log_probs(
        ids, ids
    )
    found = {
        "table": (ours, theirs),
        "r": float(bigrams.correlation(ours.ravel(), theirs.ravel())),
        "r_counted": float(bigrams.correlation(ours.ravel(), counted.ravel())),
        "rows": {n: losses_of(run, said_twice(np.arange(induction.SHIFTED), 256, context)) for n, run in runs.items()},
        "formation": {n: formation(run, rows) for n, run in runs.items()},
    }
    report(found, runs[2])
    draw(found, args.out / "circuits.png")
    print(args.out / "circuits.png")


if __name__ == "__main__":
    began = time.monotonic()
    main()
    print(f"{(time.monotonic() - began) / 60:.1f} minutes")
