"""Does the null mean "nothing"? What a head does at a query, and whether its attention says so.

    cause = KL(p || p') in nats at query t,   p the model's next-token distribution there,
                                              p' with one head's output at query t alone set to zero (or to its mean)

Silenced at t alone, and read at t: silencing all queries at once also changes what later layers read at earlier ones.
So keys and values of the positions before t are those of the whole model, and one token's forward pass on a cache of
them is exact (decode.py): a query costs a token, not a text. `readings` is what attention itself says: each readout
(readouts.py), a number in [0, 1] per query and head. cause_scores.py holds the two against each other.

Axes: B texts, T queries of a text, Q queries drawn from it, L layers, N heads, P heads to silence, H head size.
"""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from analysis.capture.layers import attention_of, layers_with_null, visible_maps
from analysis.interventions.ablation import Heads, kl_nats, silence
from analysis.measures import readouts
from jattn.config import ModelConfig
from jattn.decode import EMPTY, LayerCache, step
from jattn.errors import at_least
from jattn.model import assemble
from jattn.taps import Edit, Seen

SILENCED = {"zero": "set to zero", "mean": "set to its mean"}
EVICTIONS = {
    "evict_null_column": "null evicted: its column removed",
    "evict_null_value": "null evicted: its value replaced by a mean value",
    "evict_first_column": "position 1 evicted: its column removed",
    "evict_first_value": "position 1 evicted: its value replaced by a mean value",
}


@partial(jax.jit, static_argnums=0)
def cause_nats(
    config: ModelConfig,
    parameters: Any,
    tokens: Int[Array, "B T"],
    queries: Int[Array, "B Q"],
    heads: Heads,
    values: Float[Array, "P H"],
) -> Float[Array, "P B Q"]:
    """KL(p || p') at each query, in nats, with the head's output z at that query alone set to its value.

    queries count from 0. values: zeros, or each head's mean output (`ablation.means`). Exactly 0 for a head whose
    output already is its value: both distributions come from one program.
    """
    model = assemble(config, parameters)
    B, T = tokens.shape
    empty = jnp.zeros((B, T, config.N_kv, config.H), config.compute.dtype)
    # One slot per position in every layer, also under a window: the mask knows the positions.
    caches = [LayerCache(empty, empty, jnp.full(T, EMPTY), 0) for _ in range(config.layers)]
    kept = [(cache.k, cache.v) for cache in step(model, tokens, caches, 0)[1]]

    def logits_at(text: Any, past: Any, t: Any, edit: Edit):
        """Logits after token t of one text: its own key is computed anew, the slot of its clean one stays hidden."""
        position = jnp.arange(T).at[t].set(EMPTY)
        caches = [LayerCache(k[None], v[None], position, 0) for k, v in past]
        return step(model, text[t][None, None], caches, t, edit)[0][0, 0]

    def logits(place: Any):
        head, value = place
        edit = silence(head[0], head[1], value)
        of_text = lambda text, past, ts: jax.vmap(lambda t: logits_at(text, past, t, edit))(ts)
        return jax.vmap(of_text)(tokens, kept, queries)

    whole = logits((jnp.full(2, -1), values[0]))
    return jax.lax.map(lambda place: kl_nats(whole, logits(place)), (heads, values))


@partial(jax.jit, static_argnums=0)
def readings(config: ModelConfig, parameters: Any, tokens: Int[Array, "B T"]) -> dict[str, Float[Array, "L B N T"]]:
    """Every readout of every query and head; those that need a null are NaN in layers without one.

    written = w / (w + r): w the norm of what the head adds, z W_O, and r that of the residual stream it is added to.
    """
    H, N, L = config.H, config.heads, config.layers
    out = [parameters[f"blocks.{i}.attention.out.kernel"].astype(jnp.float32).reshape(N, H, -1) for i in range(L)]
    gram = jnp.stack([jnp.einsum("nhd,nkd->nhk", w, w) for w in out])
    visible = jnp.asarray(visible_maps(config, tokens.shape[1]).sum(-1))
    with_null = jnp.asarray(layers_with_null(config))
    norm = lambda a: jnp.linalg.norm(a.astype(jnp.float32), axis=-1)

    def observe(seen: Seen):
        weights, null = attention_of(seen, config)
        keys, nan = visible[seen.layer], jnp.where(with_null[seen.layer], 0.0, jnp.nan)
        z = seen["z"].astype(jnp.float32)
        wrote = jnp.sqrt(jnp.maximum(jnp.einsum("btnh,nhk,btnk->bnt", z, gram[seen.layer], z), 0))
        stream = norm(seen["resid_pre"])[:, None]
        v_norm = jnp.repeat(norm(seen["v"]).swapaxes(1, 2), N // config.N_kv, axis=1)
        return {
            "null": readouts.one_minus_null(null) + nan,
            "first": readouts.one_minus_first(weights),
            "max_weight": readouts.max_weight(weights),
            "entropy": readouts.sharpness_conditional(weights, null, keys),
            "entropy_null": readouts.sharpness(weights, null, keys) + nan,
            "norm": readouts.output_norm(norm(z).swapaxes(1, 2), v_norm),
            "written": wrote / (wrote + stream),
        }

    return assemble(config, parameters)(tokens, observe=observe)[1]


def draw_queries(T: int, count: int, texts: int, seed: int = 0) -> Int[np.ndarray, "B Q"]:
    """At most `count` different queries of each text, drawn evenly from t >= 2 and sorted, counted from 0.

    Query 1 is left out: without a null it has one key and no choice. Raises InputError if T < 2.
    """
    at_least("tokens T of a text", T, 2)
    rng = np.random.default_rng(seed)
    size = min(count, T - 1)
    return np.stack([np.sort(1 + rng.choice(T - 1, size, replace=False)) for _ in range(texts)])
