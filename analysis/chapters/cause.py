"""Cause: what silencing, evicting and patching change, and whether the null's share tells where a head does nothing.

Cost is bounded by `WORK` multiplications a part: a model of many heads has `HEADS` of them silenced, evenly spaced (the
others are NaN), and a large one reads fewer texts and queries.

Axes: X blocks of texts, W windows, L layers, N heads, P heads silenced, Q queries of a window.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from analysis.capture.batches import in_batches
from analysis.chapter_type import Chapter, Measure, Measurements, Progress, Reading, Unfit
from analysis.chapters.cause_figures import elements
from analysis.chapters.cause_margin import Detail
from analysis.interventions import ablation, cause
from analysis.interventions.cause import EVICTIONS, SILENCED
from analysis.measures import cause_scores
from analysis.measures.readouts import NEED_NULL, READOUTS
from jattn.config import ModelConfig
from jattn.model import count_parameters
from train.evaluate import evenly
from train.runs import Run
from train.windows import predicts_next

WORK = 1e12  # multiplications of each part (silencing at a query; ablation; patching), about
TEXTS = 64  # at most
SAMPLE = 4000  # pairs of query and head that the scatter shows
HEADS = 32  # silenced in a model of more than twice as many
BLOCKS = 8  # of texts, each with an AUROC of its own
PATCHES = 4  # queries per text whose previous token is corrupted, at most


def measures() -> dict[str, Measure]:
    """silencing x score x readout, and what ablation, eviction and patching change."""
    table = {
        "ablation_zero": Measure("loss without a head (output 0) minus loss with it", "nats", 4),
        "ablation_mean": Measure("loss with a head's output at its mean minus loss with it", "nats", 4),
        "patch_previous": Measure("previous token, patched: share of its effect that a head carries", "share"),
        **{name: Measure(f"loss added, {title}", "nats", 4) for name, title in EVICTIONS.items()},
    }
    for silenced, how in SILENCED.items():
        key = "cause" if silenced == "zero" else "cause_mean"
        table[f"{key}_nats"] = Measure(f"cause of a head at a query, output {how}", "nats", 4)
        table[f"{key}_positive_share"] = Measure(f"queries and heads with a cause above 0.05 nats, output {how}", "0-1")
        for readout, title in READOUTS.items():
            table[f"{key}_auroc_{readout}"] = Measure(f"AUROC against cause ({how}): {title}", "0-1")
        table[f"{key}_auroc_best_other"] = Measure(f"AUROC against cause ({how}): best readout but the null's", "0-1")
        for readout, title in READOUTS.items():
            table[f"{key}_accuracy_{readout}"] = Measure(f"accuracy at 0.5 against cause ({how}): {title}", "0-1")
            table[f"{key}_rank_{readout}"] = Measure(f"rank correlation with cause ({how}): {title}", "-1-1")
    return table


def read(run: Run, reading: Reading, progress: Progress) -> Measurements[Detail]:
    """All measures of a run on its windows; Unfit for a model without next-token prediction or without attention."""
    config = run.config.model
    if not predicts_next(config):
        raise Unfit("cause is a change of the next-token distribution, which this model does not predict")
    if config.layers == 0:
        raise Unfit("a model without layers has no heads to silence")
    heads, plan = chosen_heads(config), Plan.of(config, reading)
    windows = evenly(reading.windows, plan.texts)
    mean = ablation.means(config, run.parameters, jnp.asarray(windows[:, :-1]))
    zeros, averages = jnp.zeros((len(heads), config.H), mean.z.dtype), mean.z[heads[:, 0], heads[:, 1]]
    progress(1, 4)
    values = evictions(run, evenly(reading.windows, max(plan.ablated, 4)), mean)
    ablated = jnp.asarray(evenly(reading.windows, plan.ablated))
    scores = {
        f"ablation_{name}": by_head(config, heads, ablation.ablate(config, run.parameters, ablated, heads, value))
        for name, value in (("zero", zeros), ("mean", averages))
    }
    progress(2, 4)
    scores["patch_previous"] = patched(run, evenly(reading.windows, plan.patched), heads, plan.patches)
    progress(3, 4)
    judged = against_readouts(run, windows, plan.queries, heads, mean)
    progress(4, 4)
    values |= judged.values
    return Measurements(judged.detail, scores | dict(judged.heads), values=values, chance=judged.chance)


def against_readouts(
    run: Run, windows: np.ndarray, count: int, heads: np.ndarray, mean: ablation.Means
) -> Measurements[Detail]:
    """Cause of the heads at `count` queries of each window, both silencings, and all readouts scored against it."""
    config, tokens = run.config.model, windows[:, :-1]
    queries = cause.draw_queries(tokens.shape[1], count, len(tokens))
    seen = readings_at(run, tokens, queries, heads)
    blocks = np.array_split(np.arange(len(tokens)), min(BLOCKS, len(tokens)))
    averages = mean.z[heads[:, 0], heads[:, 1]]
    values, by, pooled, of_heads, causes = {}, {}, {}, {}, {}
    for name, value in (("zero", jnp.zeros_like(averages)), ("mean", averages)):
        key = "cause" if name == "zero" else "cause_mean"
        causes[name] = nats = cause_of(run, tokens, queries, heads, value)
        by[f"{key}_nats"] = by_head(config, heads, np.stack([nats[:, b].mean((1, 2)) for b in blocks], 1))
        scored = {readout: cause_scores.score_heads(r, nats, blocks) for readout, r in seen.items()}
        pooled[name] = {readout: s[0] for readout, s in scored.items()}
        of_heads[name] = {readout: s[1] for readout, s in scored.items()}
        values |= as_values(key, scored)
    told = seen["null" if config.has_null else "first"]
    pairs = np.stack([told.ravel(), causes["zero"].ravel()], 1)
    sample = pairs[np.random.default_rng(0).permutation(len(pairs))[:SAMPLE]]
    detail = Detail(pooled, of_heads, heads, sample, queries.size, len(tokens))
    return Measurements(detail, by, values=values, chance={n: 0.5 for n in values if "_auroc_" in n})


@dataclass(frozen=True)
class Plan:
    """How much the budget allows: texts and queries of each for cause, texts for ablation and for patching, and queries
    patched in each."""

    texts: int
    queries: int
    ablated: int
    patched: int
    patches: int

    @staticmethod
    def of(config: ModelConfig, reading: Reading) -> "Plan":
        T, W = reading.tokens, min(TEXTS, len(reading.windows))
        token = count_parameters(config) + 2 * config.layers * T * config.heads * config.H
        passes = WORK / token / len(chosen_heads(config))  # tokens per head
        whole = lambda n, most: int(np.clip(n, 1, most))
        texts = whole(passes / 2 / 16, W)  # two silencings; at least 16 queries of each
        queries = whole(passes / 2 / texts, T - 1)
        patches = whole(passes / T, min(PATCHES, T - 1))
        return Plan(texts, queries, whole(passes / 2 / T, W), whole(passes / T / patches, W), patches)


def chosen_heads(config: ModelConfig) -> np.ndarray:
    """The heads that are silenced, (layer, head) each: all, or `HEADS` of them spread over the layers."""
    heads = np.array(list(np.ndindex(config.layers, config.heads)))
    return heads if len(heads) <= 2 * HEADS else evenly(heads, HEADS)


def by_head(config: ModelConfig, heads: np.ndarray, values: Array | np.ndarray) -> np.ndarray:
    """[P, X] as [X, L, N], NaN for heads that were not silenced."""
    values = np.asarray(values)
    out = np.full((values.shape[1], config.layers, config.heads), np.nan)
    out[:, heads[:, 0], heads[:, 1]] = values.T
    return out


def evictions(run: Run, windows: np.ndarray, mean: ablation.Means) -> dict[str, np.ndarray]:
    """Loss added by each eviction, [W]; without a null none of the null's."""
    config = run.config.model
    losses = ablation.evict(config, run.parameters, jnp.asarray(windows), mean)
    null = config.has_null
    return {f"evict_{name}": np.asarray(v) for name, v in losses.items() if null or not name.startswith("null")}


