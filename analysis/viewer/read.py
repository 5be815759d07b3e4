"""From a run and a text to what is shown of it: weights, null mass, queries and keys, as the model computes them.

Axes: L layers, N heads, K key/value heads, T queries and keys, t queries of a block, H head size.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Int

from analysis.capture.capture import check_finite
from analysis.capture.layers import rows_that_sum_to_one
from analysis.texts import annotations
from analysis.viewer import words
from analysis.viewer.attention import Attention
from analysis.viewer.layer import Layer, Vectors
from jattn.config import ModelConfig
from jattn.errors import InputError
from jattn.model import assemble
from jattn.scores import alibi_slopes, scale_of
from jattn.sigmoid import default_bias
from jattn.taps import Seen
from train.corpora.annotated import Annotated
from train.runs import Run

LONGEST = 300  # characters of the text that the reader is told
BLOCK_BYTES = 256 << 20  # of weights that leave the model at once, about: a block of queries of all layers


@dataclass(frozen=True)
class Reading:
    """What runs are asked for: a text and a second sentence, checkpoints ("all" for every one), layers."""

    text: str | Annotated | None = None
    text_b: str | None = None
    steps: str | Sequence[int] | None = None
    layers: Sequence[int] | None = None


def read(
    run: Run,
    text: str | Annotated,
    text_b: str | None = None,
    *,
    layers: Sequence[int] | None = None,
    name: str | None = None,
) -> Attention:
    """What a run does on a text, on two (sentence A and B), or on an annotated one, whose word classes it then has.

    layers: those that are kept, all if not given. Raises InputError for a text that is empty, longer than the model's
    context or not writable in its tokens, and for a layer that is not there.
    """
    if run.config.model.layers == 0:
        raise InputError(f"{run.path} has model.layers = 0: without layers there is no attention to look at")
    _layers(run.config.model, layers)  # before the text, which may take long
    return read_encoded(run, encode(run, text, text_b), layers=layers, name=name)


def read_encoded(
    run: Run, encoded: "Encoded", *, layers: Sequence[int] | None = None, name: str | None = None
) -> Attention:
    """`read` of a text that is tokens already."""
    config = run.config.model
    kept = _layers(config, layers)
    if len(encoded.ids) > config.context:
        raise InputError(
            f"text: {len(encoded.ids)} tokens are more than the context of {run.path}, {config.context}; "
            "give a shorter text"
        )
    check_finite(run)
    weights, null, q, k, s_null = _arrays(run, encoded.ids, encoded.types)
    softmax = rows_that_sum_to_one(config)
    made = []
    for i in kept:
        of_layer = config.layer(i)
        made.append(
            Layer(
                weights[i],
                null[i] if of_layer.has_null else None,
                number=i,
                heads=tuple(range(config.heads)),
                window=of_layer.window,
                first=of_layer.first,
                softmax=bool(softmax[i]),
            )
        )
    name = name or Path(run.path).resolve().name
    return Attention(
        name,
        tuple(made),
        words.of_ids(run.tokenizer, encoded.ids, encoded.word_classes, encoded.classes_from),
        split=encoded.split,
        causal=config.causal,
        vectors={
            (at, n): _vectors(config, i, n, q[i], k[i], s_null[i])
            for at, i in enumerate(kept)
            for n in range(config.heads)
        },
        run=name,
        step=run.step,
        source=(*_source(run), ("text", words.cut(run.tokenizer.decode(encoded.ids), LONGEST))),
    )


@dataclass(frozen=True)
class Encoded:
    """A text as a run reads it: ids and token types [T], where sentence B starts, the word classes that are known."""

    ids: Int[np.ndarray, " T"]
    types: Int[np.ndarray, " T"]
    split: int | None = None
    word_classes: Sequence[str | None] | None = None
    classes_from: str = words.GIVEN


def encode(run: Run, text: str | Annotated, text_b: str | None = None) -> Encoded:
    """The text with what the run's texts have around them.

    Two sentences are [CLS] A [SEP] B [SEP] for a model that sees both sides, and "A B" for a causal one. An annotated
    sentence is framed as analysis/texts/annotations.py does it, so that no word is the first token.
    """
    if isinstance(text, Annotated):
        return _annotated(run, text)
    if not text or text_b == "":
        raise InputError(f"{'text_b' if text else 'text'}: is empty; give at least one character")
    if text_b is not None and not run.config.model.causal:
        ids, types = run.tokenizer.encode_pair(text, text_b)
        return Encoded(ids, types, int(types.argmax()))
    whole = text if text_b is None else f"{text} {text_b}"
    ids, split = np.asarray(run.encode(whole)[0]), None
    if text_b is not None:
        _, offsets = run.tokenizer.encode_with_offsets(whole)
        split = len(run.tokenizer.frame[0]) + int((offsets[:, 1] > len(text) + 1).argmax())
    if not len(ids):
        raise InputError("text: the tokenizer makes no token of it; give other characters")
    return Encoded(ids, np.zeros(len(ids), np.int32), split)


def _annotated(run: Run, text: Annotated) -> Encoded:
    encoded = annotations.encode(text, run.tokenizer, run.config.model)
    split = None
    if text.second is not None:
        split = int((encoded.word_of >= text.second).argmax())
    word_classes = [text.classes[w] if w >= 0 else None for w in encoded.word_of]
    gold = "the annotated text's own" if text.gold else "guesses, by a rule of thumb or a tagger"
    return Encoded(encoded.ids, encoded.types, split, word_classes, f"Word classes are {gold}.")


def _layers(config: ModelConfig, layers: Sequence[int] | None) -> list[int]:
    for i in layers or ():
        if not 0 <= i < config.layers:
            raise InputError(f"layers: there is no layer {i}; the model has 0 to {config.layers - 1}")
    return list(range(config.layers)) if not layers else sorted(set(layers))


def _arrays(run: Run, ids: np.ndarray, types: np.ndarray) -> tuple[np.ndarray, ...]:
    """Weights [L, N, T, T] and null mass [L, N, T], then q [L, T, N, H], k [L, T, K, H] and s_null [L, T, N].

    The model is run once per block of queries, so that beside the result only a block's weights are in memory.
    """
    config, T = run.config.model, len(ids)
    size = max(1, min(T, BLOCK_BYTES // (4 * config.layers * config.heads * T)))
    weights = np.empty((config.layers, config.heads, T, T), np.float32)
    rest: Any = None
    for start in range(0, T, size):
        block = min(size, T - start)
        part, others = _step(config, start, block, run.parameters, ids[None], types[None])
        weights[:, :, start : start + block] = part[:, 0]
        rest = others if rest is None else rest
    null, q, k, s_null = (np.asarray(a, np.float32)[:, 0] for a in rest)
    return weights, null.swapaxes(1, 2), q, k, s_null


@partial(jax.jit, static_argnums=(0, 1, 2))  # the start too: unnormalised sigmoid attention takes no traced one
def _step(
    config: ModelConfig, start: int, size: int, parameters: Any, tokens: Int[Array, "1 T"], types: Int[Array, "1 T"]
):
    def observe(seen: Seen):
        return seen.weights(start, size), (seen.null_mass, *seen.rotated(), seen["s_null"])

    token_types = types if config.token_types else None
    return assemble(config, parameters)(tokens, token_types=token_types, observe=observe)[1]


def _vectors(config: ModelConfig, layer: int, head: int, q: np.ndarray, k: np.ndarray, s_null: np.ndarray) -> Vectors:
    """Of one head: queries, the keys of its group, the null's score where there is one, and how scores are made."""
    of_layer = config.layer(layer)
    normalised = "log-sigmoid" if config.score.kind == "sigmoid_normalised" else "softmax"
    return Vectors(
        q[:, head],
        k[:, head * config.N_kv // config.heads],
        s_null[:, head] if of_layer.has_null else None,
        scale=scale_of(None, config.H),
        cap=config.score.soft_cap,
        slope=alibi_slopes(config.heads)[head] if config.positions == "alibi" else None,
        normaliser="sigmoid" if of_layer.sigmoid else normalised,
        bias=default_bias(config.context) if of_layer.sigmoid else 0.0,
    )


def _source(run: Run) -> tuple[tuple[str, str], ...]:
    """What the reader is told of a run."""
    config = run.config.model
    trained = "imported" not in run.meta
    told = [("run", str(run.path)), ("attention", config.attention)]
    told += [("step", f"{run.step:,}")] if trained or run.step else []
    told += [("seed", str(run.config.seed))] if trained else []
    counts = ", ".join(
        f"{n} {word}{'s' if n > 1 else ''}" for n, word in ((config.layers, "layer"), (config.heads, "head"))
    )
    told.append(("model", f"{counts}, {config.width} wide"))
    return tuple(told)
