"""Language: what heads do with word classes, dependencies, links, sentence pairs and pronouns.

Every run whose tokenizer can write plain English reads the synthetic grammar, whatever it was trained on: 324 sentences
and 108 pairs. A run on `stdlib-code` reads Python too, 120 statements from the held-out files. A model of more than 50
million parameters reads a third of each.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from analysis.capture import coreference
from analysis.capture.language import Syntax, pairs, syntax
from analysis.chapter_type import Chapter, Measure, Measurements, Progress, Reading, Results, Unfit
from analysis.chapters import language_figures
from analysis.chapters.language_figures import Detail
from analysis.elements import Element, Plot, Table
from analysis.stats import known_mean
from analysis.texts.annotations import grammar, python_source, sentence_pairs
from jattn.errors import InputError
from jattn.model import count_parameters
from train import corpora
from train.runs import Run

SENTENCES, PAIRS, STATEMENTS = 324, 108, 120
PER_BLOCK = 9  # sentences: one of each kind
LARGE = 50_000_000  # parameters
SEED = 0  # of the sentences: every run reads the same ones
SHARE = "0-1"
GIVEN = "conditional on neither null nor first token"


MEASURES = {
    "dep_raw": Measure("dependency alignment, share of all attention", SHARE),
    "dep_real": Measure("dependency alignment (DepAl), share of real attention", SHARE),
    "dep": Measure(f"dependency alignment, {GIVEN}", SHARE),
    "dep_parent": Measure(f"attention from words to their heads, {GIVEN}", SHARE),
    "dep_child": Measure(f"attention from words to their dependents, {GIVEN}", SHARE),
    "dep_beyond": Measure("dependency alignment beyond what the head's distances give", "-1 to 1"),
    "dep_best": Measure(f"dependency alignment of the best head, {GIVEN}", SHARE, cleaner=+1),
    "dep_beyond_best": Measure("dependency alignment beyond distance, best head", "-1 to 1", cleaner=+1),
    "links_best": Measure("links found by the best head for each, mean accuracy", SHARE, cleaner=+1),
    "link_agreement": Measure("agreement: verb to subject, best head's accuracy", SHARE),
    "link_agreement_across_attractor": Measure("agreement across a noun of the other number, best head", SHARE),
    "link_list": Measure("list: item to earlier items, best head's accuracy", SHARE),
    "link_acronym-expansion": Measure("acronym to the words it stands for, best head's accuracy", SHARE),
    "link_preposition-object": Measure("object to its preposition, best head's accuracy", SHARE),
    "link_pronoun-antecedent": Measure("pronoun to antecedent, best head's accuracy", SHARE),
    "content": Measure(f"attention to content words, {GIVEN}", SHARE),
    "content_beyond": Measure("attention to content words beyond what the head's distances give", "-1 to 1"),
    "rows_kept": Measure("words whose attention is at most 90 % null or first token", SHARE),
    "pair_a_to_b": Measure("sentence pairs: attention of A's words to B", SHARE),
    "pair_b_to_a": Measure("sentence pairs: attention of B's words to A", SHARE),
    "pair_b_to_b": Measure("sentence pairs: attention of B's words to B", SHARE),
    "pair_b_to_null": Measure("sentence pairs: attention of B's words to the null", SHARE),
    "pair_b_to_apart": Measure("sentence pairs: attention of B's words to the first and to special tokens", SHARE),
    "pair_crossing": Measure("sentence pairs: of B's attention to words, the part that goes to A", SHARE),
    "cross_equal": Measure(
        "equal words (cat-cat): of the attention to A's content words, best head", SHARE, cleaner=+1
    ),
    "cross_substitutable": Measure("substitutable words (mat-rug): the same", SHARE, cleaner=+1),
    "gender_shift": Measure("he to she: attention moved to the female stereotype", "-1 to 1"),
    "gender_gap_nats": Measure('"she" expected more where the female stereotype stands first', "nats"),
    "code_dep": Measure(f"Python: attention between a token and its parent in the tree, {GIVEN}", SHARE),
    "code_dep_beyond": Measure("Python: the same beyond what the head's distances give", "-1 to 1"),
    "code_dep_best": Measure("Python: the same, best head", SHARE),
    "code_links_best": Measure("Python: brackets and names found by the best head for each", SHARE),
}


def read(run: Run, _: Reading, progress: Progress) -> Measurements[Detail]:
    """Syntax, pairs, gender and, for a run on Python, code. Unfit where the grammar cannot be encoded or fits not."""
    share = 3 if count_parameters(run.config.model) > LARGE else 1
    count, of_pairs, probes = SENTENCES // share, PAIRS // share, coreference.templates()
    probes = probes[: len(probes) // share]
    total = count + of_pairs + 2 * len(probes)
    try:
        main = syntax(run, grammar(count, SEED), count // PER_BLOCK, lambda done: progress(done, total))
    except InputError as error:
        raise Unfit(f"the grammar cannot be read: {error}") from error
    not_read: list[str] = []
    code = _attempt(not_read, "Python", lambda: _code(run, STATEMENTS // share))
    both = _attempt(
        not_read,
        "sentence pairs",
        lambda: pairs(run, sentence_pairs(of_pairs, SEED), progress=lambda done: progress(count + done, total)),
    )
    gender = _attempt(not_read, "gender", lambda: coreference.read(run, probes))
    progress(total, total)
    return _found(Detail(main, both, code, gender, not_read))


def _attempt(not_read: list[str], what: str, part: Callable[[], Any]):
    """A part of the chapter, or None and a line that says why it could not be read, which the report prints."""
    try:
        return part()
    except InputError as error:
        not_read.append(f"{what}: {error}")
        return None


def _code(run: Run, count: int) -> Syntax | None:
    """Python from the held-out files of a run that was trained on the standard library; None for other runs."""
    if run.config.data.corpus != "stdlib-code" or not run.meta["corpus"]["sha256"]:
        return None
    data = run.config.data
    text = corpora.load(data.corpus, context=run.config.model.context, valid_fraction=data.valid_fraction)
    held_out = [str(document) for document in text.valid]
    longest = min(160, 4 * run.config.model.context if run.tokenizer.kind == "bpe" else run.config.model.context - 2)
    return syntax(run, python_source(count, SEED, held_out, longest))


def _found(detail: Detail) -> Measurements[Detail]:
    main, both, code, gender = detail.grammar, detail.pairs, detail.code, detail.gender
    heads, values, chance = dict(main.heads), dict(main.values), dict(main.chance)
    for name, link in main.links.items():
        if (key := f"link_{name.replace(' ', '_')}") in MEASURES:
            values[key], chance[key] = link.accuracy, link.offset
    if both is not None:
        heads |= {name: value for name, value in both.heads.items() if name in MEASURES}
        values, chance = values | dict(both.values), chance | dict(both.chance)
    if code is not None:
        heads |= {f"code_{name}": code.heads[name] for name in ("dep", "dep_beyond")}
        values |= {f"code_{name}": code.values[name] for name in ("dep_best", "links_best") if name in code.values}
        chance |= {f"code_{name}": value for name, value in code.chance.items() if f"code_{name}" in MEASURES}
    if gender is not None:
        heads["gender_shift"], chance["gender_shift"] = gender.shift, 0.0
        if gender.gap_nats is not None:
            values["gender_gap_nats"], chance["gender_gap_nats"] = coreference.stereotype_gap(gender.gap_nats), 0.0
    return Measurements(detail, heads, values=values, chance=chance)


def show(results: Results[Detail]) -> Sequence[Element]:
    """Word classes, dependency alignment, links, sentence pairs; tables of the best heads and of the gender probe."""
    details = {group: [measured.detail for measured in several] for group, several in results.measured.items()}
    first = {group: several[0] for group, several in details.items()}
    elements: list[Element] = [
        Plot(
            "dependency-alignment",
            language_figures.alignment(details, results.colours),
            "Dependency alignment by layer: the share of a head's attention (null and first token left out) that joins "
            "a word and its head in the grammar. A dot is a head, the line the mean of the layer. Dashed: a head that "
            "always attends to the word at the best fixed distance; dotted: even attention. Only what is above the "
            "dashed line cannot be had by position alone.",
        ),
        Plot(
            "links",
            language_figures.links(details, results.colours),
            "How often the most attended word is the linked one, for the best head of each kind of link (chosen on "
            "half of the sentences, scored on the other). In brackets: how often it was asked. Bars: mean over seeds, "
            "dots: seeds. Black dash: the best fixed distance, chosen the same way; grey dash: even attention.",
        ),
    ]
    elements += [
        Plot(
            f"word-classes-{group}",
            language_figures.word_classes(detail.grammar, group),
            "Heads of the group's first run that differ most from their own distance profile (layer.head). Left: the "
            "share of the head's attention (null and first token left out) that goes to the class; green is more and "
            "violet less than the same head would give it by distance alone. Right: the share that comes from words "
            "of the class; green is more and violet less than the class is frequent (first line).",
        )
        for group, detail in first.items()
    ]
    elements += [
        Plot(
            f"python-classes-{group}",
            language_figures.word_classes(detail.code, f"{group}: Python"),
            "The same on Python from the held-out files, by the classes of its lexer.",
        )
        for group, detail in first.items()
        if detail.code is not None
    ]
    paired = {group: detail.pairs for group, detail in first.items() if detail.pairs is not None}
    if paired:
        caption = (
            "Where the words of sentence B (of a pair) attend, by layer, in the group's first run: mean over heads and "
            "words. Apart: the first token and special tokens; rest: spaces. Even attention would give A about "
            f"{np.mean([p.chance['pair_crossing'] for p in paired.values()]):.2f} of what goes to words."
        )
        elements.append(Plot("sentence-pairs", language_figures.sentence_pairs(paired), caption))
    return [*elements, _link_table(details), *_gender_table(results), *_notes(details)]


def _link_table(details: dict[str, list[Detail]]) -> Table:
    """Each kind of link: how often asked, the baselines, and the best head of each group's first run."""
    names = sorted({name for several in details.values() for name in several[0].grammar.links})
    rows: list[list[str | float | int | None]] = []
    for name in names:
        links = [several[0].grammar.links.get(name) for several in details.values()]
        known = next(link for link in links if link is not None)
        cells: list[str | float | None] = []
        for several, link in zip(details.values(), links, strict=True):
            scores = [known_mean(d.grammar.links[name].accuracy, 0) for d in several if name in d.grammar.links]
            cells += [float(np.mean(scores)) if scores else None, "" if link is None else "{}.{}".format(*link.head)]
        rows.append([name, known.asked, known.uniform, known.offset, *cells])
    caption = (
        "Links, all from the later word to the earlier: accuracy of the best head (mean over seeds) and which head it "
        "is in the group's first run (layer.head). Asked: how often, in all sentences; below 30, one hit is over 3 %."
    )
    columns = ["link", "asked", "even", "best fixed distance", *(c for g in details for c in (g, f"{g}, head"))]
    return Table("links", caption, columns, rows)


