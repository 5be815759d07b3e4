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
        null = np.mean([t.scores[NULL_READOUT] for t in truths], 0)
        rivals = {
            name: np.mean([t.scores[name] for t in comparison.truths[plain[0]]], 0)
            for name in comparison.truths[plain[0]][0].scores
        }
        by_auroc = max(rivals, key=lambda n: rivals[n][0])
        by_half = max(rivals, key=lambda n: rivals[n][2])
        versus = {
            f"at the fixed threshold 0.5 ({null[2]:.3f} against {rivals[by_half][2]:.3f} balanced accuracy for "
            f"“{by_half}”)": null[2] > rivals[by_half][2],
            f"by AUROC ({null[0]:.4f} against {rivals[by_auroc][0]:.4f} for “{by_auroc}”)": null[0]
            > rivals[by_auroc][0],
        }
        better = [text for text, wins in versus.items() if wins]
        worse = [text for text, wins in versus.items() if not wins]
        if worse:
            sentences.append(
                f"{group}: null mass is not a better sign that a query has something to attend to than the best "
                f"readout of the {plain[0]} model {' and '.join(worse)}."
            )
        if better:
            sentences.append(
                f"{group}: null mass is a better sign of it than any readout of the {plain[0]} model "
                f"{' and '.join(better)}."
            )
    return sentences


def _masses(comparison: Comparison) -> list[str]:
    sentences = []
    for group, truths in comparison.truths.items():
        if truths[0].null_elsewhere is not None:
            off = np.mean([t.null_elsewhere for t in truths])
            on = np.mean([t.null_on_triggers for t in truths])
            sentences.append(
                f"{group}: {off:.0%} of attention goes to the null where there is nothing to attend to, {on:.1%} where "
                "there is."
            )
    return sentences


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
            f"{base}: {share.value.mean:.1%} of attention goes to the first token (alpha_1 {floor.value.mean:.3f}; "
            f"uniform attention would give {floor.floor:.3f}); {there}."
        )
    for group in comparison.groups:
        if not has_null(comparison.groups[group][0]):
            continue
        null, first = comparison.row("null_share", group), comparison.row("first_token_share", group)
        sentences.append(
            f"{group}: the null takes {null.value.mean:.1%} of attention on average, {null.best_head:.0%} in the head "
            f"that uses it most; the first token keeps {first.value.mean:.1%}."
        )
    return sentences


def _loss(comparison: Comparison) -> list[str]:
    sentences = []
    for group in list(comparison.groups)[1:]:
        difference = comparison.row("valid_loss", group).difference
        if difference is None:
            continue
        tail = "" if difference.low is not None else "; one seed, so no interval"
        sentences.append(f"{group}: validation loss {signed(difference, 4)} nats against {comparison.baseline}{tail}.")
    return sentences
