"""Cached logits are the uncached ones, a window's cache is no larger than the window, samples follow the logits."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jattn.config import NullConfig, RopeConfig
from jattn.decode import EMPTY, empty_cache, generate, step
from jattn.errors import InputError
from jattn.model import assemble
from tests import small
from tests.configs import model_config
from tests.small import TOKENS, B, T, V

SIZES = small.SIZES | {"layers": 1}


def tiny(attention="standard", **changes):
    return small.tiny(attention, **{"layers": 1} | changes)


def build(config):
    return assemble(config, small.drawn(config))


def cached(model, chunks, length=T):
    """Logits of TOKENS, fed in chunks, and the caches after."""
    caches, start, out = empty_cache(model.config, B, length), 0, []
    for size in chunks:
        logits, caches = step(model, TOKENS[:, start : start + size], caches, start)
        out.append(logits)
        start += size
    return jnp.concatenate(out, 1), caches


# The cache -----------------------------------------------------------------------------------------------------------

CASES = [
    ("standard", {"layers": 2}),
    ("standard", {"positions": "learned", "norm__position": "post", "norm__kind": "layernorm"}),
    ("standard", {"positions": "none", "score__kind": "sigmoid_normalised", "score__soft_cap": 0.7}),
    ("local:2", {"positions": "alibi"}),
    ("first:1+local:2", {"layers": 2}),
    ("first:2+local:1", {"positions": "learned"}),
    ("zero", {}),
    ("logit", {"positions": "none"}),
    ("key", {"positions": "alibi"}),
    ("key", {"null": NullConfig(rotary="after")}),
    ("key_value+local:2", {}),
    ("fixed_value:2+first:1+local:2", {}),
    ("token", {"layers": 2}),
    ("token+local:2", {"layers": 2, "positions": "alibi"}),
    ("token+first:1+local:2+gate+value_bias", {"layers": 2, "positions": "learned"}),
    ("gate+value_bias", {}),
    ("gate:headwise", {"positions": "alibi"}),
    ("sigmoid", {}),
    ("sigmoid+local:2", {"positions": "alibi"}),
    ("local:2,null", {"layers": 3}),
    (
        "logit+local:2,logit",
        {"layers": 2, "mlp__activation": "swiglu_clamped", "mlp__experts": 3, "mlp__experts_per_token": 2},
    ),
    ("standard", {"rope": RopeConfig(scaling="yarn", factor=4.0, original_context=4)}),
    (
        "local:3",
        {
            "rope": RopeConfig(scaling="llama3", factor=8.0, original_context=16),
            "output__tied": False,
            "bias__output": True,
        },
    ),
]


@pytest.mark.parametrize(("attention", "changes"), CASES, ids=str)
def test_cached_logits_equal_uncached_logits(x64, attention, changes):
    """Fed in two chunks longer than the window, and as a prompt and then token by token."""
    model = build(tiny(attention, **changes))
    expected = model(TOKENS)
    for chunks in ([4, 3], [4, 1, 1, 1]):
        np.testing.assert_allclose(cached(model, chunks)[0], expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("attention", ["null", "first:1+local:2", "token+local:2"])
def test_cached_logits_do_not_depend_on_the_chunks(x64, attention):
    model = build(tiny(attention))
    expected = model(TOKENS)
    for chunks in ([7], [1] * 7, [1, 4, 1, 1], [3, 1, 3]):
        np.testing.assert_allclose(cached(model, chunks)[0], expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("attention", "length", "slots"),
    [("first:5+local:4", 7, 7), ("first:5+local:4", 20, 9), ("first:9+local:2", 7, 7), ("local:20", 7, 7)],
)
def test_cache_is_as_long_as_first_keys_and_window_or_as_the_text_if_that_is_shorter(x64, attention, length, slots):
    model = build(tiny(attention))
    logits, caches = cached(model, [4, 3], length)
    assert caches[0].k.shape[1] == slots
    np.testing.assert_allclose(logits, model(TOKENS), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("chunks", [[7], [4, 3], [1] * 7], ids=str)
@pytest.mark.parametrize(
    ("attention", "held"),
    [
        ("local:2", [5, 6]),
        ("first:1+local:2", [0, 5, 6]),
        ("token+local:2", [5, 6]),
        ("null", [0, 1, 2, 3, 4, 5, 6]),
    ],
)
def test_cache_holds_what_the_mask_can_still_see_and_not_a_slot_more(x64, attention, held, chunks):
    _, caches = cached(build(tiny(attention)), chunks)
    for cache in caches:
        assert sorted(cache.position.tolist()) == held
        assert cache.k.shape == cache.v.shape == (B, len(held), 2, 2)


def test_empty_cache_has_its_layers_windows_and_no_position_that_a_query_sees():
    caches = empty_cache(model_config(**SIZES | {"layers": 3}, attention="local:64,null"), batch=5, length=1000)
    assert [cache.k.shape for cache in caches] == [(5, 64, 2, 2), (5, 1000, 2, 2), (5, 64, 2, 2)]
    assert all(np.all(cache.position == EMPTY) for cache in caches)


def test_cache_has_the_type_of_the_computation():
    caches = empty_cache(model_config(**SIZES, compute__dtype="bfloat16"), 1, 4)
    assert {cache.k.dtype for cache in caches} == {jnp.dtype("bfloat16")}


# Sampling ------------------------------------------------------------------------------------------------------------


def greedy(model, prompt, length):
    """The likeliest token again and again, by a whole forward pass each (causal: what stands after is not seen)."""
    text = jnp.concatenate([prompt, jnp.zeros((prompt.shape[0], length), prompt.dtype)], 1)
    for t in range(prompt.shape[1], text.shape[1]):
        text = text.at[:, t].set(model(text)[:, t - 1].argmax(-1).astype(text.dtype))
    return text[:, prompt.shape[1] :]


def test_temperature_zero_takes_the_likeliest_token_each_time(x64):
    model = build(tiny("local:2,null", layers=2))
    expected = greedy(model, TOKENS[:, :4], 3)
    assert np.array_equal(generate(model, TOKENS[:, :4], 3, jax.random.key(0), temperature=0.0), expected)
    assert np.array_equal(generate(model, TOKENS[:, :4], 3, jax.random.key(1), temperature=3.0, top_k=1), expected)


def test_learned_positions_generate_up_to_the_context(x64):
    model = build(tiny("token+first:1+local:2", positions="learned"))
    expected = greedy(model, TOKENS, 2)
    assert np.array_equal(generate(model, TOKENS, 2, jax.random.key(0), temperature=0.0), expected)


def test_sampling_is_a_function_of_the_key():
    model = build(model_config(**SIZES, attention="null"))
    draw = jax.jit(lambda key: generate(model, TOKENS, 20, key))
    first, again, other = (draw(jax.random.key(i)) for i in (0, 0, 1))
    assert first.shape == (B, 20) and first.min() >= 0 and first.max() < V
    assert np.array_equal(first, again) and not np.array_equal(first, other)


@pytest.mark.parametrize(("temperature", "top_k"), [(1.0, None), (2.0, None), (1.5, 3), (1.0, V), (1.0, V + 5)])
def test_frequencies_of_the_next_token_follow_the_softmax_of_logits_over_temperature(x64, temperature, top_k):
    """20,000 draws from a bigram model; each frequency within 5 standard errors."""
    n = 20_000
    model = build(tiny(layers=0, output__soft_cap=2.0))
    prompt = jnp.full((n, 1), 3)
    drawn = generate(model, prompt, 1, jax.random.key(0), temperature=temperature, top_k=top_k)
    logits = np.asarray(model(prompt[:1])[0, -1])
    p = np.exp(logits / temperature) * (logits >= np.sort(logits)[::-1][: top_k or V].min())
    p = p / p.sum()
    frequency = np.bincount(np.ravel(drawn), minlength=V) / n
    assert np.all(np.abs(frequency - p) <= 5 * np.sqrt(p * (1 - p) / n))


def test_second_token_is_drawn_afresh():
    """One key serves all steps: it must be folded with the position, or every step would repeat the first's noise."""
    model = build(model_config(**SIZES | {"layers": 0}, output__soft_cap=0.01))
    drawn = generate(model, jnp.zeros((2000, 1), int), 2, jax.random.key(0))
    # Almost uniform over 11 tokens, so two independent draws agree in about 1/11 of the rows.
    agree = float((drawn[:, 0] == drawn[:, 1]).mean())
    assert abs(agree - 1 / V) < 5 * (1 / V * (1 - 1 / V) / 2000) ** 0.5 + 0.01


