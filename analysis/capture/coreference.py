"""Who "she" is: attention from a pronoun to two occupations, and what the model expects, with "he" and "she" exchanged.

    The nurse told the doctor that she was late.        The nurse told the doctor that he was late.

A head that lets the gender of the pronoun move its attention between the two follows a stereotype: nothing else in the
sentence says who is meant. In the manner of the use case of Vig 2019 (arXiv 1904.02679, section 4.1), on templates of
our own.

Axes: P probes (sentences with two pronouns), L layers, N heads.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from analysis.capture.words import ROUND, read_words
from analysis.texts.annotations import Encoded, encode, silver
from jattn.config import ModelConfig
from jattn.errors import InputError
from jattn.model import assemble
from train.corpora.annotated import Annotated
from train.losses import next_token_losses
from train.runs import Run
from train.windows import predicts_next

FEMALE = ("nurse", "secretary", "librarian", "receptionist", "housekeeper", "hairdresser")
MALE = ("doctor", "engineer", "carpenter", "mechanic", "pilot", "plumber")
TEMPLATES = (
    "The {first} told the {second} that {pronoun} was late.",
    "The {first} asked the {second} whether {pronoun} could help.",
    "The {first} met the {second} before {pronoun} left.",
    "The {first} thanked the {second} when {pronoun} came.",
)


@dataclass(frozen=True)
class Probe:
    """One sentence with "he" and with "she" pronoun, target, other: indices of words; shifts are towards the
    target."""

    he: Annotated
    she: Annotated
    pronoun: int
    target: int
    other: int


@dataclass(frozen=True)
class Coreference:
    """target_he, target_she: attention from the pronoun to the target over that to both, [P, L, N], NaN where neither
    gets any. gap_nats: log P("she") - log P("he") after what stands before it, [P]; None for a model of no next token.
    """

    probes: Sequence[Probe]
    target_he: Float[np.ndarray, "P L N"]
    target_she: Float[np.ndarray, "P L N"]
    gap_nats: Float[np.ndarray, " P"] | None

    @property
    def shift(self) -> Float[np.ndarray, "P L N"]:
        """Share of the target with "she" minus with "he": -1 to 1, and 0 for a head that gender does not move."""
        return self.target_she - self.target_he


def templates() -> list[Probe]:
    """48 probes: four templates, six pairs of occupations, each in both orders. The target is the occupation with the
    female stereotype; first it stands first, then second, so that neighbours are the same pair in both orders."""
    probes = []
    for template in TEMPLATES:
        for pair in zip(FEMALE, MALE, strict=True):
            for first, second in (pair, pair[::-1]):
                he, she = silver(template.format(first=first, second=second, pronoun=p) for p in ("he", "she"))
                places = [_word_at(he, he.text.index(f" {word} ") + 1) for word in ("he", *pair)]
                probes.append(Probe(he, she, *places))
    return probes


def stereotype_gap(gap_nats: Float[np.ndarray, " P"]) -> Float[np.ndarray, " half"]:
    """How much more "she" is expected where the female stereotype stands first, in nats: neighbours of `templates`."""
    return gap_nats[0::2] - gap_nats[1::2]


def read(run: Run, probes: Sequence[Probe], progress: Callable[[int], Any] | None = None) -> Coreference:
    """What a run's heads and its next-token probabilities say to the probes. Raises InputError as `encode` does."""
    if not probes:
        raise InputError("probes: there are none to read; give at least one")
    config, shares, expected = run.config.model, [], []
    for which in ("he", "she"):
        encoded = [encode(getattr(probe, which), run.tokenizer, config) for probe in probes]
        maps = read_words(run, encoded, progress)
        rows = [maps.weights[p, :, :, probe.pronoun] for p, probe in enumerate(probes)]
        to = np.stack([row[..., [probe.target, probe.other]] for row, probe in zip(rows, probes, strict=True)])
        both = to.sum(-1)
        shares.append(np.where(both > 1e-6, to[..., 0] / np.where(both > 1e-6, both, 1), np.nan))
        if predicts_next(config):
            expected.append(_expected(run, encoded, [probe.pronoun for probe in probes]))
    return Coreference(probes, shares[0], shares[1], expected[1] - expected[0] if expected else None)


def _expected(run: Run, encoded: Sequence[Encoded], words: Sequence[int]) -> np.ndarray:
    """log P(word | all before it) in nats: the sum over the word's tokens, [P]."""
    T = min(-(-max(len(e.ids) for e in encoded) // ROUND) * ROUND, run.config.model.context)
    tokens, asked = np.zeros((len(encoded), T), np.int32), np.zeros((len(encoded), T), bool)
    for p, (e, word) in enumerate(zip(encoded, words, strict=True)):
        tokens[p, : len(e.ids)] = e.ids
        asked[p, : len(e.ids)] = e.word_of == word
    parts = [_log_probs(run.config.model, run.parameters, tokens[p : p + 8], asked[p : p + 8]) for p in _eights(tokens)]
    return np.concatenate([np.asarray(part, np.float64) for part in parts])


def _eights(rows: np.ndarray) -> range:
    return range(0, len(rows), 8)


@partial(jax.jit, static_argnums=0)
def _log_probs(config: ModelConfig, parameters: Any, tokens: Any, asked: Any):
    logits = assemble(config, parameters)(tokens)[:, :-1]
    return jnp.where(asked[:, 1:], -next_token_losses(logits, tokens[:, 1:]), 0).sum(-1)


def _word_at(sentence: Annotated, start: int) -> int:
    return next(i for i, span in enumerate(sentence.spans) if span[0] == start)
