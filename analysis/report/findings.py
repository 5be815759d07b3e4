"""What the numbers of a comparison say, in sentences: what the null changed, what it did not, how sure that is.

Sentences are made from the numbers alone; a figure without an interval is never called a difference.
"""

import numpy as np

from analysis.comparison import Comparison
from analysis.measures.readouts import READOUTS
from analysis.stats import Interval

# Smaller than this is called no change where one seed gives no interval; chosen per unit, before looking.
SMALL = {"nats": 0.02, "0-1": 0.05, "tokens": 1.0}
MASSIVE = 1000  # times the median entry (Sun et al. 2024, section 2)
LEVEL = 0.001  # AUROC or accuracy closer than this is level, not better
SENTENCE_MEASURES = ("valid_loss", "first_token_share", "previous", "local", "entropy_nats", "mean_distance_tokens")


def verdict(comparison: Comparison) -> list[str]:
    """The first paragraph: the outcome, bad news first."""
    if comparison.truths:
        return [*_readouts(comparison), *_masses(comparison), *_loss(comparison)]
    return [*_text(comparison), *_frame(comparison), *_massive(comparison), *_loss(comparison)]


def unchanged(comparison: Comparison) -> list[str]:
    """Measures that the groups share: where the null did nothing, or nothing that can be told from chance."""
    sentences = []
    for group in list(comparison.groups)[1:]:
        same = [
            about.title
            for m, about in comparison.measures.items()
            if m in SENTENCE_MEASURES
            and (estimate := comparison.find(m, group))
            and (d := estimate.difference)
            and no_change(d, about.unit)
        ]
        if same:
            sentences.append(f"{group}: {'; '.join(same)}.")
    return sentences


def no_change(difference: Interval, unit: str) -> bool:
    """The interval contains 0; or, with one seed, the difference is below a small size named in advance."""
    if difference.low is None or difference.high is None:
        return abs(difference.mean) < SMALL[unit]
    return difference.low <= 0 <= difference.high


def _readouts(comparison: Comparison) -> list[str]:
    """Is the null a better readout of "something to attend to" than the best that a model without one offers?"""
    plain = [g for g in comparison.truths if not comparison.has_null(g)]
    sentences = []
    for group, truths in comparison.truths.items():
        if "null" not in truths[0].scores or not plain:
            continue
        rival = comparison.truths[plain[0]]
        better, told = [], []
        for column, what in ((2, "balanced accuracy at the fixed threshold 0.5"), (0, "AUROC")):
            null = float(np.mean([t.scores["null"][column] for t in truths]))
            name, best = max(
                ((n, float(np.mean([t.scores[n][column] for t in rival]))) for n in rival[0].scores), key=lambda x: x[1]
            )
            better.append(null - best > LEVEL)
            told.append(f"{what}: {null:.3f} against {best:.3f} (“{READOUTS[name]}”)")
        kind = {(True, True): "a better", (False, False): "no better a"}.get(tuple(better), "on one count a better")
        sentences.append(
            f"Null mass in the {group} model is {kind} sign that a query has something to attend to than the best "
            f"readout of the {plain[0]} model, chosen with hindsight: {', '.join(told)}."
        )
    return sentences


def _masses(comparison: Comparison) -> list[str]:
    sentences = []
    for group, truths in comparison.truths.items():
        masses = [(t.null_elsewhere, t.null_on_triggers) for t in truths if t.null_elsewhere is not None]
        if masses:
            off, on = np.mean(np.array(masses, float), 0)
            sentences.append(
                f"In the {group} model {off:.1%} of attention goes to the null where there is nothing to attend to, "
                f"{on:.1%} where there is."
            )
    sinks = [(g, float(np.mean([t.first_elsewhere for t in ts]))) for g, ts in comparison.truths.items()]
    told = ", ".join(f"{share:.1%} ({group})" for group, share in sinks)
    return [*sentences, f"Where there is nothing to attend to, position 1 gets {told}."]


def _text(comparison: Comparison) -> list[str]:
    """Real text: is there a sink to begin with, what does the null take, does the first token lose it?"""
    base = comparison.baseline
    share, floor = comparison.estimate("first_token_share", base), comparison.estimate("alpha_1", base)
    rate = comparison.estimate("sink_1_0.3", base)
    sentences = []
    if not comparison.has_null(base):
        there = (
            "no head has a sink there (alpha_1 above 0.3 in no window), so there is none for a null to take away"
            if rate.best_head == 0
            else f"the strongest head has a sink in {rate.best_head:.0%} of windows"
        )
        sentences.append(
            f"In the {base} model {share.value.mean:.1%} of attention goes to the first token "
            f"(alpha_1 {floor.value.mean:.3f}; "
            f"uniform attention would give {floor.floor:.3f}); {there}."
        )
    for group in comparison.groups:
        if not comparison.has_null(group):
            continue
        null, first = comparison.estimate("null_share", group), comparison.estimate("first_token_share", group)
        sentences.append(
            f"In the {group} model the null takes {null.value.mean:.1%} of attention on average, "
            f"{null.best_head:.1%} in the head that uses it most; the first token keeps {first.value.mean:.1%}."
        )
    return sentences


def _frame(comparison: Comparison) -> list[str]:
    """A model that sees both sides: what the tokens around the text get."""
    told = []
    for group in comparison.groups:
        shares = [comparison.find(name, group) for name in ("cls_share", "sep_share")]
        if all(shares):
            cls, sep = (f"{e.value.mean:.1%} (at most {e.best_head:.0%} in a head)" for e in shares if e)
            told.append(f"In the {group} model [CLS] gets {cls} of attention, [SEP] {sep}.")
    return told


def _massive(comparison: Comparison) -> list[str]:
    """Massive activations (Sun et al. 2024), if a group has any: entries of 1,000 times the median."""
    told, any_found = [], False
    for group, records in comparison.records.items():
        measured = records[0].per_layer()
        largest = measured["residual_max_over_median"]
        layers, top = np.flatnonzero(largest >= MASSIVE), f"{np.nanmax(largest, initial=0):,.0f} times the median entry"
        if not len(layers):
            told.append(f"The {group} model has no massive activations: at most {top}.")
            continue
        any_found = True
        told.append(
            f"In the {group} model the residual stream has massive activations after {len(layers)} of {len(largest)} "
            f"layers ({layers[0]} to {layers[-1]}): up to {top}; the first token is up to "
            f"{np.nanmax(measured['residual_norm_ratio'], initial=0):,.0f} times as long as the others."
        )
    return told if any_found else []


def _loss(comparison: Comparison) -> list[str]:
    """Loss against the baseline, all groups in one sentence: validation loss, or that on the windows read."""
    others = list(comparison.groups)[1:]
    for measure, name in (("valid_loss", "Validation loss"), ("window_loss", "Loss on the windows read")):
        base = comparison.find(measure, comparison.baseline)
        estimates = [comparison.find(measure, g) for g in others]
        told = [f"{e.difference:+.4f} ({e.group})" for e in estimates if e and e.difference]
        if base and len(told) == len(others):
            value = f"{name} is {base.value:.4f} nats in the {comparison.baseline} model"
            return [f"{value}; the others differ by {', '.join(told)}." if told else f"{value}."]
    return []
