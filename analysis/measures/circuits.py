"""What a head could do, read from its weights alone: which tokens it compares (QK) and what it writes for them (OV).

    OV of a head    W_E W_V W_O W_U      source token -> what it adds to the logits when it is attended to   [V V]
    QK of a head    W_E W_Q W_K^T W_E^T  query token, key token -> score (before the scale)                  [V V]

Neither is ever built: each is a product of two factors, left [V H] and right [H V]. The eigenvalues of A B other than 0
are those of B A, H x H; norms come from Gram matrices; the largest entries are found in blocks of rows.

Norms are folded as in `jattn.interop.fold`: a norm's scale moves into the projection that reads it, the division by the
length of the residual stream (a positive number per token) and biases are left out. The scales of QK-norm move into W_Q
and W_K in the same way. Rotary: `distance` turns W_Q by so many tokens; 0 is the content part alone.
Axes: V vocabulary, D model width, L layers, N heads (keys and values of shared heads repeated), H head size.
Sources: Elhage et al. 2021, A Mathematical Framework for Transformer Circuits; TransformerLens for names and formulas.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Complex, Float

from jattn.config import ModelConfig
from jattn.errors import InputError

Parameters = Mapping[str, Any]  # "blocks.0.attention.q.kernel" -> array
Matrix = np.ndarray


class HeadWeights(NamedTuple):
    """The projections of all heads of a layer: x W_Q gives the query, z W_O what is written."""

    W_Q: Float[Matrix, "N D H"]
    W_K: Float[Matrix, "N D H"]
    W_V: Float[Matrix, "N D H"]
    W_O: Float[Matrix, "N H D"]


def check_circuits(config: ModelConfig, parameters: Parameters | None = None) -> None:
    """InputError, one line, for a model whose heads have no circuits of this kind, or whose weights are not finite."""
    reason = None
    if config.norm.position == "post":
        reason = "its norms stand after each part, so no projection reads the residual stream alone"
    elif config.output.kind != "linear":
        reason = f"its output layer is {config.output.kind!r}, no linear map of the residual stream"
    elif any(layer.gate == "elementwise" for layer in config.pattern):
        reason = "attention 'gate' scales each dimension of a head anew at every query; gate:headwise scales all alike"
    if reason:
        raise InputError(f"circuits: {reason}")
    for name, array in (parameters or {}).items():
        if not np.isfinite(np.asarray(array)).all():
            raise InputError(f"circuits: parameter {name} has numbers that are not finite; use an earlier checkpoint")


def head_weights(config: ModelConfig, parameters: Parameters, layer: int, distance: int = 0) -> HeadWeights:
    """The four projections of every head of a layer, norms folded.

    distance: how many tokens the key lies behind the query; it matters to rotary positions alone.
    """
    at = f"blocks.{layer}.attention"
    N, K, H, D = config.heads, config.N_kv, config.H, config.width
    kernel = lambda name: np.asarray(parameters[f"{at}.{name}.kernel"])
    gain = np.asarray(parameters[f"blocks.{layer}.attention_norm.scale"])[:, None]
    q, k, v = ((gain * kernel(n)).reshape(D, m, H) for n, m in (("q", N), ("k", K), ("v", K)))
    if config.norm.qk:
        q, k = q * np.asarray(parameters[f"{at}.q_norm.scale"]), k * np.asarray(parameters[f"{at}.k_norm.scale"])
    if distance and config.positions == "rope":
        q = _turned(config, q, distance)
    q, k, v = (np.repeat(a, N // a.shape[1], axis=1).swapaxes(0, 1) for a in (q, k, v))
    return HeadWeights(q, k, v, kernel("out").reshape(N, H, D))


def embedding(parameters: Parameters) -> Float[Matrix, "V D"]:
    """W_E: the row of each token, without a position."""
    return np.asarray(parameters["token_rows"])


def unembedding(config: ModelConfig, parameters: Parameters) -> Float[Matrix, "D V"]:
    """W_U with the last norm folded: the output layer, or the transposed embedding where the two are tied."""
    table = embedding(parameters).T if config.output.tied else np.asarray(parameters["head.kernel"])
    return np.asarray(parameters["final_norm.scale"])[:, None] * table


def eigenvalues(left: Float[Matrix, "*n m r"], right: Float[Matrix, "*n r m"]) -> Complex[Matrix, "*n r"]:
    """The eigenvalues of left @ right that can differ from 0: those of right @ left, r x r."""
    return np.linalg.eigvals((right @ left).astype(np.float64)).astype(np.complex128)


def positive_share(eigenvalues: Complex[Matrix, "*n r"]) -> Float[Matrix, "*n"]:
    """sum(lambda) / sum(|lambda|), from -1 to 1: 1 if every eigenvalue is a positive number.

    Of an OV circuit it is the copying score: attended tokens make themselves likelier. Of a QK circuit, 1 means that
    queries look for tokens like themselves. Random weights give about 0. NaN where all eigenvalues are 0 (a head that
    starts at zero). Source: Elhage et al. 2021, "Summarizing OV/QK Matrices".
    """
    size = np.abs(eigenvalues).sum(-1)
    return np.where(size > 0, np.real(eigenvalues).sum(-1) / np.where(size > 0, size, 1), np.nan)


class Scores(NamedTuple):
    """Eigenvalue scores of every head, each in [-1, 1]."""

    copying: Float[Matrix, "L N"]  # of W_E W_V W_O W_U
    copying_ov: Float[Matrix, "L N"]  # of W_V W_O alone: embedding and output layer left out
    matching: Float[Matrix, "L N"]  # of W_E W_Q W_K^T W_E^T, less its mean over keys


def eigenvalue_scores(config: ModelConfig, parameters: Parameters, distance: int = 0) -> Scores:
    """The scores of all heads: three H x H eigenvalue problems per head. Raises InputError as `check_circuits` does.

    The mean over keys is taken from each QK circuit first: softmax does not see what a query gives to all keys alike,
    and where embeddings share a direction it would be the largest eigenvalue.
    """
    check_circuits(config, parameters)
    W_E, W_U = embedding(parameters), unembedding(config, parameters)
    to_output, to_itself = W_U @ W_E, (W_E - W_E.mean(0)).T @ W_E  # D x D, whatever the vocabulary
    rows = []
    for layer in range(config.layers):
        w = head_weights(config, parameters, layer, distance)
        circuits = (w.W_V, w.W_O @ to_output), (w.W_V, w.W_O), (w.W_Q, w.W_K.swapaxes(1, 2) @ to_itself)
        rows.append([positive_share(eigenvalues(*pair)) for pair in circuits])
    shares = np.array(rows, np.float64).reshape(config.layers, 3, config.heads)
    return Scores(*shares.swapaxes(0, 1))


def norm(left: Float[Matrix, "*n m r"], right: Float[Matrix, "*n r k"]) -> Float[Matrix, "*n"]:
    """The Frobenius norm of left @ right, from Gram matrices: sqrt(sum((left^T left) * (right right^T)))."""
    grams = (left.swapaxes(-1, -2) @ left) * (right @ right.swapaxes(-1, -2))
    return np.sqrt(np.maximum(grams.sum((-1, -2)), 0))


COMPOSITION = ("q", "k", "v")


def composition_scores(
    config: ModelConfig, parameters: Parameters, distance: int = 0
) -> dict[str, Float[Matrix, "L N L N"]]:
    """||W_OV W||_F / (||W_OV||_F ||W||_F) of every pair of heads: how much of what the first writes the second reads.

    W of the later head is W_QK for "q", its transpose for "k", W_OV for "v". In [0, 1]; NaN unless the first head is in
    an earlier layer, and where a norm is 0. Axes: layer and head of the first, layer and head of the second.
    Source: Elhage et al. 2021, "Composition"; the formula is that of TransformerLens's all_composition_scores.
    """
    check_circuits(config, parameters)
    L, N = config.layers, config.heads
    layers = [head_weights(config, parameters, layer, distance) for layer in range(L)]
    writers, readers, scores = [], [], {name: np.full((L, N, L, N), np.nan) for name in COMPOSITION}
    for w in layers:  # ||A B C D|| = ||sqrt(A^T A) B C sqrt(D D^T)||: all that is left of a head's far side is H x H
        V, O, Q, K = w.W_V, w.W_O, w.W_Q, w.W_K
        writers.append(_scaled(_root(V) @ O))
        readers.append([_scaled(_root(far) @ near.swapaxes(1, 2)) for far, near in ((K, Q), (Q, K))])
        readers[-1].append(_scaled(_root(O.swapaxes(1, 2)) @ V.swapaxes(1, 2)))
    for early in range(L):
        for late in range(early + 1, L):
            for name, reader in zip(COMPOSITION, readers[late], strict=True):
                product = np.tensordot(writers[early], reader, ((2,), (2,)))  # N H N H
                scores[name][early, :, late] = np.sqrt(np.square(product, dtype=np.float64).sum((1, 3)))
    return scores


def composition_baseline(config: ModelConfig) -> float:
    """1 / sqrt(D): what the score is, in the root mean square, if the second head is turned at random.

    With a random rotation R of the residual stream between two heads, E ||A R B||^2 = ||A||^2 ||B||^2 / D whatever the
    two are: the closed form for random (Gaussian) weights too.
    """
    return config.width**-0.5


class Pair(NamedTuple):
    """An entry of a circuit: row and column by token id, and its value."""

    source: int
    target: int
    value: float


def top_pairs(left: Float[Matrix, "V H"], right: Float[Matrix, "H W"], count: int, *, block: int = 512) -> list[Pair]:
    """The largest entries of left @ right, largest first, found in blocks of rows; the whole is never held."""
    best_values, best_places = np.empty(0), np.empty(0, np.int64)
    for start in range(0, len(left), block):
        values = (left[start : start + block] @ right).ravel()
        most = min(count, values.size)
        places = np.argpartition(values, -most)[-most:]
        best_values = np.concatenate([best_values, values[places]])
        best_places = np.concatenate([best_places, places + start * right.shape[1]])
        order = np.argsort(-best_values, kind="stable")[:count]
        best_values, best_places = best_values[order], best_places[order]
    rows, columns = np.divmod(best_places, right.shape[1])
    return [Pair(int(r), int(c), float(v)) for r, c, v in zip(rows, columns, best_values, strict=True)]


def _turned(config: ModelConfig, q: Float[Matrix, "D N H"], distance: int) -> Float[Matrix, "D N H"]:
    """W_Q of a query that stands `distance` tokens after its key."""
    import jax.numpy as jnp

    from jattn.positions import rope

    return np.asarray(rope(jnp.asarray(q)[:, None], jnp.array([distance]), config.rope))[:, 0]


def _root(a: Float[Matrix, "N D H"]) -> Float[Matrix, "N H H"]:
    """A matrix R with R^T R = a^T a: the length of x -> a x without the D rows of a."""
    values, vectors = np.linalg.eigh((a.swapaxes(1, 2) @ a).astype(np.float64))
    return (np.sqrt(np.maximum(values, 0))[..., None] * vectors.swapaxes(1, 2)).astype(a.dtype)


def _scaled(a: Float[Matrix, "N H D"]) -> Float[Matrix, "N H D"]:
    """Each head's matrix at norm 1; NaN where it is zero."""
    size = np.linalg.norm(a, axis=(1, 2), keepdims=True)
    return a / np.where(size > 0, size, np.nan).astype(a.dtype)
