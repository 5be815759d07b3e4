"""Figures of the chapter "language": dependency alignment, links, word classes, sentence pairs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from analysis.capture.coreference import Coreference
from analysis.capture.language import Pairs, Syntax
from analysis.drawing.style import INK, NULL_COLOUR, PALE, RATIO, Figure, plain
from analysis.stats import known_mean

LINES = 12  # heads shown
TO = {"A": "#1f5fa8", "B": "#7fb0de", "null": NULL_COLOUR, "apart": "#e8b98a", "rest": PALE}


@dataclass(frozen=True)
class Detail:
    """What `show` needs of a run; code is None without Python, the others where they could not be read."""

    grammar: Syntax
    pairs: Pairs | None
    code: Syntax | None
    gender: Coreference | None
    not_read: Sequence[str]  # parts that could not be read, and why


Details = Mapping[str, Sequence[Detail]]


def alignment(details: Details, colours: Mapping[str, str]) -> Figure:
    """DepAl, conditional, of every head by layer; mean of the layer; best fixed distance and even attention."""
    layers = max(several[0].grammar.heads["dep"].shape[1] for several in details.values())
    figure = Figure(figsize=(max(4.2, min(9.0, 0.5 * layers * len(details) + 2.6)), 3.2))
    axis = figure.subplots()
    for g, (group, several) in enumerate(details.items()):
        values = np.stack([known_mean(d.grammar.heads["dep"], 0) for d in several])  # [seeds, L, N]
        shift = 0.7 * ((g + 0.5) / len(details) - 0.5)
        place = np.arange(values.shape[1]) + shift
        spots = np.broadcast_to(place[None, :, None], values.shape)
        axis.scatter(spots, values, s=10, color=colours[group], alpha=0.5, lw=0)
        axis.plot(place, known_mean(values, (0, 2)), color=colours[group], lw=1.6, label=group)
    first = next(iter(details.values()))[0].grammar
    axis.axhline(first.chance["dep_best"], color=INK, lw=0.9, ls="--", label="best fixed distance")
    axis.axhline(first.chance["dep"], color=INK, lw=0.9, ls=":", label="even attention")
    axis.set_xticks(range(layers), [str(i) for i in range(layers)], fontsize=7)
    axis.set_xlabel("layer", fontsize=8)
    axis.set_ylabel("dependency alignment", fontsize=8)
    axis.set_ylim(0, None)
    axis.legend(fontsize=7, frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    plain(axis)
    figure.tight_layout()
    return figure


def links(details: Details, colours: Mapping[str, str]) -> Figure:
    """Accuracy of the best head for every kind of link, beside the best fixed distance and even attention."""
    known = {name: link for several in details.values() for d in several for name, link in d.grammar.links.items()}
    names = sorted(known, key=lambda name: known[name].offset)
    figure = Figure(figsize=(6.6, (0.2 + 0.17 * len(details)) * len(names) + 0.9))
    axis = figure.subplots()
    thick = 0.76 / len(details)
    for g, (group, several) in enumerate(details.items()):
        for y, name in enumerate(names):
            scores = [known_mean(d.grammar.links[name].accuracy, 0) for d in several if name in d.grammar.links]
            if not scores:
                continue
            at = y + (g + 0.5) * thick - 0.38
            axis.barh(at, np.mean(scores), thick * 0.9, color=colours[group], label=group if y == 0 else None)
            if len(scores) > 1:
                axis.scatter(
                    scores, [at] * len(scores), s=7, color="white", edgecolor=INK, lw=0.5, zorder=3, clip_on=False
                )
    for y, name in enumerate(names):
        for value, shade, width in ((known[name].uniform, "#9aa5b1", 1.4), (known[name].offset, INK, 1.8)):
            axis.plot([value, value], [y - 0.42, y + 0.42], color=shade, lw=width, zorder=4, clip_on=False)
    axis.set_yticks(range(len(names)), [f"{name}  ({known[name].asked})" for name in names], fontsize=7.5)
    axis.set_xlim(0, 1)
    axis.set_xlabel("accuracy of the best head", fontsize=8)
    axis.invert_yaxis()
    axis.legend(fontsize=7, frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    plain(axis)
    figure.tight_layout()
    return figure


def word_classes(syntax: "Syntax", title: str) -> Figure:
    """Shares (numbers) and differences (colour) of some heads: to each class against the head's own distance profile,
    and from each class against how frequent it is."""
    classes = sorted(syntax.frequency, key=lambda name: -syntax.frequency[name])
    frequency = np.array([syntax.frequency[name] for name in classes])
    stacked = lambda by_class: np.stack([by_class[name] for name in classes], -1)  # [L, N, C]
    to, matched, of = stacked(syntax.rows_to), stacked(syntax.matched), stacked(syntax.classes["from"])
    excess = to - matched
    most_first = np.argsort(-np.nan_to_num(np.abs(excess).max(-1)).ravel())[:LINES]
    heads = [np.unravel_index(i, excess.shape[:2]) for i in sorted(most_first)]
    figure = Figure(figsize=(0.86 * len(classes) + 1.4, 0.3 * (len(heads) + 1) + 1.1))
    axes = figure.subplots(1, 2, sharey=True)
    for axis, name, share, beyond in ((axes[0], "to", to, excess), (axes[1], "from", of, of - frequency)):
        picture = np.stack([np.zeros_like(frequency), *(beyond[head] for head in heads)])
        numbers = np.stack([frequency, *(share[head] for head in heads)])
        most = max(0.05, float(np.nan_to_num(np.abs(picture)).max()))
        axis.imshow(picture, cmap=RATIO, vmin=-most, vmax=most, aspect="auto")
        for y, x in np.ndindex(*numbers.shape):
            shade = "white" if abs(picture[y, x]) > 0.6 * most else INK
            axis.text(x, y, f"{numbers[y, x]:.2f}", ha="center", va="center", fontsize=6.5, color=shade)
        axis.set_yticks(range(len(heads) + 1), ["frequency", *(f"{layer}.{head}" for layer, head in heads)], fontsize=7)
        axis.set_xticks(range(len(classes)), classes, fontsize=6.5, rotation=35, ha="left", rotation_mode="anchor")
        axis.xaxis.tick_top()
        axis.axhline(0.5, color="white", lw=3)
        axis.tick_params(length=0)
        axis.spines[:].set_visible(False)
        axis.set_xlabel(f"attention {name} words of the class", fontsize=7.5)
    figure.suptitle(title, fontsize=9.5, color=INK)
    figure.tight_layout()
    return figure


def sentence_pairs(pairs: Mapping[str, "Pairs"]) -> Figure:
    """Stacked by layer: where the words of B attend; for a model that sees both sides those of A as well."""
    rows = ["B"] if all(p.shares["A to B"].max() < 1e-6 for p in pairs.values()) else ["A", "B"]
    layers = max(p.shares["B to A"].shape[0] for p in pairs.values())
    wide = min(6.0, 0.32 * layers + 1.8)
    figure = Figure(figsize=(wide * len(pairs) + 0.9, 2.5 * len(rows) + 0.3))
    axes = figure.subplots(len(rows), len(pairs), squeeze=False, sharey=True)
    for column, (group, pair) in enumerate(pairs.items()):
        for row, side in enumerate(rows):
            axis, base = axes[row, column], np.zeros(len(pair.shares["B to A"]))
            for to, shade in TO.items():
                values = pair.shares[f"{side} to {to}"].mean(-1)
                label = to if to in ("null", "apart", "rest") else f"sentence {to}"
                axis.bar(np.arange(len(values)), values, 0.82, bottom=base, color=shade, label=label)
                base = base + values
            axis.set_xticks(range(0, len(base), max(1, len(base) // 8)))
            axis.tick_params(labelsize=7)
            axis.set_ylim(0, 1)
            axis.set_title(f"{group}: from {side}", fontsize=8.5, color=INK)
            axis.set_xlabel("layer", fontsize=7.5)
            plain(axis)
        axes[0, 0].set_ylabel("share of attention", fontsize=8)
    axes[0, -1].legend(fontsize=7, frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    figure.tight_layout()
    return figure
