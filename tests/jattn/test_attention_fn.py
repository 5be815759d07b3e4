"""`attention` as a function: what it refuses, and its form for flax.nnx.MultiHeadAttention against Flax's own."""

from functools import partial
from inspect import signature

import jax
import jax.numpy as jnp
import jaxtyping
import numpy as np
import pytest
from flax import nnx

from jattn import masks, nulls
from jattn.errors import InputError
from jattn.functional import attend, attention, attention_fn
from jattn.partial import Partial

N, D = 2, 6


def layer(fn, **options):
    """Flax's layer with the same random weights for every attention_fn."""
    options = {"decode": False, **options}
    return nnx.MultiHeadAttention(N, D, attention_fn=fn, rngs=nnx.Rngs(0), **options)


def normal(seed, *shape):
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape), jnp.float32)


def off_by_one(query, key, value, **_):
    """Softmax-off-by-one in Flax's layout: a column of zero scores, dropped after the softmax."""
    x = jnp.einsum("...tnh,...snh->...nts", query, key) / np.sqrt(query.shape[-1])
    p = jax.nn.softmax(jnp.pad(x, [(0, 0)] * (x.ndim - 1) + [(0, 1)]))[..., :-1]
    return jnp.einsum("...nts,...snh->...tnh", p, value)


CAUSAL = {"is_causal": True}
CASES = {
    "plain": (attention_fn(), {}, nnx.dot_product_attention, {}),
    "causal by Flax's flag": (attention_fn(), CAUSAL, nnx.dot_product_attention, CAUSAL),
    "causal by our mask": (attention_fn(mask=masks.causal()), {}, nnx.dot_product_attention, CAUSAL),
    "zero null": (attention_fn(null=nulls.zero), {}, off_by_one, {}),
}


@pytest.mark.parametrize("queries_and_keys", [[(3, 5, D)], [(2, 3, 5, D), (2, 3, 7, D)]])
@pytest.mark.parametrize("case", CASES)
def test_layer_of_flax_gives_the_same_with_our_attention(case, queries_and_keys):
    """Self-attention; cross-attention with two batch axes."""
    ours, our_call, theirs, their_call = CASES[case]
    x = [normal(i, *shape) for i, shape in enumerate(queries_and_keys)]
    got, expected = layer(ours)(*x, **our_call), layer(theirs)(*x, **their_call)
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-6)


def test_computation_type_of_the_layer_is_kept():
    x = normal(0, 3, 5, D)
    out = layer(attention_fn(null=nulls.zero), dtype=jnp.bfloat16)(x)
    exact = layer(attention_fn(null=nulls.zero))(x)
    assert out.dtype == jnp.bfloat16
    np.testing.assert_allclose(out.astype(jnp.float32), exact, atol=0.05)


class WithNullKey(nnx.Module):
    """How a learned null joins Flax's layer: a module that holds its key, so that nnx finds the parameter."""

    def __init__(self):
        self.key = nnx.Param(normal(9, N, D // N))

    def __call__(self, *arrays, **flax):
        return attention_fn(mask=masks.causal(), null=partial(nulls.key, k=self.key[...]))(*arrays, **flax)


def test_learned_null_trains_inside_flax():
    """The loss changes along the gradient of the null key by the gradient's length."""
    model, x = layer(WithNullKey()), normal(0, 3, 5, D)
    loss = nnx.jit(lambda model: (model(x) ** 2).sum())
    gradient = nnx.grad(loss)(model)["attention_fn"]["key"][...]
    length = jnp.linalg.norm(gradient)
    before, key = loss(model), model.attention_fn.key
    key[...] += 1e-2 * gradient / length
    np.testing.assert_allclose(loss(model) - before, 1e-2 * length, rtol=0.05)


REFUSED = {
    "mask": ({}, {"mask": jnp.ones((3, 1, 5, 5), bool)}),
    "sow_weights": ({}, {"sow_weights": True}),
    "dropout_rate": ({"dropout_rate": 0.5}, {"deterministic": False}),
    "precision": ({"precision": "highest"}, {}),
    "input_positions": ({}, {"input_positions": jnp.arange(5)}),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_flax_offers_and_we_do_not_is_refused_by_name(name):
    options, call = REFUSED[name]
    if name == "input_positions" and name not in signature(nnx.MultiHeadAttention.__call__).parameters:
        pytest.skip("this release of Flax has no input_positions")
    with pytest.raises(InputError, match=f"attention_fn: {name} not supported") as error:
        layer(attention_fn(), **options)(normal(0, 3, 5, D), **call)
    assert "\n" not in str(error.value)


def test_bias_is_refused_by_name():
    x = normal(0, 3, 5, N, 3)
    with pytest.raises(InputError, match="attention_fn: bias not supported"):
        attention_fn()(x, x, x, bias=jnp.zeros((3, N, 5, 5)))


def test_dropout_is_allowed_where_it_does_nothing():
    x = normal(0, 3, 5, D)
    got = layer(attention_fn(), dropout_rate=0.5)(x, deterministic=True)
    np.testing.assert_allclose(got, layer(nnx.dot_product_attention)(x), rtol=1e-5, atol=1e-6)


def test_attention_is_the_output_of_attend_and_with_return_lse_all_of_it():
    q = normal(0, 2, 5, N, 3)
    whole = attend(q, q, q, mask=masks.causal())
    assert isinstance(whole, Partial)
    assert np.array_equal(attention(q, q, q, mask=masks.causal()), whole.out)
    merged = attention(q, q, q, mask=masks.causal(), return_lse=True)
    assert isinstance(merged, Partial)
    assert np.array_equal(merged.out, whole.out) and np.array_equal(merged.lse, whole.lse)


@pytest.fixture
def unchecked():
    """As outside the tests: shapes are not checked by annotations."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


FITTING = {"q": (2, 4, 4, 3), "k": (2, 5, 2, 3), "v": (2, 5, 2, 3)}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"k": (2, 5, 3, 3), "v": (2, 5, 3, 3)}, "key/value heads must divide query heads, got 3 and 4"),
        ({"q": (4, 4, 3)}, "q, k, v must be"),
        ({"q": (1, 4, 4, 3)}, "q, k, v must be"),
        ({"q": (2, 4, 4, 5)}, "q, k, v must be"),
        ({"v": (2, 6, 2, 3)}, "q, k, v must be"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(wrong, message, unchecked):
    with pytest.raises(InputError, match=message):
        attend(**{name: jnp.zeros(shape) for name, shape in {**FITTING, **wrong}.items()})


@pytest.mark.parametrize("implementation", ["dense", "blocks"])
@pytest.mark.parametrize("ids", [(2, 9), (3, 4)])
def test_documents_that_do_not_fit_the_queries_are_refused(ids, implementation, unchecked):
    x = jnp.zeros((2, 4, 2, 3))
    with pytest.raises(InputError, match="documents"):
        attend(x, x, x, mask=masks.documents(jnp.zeros(ids, int)), implementation=implementation)


@pytest.mark.parametrize(("name", "length"), [("q_pos", 1), ("q_pos", 5), ("k_pos", 1), ("k_pos", 4)])
def test_positions_that_do_not_fit_are_refused(name, length, unchecked):
    """A single position would otherwise be broadcast to every query."""
    q, k = jnp.zeros((2, 4, 2, 3)), jnp.zeros((2, 5, 2, 3))
    with pytest.raises(InputError, match=name):
        attend(q, k, k, mask=masks.causal(), **{name: jnp.arange(length)})
