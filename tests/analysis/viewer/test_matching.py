"""Heads of two sides: the matching is that of analysis.measures.agreement, and finds heads that only changed places."""

import numpy as np

from analysis.measures.agreement import match
from analysis.viewer.attention import Attention
from analysis.viewer.matching import QUERIES, alike, partners
from tests.analysis.viewer.conftest import attention, made

TOKENS = [f"{i}" for i in range(20)]


def test_shuffled_heads_find_themselves():
    layers = [attention(4, 20, seed=i)[0] for i in range(2)]
    orders = [[2, 0, 3, 1], [1, 0, 3, 2]]
    first = Attention.of("first", layers, TOKENS)
    other = Attention.of("other", [w[o] for w, o in zip(layers, orders, strict=True)], TOKENS)
    assert partners(other, first) == [[(i, n) for n in order] for i, order in enumerate(orders)]


def test_it_is_the_matching_of_agreement():
    a, b = made(L=3, N=4, null=True, seed=1), made(L=3, N=4, null=True, seed=9)
    maps = [np.stack([np.concatenate([x.null[..., None], x.weights], -1) for x in s.layers])[None] for s in (a, b)]
    expected = match(*maps).partner
    assert partners(a, b) == [[tuple(map(int, p)) for p in layer] for layer in expected]


def test_long_texts_are_matched_on_some_of_their_queries():
    T = 3 * QUERIES
    weights, _ = attention(3, T)
    tokens = [f"{i}" for i in range(T)]
    first, other = Attention.of("a", [weights], tokens), Attention.of("b", [weights[::-1]], tokens)
    assert partners(other, first) == [[(0, 2), (0, 1), (0, 0)]]


def test_other_shapes_and_other_texts_are_not_matched():
    assert partners(made(N=2), made(N=3)) is None
    assert partners(made(L=1), made(L=2)) is None
    assert not alike(made(), made(tokens=[f"u{i}" for i in range(12)]))


def test_the_shortest_texts_have_partners():
    for T in (1, 2, 3):
        assert len(partners(made(T=T), made(T=T, seed=5))[0]) == 3
