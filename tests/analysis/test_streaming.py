"""A windowed cache for all queries at once against the same cache token by token, and laws of what is evicted."""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import log_softmax

from analysis.interventions.streaming import CacheWindow, cached_losses
from jattn.config import RopeConfig
from jattn.errors import InputError
from jattn.masks import causal
from jattn.model import init_parameters
from jattn.positions import rope
from jattn.scores import Alibi, alibi_slopes
from tests.configs import model_config

V, T = 11, 12
SMALL = {
    "vocab_size": V,
    "context": 16,
    "layers": 2,
    "heads": 2,
    "width": 8,
    "init__zero_outputs": False,
    "init__std": 0.4,
}
WINDOWS = np.random.default_rng(0).integers(0, V, (3, T + 1))


def losses(config, *cache, **options):
    return cached_losses(config, init_parameters(config), WINDOWS, *cache, **options)


def token_by_token(q, k, v, first, recent, place, bias):
    """The cache as a list of unrotated keys, one query after the other; `place` rotates one vector at a position."""
    out = np.zeros(q.shape)
    for t in range(len(q)):
        kept = [s for s in range(t + 1) if s < first or t - s < recent]
        for n in range(q.shape[1]):
            query = place(q[t, n], len(kept) - 1)
            keys = np.stack([place(k[s, n], i) for i, s in enumerate(kept)])
            x = keys @ query / np.sqrt(q.shape[-1]) - bias[n] * (len(kept) - 1 - np.arange(len(kept)))
            out[t, n] = np.exp(log_softmax(x)) @ v[kept, n]
    return out


@pytest.mark.parametrize("first, recent", [(0, 4), (1, 3), (4, 4), (3, 40)])
@pytest.mark.parametrize("positions", ["rope", "yarn", "alibi", "none"])
def test_all_queries_at_once_are_the_cache_token_by_token(x64, first, recent, positions):
    N, H = 2, 4
    rng = np.random.default_rng(1)
    q, k, v = (rng.normal(size=(T, N, H)) for _ in range(3))
    stretch = RopeConfig(scaling="yarn", factor=4.0, original_context=8) if positions == "yarn" else RopeConfig()
    rotates = positions in ("rope", "yarn")
    config = model_config(**SMALL, positions="rope" if rotates else positions, rope=stretch)

    def turned(x, at):
        return rope(jnp.asarray(x), jnp.asarray(at), config.rope) if rotates else jnp.asarray(x)

    def place(x, at):
        return np.asarray(turned(x[None, None, None], [at]))[0, 0, 0]

    score = Alibi(alibi_slopes(N)) if positions == "alibi" else None
    rotated = [turned(x[None], np.arange(T)) for x in (q, k)]
    found = CacheWindow(first, recent, config)(*rotated, v=jnp.asarray(v[None]), mask=causal(), score=score)
    bias = np.asarray(alibi_slopes(N)) if positions == "alibi" else np.zeros(N)
    np.testing.assert_allclose(found.out[0], token_by_token(q, k, v, first, recent, place, bias), atol=1e-8)


@pytest.mark.parametrize("attention", ["standard", "null", "token", "local:5", "first:2+local:3"])
def test_a_cache_as_long_as_the_text_changes_nothing(attention):
    config = model_config(**SMALL, attention=attention)
    np.testing.assert_allclose(losses(config, 4, T - 4), losses(config), atol=1e-5)


def test_queries_before_the_cache_is_full_lose_nothing():
    config = model_config(**SMALL, attention="null")
    found = losses(config, 2, 4) - losses(config)
    np.testing.assert_allclose(found[:, :6], 0, atol=1e-5)
    assert (np.abs(found[:, 6:]) > 1e-5).all()


def test_a_model_trained_on_a_window_loses_nothing_to_a_cache_of_that_window():
    config = model_config(**SMALL, attention="local:4")
    np.testing.assert_allclose(losses(config, 0, 4), losses(config), atol=1e-5)


def test_only_recent_keys_are_those_of_a_local_window():
    """Without initial keys nothing is renumbered: the parameters of the standard model under local:5."""
    standard, local = (model_config(**SMALL, attention=a) for a in ("standard", "local:5"))
    np.testing.assert_allclose(losses(standard, 0, 5), losses(local), atol=1e-5)


def test_initial_keys_of_learned_positions_stay_where_they_are():
    shape = SMALL | {"positions": "learned"}
    standard, local = (model_config(**shape, attention=a) for a in ("standard", "first:2+local:5"))
    np.testing.assert_allclose(losses(standard, 2, 5), losses(local), atol=1e-5)


@pytest.mark.parametrize("attention", ["null", "zero", "token"])
def test_evicting_the_null_leaves_the_standard_model(attention):
    """Of equal parameters; a sink token's row of the embedding is all that the standard model has not."""
    config, standard = model_config(**SMALL, attention=attention), model_config(**SMALL)
    for cache in ((), (1, 4)):
        np.testing.assert_allclose(losses(config, *cache, keep_null=False), losses(standard, *cache), atol=1e-5)
    assert np.abs(losses(config) - losses(standard)).max() > 1e-3


def test_layers_in_a_scan_are_layers_written_out():
    config = SMALL | {"layers": 4, "attention": "null"}
    python, scan = (model_config(**config, compute__layer_loop=loop) for loop in ("python", "scan"))
    np.testing.assert_allclose(losses(scan, 1, 4), losses(python, 1, 4), atol=1e-5)


def test_bad_caches_are_one_line_each():
    with pytest.raises(InputError, match="recent must be >= 1, got 0"):
        losses(model_config(**SMALL), 4, 0)
    with pytest.raises(InputError, match="first and recent belong together, got 4 and None"):
        losses(model_config(**SMALL), 4)
    with pytest.raises(InputError, match="sigmoid attention has no normaliser"):
        losses(model_config(**SMALL, attention="sigmoid"), 0, 4)
    with pytest.raises(InputError, match="predicts no next token"):
        losses(model_config(**SMALL, causal=False), 0, 4)
