"""Circuits read from the weights, the null as a source, and what context is worth beside a bigram model.

Weights are read once per run. The numbers that need text read 64 windows of the reading, or 8 for a model of more than
20 million parameters, whose composition and pairs take the time.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from analysis.capture.batches import in_batches
from analysis.capture.circuit_tables import (
    frequent_ids,
    null_circuit,
    strongest_pairs,
)
from analysis.capture.layers import layers_with_null
from analysis.chapter_type import Chapter, Measure, Measurements, Progress, Reading, Results, Unfit
from analysis.chapters import circuits_figures
from analysis.chapters.circuits_tables import PAIRS, Detail, tables
from analysis.elements import Element, Plot
from analysis.measures import circuits
from analysis.measures.bigrams import Bigram, bigram, correlation
from analysis.measures.incontext import MIN_TOKENS, icl_score, said_twice, second_copy_gain
from jattn.config import ModelConfig
from jattn.errors import InputError
from jattn.model import Parameters, assemble, count_parameters
from jattn.taps import Seen
from train.corpora.corpus import SEPARATOR, RowCorpus
from train.losses import next_token_losses
from train.runs import Run
from train.windows import predicts_next, text_of

LARGE = 20_000_000  # parameters
TEXTS, FEW_TEXTS, BATCH = 64, 8, 8
CHARACTERS = 2_000_000  # of the training text that the bigram model counts

MEASURES = {
    "copying": Measure("copying score of W_E W_V W_O W_U", "-1 to 1"),
    "copying_ov": Measure("copying score of W_V W_O alone", "-1 to 1"),
    "matching": Measure("matching score of W_E W_Q W_K^T W_E^T", "-1 to 1"),
    "q_composition": Measure("Q-composition with the best earlier head, over random", "0-1"),
    "k_composition": Measure("K-composition with the best earlier head, over random", "0-1"),
    "v_composition": Measure("V-composition with the best earlier head, over random", "0-1"),
    "null_write_ratio": Measure("what the null writes over the head's mean output", "ratio"),
    "second_copy": Measure("loss on the second copy less the first, repeated random tokens", "nats"),
    "icl": Measure("in-context-learning score: loss late less early in the window", "nats"),
    "bigram_loss": Measure("loss of a bigram model on the same windows", "nats"),
    "over_bigram": Measure("loss of the model less that of the bigram model", "nats"),
    "bigram_correlation": Measure("correlation of log-probabilities with the bigram model's", "-1 to 1"),
}


def read(run: Run, reading: Reading, progress: Progress) -> Measurements[Detail]:
    config = run.config.model
    _check(config, reading)
    total = 4
    scores = circuits.eigenvalue_scores(config, run.parameters)
    progress(1, total)
    composition = circuits.composition_scores(config, run.parameters)
    baseline = circuits.composition_baseline(config)
    progress(2, total)
    ids = frequent_ids(reading.windows, config.vocab_size)
    pairs = strongest_pairs(config, run.parameters, ids, PAIRS)
    null = null_circuit(config, run.parameters, ids) if config.has_null else None
    progress(3, total)
    values, outputs, counted = _on_text(run, reading, ids)
    heads = {name: score[None] for name, score in scores._asdict().items()}
    heads |= {f"{name}_composition": _best(score)[None] - baseline for name, score in composition.items()}
    if null is not None:
        written = np.stack(
            [_written(config, run.parameters, null.value[layer], layer) for layer in range(config.layers)]
        )
        written[~layers_with_null(config)] = np.nan
        heads["null_write_ratio"] = written / np.where(outputs > 0, outputs, np.nan)
    progress(total, total)
    chance = {"copying": 0.0, "copying_ov": 0.0, "matching": 0.0, "second_copy": 0.0, "icl": 0.0}
    detail = Detail(ids, pairs, null, composition, counted)
    return Measurements(detail, heads, values=values, chance=chance)


def _check(config: ModelConfig, reading: Reading) -> None:
    if not predicts_next(config):
        raise Unfit("the model predicts no next token, so its heads have no way to an output layer of next tokens")
    if config.layers == 0:
        raise Unfit("a model without layers has no heads")
    if reading.windows.shape[1] - 1 < MIN_TOKENS:
        raise Unfit(f"windows of {reading.windows.shape[1] - 1} tokens are too short, at least {MIN_TOKENS} are needed")
    try:
        circuits.check_circuits(config)
    except InputError as error:
        raise Unfit(str(error)) from error


def _best(scores: np.ndarray) -> np.ndarray:
    """[L N L N] -> [L N]: the largest score with any earlier head; NaN in the first layer."""
    earlier = scores.reshape(-1, *scores.shape[2:])
    largest = np.where(np.isnan(earlier), -np.inf, earlier).max(0)
    return np.where(np.isfinite(largest), largest, np.nan)


def _written(config: ModelConfig, parameters: Parameters, value: np.ndarray, layer: int) -> np.ndarray:
    """||v_null W_O|| of every head of a layer."""
    W_O = circuits.head_weights(config, parameters, layer).W_O
    return np.linalg.norm(np.einsum("nh,nhd->nd", value, W_O), axis=-1)


def _on_text(run: Run, reading: Reading, ids: np.ndarray) -> tuple[dict[str, np.ndarray], np.ndarray, str]:
    """Measures per text [X], the mean length of every head's output per text [X L N], and what the bigram counted."""
    config = run.config.model
    windows = reading.windows[: FEW_TEXTS if count_parameters(config) > LARGE else TEXTS]
    weights = [circuits.head_weights(config, run.parameters, layer).W_O for layer in range(config.layers)]
    grams = jnp.asarray(np.stack([o @ o.swapaxes(1, 2) for o in weights]))
    known, counted = _bigram_of(run, reading, len(windows))
    losses, outputs, correlations = [], [], []
    for _, n, (batch,) in in_batches(BATCH, windows):
        seen = jax.device_get(_step(config, run.parameters, jnp.asarray(batch), grams, jnp.asarray(ids)))
        loss, of_heads, log_probs = (a[:n] for a in (seen[0], seen[1].swapaxes(0, 1), seen[2]))
        losses.append(loss)
        outputs.append(of_heads)
        if known is not None:
            theirs = known.log_probs(batch[:n, :-1].ravel(), ids).reshape(log_probs.shape)
            correlations.append(correlation(*(a.reshape(n, -1) for a in (log_probs, theirs))))
    loss = np.concatenate(losses)
    repeated = said_twice(run.tokenizer.ordinary, len(windows), windows.shape[1] - 1)
    twice = [
        np.asarray(_step(config, run.parameters, jnp.asarray(part), grams, jnp.asarray(ids))[0])
        for part in np.split(repeated, range(BATCH, len(repeated), BATCH))
    ]
    values = {"second_copy": second_copy_gain(np.concatenate(twice)), "icl": icl_score(loss)}
    if known is not None:
        values["bigram_loss"] = known.losses(windows).mean(1)
        values["over_bigram"] = loss.mean(1) - values["bigram_loss"]
        values["bigram_correlation"] = np.concatenate(correlations)
    return values, np.concatenate(outputs), counted


