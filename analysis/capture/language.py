"""What a run's heads do on annotated sentences, per block of sentences: syntax, sentence pairs, the gender probe.

`syntax(run, conllu("file.conllu"))` reads any annotation. Everything conditional leaves out the null and the tokens
that stand apart (the first of all, special ones), in every model, row by row.

Axes: S sentences, X blocks of sentences, L layers, N heads, C word classes, W words.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from analysis.capture.words import WordMaps, pinned_at_random, read_words
from analysis.measures import sentence_pairs
from analysis.measures.linguistics import (
    best,
    blocked,
    distance_matched,
    link_hits,
    mass_on,
    offset_hits,
    offset_mass,
    ratio,
    uniform,
)
from analysis.stats import known_mean
from analysis.texts.annotations import fitting
from analysis.texts.relations import CONTENT, backward, dependencies, matches, members, sides
from jattn.errors import InputError
from train.corpora.annotated import Annotated
from train.runs import Run

Progress = Callable[[int], Any]
LEAST = 16  # sentences that must fit into the model
CROSSING_LINKS = ("equal", "substitutable")


@dataclass(frozen=True)
class Link:
    """One kind of link. accuracy [X]: of the best head, chosen on the other half of the texts; head: (layer, head).
    offset, uniform: what the best fixed offset (chosen likewise) and even attention get. asked: how often."""

    accuracy: np.ndarray
    head: tuple[int, ...]
    offset: float
    uniform: float
    asked: int


@dataclass(frozen=True)
class Syntax:
    """heads: measure -> [X, L, N].  values: measure -> [X].  chance: measure -> number.  links by name.

    classes: direction ("to", "from") -> class -> [L, N], P(class) of eq. 3; frequency: class -> share of words;
    rows_to, matched: class -> [L, N], row-wise share to a class, and of the same heads if they went by distance alone.
    best: (layer, head) of DepAl. read, left_out: sentences. gold: False if any was silver.
    """

    heads: Mapping[str, np.ndarray]
    values: Mapping[str, np.ndarray]
    chance: Mapping[str, float]
    links: Mapping[str, Link]
    classes: Mapping[str, Mapping[str, np.ndarray]]
    frequency: Mapping[str, float]
    rows_to: Mapping[str, np.ndarray]
    matched: Mapping[str, np.ndarray]
    best: tuple[int, ...]
    read: int
    left_out: int
    gold: bool


@dataclass(frozen=True)
class Pairs:
    """heads, values, chance as in Syntax; shares: "B to A", ... -> [L, N], mean over texts; best: link -> head."""

    heads: Mapping[str, np.ndarray]
    values: Mapping[str, np.ndarray]
    chance: Mapping[str, float]
    shares: Mapping[str, np.ndarray]
    best: Mapping[str, tuple[int, ...]] = field(default_factory=dict)


def syntax(run: Run, sentences: Sequence[Annotated], X: int = 24, progress: Progress | None = None) -> Syntax:
    """Word classes, dependency alignment and links of a run's heads on annotated sentences.

    Sentences that are too long for the model or hold a character that the tokenizer lacks are left out and counted.
    Raises InputError if fewer than 16 are left, all words are of one class, or none has a head.
    """
    maps = read_words(run, _enough(run, sentences), progress)
    read = maps.sentences
    X, W = min(X, len(read)), maps.weights.shape[-1]
    (rows, kept), real, even = maps.rows, maps.real, uniform(maps.visible)
    matched = distance_matched(rows, maps.visible)
    kept, words = blocked(kept.sum(-1).astype(float), X), blocked(maps.words.sum(-1).astype(float), X)
    sums = lambda weights, pairs: blocked(mass_on(weights, pairs), X)

    pairs_of = dependencies(read, W)
    either = sums(rows, pairs_of["either"])
    beyond = either - sums(matched, pairs_of["either"])
    heads = {
        "dep_raw": ratio(sums(maps.weights, pairs_of["either"]), words),
        "dep_real": ratio(sums(maps.weights, pairs_of["either"]), blocked(real.sum(-1), X)),
        "dep": ratio(either, kept),
        "dep_parent": ratio(sums(rows, pairs_of["parent"]), kept),
        "dep_child": ratio(sums(rows, pairs_of["child"]), kept),
        "dep_beyond": ratio(beyond, kept),
        "rows_kept": ratio(blocked(maps.active.sum(-1).astype(float), X), words),
    }
    evenly = {name: float(mass_on(even, pairs).sum() / words.sum()) for name, pairs in pairs_of.items()}
    chance = {"dep_raw": evenly["either"], "dep_real": evenly["either"], "dep": evenly["either"]}
    chance |= {"dep_parent": evenly["parent"], "dep_child": evenly["child"], "dep_beyond": 0.0}
    values = {}
    values["dep_best"], chosen = best(either, kept)
    values["dep_beyond_best"], _ = best(beyond, kept)
    if not maps.null.any():
        values |= {f"{name}_control": value for name, value in _sided(pinned_at_random(maps), X).items()}
    chance["dep_best"] = float(known_mean(best(blocked(offset_mass(_seen(pairs_of["either"], maps)), X), words)[0], 0))
    chance["dep_beyond_best"] = 0.0

    links = _links(maps, X)
    if links:
        values["links_best"] = np.mean([_filled(link.accuracy) for link in links.values()], 0)
        chance["links_best"] = float(np.mean([link.offset for link in links.values()]))
    which = members(read, W)
    content = np.any([which[name] for name in CONTENT if name in which] or [np.zeros_like(maps.words)], 0)
    if content.any():
        over, near_by = (sums(weights, _towards(content)) for weights in (rows, matched))
        heads |= {"content": ratio(over, kept), "content_beyond": ratio(over - near_by, kept)}
        chance |= {"content": float(mass_on(even, _towards(content)).sum() / words.sum()), "content_beyond": 0.0}
    total, to, of, given, near = np.maximum(real.sum((0, -1)), 1e-9), {}, {}, {}, {}
    for name, word in which.items():
        to[name] = mass_on(maps.weights, _towards(word)).sum(0) / total
        of[name] = (real * word[:, None, None]).sum((0, -1)) / total
        given[name] = ratio(mass_on(rows, _towards(word)).sum(0), kept.sum(0))
        near[name] = ratio(mass_on(matched, _towards(word)).sum(0), kept.sum(0))
    frequency = {name: float(word.sum() / maps.words.sum()) for name, word in which.items()}
    gold = all(sentence.gold for sentence in read)
    left_out = len(sentences) - len(read)
    classes = {"to": to, "from": of}
    return Syntax(heads, values, chance, links, classes, frequency, given, near, chosen, len(read), left_out, gold)


def _sided(maps: WordMaps, X: int) -> dict[str, np.ndarray]:
    """The measures of `syntax` that take a side in a claim, of any maps: for its control."""
    rows, kept = maps.rows
    pairs = dependencies(maps.sentences, maps.weights.shape[-1])["either"]
    plain, matched = (blocked(mass_on(r, pairs), X) for r in (rows, distance_matched(rows, maps.visible)))
    count = blocked(kept.sum(-1).astype(float), X)
    scores = {"dep_best": best(plain, count)[0], "dep_beyond_best": best(plain - matched, count)[0]}
    links = _links(maps, X)
    return scores | ({"links_best": np.mean([_filled(x.accuracy) for x in links.values()], 0)} if links else {})


def pairs(run: Run, sentences: Sequence[Annotated], X: int = 24, progress: Progress | None = None) -> Pairs:
    """Pairs of sentences: what stays in each, what crosses, and the words of B that match one of A.

    Raises InputError as `syntax` does.
    """
    maps = read_words(run, _enough(run, sentences), progress)
    read = maps.sentences
    X = min(X, len(read))
    W = maps.weights.shape[-1]
    shares = sentence_pairs.block_shares(maps.weights, maps.null, maps.apart, *sides(read, W))
    rows, _ = maps.rows
    matched, even = distance_matched(rows, maps.visible), uniform(maps.visible)
    mean = lambda array: np.stack([known_mean(part, 0) for part in np.array_split(array, X)])
    heads = {"pair_" + name.replace(" ", "_").lower(): mean(share) for name, share in shares.items()}
    heads["pair_crossing"] = mean(sentence_pairs.crossing(shares))
    values, chosen = {}, {}
    chance = {"pair_crossing": _even_crossing(maps, even)}
    for link in CROSSING_LINKS:
        on_link = matches(read, W, link)
        over, under = (blocked(mass_on(rows, pairs), X) for pairs in on_link)
        plain, base = (blocked(mass_on(matched, pairs), X) for pairs in on_link)
        values[f"cross_{link}"], chosen[link] = best(over, under)
        if not maps.null.any():
            control, _ = pinned_at_random(maps).rows
            values[f"cross_{link}_control"], _ = best(*(blocked(mass_on(control, pairs), X) for pairs in on_link))
        at = (slice(None), *chosen[link])
        chance[f"cross_{link}"] = float(plain[at].sum() / max(base[at].sum(), 1e-9))
    return Pairs(heads, values, chance, {name: share.mean(0) for name, share in shares.items()}, chosen)


def _enough(run: Run, sentences: Sequence[Annotated]):
    encoded = fitting(sentences, run.tokenizer, run.config.model)
    if len(encoded) < min(LEAST, len(sentences)) or not encoded:
        raise InputError(
            f"model.context = {run.config.model.context}: only {len(encoded)} of {len(sentences)} sentences are that "
            f"short and in the tokenizer's characters; at least {LEAST} are needed, give shorter or plainer ones"
        )
    return encoded


def _towards(words: np.ndarray) -> np.ndarray:
    """Pairs (i, j) of which j is one of the words, [S, W, W]."""
    return np.broadcast_to(words[:, None, :], (*words.shape, words.shape[1]))


def _seen(pairs: np.ndarray, maps: WordMaps) -> np.ndarray:
    return pairs & maps.visible


def _links(maps: WordMaps, X: int) -> dict[str, Link]:
    """Every kind of link that the sentences have and that was asked in at least two blocks."""
    links, W = {}, maps.weights.shape[-1]
    even = uniform(maps.visible)[:, None]
    for name in sorted({name for sentence in maps.sentences for name in sentence.links}):
        wanted = [backward(sentence.links.get(name, ())) for sentence in maps.sentences]
        hits, asked = link_hits(maps.weights, wanted)
        over, under = blocked(hits, X), blocked(asked, X)
        if (under > 0).sum() < 2:
            continue
        accuracy, head = best(over, under)
        offset, _ = best(blocked(offset_hits(wanted, W), X), under)
        evenly = float(link_hits(even, wanted)[0].sum() / asked.sum())
        links[name] = Link(accuracy, head, float(known_mean(offset, 0)), evenly, int(asked.sum()))
    return links


def _filled(values: np.ndarray) -> np.ndarray:
    """Blocks in which a link was not asked get its mean, so that a mean over links is of the same links everywhere."""
    return np.where(np.isnan(values), known_mean(values, 0), values)


def _even_crossing(maps: WordMaps, even: np.ndarray) -> float:
    a, b = sides(maps.sentences, maps.weights.shape[-1])
    return float(mass_on(even, b[:, :, None] & a[:, None, :]).sum() / b.sum())
