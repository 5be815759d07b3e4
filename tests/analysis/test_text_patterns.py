"""Delimiters, paragraphs and topics: planted ones are found, and even attention has none."""

import jax.numpy as jnp
import numpy as np
import pytest

from analysis.measures import patterns, text_patterns
from analysis.texts.marks import delimiters, paragraphs
from jattn.errors import InputError
from train.tokenizers import Tokenizer

T = 16
CAUSAL = np.tril(np.ones((T, T), bool))
WINDOW = CAUSAL & ~np.tril(np.ones((T, T), bool), -6)
BOTH = np.ones((T, T), bool)
MASKS = pytest.mark.parametrize("visible", [CAUSAL, WINDOW, BOTH], ids=["causal", "window", "both"])


def even(visible, null=False):
    return patterns.uniform_over(visible, null)[None, None]


def test_delimiters_are_punctuation_line_breaks_and_special_tokens():
    tokenizer = Tokenizer.symbols("a1 .,;-\n+\t(", bos=True)
    found = {tokenizer.token(int(i)) for i in np.flatnonzero(delimiters(tokenizer))}
    assert found == {".", ",", ";", "-", "\n", "(", "<bos>"}


def test_delimiters_may_carry_a_space_and_no_letter():
    text = "one , two. three ... four.five (six)\n\n" * 30
    tokenizer = Tokenizer.train("bpe", [text], 280)
    marked = delimiters(tokenizer)
    assert not any(c.isalnum() for i in np.flatnonzero(marked) for c in tokenizer.token(int(i)))
    assert {" ,", "\n\n"} <= {tokenizer.token(int(i)) for i in np.flatnonzero(marked)}


def test_a_delimiter_is_neither_the_query_nor_position_1():
    marks = np.zeros((1, 5), bool)
    marks[0, [0, 2]] = True
    pattern = np.asarray(text_patterns.delimiter_pattern(marks))[0]
    np.testing.assert_array_equal(pattern, [[j == 2 and i != 2 for j in range(5)] for i in range(5)])


@MASKS
def test_a_delimiter_head_scores_one_and_even_attention_its_chance(visible):
    marks = np.zeros((1, T), bool)
    marks[0, [4, 9]] = True
    pattern = text_patterns.delimiter_pattern(marks) & visible
    head = np.where(np.asarray(pattern), 1.0, np.eye(T) * ~np.asarray(pattern.any(-1))[..., None])
    head = jnp.asarray(head / head.sum(-1, keepdims=True), jnp.float32)[:, None]
    np.testing.assert_allclose(patterns.raw_mass(head, pattern), 1, rtol=1e-6)
    np.testing.assert_allclose(
        patterns.raw_mass(even(visible), pattern)[:, 0], patterns.chance(pattern, visible), rtol=1e-6
    )


def test_paragraphs_end_at_blank_lines_and_lines_at_every_one():
    text = "ab\nc\n\n de\n \n\nf"
    tokenizer = Tokenizer.train("char", [text])
    tokens = tokenizer.encode(text)[None]
    by_blank = "".join(map(str, paragraphs(tokenizer, tokens)[0]))
    by_line = "".join(map(str, paragraphs(tokenizer, tokens, breaks=1)[0]))
    assert by_blank == "00000001111112"  # white space stays with what it follows, up to the first ink
    assert by_line == "00011112222223"
    with pytest.raises(InputError, match=r"breaks .* must be >= 1, got 0"):
        paragraphs(tokenizer, tokens, breaks=0)


def test_a_head_within_its_paragraph_scores_one_and_even_attention_the_share_of_its_keys():
    blocks = np.repeat(np.arange(4), 4)[None]
    pattern = text_patterns.paragraph_pattern(blocks)
    head = even(CAUSAL & np.asarray(pattern[0]))
    np.testing.assert_allclose(patterns.raw_mass(head, pattern), 1, rtol=1e-6)
    np.testing.assert_allclose(patterns.chance(pattern, BOTH), [1 / 4], rtol=1e-6)
    np.testing.assert_allclose(
        patterns.chance(pattern, CAUSAL), [np.mean([(t % 4 + 1) / (t + 1) for t in range(T)])], rtol=1e-6
    )


def test_dense_blocks_are_those_with_attention_in_them():
    own = text_patterns.paragraph_pattern(np.repeat(np.arange(4), 4)[None])[0]
    head = even(CAUSAL & np.asarray(own))
    np.testing.assert_allclose(text_patterns.dense_blocks(head, CAUSAL, 4), 4 / 10, rtol=1e-6)  # the diagonal, of 10
    np.testing.assert_allclose(text_patterns.dense_blocks(head, BOTH, 4), 4 / 16, rtol=1e-6)
    np.testing.assert_allclose(text_patterns.dense_blocks(even(BOTH), BOTH, 4, tau=0.24), 1, rtol=1e-6)  # 1/4 each
    np.testing.assert_allclose(text_patterns.dense_blocks(even(BOTH), BOTH, 4, tau=0.26), 0, rtol=1e-6)


