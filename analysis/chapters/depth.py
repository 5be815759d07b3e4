"""What the layers know: linear probes, the logit lens, who writes the answer, and which layers are alike.

The stream is read before the first layer and after each (every k-th of more than 8 layers, the last always).
Axes: X blocks of texts, L layers, N heads, R points of the stream, S texts, T tokens, M words, D model width.
"""

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from analysis.capture import lens
from analysis.capture.batches import in_batches
from analysis.chapter_type import Chapter, Measure, Measurements, Progress, Reading, Unfit
from analysis.chapters.depth_figures import show
from analysis.chapters.depth_ladder import Ladder, centre
from analysis.measures import probes, similarity
from analysis.texts import probing_tasks
from analysis.texts.probing_tasks import FACTS, PARAPHRASE, Words
from analysis.texts.sample import few
from jattn.config import ModelConfig
from jattn.errors import InputError
from jattn.model import Parameters, assemble, count_parameters
from train.evaluate import evenly
from train.runs import Run
from train.windows import predicts_next

POINTS = 8  # of the stream after layers, at most
BLOCKS = 32  # of texts
MOST = 600  # words per fact and vectors per CKA
LENS_OPERATIONS = 3e11  # unembeddings, about
TEXT_OPERATIONS = 1.5e12  # of the grammar's texts through the model, about


def read(run: Run, reading: Reading, progress: Progress) -> Measurements[Ladder]:
    """Raises Unfit for a model without layers; facts that a run's language does not have are left out."""
    config = run.config.model
    if not config.layers:
        raise Unfit("a model without layers has no depth")
    points = points_of(config.layers)
    total = len(points) + 2
    words = words_of(run, reading)
    states = states_of(run, words, points)
    if not np.isfinite(states).all():
        raise InputError(f"{run.path}: the residual stream holds a NaN or an infinity; are its weights whole?")
    progress(1, total)
    probed: dict[str, list[np.ndarray]] = {}
    for r, at in enumerate(states):
        for name, values in (_facts(words, at) | _meanings(words, at)).items():
            probed.setdefault(name, []).append(values)
        progress(2 + r, total)
    layers = {name: np.stack(values, 1) for name, values in probed.items()}
    scores = {fact: layers[f"probe_{fact}"] for fact in words.asked}
    if words.pairs:
        scores["paraphrase"] = 2 * layers["paraphrase_last"] - 1
    seen = _read_windows(run, reading, points)
    of = lambda prefix: {f: mean(layers[f"{prefix}_{f}"]) for f in words.asked if f"{prefix}_{f}" in layers}
    lens_of = {name: mean(values) for name, values in seen.lens.items()}
    heads = mean(seen.heads) if seen.heads is not None else None
    parts = {name: float(values.mean()) for name, values in seen.parts.items()}
    ladder = Ladder(points, scores, of("selectivity"), of("compression"), lens_of, seen.cka, parts, heads)
    progress(total, total)
    centres = {f"centre_{fact}": np.array([centre(points, mean(s))]) for fact, s in scores.items()}
    attributed = {} if seen.heads is None else {"logit_attribution": seen.heads}
    on_layers = {name: spread(a, points, config.layers) for name, a in (layers | seen.lens).items()}
    return Measurements(
        ladder, attributed, on_layers, seen.parts | centres, {n: c for n in layers if (c := _chance(n)) is not None}
    )


def _chance(measure: str) -> float | None:
    """What vectors that tell nothing would score."""
    levels = {"probe": 0.0, "selectivity": 0.0, "homonym": 0.0, "compression": 1.0, "paraphrase": 0.5}
    return levels.get(measure.partition("_")[0]) if measure != "paraphrase_cosine" else None


def points_of(layers: int) -> np.ndarray:
    """Where the stream is read: 0, before the first layer, and after every k-th, at most 8, the last among them."""
    step = (layers + POINTS - 1) // POINTS
    return np.array([0, *sorted(range(layers, 0, -step))])


def mean(values: np.ndarray) -> np.ndarray:
    """Over blocks of texts, those without a value left out."""
    return np.nanmean(values, 0)


def spread(values: np.ndarray, points: np.ndarray, layers: int) -> np.ndarray:
    """[X, R] at the points as [X, L] after each layer; NaN where the stream was not read."""
    by_layer = np.full((len(values), layers), np.nan)
    by_layer[:, points[1:] - 1] = values[:, 1:]
    return by_layer