def patched(run: Run, windows: np.ndarray, heads: np.ndarray, each: int) -> np.ndarray:
    """What share of the previous token's effect each head carries, [X, L, N], at `each` queries of every window.

    Corrupted: the token before the query is another of the text's. Patched: the head's output, from the clean
    run. Share: sum over queries and a block's windows of (KL corrupted - KL patched) / sum of KL corrupted.
    """
    config, T = run.config.model, windows.shape[1] - 1
    rng = np.random.default_rng(0)
    query = cause.draw_queries(T, each, len(windows)).ravel()
    clean = np.repeat(windows[:, :-1], each, 0)
    corrupted, rows = clean.copy(), np.arange(len(clean))
    now, other = clean[rows, query - 1], windows[:, 1:].ravel()
    for _ in range(8):  # another token than the one there, from the same texts; a text of one token keeps it
        same = corrupted[rows, query - 1] == now
        corrupted[rows[same], query[same] - 1] = rng.choice(other, int(same.sum()))
    places = {"layer": jnp.asarray(heads[:, 0]), "head": jnp.asarray(heads[:, 1])}
    places["position"] = jnp.full(len(heads), -1)
    effect = ablation.patch(
        config, run.parameters, jnp.asarray(clean), jnp.asarray(corrupted), places, query=jnp.asarray(query)
    )
    gain, whole = (np.asarray(a) for a in effect.parts("kl"))
    gain, whole = gain.reshape(len(heads), -1, each).sum(-1), whole.reshape(-1, each).sum(-1)
    blocks = np.array_split(np.arange(len(windows)), min(BLOCKS, len(windows)))
    gain, whole = (np.stack([a[..., b].sum(-1) for b in blocks], -1) for a in (gain, whole))
    return by_head(config, heads, np.where(whole > 1e-6, gain / np.maximum(whole, 1e-6), np.nan))


