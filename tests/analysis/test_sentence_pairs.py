"""Sentence blocks: shares that add up, planted matches found, even attention at chance."""

import numpy as np
import pytest

from analysis.measures.linguistics import mass_on, uniform
from analysis.measures.sentence_pairs import block_shares, crossing
from analysis.texts.annotations import grammar, sentence_pairs
from analysis.texts.relations import CONTENT, matches, sides
from jattn.errors import InputError

PAIRS = sentence_pairs(20)
W = max(len(s.spans) for s in PAIRS)
WORDS = np.array([len(s.spans) for s in PAIRS])[:, None] > np.arange(W)
BOTH = WORDS[:, :, None] & WORDS[:, None]


def shares_of(weights, null=0.0, apart=0.0):
    """The shares of one head with these weights, of which a part goes to the null and to tokens apart instead."""
    weights = np.asarray(weights, np.float32)[:, None, None] * (1 - null - apart)
    none = np.zeros(weights.shape[:-1], np.float32)
    words = WORDS[:, None, None]
    return block_shares(weights, none + null * words, none + apart * words, *sides(PAIRS, W))


def on_link(maps, link):
    """Attention to the words that match, and to all content words of A, per text."""
    return [mass_on(maps, pairs) for pairs in matches(PAIRS, W, link)]


def matching(link):
    """A head that goes from each word of B with this link to its match, and else to itself."""
    weights = np.zeros((len(PAIRS), W, W))
    weights[:, np.arange(W), np.arange(W)] = WORDS
    for s, pair in enumerate(PAIRS):
        for later, earlier in pair.links[link]:
            weights[s, later, later], weights[s, later, earlier] = 0, 1
    return weights


def test_the_shares_of_each_side_add_up_to_one():
    shares = shares_of(uniform(BOTH), null=0.3, apart=0.2)
    for side in "AB":
        total = sum(value for name, value in shares.items() if name.startswith(side))
        assert np.allclose(total, 1, atol=1e-5)
        assert np.allclose(shares[f"{side} to null"], 0.3, atol=1e-6)
        assert np.allclose(shares[f"{side} to apart"], 0.2, atol=1e-6)


def test_even_attention_goes_to_each_side_by_its_words():
    shares = shares_of(uniform(BOTH))
    a, b = sides(PAIRS, W)
    expected = a.sum(1) / (a.sum(1) + b.sum(1))
    for side in "AB":
        assert np.allclose(shares[f"{side} to A"][:, 0, 0], expected, atol=1e-6)
    assert np.allclose(crossing(shares)[:, 0, 0], expected, atol=1e-6)


def test_a_head_that_stays_in_its_sentence_does_not_cross_and_one_that_swaps_crosses_fully():
    a, b = sides(PAIRS, W)
    inside = uniform((a[:, :, None] & a[:, None]) | (b[:, :, None] & b[:, None]))
    across = uniform((a[:, :, None] & b[:, None]) | (b[:, :, None] & a[:, None]))
    assert np.allclose(crossing(shares_of(inside)), 0)
    assert np.allclose(crossing(shares_of(across)), 1)


def test_crossing_does_not_depend_on_the_null_and_is_undefined_without_attention_to_words():
    plain = crossing(shares_of(uniform(BOTH)))
    assert np.allclose(crossing(shares_of(uniform(BOTH), null=0.7, apart=0.2)), plain, atol=1e-4)
    assert np.isnan(crossing(shares_of(np.zeros(BOTH.shape), null=1.0))).all()


@pytest.mark.parametrize(("link", "other"), [("equal", "substitutable"), ("substitutable", "equal")])
def test_a_head_that_finds_the_match_scores_one_for_it_alone(link, other):
    maps = matching(link)[:, None, None]
    over, under = on_link(maps, link)
    assert (over == under).all() and under.sum() == sum(len(p.links[link]) for p in PAIRS)
    assert on_link(maps, other)[0].sum() == 0


def test_even_attention_finds_the_match_as_often_as_any_content_word():
    over, under = on_link(uniform(BOTH)[:, None, None], "equal")
    content = [sum(c in CONTENT for c in p.classes[: p.second]) for p in PAIRS]
    assert np.allclose((over / under).ravel(), 1 / np.array(content))


def test_a_text_without_a_second_sentence_is_refused():
    with pytest.raises(InputError, match="has no second sentence"):
        sides(grammar(1), 30)
