"""Masks against plain double loops, the laws of `&`, the blocks that hold visible keys, and causality by gradient."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jattn import masks, nulls
from jattn.errors import InputError
from jattn.functional import attention
from jattn.kernels.select import KERNELS
from jattn.masks import Mask
from jattn.partial import Partial

close: dict[str, Any] = {"rtol": 1e-12, "atol": 1e-12}
T, S = 9, 11
IDS = np.array([[0, 0, 1, 1, 1, 1, 2, 2, 2], [5, 5, 5, 5, 5, 5, 5, 4, 4]])
KEY_IDS = np.array([[0, 0, 1, 1, 3, 3, 2, 2, 2, 2, 1], [5, 5, 4, 4, 4, 4, 5, 5, 5, 5, 6]])

# Each mask and what it shows, said in words of its own: (mask, visible(batch row, query position, key position)).
EXPECTED = {
    "bidirectional": (masks.bidirectional(), lambda b, t, s: True),
    "causal": (masks.causal(), lambda b, t, s: s in range(t + 1)),
    "window(1)": (masks.window(1), lambda b, t, s: s == t),
    "window(4)": (masks.window(4), lambda b, t, s: s in (t, t - 1, t - 2, t - 3)),
    "window on both sides": (Mask(window=3), lambda b, t, s: s in (t - 2, t - 1, t, t + 1, t + 2)),
    "first_window": (
        masks.first_window(2, 3),
        lambda b, t, s: s in {0, 1, t - 2, t - 1, t} & set(range(t + 1)),
    ),
    "first_window(0, W)": (masks.first_window(0, 3), lambda b, t, s: s in (t - 2, t - 1, t)),
    "documents": (masks.documents(IDS, KEY_IDS), lambda b, t, s: IDS[b, t] == KEY_IDS[b, s]),
    "causal & documents & window": (
        masks.window(3) & masks.documents(IDS, KEY_IDS),
        lambda b, t, s: s in (t, t - 1, t - 2) and IDS[b, t] == KEY_IDS[b, s],
    ),
}


def dense(mask, queries=T, keys=S):
    return np.broadcast_to(mask.dense(np.arange(queries), np.arange(keys)), (2, 1, queries, keys))


@pytest.mark.parametrize("name", EXPECTED)
def test_dense_matrix_equals_a_double_loop(name):
    mask, visible = EXPECTED[name]
    loop = [[[[visible(b, t, s) for s in range(S)] for t in range(T)]] for b in range(2)]
    assert np.array_equal(dense(mask), loop)


def test_documents_without_key_ids_are_those_of_the_queries():
    assert np.array_equal(dense(masks.documents(IDS), T, T), (IDS[:, :, None] == IDS[:, None, :])[:, None])


@pytest.mark.parametrize("W", [1, 3, 8])
def test_window_shows_exactly_W_keys_after_the_first_W_rows(W):
    counts = dense(masks.window(W), 16, 16).sum(-1)
    assert np.array_equal(counts, np.broadcast_to(np.minimum(np.arange(1, 17), W), counts.shape))


def test_positions_decide_not_places_in_the_array():
    """One query at position 6 over keys that lie in a cache in another order."""
    k_pos = np.array([6, 2, 5, 3])
    assert np.array_equal(masks.window(3).dense(np.array([6]), k_pos)[0, 0, 0], [True, False, True, False])


# Plain values in strategies, masks in tests: (causal, window, first keys, documents).
static = st.tuples(st.booleans(), st.none() | st.integers(1, 6), st.integers(0, 4), st.none())
ids = st.lists(st.integers(0, 2), min_size=2 * T, max_size=2 * T)
with_documents = st.tuples(st.booleans(), st.none() | st.integers(1, 6), st.integers(0, 4), st.none() | ids)


def build(causal, window, first, ids):
    part = masks.bidirectional() if ids is None else masks.documents(np.array(ids).reshape(2, T))
    return Mask(causal, window, first if window else 0) & part


def both(a, b):
    """a & b, or None where it is refused or has no sides."""
    try:
        return None if a is None or b is None else a & b
    except InputError:
        return None


@settings(deadline=None)
@given(with_documents, with_documents, with_documents)
def test_and_is_the_elementwise_and_commutative_associative_and_idempotent(a, b, c):
    a, b, c = build(*a), build(*b), build(*c)
    ab, ba = both(a, b), both(b, a)
    assert (ab is None) == (ba is None)
    if ab is not None:
        expected = dense(a, T, T) & dense(b, T, T)
        assert np.array_equal(dense(ab, T, T), expected) and np.array_equal(dense(ba, T, T), expected)
    left, right = both(ab, c), both(a, both(b, c))
    if left is not None and right is not None:
        assert np.array_equal(dense(left, T, T), dense(right, T, T))
    assert np.array_equal(dense(a & a, T, T), dense(a, T, T))


@pytest.mark.parametrize("mask", [m for m, _ in EXPECTED.values() if not m.documents])
def test_every_key_is_the_neutral_element_of_and(mask):
    assert mask & masks.bidirectional() == masks.bidirectional() & mask == mask & mask == mask


def test_and_of_windows_is_refused_exactly_where_no_mask_of_this_form_shows_the_same():
    """All pairs of small windows with and without first keys; 12 positions tell every two forms apart."""
    n = 12
    forms = {Mask(c, w, f) for c in (False, True) for w in range(1, n) for f in range(n)} | {Mask(), masks.causal()}
    shown = {mask: dense(mask, n, n)[0, 0].tobytes() for mask in forms}
    small = [mask for mask in forms if mask.window is None or (mask.window <= 4 and mask.first <= 3)]
    for a in small:
        for b in small:
            seen = (dense(a, n, n) & dense(b, n, n))[0, 0].tobytes()
            combined = both(a, b)
            assert (combined is None) == (seen not in shown.values()), (a, b)
            assert combined is None or shown[combined] == seen, (a, b)


def test_refused_combination_names_both_windows_and_the_reason():
    with pytest.raises(InputError, match=r"first 4, window 2.*first 1, window 5.*must not keep more first") as error:
        masks.first_window(1, 5) & masks.first_window(4, 2)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("arguments", [{"window": 0}, {"window": -1}, {"first": -1, "window": 3}, {"first": 2}])
def test_sizes_that_mean_nothing_are_refused(arguments):
    with pytest.raises(InputError, match=next(iter(arguments))):
        Mask(**arguments)


sizes = st.integers(1, 20)


@settings(deadline=None, max_examples=300)
@given(static, sizes, sizes, st.integers(1, 8), st.integers(1, 8))
def test_block_pairs_cover_exactly_the_blocks_that_hold_a_visible_key(mask, T, S, block_T, block_S):
    mask = build(*mask)
    seen = np.asarray(mask.dense(np.arange(T), np.arange(S)))[0, 0]
    whole, edge = mask.block_pairs(T, S, block_T, block_S)
    listed = [tuple(pair) for pair in np.concatenate([whole, edge])]
    blocks = {
        (i, j): seen[i * block_T : (i + 1) * block_T, j * block_S : (j + 1) * block_S]
        for i in range(-(-T // block_T))
        for j in range(-(-S // block_S))
    }
    assert len(set(listed)) == len(listed)
    assert set(listed) == {place for place, block in blocks.items() if block.any()}
    for place in map(tuple, whole):
        assert blocks[place].all() and blocks[place].shape == (block_T, block_S)


def test_blocks_of_a_causal_mask_below_the_diagonal_skip_the_element_mask():
    whole, edge = masks.causal().block_pairs(12, 12, 4, 4)
    assert whole.tolist() == [[1, 0], [2, 0], [2, 1]] and edge.tolist() == [[0, 0], [1, 1], [2, 2]]


def normal(seed, *shape):
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape))


@pytest.mark.parametrize("name", EXPECTED)
def test_null_is_visible_under_any_mask(name, x64):
    """All values are 1, the null's too: an output is the sum of a row's weights, 1 only with the null in it."""
    q, k, ones = normal(0, 2, T, 2, 3), normal(1, 2, S, 2, 3), jnp.ones((2, S, 2, 3))
    null = nulls.Null(jnp.zeros((2, T, 2)), ones[0, 0])
    out, lse = attention(q, k, ones, mask=EXPECTED[name][0], null=null, implementation="dense", return_lse=True)
    np.testing.assert_allclose(out, 1.0, **close)
    assert np.all(np.exp(null.s - lse) > 1e-3)


@pytest.mark.parametrize(("first", "size"), [(2, 3), (4, 3), (1, 9), (9, 1)])
def test_first_keys_inside_the_window_count_once(first, size, x64):
    """Early rows see keys that are both first and in the window; the lse tells how often each was counted."""
    q, k, ones = normal(0, 1, T, 1, 3), normal(1, 1, T, 1, 3), jnp.ones((1, T, 1, 3))
    mask = masks.first_window(first, size)
    out, lse = attention(q, k, ones, mask=mask, implementation="dense", return_lse=True)
    np.testing.assert_allclose(out, 1.0, **close)
    for t in range(T):
        keys = sorted({s for s in range(t + 1) if s < first} | {s for s in range(t + 1) if s > t - size})
        scores = np.asarray(k)[0, keys, 0] @ np.asarray(q)[0, t, 0] / np.sqrt(3)
        np.testing.assert_allclose(lse[0, t, 0], np.log(np.exp(scores).sum()), **close)


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("with_null", [False, True])
def test_row_without_visible_keys_is_exactly_zero_with_zero_gradients(with_null, kernel, x64):
    """Query 1 belongs to a document that no key belongs to."""
    mask = masks.documents(np.array([[0, 7, 0]]), np.array([[0, 0, 1, 0]]))
    q, k, v = normal(0, 1, 3, 2, 3), normal(1, 1, 4, 2, 3), normal(2, 1, 4, 2, 3)
    s = normal(3, 1, 3, 2) if with_null else None

    def f(q, k, v):
        null = None if s is None else nulls.Null(s)
        return attention(q, k, v, mask=mask, null=null, implementation=kernel, return_lse=True)

    (out, lse), pull = jax.vjp(jax.jit(f), q, k, v)
    assert np.array_equal(out[:, 1], np.zeros((1, 2, 3)))
    # With a null the row attends to it alone: lse = s, so its share exp(s - lse) is 1. Without, to nothing.
    assert np.array_equal(lse[:, 1], np.full((1, 2), -np.inf) if s is None else s[:, 1])
    assert np.all(np.isfinite(out)) and np.any(out[:, 0])
    row_1 = (jnp.arange(3) == 1)[None, :, None]
    for gradient in pull(Partial(jnp.ones_like(out) * row_1[..., None], jnp.ones_like(lse) * row_1)):
        assert np.array_equal(gradient, np.zeros(gradient.shape))
    every_row = pull(Partial(jnp.ones_like(out), jnp.ones_like(lse)))
    assert all(np.all(np.isfinite(g)) and np.any(g) for g in every_row)


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("name", [n for n, (m, _) in EXPECTED.items() if m.causal and not m.documents])
def test_no_output_depends_on_a_later_token(name, kernel, x64):
    """d out[t] / d (q, k, v)[s] is zero for every s > t; it is not zero for each visible key and the query's own q.

    The null makes a second place to look at even for the first query, so that its q and k matter.
    """
    n = 7

    def f(q, k, v):
        out = attention(q, k, v, mask=EXPECTED[name][0], null=nulls.zero(q), implementation=kernel)
        assert not isinstance(out, Partial)
        return out[0, :, 0]

    inputs = [normal(seed, 1, n, 1, 2) for seed in range(3)]
    jacobians = jax.jit(jax.jacrev(f, argnums=(0, 1, 2)))(*inputs)
    to_q, to_k, to_v = (np.abs(np.asarray(j)).sum((1, 2, 4, 5)) for j in jacobians)  # T, S
    seen = dense(EXPECTED[name][0], n, n)[0, 0]
    assert not np.any(seen[np.arange(n)[None] > np.arange(n)[:, None]])
    for size, depends in ((to_q, np.eye(n, dtype=bool)), (to_k, seen), (to_v, seen)):
        assert np.all(size[~depends] == 0.0) and np.all(size[depends] > 1e-9)
