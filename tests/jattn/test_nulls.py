"""A null merged into attention is an explicit extra key: the same values, the same gradients, the same shares."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from jattn import masks, nulls
from jattn.attention_layer import NullTerm
from jattn.config import ModelConfig, NullConfig
from jattn.functional import attention
from jattn.nulls import Null, null_mass
from jattn.partial import Partial
from jattn.variants import NULLS, parse_attention

pytestmark = pytest.mark.usefixtures("x64")
close: dict[str, Any] = {"rtol": 1e-12, "atol": 1e-12}
B, T, S, N, K, H = 2, 5, 7, 4, 2, 3
SEEN = np.arange(S) <= np.arange(T)[:, None]
CAUSAL = masks.causal()
attention = jax.jit(attention, static_argnames=("implementation", "return_lse", "scale"))


def causal_attention(q, k, v, null=None, implementation="dense", return_lse=False) -> Any:
    return attention(q, k, v, mask=CAUSAL, null=null, implementation=implementation, return_lse=return_lse)


def real_lse(x):
    return causal_attention(**x, return_lse=True).lse


def value_and_gradients(f, cotangent):
    @jax.jit
    def both(*arguments):
        out, pull = jax.vjp(f, *arguments)
        return out, *pull(cotangent)

    return both


def normal(seed, *shape):
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape))


def qkv():
    return {"q": normal(0, B, T, N, H), "k": normal(1, B, S, K, H), "v": normal(2, B, S, K, H)}


def with_extra_column(q, k, v, s, v_null):
    """The independent form: the null's score is one more column of the score matrix, its value one more value."""
    k, v = (jnp.repeat(x, N // K, 2) for x in (k, v))
    x = jnp.where(SEEN, jnp.einsum("btnh,bsnh->bnts", q, k) / np.sqrt(H), -jnp.inf)
    p = jax.nn.softmax(jnp.concatenate([x, s.swapaxes(1, 2)[..., None]], -1))
    return jnp.einsum("bnts,bsnh->btnh", p[..., :S], v) + p[..., S].swapaxes(1, 2)[..., None] * v_null


# Each form of null twice: as the library makes it, and as an explicit score (B T N) and value for the extra column.
def explicit_key(q, k_null, logit):
    return (q * k_null).sum(-1) / np.sqrt(H) + logit


FORMS = {
    "zero": ((), lambda q: nulls.zero(q), lambda q: (jnp.zeros((B, T, N)), 0.0)),
    "logit": (
        ("logit",),
        lambda q, logit: nulls.logit(q, logit),
        lambda q, logit: (jnp.zeros((B, T, N)) + logit, 0.0),
    ),
    "key": (
        ("k_null", "logit"),
        lambda q, k_null, logit: nulls.key(q, k_null, logit),
        lambda q, k_null, logit: (explicit_key(q, k_null, logit), 0.0),
    ),
    "key_value": (
        ("k_null", "logit", "v_null"),
        lambda q, k_null, logit, v_null: nulls.key(q, k_null, logit, v_null),
        lambda q, k_null, logit, v_null: (explicit_key(q, k_null, logit), v_null),
    ),
    "fixed_value": (
        ("k_null", "logit"),
        lambda q, k_null, logit: nulls.fixed_value(q, k_null, logit, 2.5),
        lambda q, k_null, logit: (explicit_key(q, k_null, logit), np.array([2.5, 0.0, 0.0])),
    ),
    "any_null": (
        ("s", "v_each"),
        lambda q, s, v_each: Null(s, v_each),
        lambda q, s, v_each: (s, v_each),
    ),
}
PARAMETERS = {
    "logit": normal(3, N),
    "k_null": normal(4, N, H),
    "v_null": normal(5, N, H),
    "s": normal(6, B, T, N),
    "v_each": normal(7, B, T, N, H),
}


@pytest.mark.parametrize(("form", "implementation"), [*((form, "blocks") for form in FORMS), ("key_value", "dense")])
def test_merged_null_equals_an_extra_key_column_in_values_and_all_gradients(form, implementation):
    names, make, explicit = FORMS[form]
    x, null = qkv(), {name: PARAMETERS[name] for name in names}

    def merged(x, null):
        return causal_attention(**x, null=make(x["q"], **null), implementation=implementation)

    def column(x, null):
        return with_extra_column(**x, **dict(zip(("s", "v_null"), explicit(x["q"], **null), strict=True)))

    cotangent = normal(8, B, T, N, H)
    got, expected = (value_and_gradients(f, cotangent)(x, null) for f in (merged, column))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, **close), got, expected)


