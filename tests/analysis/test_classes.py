"""Planted heads get their class, and heads of no kind get none."""

import jax.numpy as jnp
import numpy as np
import pytest

from analysis.capture.topics import topics_between_words
from analysis.capture.words import WordMaps
from analysis.measures.class_scores import repeat_scores, text_scores
from analysis.measures.classes import NONE, RULES, SINK, classify
from analysis.texts.annotations import grammar
from jattn.errors import InputError
from train.corpora.grammar import topic_of

T = 48
MASKS = {
    "causal": np.tril(np.ones((T, T), bool)),
    "window": np.tril(np.ones((T, T), bool)) & ~np.tril(np.ones((T, T), bool), -40),
    "both": np.ones((T, T), bool),
}
MARKS = np.zeros((1, T), bool)
MARKS[0, [6, 20]] = True
BLOCKS = (np.arange(T) // 24)[None]  # a head even over a much shorter paragraph is as much a local one
I, J = np.arange(T)[:, None], np.arange(T)[None]
PLANTED = {
    "previous token": J == I - 1,
    "next token": J == I + 1,
    "self": J == I,
    "delimiter": MARKS & (J != I),
    "local": (abs(I - J) < 8),
    "paragraph": BLOCKS[0][:, None] == BLOCKS[0],
    "long range": abs(I - J) >= 32,
}


def planted(pattern, visible):
    """Evenly on the pattern's keys, position 1 apart; where there are none, even attention."""
    keys = pattern & visible & (J > 0)
    rows = np.where(keys.any(-1, keepdims=True), keys, visible & (J > 0))
    return rows / np.maximum(rows.sum(-1, keepdims=True), 1)


def classes_of(rows, null, visible, repeats=None):
    weights = jnp.asarray(rows, jnp.float32)[None, None]
    nulls = jnp.broadcast_to(jnp.asarray(null, jnp.float32), (1, 1, T))
    scores, chance = text_scores(weights, nulls, jnp.asarray(visible), jnp.asarray(MARKS), jnp.asarray(BLOCKS))
    if repeats is not None:
        more, level = repeat_scores(weights, nulls, jnp.asarray(visible), repeats)
        scores, chance = scores | more, chance | level
    scores |= {"null_share": nulls[..., 1:].mean(-1), "first_token_share": weights[..., 1:, 0].mean(-1)}
    return classify(*({n: np.asarray(v, float) for n, v in d.items()} for d in (scores, chance)))


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_head_gets_its_class_under_any_mask_that_allows_it(name, mask):
    if name == "next token" and mask != "both":
        pytest.skip("no query sees the next token")
    found = classes_of(planted(PLANTED[name], MASKS[mask]), 0.0, MASKS[mask])
    assert found.name[0, 0] == found.active[0, 0] == name


@pytest.mark.parametrize("null", [0.0, 0.7])
@pytest.mark.parametrize("first", [0.0, 0.2])
def test_what_a_sink_takes_does_not_change_what_the_head_does_when_active(null, first):
    rows = planted(PLANTED["previous token"], MASKS["causal"]) * (1 - null - first)
    rows[:, 0] += first
    found = classes_of(rows, null, MASKS["causal"])
    assert found.active[0, 0] == "previous token"
    assert found.name[0, 0] == (SINK if null + first >= 0.5 else "previous token")
    np.testing.assert_allclose(found.nothing, null + first, atol=0.02)
    np.testing.assert_allclose(found.active_score, 1, atol=0.03)


@pytest.mark.parametrize("null", [0.0, 1 / 4])
def test_an_induction_head_is_told_by_repeated_tokens(null):
    tokens = jnp.asarray(np.tile(np.arange(T // 2), (1, 2)))
    keys = J == I - T // 2 + 1
    rows = np.where(keys.any(-1, keepdims=True), keys, MASKS["causal"] / (I + 1.0)) * (1 - null)
    found = classes_of(rows, null, MASKS["causal"], tokens)
    assert (found.name[0, 0], found.decided[0, 0]) == ("induction", "induction")
    duplicate = np.where((J == I - T // 2).any(-1, keepdims=True), J == I - T // 2, MASKS["causal"] / (I + 1.0))
    assert classes_of(duplicate * (1 - null), null, MASKS["causal"], tokens).name[0, 0] == "duplicate token"


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("null", [0, 1])
def test_even_attention_is_unclassified_and_no_further_than_chance(mask, null):
    visible = MASKS[mask]
    rows = visible / (visible.sum(-1, keepdims=True) + null)
    found = classes_of(rows, 1 - rows.sum(-1), visible, jnp.asarray(np.tile(np.arange(T // 2), (1, 2))))
    assert found.name[0, 0] == found.active[0, 0] == NONE
    np.testing.assert_allclose(found.active_score, 0, atol=1e-5)


def test_a_head_that_gives_all_to_position_1_is_a_sink_and_nothing_else():
    found = classes_of(np.eye(T)[np.zeros(T, int)], 0.0, MASKS["causal"])
    assert (found.name[0, 0], found.active[0, 0]) == (SINK, NONE)
    assert np.isnan(found.active_score[0, 0])


def test_a_window_that_leaves_no_choice_decides_nothing():
    visible = MASKS["causal"] & ~np.tril(np.ones((T, T), bool), -8)
    found = classes_of(planted(visible, visible), 0.0, visible)
    assert found.name[0, 0] == NONE  # all its keys are local, whatever it does


def test_thresholds_are_met_where_they_are_reached_and_the_first_rule_wins():
    def one(**scores):
        given = {name: np.array([[value]]) for name, value in scores.items()}
        return classify({"null_share": np.array([[0.1]])} | given, {"local": 0.4})

    assert one(previous=0.5).name[0, 0] == "previous token"
    assert one(previous=0.49).name[0, 0] == NONE
    assert one(local=0.71).name[0, 0] == "local"  # 0.4 + 0.6 / 2 = 0.7
    assert one(local=0.69).name[0, 0] == NONE
    assert one(local=1.0, previous=0.6, induction=0.6).name[0, 0] == "induction"
    assert one(local=1.0, previous=0.6, induction=np.nan).name[0, 0] == "previous token"
    near = one(local=0.61, previous=0.2)
    assert (near.name[0, 0], near.decided[0, 0]) == (NONE, "local")
    np.testing.assert_allclose(near.score, 0.35)


def test_a_score_without_sinks_is_read_before_the_one_with():
    shares = {"first_token_share": np.array([[0.3]])}
    given = {"previous": np.array([[0.1]]), "previous_sinkless": np.array([[0.9]])}
    found = classify(shares | given, {"previous": 0.0, "previous_sinkless": 0.1})
    assert (found.name[0, 0], found.decided[0, 0]) == ("previous token", "previous_sinkless")
    np.testing.assert_allclose(found.score, 0.8 / 0.9)


def test_what_cannot_be_classified_is_refused_in_one_line():
    with pytest.raises(InputError, match="neither null_share nor first_token_share"):
        classify({"previous": np.ones((1, 1))})
    with pytest.raises(InputError, match=r"head 0\.1 is no number; NaN weights"):
        classify({"null_share": np.array([[0.1, np.nan]])})


def test_every_rule_has_a_threshold_that_is_a_share():
    assert all(0 < rule.threshold < 1 for rule in RULES)
    assert len({rule.measure for rule in RULES}) == len(RULES)


def word_maps(sentences, wanted):
    """Maps of one head that is even over the words j < i with wanted(word i, word j), else over all earlier ones."""
    W = max(len(s.spans) for s in sentences)
    maps = np.zeros((len(sentences), 1, 1, W, W), np.float32)
    for s, sentence in enumerate(sentences):
        words = [sentence.text[a:b] for a, b in sentence.spans]
        for i, word in enumerate(words):
            keys = [j for j in range(i) if wanted(word, words[j])] or range(i + 1)
            maps[s, 0, 0, i, list(keys)] = 1 / len(keys)
    none = np.zeros(maps.shape[:-1], np.float32)
    return WordMaps(sentences, maps / 2, none + 0.5, none, True)  # half on the null, which changes nothing


def test_a_head_that_looks_for_its_topic_gets_the_class_topic_and_an_even_one_does_not():
    sentences = grammar(300)
    same = word_maps(sentences, lambda a, b: topic_of(a) is not None and topic_of(a) == topic_of(b))
    score, baseline = topics_between_words(same)
    assert score[0, 0] > 0.5
    assert baseline[0, 0] < 0.2
    null = {"null_share": np.array([[0.1]])}
    assert classify(null | {"topic": score}).name[0, 0] == "topic"
    score, baseline = topics_between_words(word_maps(sentences, lambda a, b: False))
    np.testing.assert_allclose(score, 0, atol=1e-6)
    assert baseline[0, 0] > 0.05
    assert classify(null | {"topic": score}).name[0, 0] == NONE
