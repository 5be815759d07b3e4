"""Backcopy, where it is known which queries have something to attend to: every readout of that, on every model.

A query on a trigger must look one symbol back; all others have nothing to attend to. Readouts (readouts.py) lie in
[0, 1], so 0.5 is a threshold that nobody fitted.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from analysis.capture.layers import attention_of
from analysis.measures import readouts
from jattn.config import ModelConfig
from jattn.model import assemble
from jattn.taps import Seen
from train.corpora import backcopy
from train.losses import next_token_losses
from train.runs import Run

SCORED = ("null", "max_weight", "entropy_null", "entropy", "norm", "first")  # of readouts.READOUTS


@dataclass(frozen=True)
class Truth:
    """What one run says about the known truth on the held-out sequences.

    scores: readout -> (auroc, accuracy, balanced accuracy at 0.5) of the head named in `head` (layer, head; the one
    whose readout has the best AUROC; a one-head model leaves no choice).
    """

    head: dict[str, tuple[int, int]]
    scores: dict[str, tuple[float, float, float]]
    null_on_triggers: float | None
    null_elsewhere: float | None
    first_on_triggers: float
    first_elsewhere: float
    loss_nats: float
    loss_on_triggers_nats: float
    best_loss_nats: float
    trigger_share: float
    masses: np.ndarray | None  # null mass of every scored query, [queries]; with `labels` for a histogram
    labels: np.ndarray


def truth(run: Run, rows: np.ndarray) -> Truth:
    """Score all readouts of a run on rows of backcopy [B, length]; a fixed first token moves the text right by one.

    Queries whose trigger stands first in the text cannot occur; the fixed first token itself is not scored.
    """
    bos = run.tokenizer.bos
    full = rows.astype(np.int32)
    if bos is not None:
        full = np.concatenate([np.full((len(rows), 1), bos, np.int32), full[:, :-1]], 1)
    inputs, targets = full[:, :-1], full[:, 1:]
    labels = np.asarray(backcopy.is_trigger(inputs))
    scored = np.ones_like(labels) if bos is None else inputs != bos
    losses, seen = _readouts(run.config.model, run.parameters, jnp.asarray(full))
    losses = np.asarray(losses)
    seen = {name: np.asarray(v) for name, v in seen.items()}  # [L, B, N, T]
    with_null = run.config.model.has_null
    head, scores = {}, {}
    for name in SCORED:
        if name in readouts.NEED_NULL and not with_null:
            continue
        best = max(
            (readouts.auroc(seen[name][la, :, n][scored], labels[scored]), la, n)
            for la in range(seen[name].shape[0])
            for n in range(seen[name].shape[2])
        )
        values = seen[name][best[1], :, best[2]][scored]
        head[name] = best[1:]
        scores[name] = (
            best[0],
            readouts.accuracy_at(values, labels[scored]),
            readouts.balanced_accuracy_at(values, labels[scored]),
        )
    la, n = head["null" if with_null else "max_weight"]
    first = 1 - seen["first"][la, :, n]
    mass = 1 - seen["null"][la, :, n] if with_null else None
    best_loss = backcopy.truth_loss_nats(rows if bos is None else rows[:, :-1])
    # With a fixed first token the very first symbol is a target too; it is uniform over the letters.
    best_sum = best_loss.sum() + (0 if bos is None else len(rows) * np.log(backcopy.LETTERS))
    on, off = scored & labels, scored & ~labels
    return Truth(
        head,
        scores,
        None if mass is None else float(mass[on].mean()),
        None if mass is None else float(mass[off].mean()),
        float(first[on].mean()),
        float(first[off].mean()),
        float(losses.mean()),
        float(losses[labels].mean()),
        float(best_sum / targets.size),
        float(labels[scored].mean()),
        None if mass is None else mass[scored],
        labels[scored],
    )


@partial(jax.jit, static_argnums=0)
def _readouts(config: ModelConfig, parameters: Any, windows: Any):
    def observe(seen: Seen):
        weights, null = attention_of(seen, config)
        heads = config.heads // config.N_kv
        norm = lambda a: jnp.linalg.norm(a.astype(jnp.float32), axis=-1).swapaxes(1, 2)
        v_norm = jnp.repeat(norm(seen["v"]), heads, axis=1)
        return {
            "null": readouts.one_minus_null(null),
            "max_weight": readouts.max_weight(weights),
            "entropy_null": readouts.sharpness(weights, null),
            "entropy": readouts.sharpness_conditional(weights, null),
            "norm": readouts.output_norm(norm(seen["z"]), v_norm),
            "first": readouts.one_minus_first(weights),
        }

    logits, seen = assemble(config, parameters)(windows[:, :-1], observe=observe)
    return next_token_losses(logits, windows[:, 1:]), seen
