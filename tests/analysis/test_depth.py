"""Depth: facts of the grammar, a planted ladder that is found as planted, a chapter that reads any kind of model."""

from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest

from analysis.chapter_type import Reading, Results, Unfit
from analysis.chapters import depth, depth_ladder
from analysis.chapters.depth import CHAPTER, Ladder
from analysis.texts import probing_tasks
from jattn.errors import InputError
from tests.configs import changed, model_config
from tests.planted import run_of
from train.tokenizers import Tokenizer

BYTES = Tokenizer.train("byte", [])
SMALL = model_config(vocab_size=256, context=64, layers=2, heads=2, width=8, init__zero_outputs=False)


@pytest.fixture(autouse=True)
def few_texts(monkeypatch):
    """As many as are needed to see that it works."""
    for name, value in {"POOL": 450, "GENERAL": 30, "ATTRACTORS": 20, "HOMONYMS": 40, "PARAPHRASES": 12}.items():
        monkeypatch.setattr(probing_tasks, name, value)
    monkeypatch.setattr(depth, "MOST", 120)


def reading_of(config, windows=6, T=12):
    ids = np.random.default_rng(0).integers(1, config.vocab_size, (windows, T + 1)).astype(np.int32)
    return Reading(ids if config.causal else ids[:, :-1], T, "random")


def read(config, tokenizer=BYTES):
    return CHAPTER.read(run_of(config, tokenizer), reading_of(config), lambda done, total: None)


def rows(text, where):
    """The words of a text of the grammar with what is known of them."""
    a = next(a for a in probing_tasks.annotations.grammar(900) if where(a) and (not text or text in a.text))
    encoded = probing_tasks.annotations.encode(a, BYTES, replace(SMALL, context=200))
    return a, list(probing_tasks._rows(0, encoded, True))


def test_number_is_asked_between_subject_and_verb_alone():
    a, found = rows("", lambda a: "agreement across attractor" in a.links)
    ((verb, noun),) = a.links["agreement across attractor"]
    asked = [row["word"] for row in found if row["number"]]
    assert asked == list(range(noun + 1, verb)) and len(asked) >= 2
    form = a.text[slice(*a.spans[noun])].lower()
    many = probing_tasks.grammar.words.OF[form].many == form
    assert {row["number"] for row in found if row["number"]} == {"plural" if many else "singular"}


def test_a_topic_is_asked_after_a_noun_and_never_of_one():
    a, found = rows("", lambda a: a.senses)
    nouns = [w for w, c in enumerate(a.classes) if c == "NOUN"]
    asked = {row["word"] for row in found if row["topic"]}
    assert asked and not asked & set(nouns) and min(asked) > nouns[0]


def test_a_word_is_read_at_its_last_token():
    a, found = rows("", lambda a: a.senses)
    ids = BYTES.encode("\n" + a.text)
    assert [chr(ids[row["column"]]) for row in found] == [a.text[end - 1] for _, end in a.spans]
    assert found[1]["token"] == ids[found[1]["column"]] and found[1]["previous"] == ids[found[1]["column"] - 1]


def test_position_has_eight_classes_and_tokens_at_most_thirty():
    words = probing_tasks.of_windows(np.random.default_rng(0).integers(0, 50, (40, 33)), 32)
    position, token = words.asked["position"], words.asked["token"]
    assert set(position.labels) == set(range(8)) and len(set(token.labels)) == 30
    np.testing.assert_array_equal(words.kind[token.items], token.labels)
    np.testing.assert_array_equal(words.ids[words.text, words.column], words.kind)


def planted_words():
    """Sixty texts of ten words, three facts of three classes drawn at random."""
    draw = np.random.default_rng(0)
    text, M = np.repeat(np.arange(60), 10), 600
    asked = {f: probing_tasks.Asked(np.arange(M), draw.integers(0, 3, M)) for f in ("position", "class", "topic")}
    ids = np.zeros((60, 10), np.int32)
    return probing_tasks.Words(
        ids, ids, np.full(60, 10), text, np.tile(np.arange(10), 60), draw.integers(0, 200, M), asked
    )


def planted(order, monkeypatch):
    """The ladder of states in which each fact is one direction per class at one point of the stream alone."""
    monkeypatch.setattr(depth, "MOST", 600)
    words, points = planted_words(), np.arange(3)
    states = np.random.default_rng(1).normal(size=(3, 600, 8))
    for r, fact in enumerate(order):
        states[r, :, :3] += 6 * np.eye(3)[words.asked[fact].labels]
    found = [depth._facts(words, at) for at in states]
    scores = {fact: np.stack([f[f"probe_{fact}"] for f in found], 1) for fact in order}
    return points, scores, found


def test_a_planted_fact_is_known_in_its_layer_and_nowhere_else(monkeypatch):
    order = ("position", "class", "topic")
    _, scores, found = planted(order, monkeypatch)
    for r, fact in enumerate(order):
        known = scores[fact].mean(0)
        assert known[r] > 0.97 and np.abs(np.delete(known, r)).max() < 0.15
        assert found[r][f"compression_{fact}"] > 4 > 1.05 > found[(r + 1) % 3][f"compression_{fact}"]
    assert found[1]["selectivity_class"].mean() > 0.5 and "selectivity_position" not in found[0]