def test_gradient_of_the_score_is_minus_null_mass_times_output_dot_cotangent():
    """With v = 0 the output is (1 - p) o_real, so d out/d s = -p (1 - p) o_real = -p out."""
    x, s, cotangent = qkv(), normal(3, B, T, N), normal(4, B, T, N, H)
    out, d_s = value_and_gradients(lambda s: causal_attention(**x, null=Null(s)), cotangent)(s)
    p = 1 / (1 + np.exp(real_lse(x) - s))
    np.testing.assert_allclose(d_s, -p * np.einsum("btnh,btnh->btn", out, cotangent), **close)


def test_null_of_score_minus_infinity_or_minus_ten_thousand_is_plain_softmax():
    x, cotangent = qkv(), normal(3, B, T, N, H)

    def f(x, s):
        return causal_attention(**x, null=Null(jnp.full((B, T, N), s), PARAMETERS["v_null"]))

    with_null = value_and_gradients(f, cotangent)
    plain, d_plain = value_and_gradients(lambda x: causal_attention(**x), cotangent)(x)
    for s in (-jnp.inf, -1e4):
        out, d_x, d_s = with_null(x, s)
        np.testing.assert_allclose(out, plain, **close)
        assert d_s == 0.0
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, **close), d_x, d_plain)


def test_null_of_score_ten_thousand_takes_all_attention_and_is_finite_in_float32():
    x = {name: a.astype(jnp.float32) for name, a in qkv().items()}
    v_null = PARAMETERS["v_null"].astype(jnp.float32)
    s, ones = jnp.full((B, T, N), 1e4, jnp.float32), jnp.ones((B, T, N, H), jnp.float32)
    out, *gradients = value_and_gradients(lambda x, s: causal_attention(**x, null=Null(s, v_null)), ones)(x, s)
    assert np.array_equal(out, np.broadcast_to(v_null, out.shape))
    assert np.all(null_mass(real_lse(x), s) == 1.0)
    assert all(np.all(np.isfinite(g)) for g in jax.tree.leaves(gradients))


def softmax_off_by_one(x):
    """exp(x) / (1 + sum exp(x)), stable: the 1 is shifted with the rest."""
    high = np.maximum(x.max(-1, keepdims=True), 0.0)
    return np.exp(x - high) / (np.exp(-high) + np.exp(x - high).sum(-1, keepdims=True))


def shifted_too_late(x):
    """The common mistake: 1 is added after the maximum is subtracted, so the null's score is the row's maximum."""
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / (1 + e.sum(-1, keepdims=True))