def _gender_table(results: Results[Detail]) -> list[Table]:
    rows: list[list[str | float | int | None]] = []
    for group, several in results.measured.items():
        for run, measured in zip(results.runs[group], several, strict=True):
            detail: Detail = measured.detail
            if detail.gender is None:
                continue
            shift, gap = np.nan_to_num(known_mean(detail.gender.shift, 0)), detail.gender.gap_nats
            layer, head = np.unravel_index(np.abs(shift).argmax(), shift.shape)
            gaps = (None, None) if gap is None else (gap.mean(), coreference.stereotype_gap(gap).mean())
            told = [None if value is None else float(value) for value in gaps]
            rows.append([group, run.config.seed, f"{layer}.{head}", float(shift[layer, head]), *told])
    caption = (
        'The gender probe ("The nurse told the doctor that she ..."): the head whose attention from the pronoun moves '
        "most to the female stereotype when he becomes she, and by how much (-1 to 1; the largest of many heads is "
        'never 0); how much more likely "she" is than "he" (nats), and how much more so where the female stereotype '
        "stands first. A model that was not trained on such words says nothing of interest here."
    )
    columns = ["group", "seed", "head", "shift", "she over he", "by stereotype"]
    return [Table("gender", caption, columns, rows)] if rows else []


def _notes(details: dict[str, list[Detail]]) -> list[Table]:
    rows = [[g, line] for g, several in details.items() for line in several[0].not_read]
    short = {g: several[0].grammar for g, several in details.items() if several[0].grammar.left_out}
    rows += [
        [g, f"{s.left_out} of {s.left_out + s.read} sentences: too long, or with characters it lacks"]
        for g, s in short.items()
    ]
    return [Table("not-read", "What could not be read.", ["group", "why"], rows)] if rows else []


CHAPTER = Chapter(
    "language",
    "Language",
    "Attention between words of a synthetic grammar, of which classes, heads, links and senses are known, against what "
    "position alone gives.",
    MEASURES,
    read,
    show,
)