def words_of(run: Run, reading: Reading) -> Words:
    """Words of the synthetic grammar, or tokens of the reading where the run's tokenizer cannot write it."""
    config = run.config.model
    limit = min(config.context, max(reading.tokens, 64))
    cost = 2 * count_parameters(config) * 500 * min(limit, 24 if run.tokenizer.kind == "bpe" else 64)
    share = float(np.clip(TEXT_OPERATIONS / cost, 0.4, 1))
    try:
        return probing_tasks.of_grammar(run.tokenizer, config, limit, share)
    except InputError:  # it is not the language of the run: the surface is left to ask of
        return probing_tasks.of_windows(evenly(reading.windows, 64), reading.tokens)


def states_of(run: Run, words: Words, points: np.ndarray, batch: int = 16) -> np.ndarray:
    """The stream at the words, [R, M, D]."""
    states = np.zeros((len(points), len(words.text), run.config.model.width), np.float32)
    filling = np.arange(words.ids.shape[1]) >= words.lengths[:, None]
    for start, n, full in in_batches(batch, words.ids, words.types, filling):
        x = np.asarray(_stream(run.config.model, run.parameters, *full), np.float32)
        here = (words.text >= start) & (words.text < start + n)
        states[:, here] = x[points][:, words.text[here] - start, words.column[here]]
    return states


@partial(jax.jit, static_argnums=0)
def _stream(config: ModelConfig, parameters: Parameters, ids: Array, types: Array, filling: Array):
    """[L + 1, B, T, D]; a text of a model that sees both sides does not see what fills it up."""
    model, apart = assemble(config, parameters), None if config.causal else filling.astype(jnp.int32)
    return lens.stream(model, ids, token_types=types if config.token_types else None, documents=apart)


def _facts(words: Words, at: np.ndarray) -> dict[str, np.ndarray]:
    """Of every fact [X]: score above the guess, selectivity and compression.

    No selectivity for the surface: a random label of a type is there a task of the same kind.
    """
    scores = {}
    for fact, asked in words.asked.items():
        keep = np.sort(np.random.default_rng(1).permutation(len(asked.items))[:MOST])
        items, labels = asked.items[keep], asked.labels[keep]
        texts, vectors = words.text[items], at[items]
        given = words.homonym[items] if FACTS[fact].given_word and words.homonym is not None else None
        right, guessed = probes.probe(vectors, labels, texts), probes.guess(labels, texts, given).mean()
        scores[f"probe_{fact}"] = probes.above_guess(by_block(right, texts), float(guessed))
        if FACTS[fact].rung != probing_tasks.SURFACE:
            control = probes.probe(vectors, probes.control_labels(labels, words.kind[items]), texts)
            scores[f"selectivity_{fact}"] = by_block(right - 1.0 * control, texts)
        scores[f"compression_{fact}"] = np.array([probes.online_code(vectors, labels, texts).compression])
    return scores


def by_block(values: np.ndarray, texts: np.ndarray) -> np.ndarray:
    """The mean of each of at most 32 blocks of neighbouring texts, [X]."""
    index = np.unique(texts, return_inverse=True)[1]
    X = min(BLOCKS, index.max() + 1)
    block = index * X // (index.max() + 1)
    return np.bincount(block, values) / np.bincount(block)


def _meanings(words: Words, at: np.ndarray) -> dict[str, np.ndarray]:
    """Paraphrases [X pairs] by their mean vector and by their last word's, and senses of homonyms [X homonyms]."""
    scores = {}
    if words.pairs:
        first_text = len(words.ids) - 2 * words.pairs
        of_pairs = words.text >= first_text
        vectors, texts = similarity.standardise(at[of_pairs]), words.text[of_pairs] - first_text
        means = np.stack([vectors[texts == s].mean(0) for s in range(2 * words.pairs)])
        last = similarity.standardise(at[of_pairs][[np.flatnonzero(texts == s)[-1] for s in range(2 * words.pairs)]])
        cosine, others, scores["paraphrase_mean"] = similarity.paraphrases(means[::2], means[1::2])
        scores["paraphrase_cosine"] = cosine - others
        scores["paraphrase_last"] = similarity.paraphrases(last[::2], last[1::2])[2]
    if "sense" in words.asked and words.homonym is not None:
        items, senses = words.asked["sense"].items, words.asked["sense"].labels
        apart = similarity.sense_separation(similarity.standardise(at[items]), words.homonym[items], senses)
        scores["homonym_separation"] = np.array(list(apart.values()))
    return scores


@dataclass(frozen=True)
class Windows:
    """What running text says: lens measure -> [X, R], CKA [R, R], source -> [X], heads [X, L, N]."""

    lens: dict[str, np.ndarray]
    cka: np.ndarray
    parts: dict[str, np.ndarray]
    heads: np.ndarray | None