def test_no_tokens_are_generated_where_none_are_asked_for():
    model = build(model_config(**SIZES | {"layers": 0}))
    assert generate(model, TOKENS, 0, jax.random.key(0)).shape == (B, 0)


# Refusals ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "options", "said"),
    [
        ({"causal": False}, {}, "model.causal must be true to sample: a bidirectional model has no next token"),
        ({"positions": "learned"}, {"length": 3}, "length: prompt 7 + length 3 exceeds model.context = 9"),
        ({}, {"temperature": -1.0}, "temperature must be >= 0, got -1.0"),
        ({}, {"top_k": 0}, "top_k must be >= 1, got 0"),
        ({}, {"length": -1}, "length must be >= 0, got -1"),
    ],
    ids=str,
)
def test_what_cannot_be_generated_is_refused_in_one_line(changes, options, said):
    model = build(model_config(**SIZES | changes))
    with pytest.raises(InputError) as error:
        generate(model, TOKENS, **{"length": 2, "key": jax.random.key(0), **options})
    assert str(error.value) == said


def test_step_past_the_learned_positions_is_refused():
    model = build(model_config(**SIZES, positions="learned"))
    with pytest.raises(InputError, match=r"^text of 11 tokens is longer than model\.context = 9$"):
        step(model, TOKENS, empty_cache(model.config, B, 20), 4)