def test_zero_null_is_softmax_off_by_one_and_not_its_wrongly_shifted_form():
    x = qkv()
    k, v = (np.repeat(x[name], N // K, 2) for name in "kv")
    scores = np.einsum("btnh,bsnh->bnts", x["q"], k) / np.sqrt(H)
    out = attention(**x, null=nulls.zero(x["q"]), implementation="dense")
    np.testing.assert_allclose(out, np.einsum("bnts,bsnh->btnh", softmax_off_by_one(scores), v), **close)
    wrong = np.einsum("bnts,bsnh->btnh", shifted_too_late(scores), v)
    assert np.abs(out - wrong).max() > 0.1


def test_uniform_scores_with_a_zero_null_give_t_over_t_plus_one():
    q, ones = jnp.zeros((1, 9, 2, 3)), jnp.ones((1, 9, 2, 3))
    t = np.arange(1, 10)
    out = causal_attention(q, ones, ones, null=nulls.zero(q))
    np.testing.assert_allclose(out, np.broadcast_to((t / (t + 1))[:, None, None], out.shape), **close)


def test_attention_without_the_null_renormalised_is_plain_softmax():
    x = qkv()
    null = nulls.logit(x["q"], PARAMETERS["logit"])
    mass = null_mass(real_lse(x), null.s)
    with_null = causal_attention(**x, null=null)
    np.testing.assert_allclose(with_null / (1 - mass)[..., None], causal_attention(**x), **close)


def test_null_mass_is_the_nulls_exponential_over_the_whole_normaliser():
    x = qkv()
    null = nulls.key(x["q"], PARAMETERS["k_null"], PARAMETERS["logit"])
    real, merged = real_lse(x), causal_attention(**x, null=null, return_lse=True)
    np.testing.assert_allclose(merged.lse, np.log(np.exp(real) + np.exp(null.s)), **close)
    np.testing.assert_allclose(null_mass(real, null.s), np.exp(null.s - merged.lse), **close)


def test_merging_two_nulls_is_two_extra_keys():
    """A result with a null is a Partial like any other: a second zero null makes t / (t + 2)."""
    q, ones = jnp.zeros((1, 4, 2, 3)), jnp.ones((1, 4, 2, 3))
    once = causal_attention(q, ones, ones, null=nulls.zero(q), return_lse=True)
    t = np.arange(1, 5)
    twice = nulls.add_null(once, nulls.zero(q))
    np.testing.assert_allclose(twice.out, np.broadcast_to((t / (t + 2))[:, None, None], (1, 4, 2, 3)), **close)


@pytest.mark.parametrize("scale", [None, 1.0, 0.3])
def test_key_null_uses_the_scale_of_the_real_keys(scale):
    """A null key that equals the only real key takes half of the attention, whatever the scale."""
    k = normal(0, N, H)
    q = normal(1, 1, 1, N, H)
    only = k[None, None]
    real = attention(q, only, only, scale=scale, implementation="dense", return_lse=True)
    assert isinstance(real, Partial)
    np.testing.assert_allclose(null_mass(real.lse, nulls.key(q, k, scale=scale).s), 0.5, **close)


def test_fixed_value_is_a_multiple_of_the_first_axis():
    found = nulls.fixed_value(normal(0, 1, 1, 2, 3), normal(1, 2, 3), norm=2.5)
    assert np.array_equal(found.v, [[2.5, 0, 0], [2.5, 0, 0]])


def test_every_null_of_the_attention_string_is_tested_here():
    assert set(NULLS) <= set(FORMS)


@pytest.mark.parametrize("name", NULLS)
def test_null_of_a_model_is_what_its_row_says(name):
    """It learns the parameters of its row, one set for each query head, and has a value where the row says so."""
    (layer,) = parse_attention(name)
    config = ModelConfig(heads=N, kv_heads=1, width=N * 4, null=NullConfig(logit_init=0.5))
    term = NullTerm(config, layer, rngs=nnx.Rngs(0, extra=1))
    shapes = {"key": (N, 4), "value": (N, 4), "logit": (N,)}
    learned = {path[0]: p.shape for path, p in nnx.to_flat_state(nnx.state(term, nnx.Param))}
    assert learned == {n: shapes[n] for n in NULLS[name].parameters}
    q = normal(2, B, T, N, 4)
    found = term(q)
    assert found.s.shape == (B, T, N)
    assert bool(found.v is not None and np.any(found.v)) == NULLS[name].has_value == layer.null_has_value
    if set(NULLS[name].parameters) == {"key", "logit"}:
        key = term.key[...]  # pyright: ignore[reportAttributeAccessIssue]
        np.testing.assert_allclose(found.s, nulls.key(q, key, jnp.full(N, 0.5)).s, rtol=1e-6)


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float32])
def test_scores_of_the_null_are_float32_for_low_precision_queries(dtype):
    q = normal(0, B, T, N, H).astype(dtype)
    logit, k = PARAMETERS["logit"].astype(dtype), PARAMETERS["k_null"].astype(dtype)
    for null in (nulls.zero(q), nulls.logit(q, logit), nulls.key(q, k, logit)):
        assert null.s.dtype == jnp.float32 and null.s.shape == (B, T, N)