def readings_at(run: Run, tokens: np.ndarray, queries: np.ndarray, heads: np.ndarray) -> dict[str, np.ndarray]:
    """Every readout of the chosen heads at the drawn queries, each [P, W, Q]."""
    by_name = {name: [] for name in READOUTS}
    for rows, at in zip(np.array_split(tokens, len(tokens)), queries, strict=True):
        seen = cause.readings(run.config.model, run.parameters, jnp.asarray(rows))
        for name, values in seen.items():
            by_name[name].append(np.asarray(values)[heads[:, 0], 0, heads[:, 1]][:, at])
    return {name: np.stack(parts, 1) for name, parts in by_name.items()}


def cause_of(run: Run, tokens: np.ndarray, queries: np.ndarray, heads: np.ndarray, values: Array) -> np.ndarray:
    """`cause_nats` of all windows, [P, W, Q], some windows at a time: logits and caches of every query are large."""
    config, T = run.config.model, tokens.shape[1]
    row = 4 * queries.shape[1] * (3 * config.vocab_size + 4 * (T + 1) * config.N_kv * config.H)
    size = int(np.clip((256 << 20) // row, 1, len(tokens)))
    parts = []
    for _, n, batch in in_batches(size, tokens, queries):
        nats = cause.cause_nats(config, run.parameters, *map(jnp.asarray, batch), jnp.asarray(heads), values)
        parts.append(np.asarray(nats)[:, :n])
    return np.concatenate(parts, 1)


def as_values(key: str, scored: Mapping[str, tuple[Any, ...]]) -> dict[str, np.ndarray]:
    """The pooled scores in each block of texts, [X], by measure; readouts that a model lacks are left out."""
    values = {}
    there = {readout: blocks for readout, (whole, _, blocks) in scored.items() if whole is not None}
    for readout, blocks in there.items():
        for name in ("auroc", "accuracy", "rank"):
            values[f"{key}_{name}_{readout}"] = np.array([getattr(b, name) for b in blocks])
        values[f"{key}_positive_share"] = np.array([b.positive_share for b in blocks])
    best = cause_scores.best_readout([{name: s[0] for name, s in scored.items()}], other_than=NEED_NULL)
    return values | {f"{key}_auroc_best_other": values[f"{key}_auroc_{best}"]}


CHAPTER = Chapter(
    "cause",
    "Cause",
    "What the model says without a head, without the null, without position 1; and whether attention to the null marks "
    "the queries at which a head does nothing.",
    measures(),
    read,
    elements,
)