def _read_windows(run: Run, reading: Reading, points: np.ndarray) -> Windows:
    config = run.config.model
    T = reading.tokens
    fit = LENS_OPERATIONS / (2 * len(points) * T * config.vocab_size * config.width)
    windows = evenly(few(reading.windows, config, BLOCKS), int(max(fit, 2)))
    seen, vectors = [], []
    for window in windows:
        measures, x = _window(config, tuple(points.tolist()), run.parameters, jnp.asarray(window[None]))
        seen.append(jax.tree.map(lambda a: np.asarray(a, np.float64), measures))
        vectors.append(np.asarray(x)[:, 0, 1:])  # without position 1, which is often far from all others
    rest = np.concatenate(vectors, 1)
    rest = rest[:, np.linspace(0, rest.shape[1] - 1, min(MOST, rest.shape[1])).astype(int)]
    standard = [similarity.standardise(x) for x in rest]
    cka = np.array([[_alike(a, b) if i >= j else 0 for j, b in enumerate(standard)] for i, a in enumerate(standard)])
    joined = jax.tree.map(lambda *a: np.stack(a), *seen)
    return Windows(joined[0], cka + np.tril(cka, -1).T, joined[1], joined[2])


def _alike(x: np.ndarray, y: np.ndarray) -> float:
    """NaN where one point has the same vector everywhere, as a model that attends to nothing may."""
    return similarity.linear_cka(x, y) if x.any() and y.any() else float("nan")


@partial(jax.jit, static_argnums=(0, 1))
def _window(config: ModelConfig, points: tuple[int, ...], parameters: Parameters, window: Array):
    """(lens [R], sources [], heads [L, N]) of one window, means over its tokens, and the stream [R, 1, T, D]."""
    model, predicts = assemble(config, parameters), predicts_next(config)
    inputs = window[:, :-1] if predicts else window
    x = lens.stream(model, inputs)[jnp.array(points)]
    if not predicts:
        return ({}, {}, None), x
    measures = {f"lens_{n}": v[:, 0] for n, v in lens.logit_lens(model, x, window[:, 1:]).items()}
    if not lens.is_sum(config):
        return (measures, {}, None), x
    parts = lens.attribution(model, inputs, window[:, 1:])
    sources = {
        "logit_embedding": parts.embedding.mean(),
        "logit_heads": parts.heads.sum((0, -1)).mean(),
        "logit_nulls": parts.nulls.sum((0, -1)).mean(),
        "logit_mlps": parts.mlps.sum(0).mean(),
        "logit_biases": (parts.attention_bias.sum(0) + parts.constant).mean(),
    }
    return (measures, sources, parts.heads.mean((1, 2))), x


_LAYER = {
    "lens_loss_nats": Measure("Loss of the logit lens", "nats"),
    "lens_kl_nats": Measure("KL from the final prediction to the lens", "nats"),
    "lens_agreement": Measure("Lens with the final first choice", "0-1"),
    "paraphrase_mean": Measure("Paraphrase told apart by its mean vector", "AUROC"),
    "paraphrase_last": Measure("Paraphrase told apart at its last word", "AUROC"),
    "paraphrase_cosine": Measure("Cosine of paraphrases above that of other texts", "-2 to 2"),
    "homonym_separation": Measure("Cosine within a sense above that across senses", "-2 to 2"),
}
_SOURCES = {
    "embedding": "the embedding",
    "heads": "all heads",
    "nulls": "all nulls",
    "mlps": "all MLPs",
    "biases": "biases",
}
MEASURES = (
    {f"probe_{f}": Measure(f"Probe: {fact.title}, above the guess", "to 1") for f, fact in FACTS.items()}
    | {f"selectivity_{f}": Measure(f"Selectivity: {fact.title}", "-1 to 1") for f, fact in FACTS.items()}
    | {f"compression_{f}": Measure(f"Code: {fact.title}", "uniform / online") for f, fact in FACTS.items()}
    | _LAYER
    | {"logit_attribution": Measure("What a head adds to the right logit", "logits")}
    | {f"logit_{s}": Measure(f"Right logit less the mean logit: {title}", "logits") for s, title in _SOURCES.items()}
    | {
        f"centre_{f}": Measure(f"Centre of gravity: {fact.title}", "layers", 2)
        for f, fact in (FACTS | {"paraphrase": PARAPHRASE}).items()
    }
)

CHAPTER = Chapter(
    name="depth",
    title="What the layers know",
    lead="Which facts can be read from each layer, when the answer appears, and who writes it.",
    measures=MEASURES,
    read=read,
    show=show,
)
