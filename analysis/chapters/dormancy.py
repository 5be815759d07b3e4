"""When heads are active: a card per head with texts on which it attends to something, and what class of head it is."""

from collections.abc import Sequence

import numpy as np

from analysis.capture.dormancy import BLOCK, SINK_ALPHA, Dormancy, counted_in, dormancy_of
from analysis.capture.layers import layers_with_null
from analysis.chapter_type import Chapter, Measure, Measurements, Progress, Reading, Results, Unfit
from analysis.chapters.dormancy_figures import NULL_READOUT, REAL_READOUT, readout_name, strips
from analysis.elements import Card, Cards, Element, Passage, Plot
from analysis.elements import Table as ChapterTable
from analysis.measures.classes import NAMES, NONE, SINK
from analysis.measures.dormancy import FIRST_QUERY, both_ends
from jattn.errors import InputError
from train.runs import Run

MOST_CARDS = 32
BEFORE, AFTER = 19, 4  # tokens of a passage around its query
SHARE = "0-1"
EXCLUDED = "on repeated random tokens, position 1 and the own token excluded"
PATTERNS = {"previous": "the previous token", "duplicate": "copies of the token", "induction": "what followed copies"}
MEASURES = {
    "active_share": Measure(
        f"queries at which a head is active: {NULL_READOUT} above 0.5 (no null: {REAL_READOUT}, another scale)", SHARE
    ),
    "undecided_share": Measure("queries with a readout between 0.1 and 0.9: neither dormant nor active", SHARE),
    "bimodality": Measure("bimodality of a head's readout (Sarle; uniform 0.56, two points 1)", SHARE),
    "sink_alpha": Measure("alpha of the strongest key, wherever it stands", SHARE),
    "sink_at_first": Measure(f"texts in which the strongest key is position 1, alpha above {SINK_ALPHA}", SHARE),
    "classified": Measure("heads that follow a known pattern, sinks aside", SHARE, cleaner=1),
    "sink_elsewhere": Measure(f"texts in which it is another one, alpha above {SINK_ALPHA}", SHARE),
    "topic": Measure("attention between nouns of one topic beyond a matched baseline, sinks aside", "-1 to 1"),
    "topic_baseline": Measure("that baseline: nouns of two topics, as far apart and as frequent", SHARE),
    "dense_blocks": Measure(
        f"blocks of {BLOCK} x {BLOCK} tokens that hold over 5 % of their queries' attention", SHARE
    ),
    **{
        f"{name}_abs": Measure(f"TransformerLens's abs score: {what}, {EXCLUDED}", "at most 1")
        for name, what in PATTERNS.items()
    },
    **{
        f"{name}_mul_excl": Measure(f"TransformerLens's mul score: {what}, {EXCLUDED}", SHARE)
        for name, what in PATTERNS.items()
    },
}


def read(run: Run, reading: Reading, progress: Progress) -> Measurements[Dormancy]:
    """When every head of a run is active on the reading's windows. Unfit where no query counts."""
    _check_fit(run, reading.tokens)
    dormancy = dormancy_of(run, reading.windows[:, : reading.tokens], progress=progress)
    once = {name: dormancy.mean[name][None] for name in MEASURES if name in dormancy.mean}
    heads = once | {name: dormancy.blocks[name] for name in MEASURES if name in dormancy.blocks}
    heads["classified"] = (dormancy.classes.active != NONE).astype(float)[None]
    if dormancy.control is not None:
        heads["classified_control"] = (dormancy.control.active != NONE).astype(float)[None]
    return Measurements(dormancy, heads, chance={n: v for n, v in dormancy.chance.items() if n in MEASURES})


def _check_fit(run: Run, T: int) -> None:
    """Unfit, with the cause and the way out, where a layer has no query that counts."""
    if T < FIRST_QUERY:
        raise Unfit(
            f"windows of {T} tokens have no query from {FIRST_QUERY} on; read longer ones, --tokens {FIRST_QUERY} or up"
        )
    try:
        counted_in(run.config.model, T)
    except InputError as error:
        raise Unfit(
            f"attention {run.config.model.attention} leaves no query of a layer without a null two keys to choose from "
            f"at {T} tokens, so nothing can be read off it; --tokens cannot help, take a wider window or a null"
        ) from error


