"""Claims follow from the numbers and their intervals, by thresholds named in advance."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from analysis.chapter_type import Measurements, Reading, Results
from analysis.chapters import chapter
from analysis.comparison import Comparison
from analysis.estimates import estimates_of
from analysis.measures.cause_scores import Score
from analysis.measures.readouts import READOUTS
from analysis.report.claims import NOT, SUPPORTED, UNDECIDED, claims
from train.config import RunConfig, override
from train.runs import Run

READING = Reading(np.zeros((4, 9), np.int32), 8, "text")
COLOURS = {"standard": "#000000", "null": "#111111"}


def run(attention, seed):
    config = override(RunConfig(), {"model.attention": attention, "seed": seed})
    return Run(Path(f"{attention}-{seed}"), 1, config, {}, {})


def comparison(standard, null, seeds=3, control=None):
    """Two groups with the given measures, one number per seed each; a control equals the measure unless given."""
    groups = {g: [run(g, s) for s in range(seeds)] for g in ("standard", "null")}
    found = {"standard": [], "null": []}
    for s in range(seeds):
        for group, measures in (("standard", standard), ("null", null)):
            heads = {m: np.full((1, 1, 1), v[s]) for m, v in measures.items() if not m.endswith("loss")}
            values = {m: np.full(1, v[s]) for m, v in measures.items() if m.endswith("loss")}
            if group == "standard":
                heads |= {f"{m}_control": np.full((1, 1, 1), (control or {}).get(m, v)) for m, v in heads.items()}
            found[group].append(Measurements(None, heads=heads, values=values))
    results = Results(groups, found, READING, COLOURS)
    estimates = estimates_of(results, sorted({*standard, *null}), "standard")
    return Comparison("title", groups, [chapter("text")], {"text": results}, estimates, {}, READING, [], [])


def outcome(c, word):
    return next(claim for claim in claims(c) if word in claim.claim)


ZERO = [0.0, 0.0, 0.0]


@pytest.mark.parametrize(
    ("losses", "expected"),
    [
        ([0.001, -0.002, 0.003], SUPPORTED),
        ([0.05, 0.051, 0.049], NOT),
        ([0.05, -0.05, 0.01], UNDECIDED),
        ([-0.1, -0.101, -0.099], SUPPORTED),
    ],
)
def test_loss_is_an_equivalence_test_at_two_hundredths_of_a_nat(losses, expected):
    c = comparison({"valid_loss": ZERO}, {"valid_loss": losses})
    assert outcome(c, "loss").outcome == expected


def test_one_seed_decides_nothing():
    c = comparison(
        {"valid_loss": ZERO, "keys_90_sinkless": ZERO}, {"valid_loss": ZERO, "keys_90_sinkless": [-5.0] * 3}, 1
    )
    assert {claim.outcome for claim in claims(c)} == {UNDECIDED}


def with_causes(standard, null):
    """A comparison whose runs have the given AUROCs: readout -> one per seed."""
    c = comparison({"valid_loss": ZERO}, {"valid_loss": ZERO})
    found: dict[str, list[Measurements]] = {}
    for group, aurocs in (("standard", standard), ("null", null)):
        blank = dict.fromkeys(READOUTS)
        scores = [blank | {name: Score(v[s], 0.5, 0.5, 0.0, 0.3) for name, v in aurocs.items()} for s in range(3)]
        found[group] = [Measurements(detail=SimpleNamespace(pooled={"zero": s})) for s in scores]
    cause = replace(c.results["text"], measured=found)
    return replace(c, chapters=[*c.chapters, chapter("cause")], results=c.results | {"cause": cause})


def test_the_null_must_beat_the_best_readout_of_the_baseline():
    standard = {"max_weight": [0.9, 0.91, 0.92], "norm": [0.5, 0.5, 0.5]}
    better = with_causes(standard, {"null": [0.99, 0.99, 0.995]})
    worse = with_causes(standard, {"null": [0.7, 0.71, 0.7], "norm": [1.0, 1.0, 1.0]})
    assert outcome(better, "told apart").outcome == SUPPORTED and "maximum weight" in outcome(better, "told apart").why
    assert outcome(worse, "told apart").outcome == NOT


def test_cleaner_needs_more_measures_cleaner_and_none_less_clean():
    standard = {"keys_90_sinkless": [9.0, 9.1, 9.2], "entropy_sinkless": [0.5, 0.5, 0.5]}
    cleaner = comparison(standard, {"keys_90_sinkless": [5.0, 5.1, 5.2], "entropy_sinkless": [0.2, 0.21, 0.2]})
    mixed = comparison(standard, {"keys_90_sinkless": [5.0, 5.1, 5.2], "entropy_sinkless": [0.8, 0.81, 0.8]})
    assert outcome(cleaner, "cleaner").outcome == SUPPORTED
    assert outcome(mixed, "cleaner").outcome == NOT


def test_a_measure_that_a_random_null_improves_too_is_not_counted():
    standard = {"keys_90_sinkless": [9.0, 9.1, 9.2]}
    null = {"keys_90_sinkless": [5.0, 5.1, 5.2]}
    c = comparison(standard, null, control={"keys_90_sinkless": 5.0})
    claim = outcome(c, "cleaner")
    assert claim.outcome == UNDECIDED and "random null improves it too" in claim.why


def test_a_baseline_with_a_null_is_no_baseline_for_claims():
    c = comparison({"valid_loss": ZERO}, {"valid_loss": ZERO})
    swapped = replace(c, groups={"null": c.groups["null"], "standard": c.groups["standard"]})
    assert claims(swapped) == []