@partial(jax.jit, static_argnums=0)
def _step(config: ModelConfig, parameters: Parameters, windows: Array, grams: Array, ids: Array):
    """Loss of every target [B T], mean length of every head's output [L B N], log-probabilities of ids [B T I]."""

    def observe(seen: Seen):
        z = seen["z"].astype(jnp.float32)
        square = jnp.einsum("btnh,nhk,btnk->btn", z, grams[seen.layer], z)
        return jnp.sqrt(jnp.maximum(square, 0)).mean(1)

    logits, outputs = assemble(config, parameters)(windows[:, :-1], observe=observe)
    return next_token_losses(logits, windows[:, 1:]), outputs, jax.nn.log_softmax(logits)[..., ids]


def _bigram_of(run: Run, reading: Reading, read_here: int) -> tuple[Bigram | None, str]:
    """The bigram model of a run's training text; where there is none, that of windows which are not measured here."""
    V, reason = run.config.model.vocab_size, "not trained here"
    if "imported" not in run.meta:
        try:
            text = text_of(run, None)
        except InputError as error:
            reason = str(error)
        else:
            rows = isinstance(text, RowCorpus)
            tokens = text.train if rows else run.tokenizer.encode(SEPARATOR.join(text.train)[:CHARACTERS])
            return bigram(tokens, V), f"{np.size(tokens):,} tokens of its training text"
    rest = reading.windows[read_here:]
    if not len(rest):
        return None, f"nothing ({reason}; the reading has no window to spare)"
    return bigram(rest, V), f"{rest.size:,} tokens of {reading.corpus} that are not measured here ({reason})"


def show(results: Results[Detail]) -> list[Element]:
    shown: list[Element] = [
        Plot(
            "by-layer",
            circuits_figures.by_layer(results, ("copying", "matching", "k_composition"), MEASURES),
            "One dot per head and run, layers from left to right. A copying score near 1: the head makes the tokens it "
            f"attends to likelier. A matching score near 1: it looks for tokens like its query.{_composition(results)}",
        )
    ]
    figure = circuits_figures.composition(results)
    if figure is not None:
        shown.append(
            Plot(
                "composition",
                figure,
                "K-composition less what random weights score in the root mean square, first run of each group: across "
                "the head that writes, down the head that reads it with its keys. Green is more and violet less than "
                "random; a cell of much darker green than the others is half of an induction circuit.",
            )
        )
    return [*shown, *tables(results, MEASURES)]


def _composition(results: Results[Detail]) -> str:
    """How to read its panel; nothing where no model has two layers."""
    if not circuits_figures.known(results, "k_composition"):
        return ""
    return (
        " K-composition: how much its keys read of what one earlier head wrote, the best of all earlier heads, less "
        "the root mean square of random weights. As the best of many, random weights lie a little above 0 too (single "
        "heads by up to about 0.02 in narrow models): only one far above the others reads what one head wrote, as the "
        "keys of an induction head do."
    )


CHAPTER = Chapter(
    name="circuits",
    title="Circuits",
    lead="What each head could do, read from its weights: what it compares, what it copies, what the null writes.",
    measures=MEASURES,
    read=read,
    show=show,
)
