"""Text from a model: a cache of keys and values, and sampling.

A layer's cache holds what its mask can still see: everything up to `length`, the last W keys in a ring, or the first
s and the last W. The null needs no slot, a sink token neither: its key and value are the same for every text.
Keys are stored rotated, at their absolute positions, so cached logits equal uncached ones.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jattn.config import ModelConfig
from jattn.errors import InputError, at_least
from jattn.model import Transformer
from jattn.taps import Edit, Tap

EMPTY = 1 << 30  # the position of an unused slot: after every query, so causality hides it


class LayerCache(NamedTuple):
    """Keys and values (B C K H) of one layer and the position of each slot (C); `first` slots are never overwritten."""

    k: Float[Array, "B C K H"]
    v: Float[Array, "B C K H"]
    position: Int[Array, " C"]
    first: Any

    def extend(self, k: Float[Array, "B T K H"], v: Float[Array, "B T K H"], positions: Int[Array, " T"]):
        """Keys and values for the new queries (old slots, then new keys), their positions, and the next cache."""
        all_k, all_v = jnp.concatenate([self.k, k], 1), jnp.concatenate([self.v, v], 1)
        all_positions = jnp.concatenate([self.position, positions])
        C = self.position.shape[0]
        ring = C - self.first
        # Of the new keys only the first ones and the last `ring` stay; the rest are dropped, never written twice.
        slot = jnp.where(positions < self.first, positions, self.first + (positions - self.first) % ring)
        stays = (positions < self.first) | (positions > positions[-1] - ring)
        slot = jnp.where(stays, slot, C)
        put = lambda old, new: old.at[:, slot].set(new.astype(old.dtype), mode="drop")
        position = self.position.at[slot].set(positions, mode="drop")
        return all_k, all_v, all_positions, LayerCache(put(self.k, k), put(self.v, v), position, self.first)


def empty_cache(config: ModelConfig, batch: int, length: int) -> list[LayerCache]:
    """One cache per layer for texts of up to `length` tokens; a window's holds no more than its window."""
    if not config.causal:
        raise InputError("model.causal must be true to sample: a bidirectional model has no next token")
    caches = []
    for i in range(config.layers):
        kind = config.layer(i)
        C = length if kind.window is None else min(length, kind.first + kind.window)
        shape = (batch, C, config.N_kv, config.H)
        zeros = jnp.zeros(shape, config.compute.dtype)
        caches.append(LayerCache(zeros, zeros, jnp.full(C, EMPTY), min(kind.first, C - 1)))
    return caches


def step(
    model: Transformer,
    tokens: Int[Array, "B T"],
    caches: list[LayerCache],
    start: Int[Array, ""] | int,
    edit: Edit | None = None,
) -> tuple[Float[Array, "B T V"], list[LayerCache]]:
    """Logits of `tokens`, which stand at positions start, start + 1, ..., after what the caches hold.

    edit: as in `model(tokens, edit=)`, on these tokens alone.
    """
    x, sink = model.embed(tokens, start=start)
    positions = start + jnp.arange(tokens.shape[1])
    new = []
    for i, (block, cache) in enumerate(zip(model.blocks, caches, strict=True)):
        x, sink, extended = block(x, sink, positions=positions, tap=Tap(i, None, edit), cache=cache)
        new.append(extended)
    return model.unembed(x), new


def generate(
    model: Transformer,
    prompt: Int[Array, "B T"],
    length: int,
    key: Array,
    *,
    temperature: float = 1.0,
    top_k: int | None = None,
    vocab: int | None = None,
    ends: tuple[int, ...] = (),
) -> Int[Array, "B n"]:
    """`length` sampled tokens after the prompt. temperature 0 takes the likeliest; top_k keeps the k likeliest.

    vocab: only ids below it are drawn; models may have more rows than their tokenizer has tokens.
    ends: ids at which a text ends; it is filled up with the first of them, and when all have ended nothing is computed.
    """
    B, T = prompt.shape
    config = model.config
    if config.positions == "learned" and T + length > config.context:
        raise InputError(f"length: prompt {T} + length {length} exceeds model.context = {config.context}")
    at_least("temperature", temperature, 0)
    at_least("top_k", 1 if top_k is None else top_k, 1)
    if at_least("length", length, 0) == 0:
        return jnp.zeros((B, 0), int)

    def choose(logits: Array, key: Array):
        logits = logits if vocab is None else jnp.where(jnp.arange(logits.shape[-1]) < vocab, logits, -jnp.inf)
        if temperature == 0:
            return logits.argmax(-1)
        logits = logits / temperature
        if top_k is not None and top_k < logits.shape[-1]:
            lowest = jax.lax.top_k(logits, top_k)[0][:, -1:]
            logits = jnp.where(logits < lowest, -jnp.inf, logits)
        return jax.random.categorical(key, logits)

    def next_token(carry: Any):
        i, logits, caches, tokens, ended = carry
        token = choose(logits[:, -1], jax.random.fold_in(key, T + i))
        if ends:
            token = jnp.where(ended, ends[0], token)
            ended |= jnp.isin(token, jnp.array(ends))
        logits, caches = step(model, token[:, None], caches, T + i)
        return i + 1, logits, caches, tokens.at[:, i].set(token), ended

    def goes_on(carry: Any):
        i, *_, ended = carry
        return (i < length) & ~ended.all()

    logits, caches = step(model, prompt, empty_cache(config, B, T + length), 0)
    tokens = jnp.full((B, length), ends[0] if ends else 0)
    first = (jnp.array(0), logits[:, -1:], caches, tokens, jnp.zeros(B, bool))
    return jax.lax.while_loop(goes_on, next_token, first)[3]
