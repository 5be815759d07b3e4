"""What a part of attention does, by taking it away: heads silenced, null or position 1 evicted, activations patched.

Everything goes through `edit` of jattn/taps.py, so it holds for every kind of attention. Heads are a loop on the
device: a config compiles once, not once per head. Replaced by zero or by a mean: zero leads where the model has never
been and overstates (Wang et al. 2022, arXiv 2211.00593, section 2.1), so both are given.

Axes: B texts, T queries (the same text), P places (heads, or places to patch), L layers, N heads, K key/value heads,
H head size, V vocabulary.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jattn.config import ModelConfig
from jattn.errors import InputError, one_of
from jattn.model import assemble
from jattn.taps import Edit, Seen
from train.losses import next_token_losses

Heads = Int[Array, "P 2"]  # (layer, head) of each, counted from 0
EVICTIONS = ("null_column", "null_value", "first_column", "first_value")
PATCHED = ("resid_pre", "q", "k", "v", "z", "attn_out", "resid_mid", "mlp_out", "resid_post")


class Means(NamedTuple):
    """Means over texts and positions: `z` of heads' outputs, all positions; `v` of values, all but position 1."""

    z: Float[Array, "L N H"]
    v: Float[Array, "L K H"]


@partial(jax.jit, static_argnums=0)
def means(config: ModelConfig, parameters: Any, tokens: Int[Array, "B T"]) -> Means:
    """What a head puts out and what its values are on average over these texts; replacements for one of them."""

    def observe(seen: Seen):
        return Means(seen["z"].mean((0, 1)), seen["v"][:, 1:].mean((0, 1)))

    return assemble(config, parameters)(tokens, observe=observe)[1]


def silence(layer: Array | int, head: Array | int, value: Float[Array, " H"] | float = 0.0) -> Edit:
    """The edit that sets the output z of one head to `value` at every query. layer -1 silences nothing."""

    def edit(site: str, array: Any, index: Any):
        return jnp.where(index == layer, array.at[:, :, head].set(value), array) if site == "z" else array

    return edit


def loss_nats(model: Any, windows: Int[Array, "B columns"], **options: Any) -> Float[Array, " B"]:
    """Mean of -log P(next token) of each text of T + 1 tokens; options as of `model(tokens, ...)`."""
    logits = model(windows[:, :-1], **options)
    return next_token_losses(logits, windows[:, 1:]).mean(-1)


@partial(jax.jit, static_argnums=0)
def ablate(
    config: ModelConfig, parameters: Any, windows: Int[Array, "B columns"], heads: Heads, values: Float[Array, "P H"]
) -> Float[Array, "P B"]:
    """Loss with z of one head set to its value, minus the loss of the whole model, in nats: above 0 is harm.

    windows hold T + 1 tokens. values: zeros, or each head's `means(...).z` (zero- and mean-ablation). One text's number
    is the mean over its T targets. A head whose output is already that value has exactly 0.
    """
    model = assemble(config, parameters)
    one = lambda place: loss_nats(model, windows, edit=silence(place[0][0], place[0][1], place[1]))
    whole = jnp.full((1, 2), -1)  # in the same program, so that rounding is the same
    losses = jax.lax.map(one, (jnp.concatenate([whole, heads]), jnp.concatenate([values[:1], values])))
    return losses[1:] - losses[0]


