"""What the numbers of a comparison say, in sentences: what the null changed, what it did not, how sure that is.

Sentences are made from the numbers alone; a figure without an interval is never called a difference.
"""

import numpy as np

from analysis.comparison import TITLES, Comparison
from analysis.figures import has_null
from analysis.stats import Interval
from analysis.truth import NULL_READOUT

# Smaller than this is called no change where one seed gives no interval; chosen per unit, before looking.
SMALL = {"nats": 0.02, "0-1": 0.05, "tokens": 1.0}
LEVEL = 0.001  # AUROC or accuracy closer than this is level, not better
SENTENCE_MEASURES = ("valid_loss", "first_token_share", "previous", "local", "entropy_nats", "mean_distance_tokens")


def verdict(comparison: Comparison) -> list[str]:
    """The first paragraph: the outcome, bad news first."""
    return ([*_readouts(comparison), *_masses(comparison)] if comparison.truths else _text(comparison)) + _loss(
        comparison
    )


def unchanged(comparison: Comparison) -> list[str]:
    """Measures that the groups share: where the null did nothing, or nothing that can be told from chance."""
    sentences = []
    for group in list(comparison.groups)[1:]:
        same = [
            TITLES[m][0]
            for m in SENTENCE_MEASURES
            if comparison.has(m) and (d := comparison.row(m, group).difference) and no_change(d, TITLES[m][1])
        ]
        if same:
            sentences.append(f"{group}: {'; '.join(same)}.")
    return sentences


def no_change(difference: Interval, unit: str) -> bool:
    """The interval contains 0; or, with one seed, the difference is below a small size named in advance."""
    if difference.low is None or difference.high is None:
        return abs(difference.mean) < SMALL[unit]
    return difference.low <= 0 <= difference.high


def number(value: Interval, digits: int = 3) -> str:
    """0.123 [0.101, 0.145], or 0.123 alone for one seed."""
    text = f"{value.mean:.{digits}f}"
    return text if value.low is None else f"{text} [{value.low:.{digits}f}, {value.high:.{digits}f}]"


def signed(value: Interval | None, digits: int = 3) -> str:
    """+0.012 [-0.003, +0.027], or an empty text for the baseline."""
    if value is None:
        return ""
    text = f"{value.mean:+.{digits}f}"
    return text if value.low is None else f"{text} [{value.low:+.{digits}f}, {value.high:+.{digits}f}]"


def _readouts(comparison: Comparison) -> list[str]:
    """Is the null a better readout of "something to attend to" than the best that a model without one offers?"""
    plain = [g for g in comparison.truths if not has_null(comparison.groups[g][0])]
    sentences = []
    for group, truths in comparison.truths.items():
        if NULL_READOUT not in truths[0].scores or not plain:
            continue
        rival = comparison.truths[plain[0]]
        better, told = [], []
        for column, what in ((2, "balanced accuracy at the fixed threshold 0.5"), (0, "AUROC")):
            null = float(np.mean([t.scores[NULL_READOUT][column] for t in truths]))
            name, best = max(
                ((n, float(np.mean([t.scores[n][column] for t in rival]))) for n in rival[0].scores), key=lambda x: x[1]
            )
            better.append(null - best > LEVEL)
            told.append(f"{what}: {null:.3f} against {best:.3f} (“{name}”)")
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
    share, floor = comparison.row("first_token_share", base), comparison.row("alpha_1", base)
    rate = comparison.row("sink_1_0.3", base)
    sentences = []
    if not has_null(comparison.groups[base][0]):
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
        if not has_null(comparison.groups[group][0]):
            continue
        null, first = comparison.row("null_share", group), comparison.row("first_token_share", group)
        sentences.append(
            f"In the {group} model the null takes {null.value.mean:.1%} of attention on average, "
            f"{null.best_head:.0%} in the head that uses it most; the first token keeps {first.value.mean:.1%}."
        )
    return sentences


def _loss(comparison: Comparison) -> list[str]:
    """Validation loss against the baseline, all groups in one sentence."""
    told = [
        f"{signed(d, 4)} ({group})"
        for group in list(comparison.groups)[1:]
        if (d := comparison.row("valid_loss", group).difference)
    ]
    if not told:
        return []
    value = number(comparison.row("valid_loss", comparison.baseline).value, 4)
    return [
        f"Validation loss is {value} nats in the {comparison.baseline} model; the others differ by {', '.join(told)}."
    ]
