"""The tables of the chapter "circuits": what context is worth, the strongest pairs of tokens, the null as a source."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from analysis.capture.circuit_tables import MOST_TOKENS, HeadPairs, NullCircuit
from analysis.chapter_type import Measure, Results
from analysis.drawing.style import label
from analysis.elements import Table
from train.runs import Run

PAIRS = 4  # token pairs a table shows per head  # of tokens that a table shows per head
BASELINES = ("bigram_loss", "over_bigram", "bigram_correlation", "icl", "second_copy")


@dataclass(frozen=True)
class Detail:
    """What the tables show. tokens: text of the ids shown; counted: what text the bigram model knows."""

    ids: np.ndarray
    pairs: list[HeadPairs]
    null: NullCircuit | None
    composition: dict[str, np.ndarray]
    counted: str


def tables(results: Results[Detail], measures: Mapping[str, Measure]) -> list[Table]:
    """Baselines, pairs and, where a group has one, the null."""
    pairs, nulls, baselines = [], [], []
    for group, measured in results.measured.items():
        run, one = results.runs[group][0], measured[0]
        token = partial(_token, run)
        d = one.detail
        for p in d.pairs:
            ov, qk = (", ".join(f"{token(a)} → {token(b)} {v:.1f}" for a, b, v in part) for part in (p.ov, p.qk))
            at = (0, p.layer, p.head)
            pairs.append(
                [group, f"{p.layer}.{p.head}", *(float(one.heads[m][at]) for m in ("copying", "matching")), ov, qk]
            )
        if d.null is not None:
            nulls += _null_rows(group, run, d.null, d.ids, one.heads["null_write_ratio"])
        for run, f in zip(results.runs[group], measured, strict=True):
            numbers = [float(np.mean(f.values[m])) if m in f.values else None for m in BASELINES]
            baselines.append([group, run.config.seed, *numbers, f.detail.counted])
    alone = (
        "Each token stands alone: its embedding through the layer's own norm, nothing added to it. Compared are the "
        f"tokens that occur in the reading, the {MOST_TOKENS:,} most frequent ones if there are more."
    )
    made: list[Table] = [
        Table(
            "baselines",
            "What context is worth: beside the bigram model, late against early in the window, on a second copy.",
            ["group", "seed", *(measures[m].title for m in BASELINES), "bigram counted on"],
            baselines,
        ),
        Table(
            "pairs",
            "The strongest entries of every head's circuits, first run of each group. OV: source → token that it makes "
            "likelier, in logits before the last norm's division. QK: query → key, the score over the mean key's. "
            f"{alone}",
            ["group", "head", "copying", "matching", "OV: source → output", "QK: query → key"],
            pairs,
        ),
    ]
    if nulls:
        columns = [
            "group",
            "head",
            "‖v_null W_O‖ / mean output",
            "writes most",
            "queries that score it highest",
            "lowest",
        ]
        caption = "The null as a source and as a key, first run of each group. A dash: the same for every token. "
        made.append(Table("null", caption + alone, columns, nulls))
    return made


def _null_rows(group: str, run: Run, null: NullCircuit, ids: np.ndarray, ratios: np.ndarray) -> list[list[Any]]:
    rows = []
    ratio = np.nanmean(ratios, 0) if len(ratios) else None
    for layer, head in np.ndindex(*null.scores.shape[:2]):
        scores, writes = null.scores[layer, head], null.writes[layer, head]
        if np.isnan(scores).any():
            continue
        order, best = np.argsort(-scores, kind="stable"), np.argsort(-writes, kind="stable")[:PAIRS]
        same = np.ptp(scores) < 1e-6
        ends = ["–"] * 2 if same else [_scored(run, ids, scores, o) for o in (order[:PAIRS], order[::-1][:PAIRS])]
        most = ", ".join(f"{_token(run, i)} {writes[i]:.2f}" for i in best) if writes.any() else "nothing"
        rows.append([group, f"{layer}.{head}", None if ratio is None else float(ratio[layer, head]), most, *ends])
    return rows


def _scored(run: Run, ids: np.ndarray, scores: np.ndarray, places: np.ndarray) -> str:
    return ", ".join(f"{_token(run, int(ids[i]))} {scores[i]:.1f}" for i in places)


def _token(run: Run, i: int | np.integer) -> str:
    return label(run.tokenizer.token(int(i)))