@pytest.mark.parametrize(
    ("order", "says"), [(("position", "class", "topic"), "holds"), (("topic", "class", "position"), "does not hold")]
)
def test_a_planted_ladder_is_told_as_planted(order, says, monkeypatch):
    points, scores, _ = planted(order, monkeypatch)
    ladder = Ladder(points, scores, {}, {}, {}, np.eye(3), {}, None)
    assert depth_ladder.order_share(points, scores) == (says == "holds")
    assert f"the order {says} (" in depth_ladder.verdict("group", [ladder, ladder])


def test_an_order_that_texts_do_not_settle_is_said_to_be_unsettled():
    """Three facts with the same noisy scores: each of the six orders of resampled texts is as likely."""
    noisy = 0.5 + 0.3 * np.random.default_rng(0).normal(size=(20, 4))
    scores = dict.fromkeys(("position", "class", "topic"), noisy)
    share = depth_ladder.order_share(np.arange(4), scores)
    assert abs(share - 1 / 6) < 0.06
    told = depth_ladder.verdict("group", [Ladder(np.arange(4), scores, {}, {}, {}, np.eye(4), {}, None)])
    assert "is not settled" in told
    del scores["topic"]
    told = depth_ladder.verdict("group", [Ladder(np.arange(4), scores, {}, {}, {}, np.eye(4), {}, None)])
    assert told == "group: no order can be told, as nothing is known of content."


def test_the_centre_of_gravity_has_its_closed_form():
    assert depth_ladder.centre(np.array([0, 1, 2]), np.array([0.0, 1, 0])) == 1
    assert depth_ladder.centre(np.array([0, 4, 8]), np.array([1.0, 0, 1])) == 4
    assert depth_ladder.centre(np.array([0, 1, 2]), np.array([-9.0, 0.5, 1.5])) == 1.75
    assert np.isnan(depth_ladder.centre(np.array([0, 1]), np.array([0.04, -1])))


def test_deep_models_are_read_at_eight_layers_and_the_last():
    assert depth.points_of(4).tolist() == [0, 1, 2, 3, 4]
    assert depth.points_of(30).tolist() == [0, 2, 6, 10, 14, 18, 22, 26, 30]
    found = depth.spread(np.ones((1, 9)), depth.points_of(30), 30)
    assert np.flatnonzero(np.isfinite(found[0])).tolist() == [1, 5, 9, 13, 17, 21, 25, 29]


def test_the_chapter_reads_a_model_with_a_null_and_draws_what_it_found():
    config = replace(SMALL, attention="key_value")
    found = read(config)
    assert found.heads["logit_attribution"].shape == (6, 2, 2)
    for name, values in found.layers.items():
        assert values.shape[1] == 2 and values.ndim == 2, name
    assert found.layers.keys() | found.heads.keys() | found.values.keys() <= CHAPTER.measures.keys()
    assert found.layers.keys() >= {f"probe_{f}" for f in probing_tasks.FACTS} | {
        "paraphrase_last",
        "homonym_separation",
    }
    np.testing.assert_array_equal(found.layers["lens_agreement"][:, -1], 1)
    parts = sum(found.values[f"logit_{n}"] for n in ("embedding", "heads", "nulls", "mlps", "biases"))
    assert np.abs(found.values["logit_nulls"]).max() > 0 and np.isfinite(parts).all()
    np.testing.assert_allclose(np.diag(found.detail.cka), 1, atol=1e-6)
    run, colours = run_of(config, BYTES), {"null": "#d9730d"}
    shown = CHAPTER.show(Results({"null": [run]}, {"null": [found]}, reading_of(config), colours))
    assert [e.name for e in shown] == ["ladder", "lens", "cka", "attribution", "facts"]


def test_a_tokenizer_that_cannot_write_the_grammar_is_asked_of_the_surface_alone():
    config = replace(SMALL, vocab_size=20)
    found = read(config, Tokenizer.symbols("abcdefghijklmnopqrst"))
    assert set(found.detail.scores) == {"position", "token", "previous"}
    assert "nothing is known of syntax and content" in depth_ladder.verdict("g", [found.detail])


def test_a_model_that_sees_both_sides_is_probed_but_has_no_lens_and_its_filling_is_not_seen():
    config = changed(
        SMALL, causal=False, norm__position="post", output__kind="mlm", mlp__activation="gelu", positions="learned"
    )
    found = read(config)
    assert "probe_class" in found.layers and "lens_loss_nats" not in found.layers and not found.heads
    run = run_of(config, BYTES)
    words = probing_tasks.of_grammar(BYTES, config, 64)
    states, shorter = depth.states_of(run, words, np.arange(3)), int(words.lengths.argmin())
    alone = words.ids[shorter : shorter + 1, : words.lengths[shorter]]
    told = depth._stream(config, run.parameters, alone, np.zeros_like(alone), np.zeros(alone.shape, bool))
    here = words.text == shorter
    np.testing.assert_allclose(states[:, here], np.asarray(told)[:, 0, words.column[here]], atol=1e-5)


def test_no_layers_and_broken_weights_are_said_in_one_line():
    with pytest.raises(Unfit, match="a model without layers has no depth"):
        read(replace(SMALL, layers=0))
    run = run_of(SMALL, BYTES)
    broken = run.parameters | {"token_rows": run.parameters["token_rows"].at[:].set(jnp.nan)}
    with pytest.raises(InputError, match="runs/made: the residual stream holds a NaN or an infinity") as error:
        CHAPTER.read(replace(run, parameters=broken), reading_of(SMALL), lambda done, total: None)
    assert "\n" not in str(error.value)
