"""What is lost when only a window of the cache is kept: the s initial tokens and the W most recent ones.

Positions are counted inside the cache (StreamingLLM): once it is full, the initial keys stand at 0 ... s-1, the recent
ones right after them, and the query last. So distances between recent tokens are unchanged, and the initial keys come
near: a query at t >= s + W sees them as from position s + W - 1. With rotation (RoPE) and ALiBi this is exactly what
a cache of unrotated keys computes, token by token; here for all queries of a text at once, for in every layer a query
sees only keys that were made the same way. Learned positions are added to the tokens when they are read and cannot be
renumbered; they and models without positions just lose the evicted keys. A layer's own window stays: it is counted in
the text, so no query sees more than in the whole text.

The null is always kept, unless `keep_null` is False: then it (or the sink token) is evicted as well.

Axes: W windows, B batch, T queries and keys, N heads, K key/value heads, H head size.
Source: Xiao et al. 2023 (arXiv 2309.17453), section 3.2 and table 3.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from jattn.config import ModelConfig
from jattn.errors import InputError, at_least
from jattn.kernels.dense import masked_scores, softmax
from jattn.masks import Mask
from jattn.model import assemble
from jattn.partial import Partial
from jattn.positions import frequencies, rope
from jattn.scores import Score
from jattn.taps import at
from train.losses import next_token_losses
from train.windows import predicts_next


@dataclass(frozen=True)
class CacheWindow:
    """Attention over what a cache of the `first` and the `recent` last keys holds, in place of `jattn.attend`."""

    first: int
    recent: int
    config: ModelConfig

    def __call__(
        self,
        q: Float[Array, "B T N H"],
        k: Float[Array, "B T K H"],
        v: Float[Array, "B T K H"],
        *,
        mask: Mask,
        score: Score | None,
        implementation: str | None = None,
    ) -> Partial:
        """As `attend`, through the T x T matrix whatever the implementation."""
        B, T, N, H = q.shape
        t = jnp.arange(T)
        s = t[: self.first]
        in_cache = jnp.minimum(t, self.first + self.recent - 1)
        x = masked_scores(q, k, mask=mask, score=score)
        near = masked_scores(self._moved(q, in_cache - t), k[:, s], mask=Mask(), score=score, q_pos=in_cache, k_pos=s)
        seen = mask.dense(t, t)
        x = x.at[..., s].set(jnp.where(seen[..., s], near, -jnp.inf))
        cached = (t[:, None] - t < self.recent) | (t < self.first)
        p, lse = softmax(jnp.where(cached, x, -jnp.inf))
        p = p.reshape(B, k.shape[2], -1, T, T).astype(v.dtype)
        out = jnp.einsum("bkgts,bskh->btkgh", p, v).reshape(B, T, N, H)
        return Partial(out.astype(q.dtype), lse.swapaxes(1, 2))

    def _moved(self, q: Array, by: Array):
        """Queries that were rotated at one position, rotated as at another."""
        if self.config.positions != "rope":
            return q
        _, scale = frequencies(self.config.H // 2, self.config.rope)
        return rope(q, by, self.config.rope) / scale


def cached_losses(
    config: ModelConfig,
    parameters: dict[str, Array],
    windows: Int[np.ndarray, "W columns"],
    first: int | None = None,
    recent: int | None = None,
    keep_null: bool = True,
) -> Float[np.ndarray, "W T"]:
    """Loss of every token of every window in nats with a cache of first + recent keys; the whole text if both are None.

    A cache as long as the text changes nothing. Raises InputError for a model that predicts no next token, for sigmoid
    attention (nothing is renormalised when keys go), and for a cache without a recent key.
    """
    if not predicts_next(config):
        raise InputError("streaming: the model predicts no next token, so it has no loss to compare")
    if any(layer.sigmoid for layer in config.pattern):
        raise InputError("streaming: sigmoid attention has no normaliser, so eviction is another question there")
    if (first is None) != (recent is None):
        raise InputError(f"first and recent belong together, got {first} and {recent}; None for both is the whole text")
    if first is not None and recent is not None:
        at_least("first", first, 0)
        at_least("recent", recent, 1)
    cache = None if first is None or recent is None else CacheWindow(first, recent, config)
    losses = _losses(config, cache, jnp.asarray(keep_null), parameters, jnp.asarray(windows))
    return np.asarray(losses, np.float64)


@partial(jax.jit, static_argnums=(0, 1))
def _losses(config: ModelConfig, cache: CacheWindow | None, keep_null: Array, parameters: Any, windows: Any):
    evict = at("s_null", lambda s: jnp.where(keep_null, s, -jnp.inf))
    logits = assemble(config, parameters)(windows[:, :-1], edit=evict, attend=cache)
    return next_token_losses(logits, windows[:, 1:])