def show(results: Results[Dormancy]) -> Sequence[Element]:
    """The readout of every query, the classes of the heads, where their sinks sit, and the cards of each group."""
    groups = list(results.measured)
    caption = (
        "Each line is a head of the first run of the group; colour is how many of its queries have that readout. Left: "
        "the head is dormant, right: active. With a null the readout is 1 - null mass: on the left (almost) all goes "
        "to the null, and even attention lies on the right. Without one it is the sharpness of real attention, "
        "1 - entropy / log(visible keys), of such models' readouts the best or nearly the best at telling where "
        "a head matters (docs/measures/cause.md): even attention lies on the left, one key alone on the right, "
        "be it a sink. The two readouts differ, so shares of the two kinds of model are not on one scale. A head with "
        "colour at both ends and little between knows two states. Beside the line: the share of queries at which it is "
        "active, above 0.5, a threshold that nobody fitted."
    )
    figure = strips({g: (results.runs[g][0], results.measured[g][0].detail, results.colours[g]) for g in groups})
    elements: list[Element] = [Plot("readout", figure, caption), _class_table(results), _sink_table(results)]
    return elements + [_cards(g, results.runs[g][0], results.measured[g][0].detail) for g in groups]


def _class_table(results: Results[Dormancy]) -> ChapterTable:
    """How many heads of a run are of each class, the mean over seeds."""
    rows: list[list[str | float]] = []
    details = {group: [measured.detail for measured in several] for group, several in results.measured.items()}
    for name in NAMES:
        count = {g: np.mean([(d.classes.name == name).sum() for d in several]) for g, several in details.items()}
        active = {g: np.mean([(d.classes.active == name).sum() for d in several]) for g, several in details.items()}
        if any(count.values()) or any(active.values()):
            cells = ((float(count[g]), "" if name == SINK else float(active[g])) for g in details)
            rows.append([name, *(cell for pair in cells for cell in pair)])
    caption = (
        "Heads of each class, the mean over seeds. A sink gives half of its attention or more to the null and position "
        "1; “active” counts every head by what it does with the rest. Thresholds: docs/measures/patterns.md."
    )
    return ChapterTable("classes", caption, ["class", *(c for g in details for c in (g, f"{g}, active"))], rows)


def _sink_table(results: Results[Dormancy]) -> ChapterTable:
    """Where the strongest key of the heads stands."""
    rows: list[list[str | float]] = []
    for group, several in results.measured.items():
        details: list[Dormancy] = [measured.detail for measured in several]
        strong = [d.mean["sink_alpha"] > SINK_ALPHA for d in details]
        first = np.mean([(s & (d.position == 1)).sum() for s, d in zip(strong, details, strict=True)])
        elsewhere = [d.position[s & (d.position != 1)] for s, d in zip(strong, details, strict=True)]
        where = ", ".join(str(p) for p in sorted({int(p) for positions in elsewhere for p in positions})) or "none"
        null = np.mean([(d.mean["null_share"] > SINK_ALPHA).sum() for d in details])
        heads = details[0].position.size
        counts = [float(first), float(np.mean([len(positions) for positions in elsewhere]))]
        rows.append([group, heads, *counts, where, float(null), details[0].chance["sink_alpha"]])
    caption = (
        "Where sinks sit: the heads whose strongest key holds a mean alpha above 0.3, by the position where it stands "
        "in most texts (keys seen by few queries left out). Even: the largest alpha of even attention, at position 1."
    )
    columns = ["group", "heads", "at position 1", "elsewhere", "positions", "on the null", "even"]
    return ChapterTable("where-sinks-sit", caption, columns, rows)