def test_blocks_that_do_not_divide_the_text_leave_a_smaller_last_one():
    self_only = jnp.eye(T)[None, None]
    np.testing.assert_allclose(text_patterns.dense_blocks(self_only, CAUSAL, 5), 4 / 10, rtol=1e-6)
    np.testing.assert_allclose(text_patterns.dense_blocks(self_only, CAUSAL, T, tau=0.99), 1, rtol=1e-6)
    with pytest.raises(InputError, match=f"size must be from 1 to T = {T} tokens, got 0"):
        text_patterns.dense_blocks(self_only, CAUSAL, 0)


def topics(seed=0, B=6):
    """Words of two topics among words of none, and tokens that are all different."""
    rng = np.random.default_rng(seed)
    return rng.integers(-1, 2, (B, T)), np.arange(B * T).reshape(B, T)


@MASKS
@pytest.mark.parametrize("null", [False, True])
def test_even_attention_has_no_topic(visible, null):
    found, tokens = topics()
    weights = jnp.broadcast_to(even(visible, null), (6, 2, T, T))
    mass, baseline = text_patterns.topic_mass(weights, found, tokens, visible, null=null)
    assert (np.asarray(mass) > 0).all()
    np.testing.assert_allclose(mass, baseline, rtol=1e-5)


def test_a_topic_head_stands_out_by_all_its_mass():
    found, tokens = topics()
    same = (found[:, :, None] == found[:, None, :]) & (found >= 0)[:, :, None] & CAUSAL & ~np.eye(T, dtype=bool)
    rows = np.where(same.any(-1, keepdims=True), same, np.eye(T))
    weights = jnp.asarray(rows / rows.sum(-1, keepdims=True), jnp.float32)[:, None]
    mass, baseline = text_patterns.topic_mass(weights, found, tokens, CAUSAL)
    np.testing.assert_allclose(baseline, 0, atol=1e-6)
    assert (np.asarray(mass) > 0.9).all()  # 1, but for pairs at a distance where no pair of two topics stands


def test_a_head_of_distance_alone_has_no_topic():
    """Under both sides' mask every query sees all keys, so mass by power-of-two distance is all there is to match."""
    found, tokens = topics(1)
    steps = np.floor(np.log2(np.maximum(np.abs(np.arange(T)[:, None] - np.arange(T)), 1)))
    weights = jnp.broadcast_to(jnp.asarray(0.5**steps / T, jnp.float32), (6, 1, T, T))
    mass, baseline = text_patterns.topic_mass(weights, found, tokens, BOTH)
    np.testing.assert_allclose(mass, baseline, rtol=1e-5)


def test_a_head_that_likes_frequent_words_has_no_topic_once_frequency_is_matched():
    found, tokens = topics(2, B=40)
    frequent = np.where(found == 0, np.random.default_rng(3).random(found.shape) < 0.8, False)
    frequent |= (found == 1) & (np.random.default_rng(4).random(found.shape) < 0.2)
    weights = jnp.asarray(np.broadcast_to(np.where(frequent, 2.0, 1.0)[:, None, None, :] / (2 * T), (40, 1, T, T)))
    weights = weights.astype(jnp.float32)
    mass, baseline = text_patterns.topic_mass(weights, found, tokens, BOTH, frequent.astype(int))
    np.testing.assert_allclose(mass, baseline, rtol=1e-5)
    mass, baseline = text_patterns.topic_mass(weights, found, tokens, BOTH)
    assert not np.allclose(mass, baseline, rtol=1e-2)


def test_copies_of_the_querys_token_are_no_topic():
    found = np.zeros((1, T), int)
    mass, _ = text_patterns.topic_mass(even(CAUSAL), found, found, CAUSAL)
    assert jnp.isnan(mass).all()


def test_queries_that_are_not_kept_change_nothing():
    """A head's dormant queries, whatever their rows hold, are in neither side; and each text may have its own mask."""
    found, tokens = topics(5)
    rng = np.random.default_rng(6)
    rows = jnp.asarray(rng.random((6, 2, T, T)) * CAUSAL, jnp.float32)
    kept = rng.random((6, 2, T)) < 0.7
    masks = np.broadcast_to(CAUSAL, (6, T, T))
    of = lambda a: text_patterns.topic_mass(a, found, tokens, masks, kept=kept)
    for one, other in zip(of(rows), of(jnp.where(kept[..., None], rows, 9.0)), strict=True):
        np.testing.assert_array_equal(one, other)
    everyone = text_patterns.topic_mass(rows, found, tokens, masks, kept=np.ones_like(kept))
    for one, other in zip(everyone, text_patterns.topic_mass(rows, found, tokens, CAUSAL), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6)
