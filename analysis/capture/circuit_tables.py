"""The entries of circuits that a table can show: the strongest token pairs, and the null as a source and as a key.

Each token stands alone here: its embedding, without a position and without what other heads would have written, goes
through the layer's own norm, projections, biases and QK-norm. In the first layer that is what the head sees; further up
it is what the head would make of the token if nothing had been added to it.
Axes: I token ids shown, V vocabulary, D model width, L layers, N heads, K key/value heads, H head size.
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from analysis.measures.circuits import Pair, Parameters, check_circuits, embedding, head_weights, top_pairs, unembedding
from jattn.config import ModelConfig
from jattn.errors import at_least
from jattn.model import Transformer, assemble
from jattn.scores import scale_of

MOST_TOKENS = 2000  # rows and columns of a table; a larger vocabulary is cut to the most frequent ones

Ids = Int[np.ndarray, " I"]


class HeadPairs(NamedTuple):
    """The strongest pairs of one head: token -> token it makes likelier, and query -> key it scores highest."""

    layer: int
    head: int
    ov: list[Pair]  # in logits, before the last norm's division
    qk: list[Pair]  # in scores over the mean key's, both tokens at one place (rotary: the content part)


class NullCircuit(NamedTuple):
    """The null as a source and as a key. Zeros in `writes` and NaN in `scores` where a layer has no null."""

    value: Float[np.ndarray, "L N H"]  # v_null; 0 unless the null has a value
    writes: Float[np.ndarray, "L N V"]  # v_null W_O W_U, less its mean over the vocabulary
    scores: Float[np.ndarray, "L N I"]  # the score that each token as a query gives it, scale included


def frequent_ids(tokens: Int[np.ndarray, "*B"], vocab_size: int, most: int = MOST_TOKENS) -> Ids:
    """The ids that occur in a text, at most the `most` most frequent ones. Ascending.

    Tokens that do not occur are left out: what training never touched can have the largest weights of all.
    """
    at_least("most (tokens)", most, 1)
    counts = np.bincount(tokens.ravel(), minlength=vocab_size)
    return np.sort(np.argsort(-counts, kind="stable")[: min(most, int((counts > 0).sum()))])


def strongest_pairs(config: ModelConfig, parameters: Parameters, ids: Ids, count: int = 5) -> list[HeadPairs]:
    """The largest entries of every head's OV and QK circuits among these tokens, as token ids.

    The mean over the vocabulary is taken from W_U first, and the mean over these tokens from the keys: a shift of all
    logits changes no probability, one of all scores no attention. Raises InputError as `check_circuits` does.
    """
    check_circuits(config, parameters)
    model, shift, pairs = _assembled(config, parameters), config.heads // config.N_kv, []
    W_U = _centred(unembedding(config, parameters))[:, ids]
    for layer in range(config.layers):
        q, k, v = (np.asarray(a) for a in _alone(model, layer, ids))
        W_O = head_weights(config, parameters, layer).W_O
        for head in range(config.heads):
            ov = top_pairs(v[:, head // shift], W_O[head] @ W_U, count)
            keys = k[:, head // shift] - k[:, head // shift].mean(0)
            qk = top_pairs(q[:, head] * scale_of(None, config.H), keys.T, count)
            pairs.append(HeadPairs(layer, head, _named(ov, ids), _named(qk, ids)))
    return pairs


def null_circuit(config: ModelConfig, parameters: Parameters, ids: Ids) -> NullCircuit:
    """What the null of every head writes, and which tokens, as queries, score it highest.

    A sink token's value and key are those of its own row of the residual stream, which no text can change. A null that
    is a logit or zero scores the same for every query. Raises InputError as `check_circuits` does.
    """
    check_circuits(config, parameters)
    L, N, H = config.layers, config.heads, config.H
    model, W_U = _assembled(config, parameters), _centred(unembedding(config, parameters))
    value = np.zeros((L, N, H), np.float32)
    writes, scores = np.zeros((L, N, W_U.shape[1]), np.float32), np.full((L, N, len(ids)), np.nan, np.float32)
    sinks = _sink_rows(model) if config.sink_token else [None] * L
    for layer, sink in enumerate(sinks):
        attention, q = model.blocks[layer].attention, _alone(model, layer, ids)[0]
        if sink is not None:
            _, k, v = (jnp.repeat(a, N // a.shape[2], axis=2)[0, 0] for a in attention.project(sink))
            scores[layer] = np.einsum("inh,nh->ni", q, k) * scale_of(None, H)
        elif attention.null is not None:
            s, v = attention.null(q[None])
            scores[layer] = np.asarray(s)[0].T
        else:
            continue
        value[layer] = 0 if v is None else np.asarray(v)
        writes[layer] = np.einsum("nh,nhd->nd", value[layer], head_weights(config, parameters, layer).W_O) @ W_U
    return NullCircuit(value, writes, scores)


def _assembled(config: ModelConfig, parameters: Parameters) -> Transformer:
    return assemble(config, {name: jnp.asarray(array) for name, array in parameters.items()})


def _alone(model: Transformer, layer: int, ids: Ids):
    """Queries [I N H], keys and values [I K H] of tokens that stand alone."""
    rows = jnp.asarray(embedding({"token_rows": model.token_rows[...]})[ids])[None].astype(model.config.compute.dtype)
    block = model.blocks[layer]
    return tuple(a[0] for a in block.attention.project(block.attention_norm(rows)))


def _sink_rows(model: Transformer) -> Float[Array, "L 1 1 D"]:
    """What each layer's projections read of the sink token's row, which is the same for every text."""
    return model(jnp.zeros((1, 1), jnp.int32), observe=lambda seen: seen["sink_attn_in"])[1]


def _centred(W_U: Float[np.ndarray, "D V"]) -> Float[np.ndarray, "D V"]:
    return W_U - W_U.mean(1, keepdims=True)


def _named(pairs: list[Pair], ids: Ids) -> list[Pair]:
    """Places among the tokens shown as token ids."""
    return [Pair(int(ids[p.source]), int(ids[p.target]), p.value) for p in pairs]