def _cards(group: str, run: Run, dormancy: Dormancy) -> Cards:
    """A card per head; of many heads those that are both dormant and active most clearly."""
    L, N = dormancy.position.shape
    heads = list(np.ndindex(L, N))
    which = "Every head"
    if len(heads) > MOST_CARDS:
        ends, active = both_ends(dormancy.histogram), dormancy.mean["active_share"]
        heads = sorted(sorted(heads, key=lambda h: (-ends[h], -active[h]))[:MOST_CARDS])
        which = (
            f"The {MOST_CARDS} of {L * N} heads with most queries at both ends of the readout, then the most active,"
        )
    caption = (
        f"{group}: {which} of the first run (layer.head, from 0), and the queries at which it attends most to "
        f"something by its readout ({readout_name(run)}): one of each of {dormancy.windows} texts, the "
        f"{dormancy.contexts.real.shape[-1]} strongest first, of equals that with the largest weight on a token. The "
        "query is outlined; colour is the share of its attention that a token gets."
    )
    return Cards(f"heads-{group}", caption, [_card(run, dormancy, layer, head) for layer, head in heads])


def _card(run: Run, dormancy: Dormancy, layer: int, head: int) -> Card:
    value = {name: float(v[layer, head]) for name, v in dormancy.mean.items()}
    with_null = bool(layers_with_null(run.config.model)[layer])
    measured = NULL_READOUT if with_null else REAL_READOUT
    facts = [("class", _class(dormancy, layer, head))]
    facts += [("null share", f"{value['null_share']:.3f}")] if with_null else []
    facts += [
        ("share of position 1", f"{value['first_token_share']:.3f}"),
        ("active", f"{value['active_share']:.1%} of queries ({measured} above 0.5)"),
        ("active, earlier and later half", f"{value['active_early']:.1%}, {value['active_late']:.1%}"),
        ("bimodality", f"{value['bimodality']:.2f} (uniform 0.56)" if np.isfinite(value["bimodality"]) else "none"),
        ("neither dormant nor active", f"{value['undecided_share']:.1%} of queries"),
        ("strongest key", _strongest(dormancy, layer, head)),
    ]
    c = dormancy.contexts
    passages = [_passage(run, dormancy, layer, head, i) for i in range(c.real.shape[-1]) if c.real[layer, head, i] >= 0]
    return Card(f"{layer}.{head}", facts, passages)


def _class(dormancy: Dormancy, layer: int, head: int) -> str:
    c, at = dormancy.classes, (layer, head)
    score = "" if np.isnan(c.active_score[at]) else f" ({c.active_decided[at]} {c.active_score[at]:+.2f} above chance)"
    active = f"{c.active[at]}{', nearest' if score and c.active[at] == NONE else ''}{score}"
    if c.name[at] == SINK:
        return f"sink ({c.nothing[at]:.2f} on the null and position 1); when active: {active}"
    return active


def _strongest(dormancy: Dormancy, layer: int, head: int) -> str:
    at = (layer, head)
    where = f"position {dormancy.position[at]} in {dormancy.position_share[at]:.0%} of texts"
    alpha, even = dormancy.mean["sink_alpha"][at], dormancy.chance["sink_alpha"]
    return f"{where}, mean alpha {alpha:.2f} (even attention {even:.2f})"


def _passage(run: Run, dormancy: Dormancy, layer: int, head: int, i: int) -> Passage:
    c = dormancy.contexts
    weights, tokens, query = c.weights[layer, head, i], c.tokens[layer, head, i], int(c.query[layer, head, i])
    start, stop = max(0, query - BEFORE), min(len(tokens), query + AFTER + 1)
    outside = weights.copy()
    outside[start:stop] = 0
    note = f"text {c.window[layer, head, i] + 1}, position {query + 1}, readout {c.real[layer, head, i]:.2f}"
    if outside.sum() >= 0.05:
        far = int(outside.argmax())
        said = run.tokenizer.token(int(tokens[far]))
        note += (
            f"; {outside.sum():.2f} on tokens not shown, most on {said!r} {abs(query - far)} away ({outside[far]:.2f})"
        )
    shown = [run.tokenizer.token(int(t)) for t in tokens[start:stop]]
    return Passage(shown, query - start, [float(min(w, 1)) for w in weights[start:stop]], note)


CHAPTER = Chapter(
    "dormancy",
    "When a head is active",
    "A head that has nothing to do gives its attention to the null, or spreads it out where there is none. Here is how "
    "often each head does something else, whether it is either dormant or active, and on which texts "
    f"(queries from {FIRST_QUERY} on).",
    MEASURES,
    read,
    show,
)
