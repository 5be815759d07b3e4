"""Attention between words: what a run's heads do on annotated sentences, read off the maps between tokens.

Attention to a word is the sum over its tokens, attention from a word the mean over its tokens, so that each word's
attention still adds up to one (Clark et al. 2019, arXiv 1906.04341, section 4.1).

Axes: S sentences, L layers, N heads, W words (the longest sentence's; shorter ones are padded with zeros), T tokens.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from analysis.capture.layers import attention_of
from analysis.measures.sinks import MIN_REAL_MASS, MOST_NULL
from analysis.texts.annotations import APART, Encoded
from jattn.config import ModelConfig
from jattn.errors import InputError
from jattn.model import assemble
from jattn.taps import Seen
from train.corpora.annotated import Annotated
from train.runs import Run

BATCH, ROUND = 32, 32  # sentences at a time; lengths are filled up to a multiple, so that all share a program


@dataclass(frozen=True)
class WordMaps:
    """weights[s, l, n, i, j]: attention of word i to word j. null, apart: [S, L, N, W], what goes to the null and to
    the tokens that stand apart (the first of all, special ones). The rest goes to tokens in no word, mostly spaces."""

    sentences: Sequence[Annotated]
    weights: Float[np.ndarray, "S L N W W"]
    null: Float[np.ndarray, "S L N W"]
    apart: Float[np.ndarray, "S L N W"]
    causal: bool

    @property
    def words(self) -> Bool[np.ndarray, "S W"]:
        """Which words there are."""
        return np.array([len(s.spans) for s in self.sentences])[:, None] > np.arange(self.weights.shape[-1])

    @property
    def visible(self) -> Bool[np.ndarray, "S W W"]:
        """Which words j a word i may see, itself included. A layer's window is not taken into account."""
        both = self.words[:, :, None] & self.words[:, None, :]
        return np.tril(both) if self.causal else both

    @property
    def real(self) -> Float[np.ndarray, "S L N W"]:
        """Each word's attention that is neither null nor apart: the total that shares of real attention are of."""
        real = np.maximum(1 - self.null - self.apart, self.weights.sum(-1))
        return np.where(self.words[:, None, None], real, 0)

    @property
    def active(self) -> Bool[np.ndarray, "S L N W"]:
        """Which words give at most 90 % of their attention to the null and to what stands apart."""
        return (self.real >= 1 - MOST_NULL - 1e-6) & self.words[:, None, None]

    @property
    def rows(self) -> tuple[Float[np.ndarray, "S L N W W"], Bool[np.ndarray, "S L N W"]]:
        """weights / real row by row, and which rows are kept: those with any real attention; the others are 0.

        Rows that are mostly null stay: without them a model with a null would be read on other words than one without.
        """
        real = self.real
        kept = (real >= MIN_REAL_MASS) & self.words[:, None, None]
        return np.where(kept[..., None], self.weights / np.where(kept, real, 1)[..., None], 0), kept


def pinned_at_random(maps: WordMaps) -> WordMaps:
    """The same maps with a null that knows nothing: its mass drawn for each head and word, the rest shared as before.

    The control of the claim that structure is cleaner with a null (text_measures.pinned_at_random).
    """
    mass = np.random.default_rng(0).uniform(size=maps.null.shape[1:]).astype(np.float32)
    left = (1 - mass) / np.maximum(1 - maps.null, MIN_REAL_MASS)
    null = np.where(maps.words[:, None, None], mass, 0).astype(np.float32)
    return replace(maps, weights=maps.weights * left[..., None], null=null, apart=maps.apart * left)


def read_words(run: Run, encoded: Sequence[Encoded], progress: Callable[[int], Any] | None = None) -> WordMaps:
    """The maps of a run on encoded sentences.

    Raises InputError without sentences, for one longer than the model's context, or if attention is not finite.
    """
    if not encoded:
        raise InputError("sentences: there are none to read; give at least one that fits into model.context")
    config = run.config.model
    longest = max(len(e.ids) for e in encoded)
    if longest > config.context:
        raise InputError(f"text: {longest} tokens are more than model.context = {config.context}; give shorter texts")
    T = min(-(-longest // ROUND) * ROUND, config.context)
    W = max(len(e.annotated.spans) for e in encoded)
    filled = -(-W // ROUND) * ROUND
    parts = []
    for start in range(0, len(encoded), BATCH):
        some = encoded[start : start + BATCH]
        arrays = _batch(some, T, filled)
        maps = _read(config, run.parameters, *arrays)
        weights, *others = (np.asarray(a, np.float32).swapaxes(0, 1)[: len(some)] for a in maps)
        parts.append((weights[..., :W, :], *others))
        if progress:
            progress(start + len(some))
    weights, null, apart = (np.concatenate(part)[..., :W] for part in zip(*parts, strict=True))
    if not (np.isfinite(weights).all() and np.isfinite(null).all()):
        raise InputError(f"{run.path}: attention is not finite; its parameters hold NaN or are far too large")
    return WordMaps([e.annotated for e in encoded], weights, null, apart, config.causal)


def _batch(encoded: Sequence[Encoded], T: int, W: int) -> tuple[np.ndarray, ...]:
    """Tokens, types, texts (0, or 1 for what only fills up) [B, T]; words of tokens [B, W, T], tokens apart [B, T]."""
    tokens, types = np.zeros((2, BATCH, T), np.int32)
    filler = np.ones((BATCH, T), np.int32)
    member, apart = np.zeros((BATCH, W, T), np.float32), np.zeros((BATCH, T), np.float32)
    for b, e in enumerate(encoded):
        n = len(e.ids)
        tokens[b, :n], types[b, :n], filler[b, :n] = e.ids, e.types, 0
        member[b, :, :n] = e.word_of == np.arange(W)[:, None]
        apart[b, :n] = e.word_of == APART
    return tokens, types, filler, member, apart


@partial(jax.jit, static_argnums=0)
def _read(
    config: ModelConfig, parameters: Any, tokens: Array, types: Array, filler: Array, member: Array, apart: Array
):
    mean = member / jnp.maximum(member.sum(-1, keepdims=True), 1)

    def observe(seen: Seen):
        weights, null = attention_of(seen, config)
        from_words = jnp.einsum("bwt,bnts->bnws", mean, weights)
        return (
            jnp.einsum("bnws,bvs->bnwv", from_words, member),
            jnp.einsum("bwt,bnt->bnw", mean, null),
            jnp.einsum("bnws,bs->bnw", from_words, apart),
        )

    documents = None if config.causal else filler  # a causal model does not see what comes after its text
    token_types = types if config.token_types else None
    return assemble(config, parameters)(tokens, token_types=token_types, documents=documents, observe=observe)[1]