@partial(jax.jit, static_argnums=0)
def evict(config: ModelConfig, parameters: Any, windows: Int[Array, "B columns"], mean: Means) -> dict[str, Array]:
    """Loss without the null or without position 1 minus the loss of the whole model, in nats, each [B].

    null_column    s_null = -inf: the null gets nothing, each row is renormalised over its real keys
    null_value     the null keeps its share; its value is the mean value of the head's real keys
    first_column   key 1 hidden from every later query, rows renormalised; query 1 keeps it, having nothing else
    first_value    key 1 keeps its share; its value is the mean value of the other positions (query 1 gets it too)

    In all layers at once. `mean` comes from the whole model. A layer without a null is left as it is; exactly 0 where
    no layer has one. The difference column - value tells a place that attention needs from one whose content is needed.
    """
    model = assemble(config, parameters)
    tokens = windows[:, :-1]
    later = jnp.broadcast_to(jnp.arange(tokens.shape[1]) > 0, tokens.shape)

    def loss(evicted: Any):
        this = dict(zip(EVICTIONS, evicted, strict=True))

        def edit(site: str, array: Any, layer: Any):
            put = lambda name, new: jnp.where(this[name], new.astype(array.dtype), array)
            if site == "s_null":
                return put("null_column", jnp.full_like(array, -jnp.inf))
            if site == "v_null":
                return put("null_value", jnp.repeat(mean.v[layer], config.heads // config.N_kv, axis=0))
            return put("first_value", array.at[:, 0].set(mean.v[layer])) if site == "v" else array

        # Position 1 as a document of its own: no later query sees it, whatever the layer's mask.
        documents = (later & this["first_column"]).astype(jnp.int32)
        return loss_nats(model, windows, documents=documents, edit=edit)

    n = len(EVICTIONS)
    losses = jax.lax.map(loss, jnp.concatenate([jnp.zeros((1, n), bool), jnp.eye(n, dtype=bool)]))
    return dict(zip(EVICTIONS, losses[1:] - losses[0], strict=True))


class Patched(NamedTuple):
    """Two metrics at one query of the clean, the corrupted and the patched run.

    kl: KL(clean || this run) in nats, so 0 in the clean run. difference: logit of `right` minus logit of `wrong`.
    """

    kl: Float[Array, "P B"]
    difference: Float[Array, "P B"]
    corrupted_kl: Float[Array, " B"]
    corrupted_difference: Float[Array, " B"]
    clean_difference: Float[Array, " B"]

    def effect(self, metric: str = "difference") -> Float[Array, "P B"]:
        """0: as in the corrupted run; 1: as in the clean one; (patched - corrupted) / (clean - corrupted).

        NaN where the two runs do not differ by more than 1e-6. Average numerators and denominators, not effects.
        """
        gain, whole = self.parts(metric)
        return jnp.where(jnp.abs(whole) > 1e-6, gain / jnp.where(jnp.abs(whole) > 1e-6, whole, 1), jnp.nan)

    def parts(self, metric: str = "difference") -> tuple[Float[Array, "P B"], Float[Array, " B"]]:
        """Numerator and denominator of `effect`."""
        if one_of("metric", metric, ("kl", "difference")) == "kl":
            return self.corrupted_kl - self.kl, self.corrupted_kl
        return self.difference - self.corrupted_difference, self.clean_difference - self.corrupted_difference


def patch(
    config: ModelConfig,
    parameters: Any,
    clean: Int[Array, "B T"],
    corrupted: Int[Array, "B U"],
    places: Mapping[str, Int[Array, " P"]],
    *,
    site: str = "z",
    query: Int[Array, " B"] | None = None,
    right: Int[Array, " B"] | None = None,
    wrong: Int[Array, " B"] | None = None,
) -> Patched:
    """The corrupted run with one activation of the clean run put in its place, one place at a time.

    places: `layer`, and where wanted `head` (of q, k, v, z) and `position`, one number each per place, from 0; -1 means
    all. query: where the output is read, default the last. right, wrong: the tokens of the logit difference, default
    the likeliest of the clean and of the corrupted run. Raises InputError for a site without a text axis or texts of
    different shape. Source: Meng et al. 2022 (arXiv 2202.05262), section 2.1; Zhang and Nanda 2023 (arXiv 2309.16042).
    """
    one_of("site", site, PATCHED)
    if clean.shape != corrupted.shape:
        raise InputError(f"corrupted: shape {corrupted.shape}, clean {clean.shape}; they must be of one length")
    P = len(places["layer"])
    every = jnp.full(P, -1)
    if "head" in places and site not in ("q", "k", "v", "z"):
        raise InputError(f"places: site {site!r} has no heads; leave out 'head' or take z, q, k or v")
    where = jnp.stack([places["layer"], places.get("head", every), places.get("position", every)], 1)
    at = jnp.full(len(clean), clean.shape[1] - 1) if query is None else query
    return _patch(config, site, parameters, clean, corrupted, where, at, right, wrong)


@partial(jax.jit, static_argnums=(0, 1))
def _patch(
    config: ModelConfig,
    site: str,
    parameters: Any,
    clean: Any,
    corrupted: Any,
    where: Any,
    query: Any,
    right: Any,
    wrong: Any,
) -> Patched:
    model = assemble(config, parameters)
    of = lambda logits, index: jnp.take_along_axis(logits, index[:, None], 1)[:, 0]

    at_query = lambda logits: jnp.take_along_axis(logits, query[:, None, None], 1)[:, 0]
    logits, source = model(clean, observe=lambda seen: seen[site])
    clean_logits, corrupted_logits = at_query(logits), at_query(model(corrupted))
    right = clean_logits.argmax(-1) if right is None else right
    wrong = corrupted_logits.argmax(-1) if wrong is None else wrong
    metrics = lambda x: (kl_nats(clean_logits, x), of(x, right) - of(x, wrong))

    def one(place: Any):
        layer, head, position = place

        def edit(name: str, array: Any, index: Any):
            if name != site:
                return array
            here = (jnp.arange(array.shape[1]) == position) | (position < 0)
            here = here.reshape(-1, *[1] * (array.ndim - 2))
            if array.ndim == 4:
                here = here & ((jnp.arange(array.shape[2]) == head) | (head < 0))[:, None]
            return jnp.where((index == layer) & here, source[index], array)

        return metrics(at_query(model(corrupted, edit=edit)))

    kl, difference = jax.lax.map(one, where)
    return Patched(kl, difference, *metrics(corrupted_logits), metrics(clean_logits)[1])


def kl_nats(p_logits: Float[Array, "*x V"], q_logits: Float[Array, "*x V"]) -> Float[Array, "*x"]:
    """KL(p || q) = sum_v p_v (log p_v - log q_v) of two outputs, in nats; at least 0 (rounding below 0 is cut)."""
    p, q = jax.nn.log_softmax(p_logits), jax.nn.log_softmax(q_logits)
    return jnp.maximum((jnp.exp(p) * (p - q)).sum(-1), 0)
