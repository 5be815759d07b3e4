"""Syntax in attention: planted heads are found with their closed-form values, even attention gives chance."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from analysis.capture import language
from analysis.capture.words import WordMaps, pinned_at_random, read_words
from analysis.chapter_type import Reading, Results, Unfit
from analysis.chapters.language import CHAPTER
from analysis.measures.linguistics import (
    best,
    blocked,
    distance_matched,
    link_hits,
    mass_on,
    offset_hits,
    offset_mass,
    ratio,
    uniform,
)
from analysis.texts.annotations import encode, grammar
from analysis.texts.relations import backward, dependencies, members
from jattn.errors import InputError
from tests.planted import byte_run as made
from train import corpora
from train.corpora.annotated import Annotated
from train.tokenizers import Tokenizer

SENTENCES = grammar(36)
W = max(len(s.spans) for s in SENTENCES)
WORDS = np.array([len(s.spans) for s in SENTENCES])[:, None] > np.arange(W)
BOTH = WORDS[:, :, None] & WORDS[:, None]
CAUSAL = np.tril(BOTH)
KINDS = dependencies(SENTENCES, W)
WANTED = [backward(s.links.get("agreement", ())) for s in SENTENCES]


@pytest.fixture(scope="module")
def byte_run():
    return made("null")


@pytest.fixture(scope="module")
def language_runs(byte_run):
    return {"standard": made(), "null": byte_run}


def maps_of(weights, null=0.0, apart=0.0, causal=True):
    """WordMaps of one head whose rows are scaled to what null and apart leave."""
    weights = np.asarray(weights, np.float32)[:, None, None]
    none = np.zeros(weights.shape[:-1], np.float32)
    words = WORDS[:, None, None]
    return WordMaps(SENTENCES, weights * (1 - null - apart), none + null * words, none + apart * words, causal)


def one_hot(targets):
    """A head that puts all of word i on targets[s][i], and the rest on itself."""
    weights = np.zeros((len(SENTENCES), W, W))
    for s in range(len(SENTENCES)):
        for i in range(int(WORDS[s].sum())):
            weights[s, i, targets[s].get(i, i)] = 1
    return weights


PARENTS = one_hot([{i: h for i, h in enumerate(s.heads) if h >= 0} for s in SENTENCES])


def dep(weights, kind="either"):
    return mass_on(weights, KINDS[kind]).sum() / WORDS.sum()


def test_a_head_that_follows_every_dependency_has_the_share_of_words_with_a_head():
    with_head = sum(h >= 0 for s in SENTENCES for h in s.heads) / WORDS.sum()
    assert dep(PARENTS) == dep(PARENTS, "parent") == with_head
    assert dep(PARENTS, "child") == 0
    assert dep(PARENTS.swapaxes(1, 2), "child") == with_head


def test_even_attention_has_the_density_of_dependencies():
    expected = (KINDS["either"] & CAUSAL).sum(-1)[WORDS] / CAUSAL.sum(-1)[WORDS]
    assert np.isclose(dep(uniform(CAUSAL)), expected.mean())


def test_parent_and_child_are_each_other_turned_round_and_never_both():
    assert (KINDS["child"] == KINDS["parent"].swapaxes(1, 2)).all()
    assert not (KINDS["child"] & KINDS["parent"]).any()


def test_a_fixed_offset_scores_what_its_head_does():
    for d in (1, 2, 5):
        head = one_hot([{i: i - d for i in range(d, W)} for _ in SENTENCES])
        at = W - 2 + d  # offsets -(W - 1) .. -1, 1 .. W - 1
        assert offset_mass(KINDS["either"])[:, at].sum() == mass_on(head, KINDS["either"]).sum()
        assert np.allclose(offset_hits(WANTED, W)[:, at], link_hits(head * ~np.eye(W, dtype=bool), WANTED)[0])


def test_a_head_of_distance_alone_is_its_own_baseline():
    previous = one_hot([{i: i - 1 for i in range(1, W)} for _ in SENTENCES])
    previous[:, 0] = 0  # the first word has none before it
    assert np.allclose(distance_matched(previous[:, None], CAUSAL)[:, 0], previous, atol=1e-6)


def test_a_head_of_meaning_is_above_its_distances_and_mass_is_kept():
    matched = distance_matched(PARENTS[:, None], BOTH)[:, 0]
    assert np.allclose(matched.sum(-1), PARENTS.sum(-1), atol=1e-6)
    assert dep(matched) < 0.6 * dep(PARENTS)
    assert not matched[~BOTH].any()


def test_links_are_found_by_the_head_that_follows_them_and_by_even_attention_at_chance():
    follows = one_hot([{i: min(t) for i, t in wanted.items()} for wanted in WANTED])
    hits, asked = link_hits(follows, WANTED)
    assert (hits == asked).all() and asked.sum() == sum(map(len, WANTED))
    even, _ = link_hits(uniform(CAUSAL), WANTED)
    expected = sum(len(t) / i for wanted in WANTED for i, t in wanted.items())  # word i sees i others
    assert np.isclose(even.sum(), expected)


def test_attention_to_itself_is_no_answer_and_none_at_all_is_a_miss():
    weights = np.zeros((1, 3, 3))
    weights[0, 2] = [0.1, 0, 0.9]
    assert link_hits(weights, [{2: {0}}])[0] == 1
    assert link_hits(np.zeros((1, 3, 3)), [{2: {0}}])[0] == 0


def test_links_are_read_from_the_later_word_whichever_way_they_point():
    assert backward([(3, 1), (1, 3), (2, 5), (4, 4)]) == {3: {1}, 5: {2}}


def test_the_best_head_is_chosen_on_the_other_half():
    over = np.array([[[9.0, 0.0]], [[0.0, 9.0]]] * 4)  # head 0 is perfect on even blocks, head 1 on odd ones
    values, _ = best(over, np.full((8,), 9.0))
    assert (values == 0).all()  # each half is scored with the head that is good on the other
    truly = np.array([[[8.0, 1.0]]] * 8)
    values, head = best(truly, np.full((8,), 10.0))
    assert np.allclose(values, 0.8) and head == (0, 0)


def test_a_head_with_hardly_a_row_left_is_not_chosen():
    over, under = np.array([[[0.05, 4.0]]] * 4), np.array([[[0.05, 10.0]]] * 4)
    assert best(over, under)[1] == (0, 1)


def test_one_block_has_no_other_half():
    assert np.isnan(best(np.ones((1, 1, 2)), np.ones(1))[0]).all()


def test_blocks_keep_the_sums_and_a_share_of_nothing_is_nan():
    sums = np.arange(10.0)
    assert blocked(sums, 3).tolist() == [6, 15, 24]
    assert np.isnan(ratio(np.ones(2), np.array([1.0, 0.0]))).tolist() == [False, True]


def test_conditional_rows_do_not_depend_on_null_or_sink_and_none_is_dropped_for_being_mostly_null():
    plain, kept = maps_of(uniform(CAUSAL)).rows
    for null, apart in ((0.6, 0.0), (0.0, 0.6), (0.3, 0.5), (0.95, 0.0)):
        rows, still = maps_of(uniform(CAUSAL), null, apart).rows
        assert np.allclose(rows, plain, atol=1e-5) and (still == kept).all()
    assert not maps_of(uniform(CAUSAL), 0.95).active.any() and maps_of(uniform(CAUSAL), 0.85).active.any()


def test_a_null_of_random_mass_leaves_conditional_rows_as_they_are():
    maps = maps_of(uniform(CAUSAL), 0.0, 0.4)
    pinned = pinned_at_random(maps)
    assert pinned.null.any() and np.allclose(pinned.rows[0], maps.rows[0], atol=1e-5)


def test_words_of_one_class_and_words_without_heads_are_refused():
    flat = [Annotated("a b", ((0, 1), (2, 3)), ("X", "X"), (-1, -1))]
    with pytest.raises(InputError, match="all words are of one class"):
        members(flat, 2)
    with pytest.raises(InputError, match="no word has a head"):
        dependencies(flat, 2)


def test_classes_share_the_words_out():
    which = members(SENTENCES, W)
    assert (np.sum([word.astype(int) for word in which.values()], 0) == WORDS).all()


def test_attention_from_a_word_is_the_mean_and_to_a_word_the_sum_over_its_tokens(byte_run):
    sentence = Annotated("ab c", ((0, 2), (3, 4)), ("X", "Y"), (-1, 0))
    found = read_words(byte_run, [encode(sentence, byte_run.tokenizer, byte_run.config.model)])
    attention = np.asarray(byte_run.attention("\nab c"))  # columns: null, newline, a, b, space, c
    assert np.allclose(found.weights[0, :, :, 0, 0], attention[:, :, 1:3, 2:4].sum(-1).mean(-1), atol=1e-5)
    assert np.allclose(found.weights[0, :, :, 1, 0], attention[:, :, 4, 2:4].sum(-1), atol=1e-5)
    assert np.allclose(found.null[0, :, :, 1], attention[:, :, 4, 0], atol=1e-5)
    assert np.allclose(found.apart[0, :, :, 1], attention[:, :, 4, 1], atol=1e-5)
    rest = 1 - (found.weights.sum(-1) + found.null + found.apart)[0, :, :, 1]
    assert np.allclose(rest, attention[:, :, 4, 4], atol=1e-5)  # the space


def test_sentences_read_together_are_read_as_alone(byte_run):
    encoded = [encode(s, byte_run.tokenizer, byte_run.config.model) for s in SENTENCES[:3]]
    together = read_words(byte_run, encoded)
    for s, one in enumerate(encoded):
        alone, n = read_words(byte_run, [one]), len(one.annotated.spans)
        assert np.allclose(together.weights[s, :, :, :n, :n], alone.weights[0], atol=1e-5)


def test_a_model_that_sees_both_sides_does_not_see_what_fills_up_its_row():
    run = made(causal=False, output__kind="none")
    sentence = Annotated("ab c", ((0, 2), (3, 4)), ("X", "Y"), (-1, 0))
    encoded = encode(sentence, run.tokenizer, run.config.model)
    observe = lambda seen: seen.weights()
    attention = np.asarray(run.model(encoded.ids[None], observe=observe)[1])[:, 0]
    found = read_words(run, [encoded])
    assert np.allclose(found.weights[0, :, :, 0, 1], attention[:, :, 1:3, 4].mean(-1), atol=1e-5)
    assert found.weights[0, :, :, 0, 1].min() > 0  # it does see what comes after


def test_weights_that_are_no_numbers_are_one_line(byte_run):
    nan = {name: array * np.nan for name, array in byte_run.parameters.items()}
    broken = replace(byte_run, parameters=nan, path=Path("runs/broken"))
    with pytest.raises(InputError, match="runs/broken: attention is not finite"):
        read_words(broken, [encode(SENTENCES[0], byte_run.tokenizer, byte_run.config.model)])


def test_a_context_too_short_for_the_sentences_is_refused(language_runs):
    with pytest.raises(InputError, match=r"model.context = 96: only 0 of 20 sentences are that short"):
        words = " ".join(["word"] * 200)
        spans = tuple((5 * i, 5 * i + 4) for i in range(200))
        language.syntax(language_runs["null"], [Annotated(words, spans, ("X",) * 200, (-1,) * 200)] * 20)


def test_the_chapter_reads_runs_with_and_without_a_null_and_shows_them(language_runs, monkeypatch):
    monkeypatch.setattr("analysis.chapters.language.SENTENCES", 36)
    monkeypatch.setattr("analysis.chapters.language.PAIRS", 16)
    found, done = {}, []
    reading = Reading(np.zeros((1, 3), int), 2, "grammar")
    for name, run in language_runs.items():
        found[name] = [CHAPTER.read(run, reading, lambda *at: done.append(at))]
        layers, heads = run.config.model.layers, run.config.model.heads
        for measure, values in found[name][0].heads.items():
            assert values.shape[1:] == (layers, heads) and len(values) <= 64, measure
        given = set(found[name][0].heads) | set(found[name][0].values)
        assert {measure.removesuffix("_control") for measure in given} <= set(CHAPTER.measures)
        assert np.nanmax(found[name][0].heads["pair_a_to_b"]) < 1e-5  # causal
    assert done[-1][0] == done[-1][1]
    elements = CHAPTER.show(
        Results({n: [r] for n, r in language_runs.items()}, found, reading, dict.fromkeys(found, "k"))
    )
    assert [e.name for e in elements][:2] == ["dependency-alignment", "links"]
    assert (
        np.nanmean(found["null"][0].heads["pair_b_to_null"]) > 0 == found["standard"][0].heads["pair_b_to_null"].max()
    )


def test_a_run_on_python_reads_python_of_the_held_out_files_too(byte_run, monkeypatch):
    monkeypatch.setattr("analysis.chapters.language.SENTENCES", 36)
    documents = [f"first_{i} = call({i}, [other, {i}])\nfor x in first_{i}:\n    print(x)\n" for i in range(400)]
    monkeypatch.setitem(corpora.TEXTS, "stdlib-code", lambda: documents)
    config = replace(byte_run.config, data=replace(byte_run.config.data, corpus="stdlib-code"))
    run = replace(byte_run, config=config, meta=byte_run.meta | {"corpus": {"name": "stdlib-code", "sha256": "0"}})
    reading = Reading(np.zeros((1, 3), int), 2, "stdlib-code")
    found = CHAPTER.read(run, reading, lambda *_: None)
    held_out = set("".join(corpora.load("stdlib-code", context=64).valid).splitlines())
    assert found.detail.code.read >= 16 and set(found.detail.code.links) == {"bracket", "name-repeat"}
    assert "code_dep" in found.heads and 0 <= np.nanmean(found.values["code_links_best"]) <= 1
    assert held_out < set("".join(documents).splitlines())
    names = [e.name for e in CHAPTER.show(Results({"null": [run]}, {"null": [found]}, reading, {"null": "k"}))]
    assert "python-classes-null" in names


def test_a_language_of_symbols_is_unfit_with_the_reason(byte_run):
    run = replace(byte_run, meta=byte_run.meta | {"tokenizer": Tokenizer.symbols("abc").to_json()})
    with pytest.raises(Unfit, match="the grammar cannot be read"):
        CHAPTER.read(run, Reading(np.zeros((1, 3), int), 2, "x"), lambda *_: None)
