"""Numbers of the page are the project's own measures; a class is what planted heads were planted as."""

import jax.numpy as jnp
import numpy as np
import pytest

from analysis.measures.text_maps import Marks
from analysis.measures.text_measures import text_measures
from analysis.viewer.attention import Attention
from analysis.viewer.statistics import COLUMNS, columns, measured
from tests.analysis.viewer.conftest import attention, made

TOKENS = [" the", " cat", " sat", ",", " on", " the", " mat", ".", "\n", " the", " cat", " sat"] * 4


def of_row(place, T, rest=0.0):
    """A head whose query t gives all but `rest` to key place(t), and the rest evenly to what it sees."""
    weights = np.tril(np.ones((T, T))) / np.arange(1, T + 1)[:, None] * rest
    for t in range(T):
        weights[t, place(t)] += 1 - rest
    return weights.astype(np.float32)


@pytest.mark.parametrize("null", [False, True])
@pytest.mark.parametrize("causal", [False, True])
def test_every_statistic_equals_that_of_text_measures(null, causal):
    T = len(TOKENS)
    weights, mass = attention(3, T, null=null, causal=causal, seed=4)
    side = Attention.of("mine", [weights], TOKENS, null=[mass] if null else None)
    t = side.tokens
    ids, delimiters, paragraphs = (jnp.asarray(a)[None] for a in (t.ids, t.delimiters, t.paragraphs))
    marks = Marks(ids, {}, delimiters, paragraphs)
    given = np.zeros((1, 3, T), np.float32) if mass is None else mass[None]
    given, maps, visible = (jnp.asarray(a) for a in (given, weights[None], side.visible(0)))
    expected = text_measures(maps, given, visible, marks, causal)
    found = measured(side)[0].values
    for column in COLUMNS:
        if column.measure == "largest":
            continue
        if column.measure == "null_share" and not null:
            assert np.isnan(found["null_share"]).all(), "a model without a null has no share of it"
            continue
        np.testing.assert_allclose(found[column.measure], expected[column.measure][0], atol=1e-5, err_msg=column.name)


def test_planted_heads_have_their_class():
    T = 48
    ids = np.unique(TOKENS, return_inverse=True)[1]

    def match(t):  # what followed the last copy of the query's token
        earlier = np.flatnonzero(ids[:t] == ids[t])
        return earlier[-1] + 1 if len(earlier) else 0

    heads = {
        "previous token": lambda t: max(t - 1, 0),
        "self": lambda t: t,
        "sink": lambda t: 0,
        "induction": match,
    }
    weights = np.stack([of_row(place, T, rest=0.05) for place in heads.values()] + [of_row(lambda t: t, T, rest=1.0)])
    side = Attention.of("planted", [weights], TOKENS)
    assert measured(side)[0].pattern_class.tolist() == [*heads, "unclassified"]


def test_induction_is_not_told_from_a_few_accidental_copies():
    T = 12
    tokens = [f"{i}" for i in range(T - 1)] + ["3"]
    weights = np.stack([of_row(lambda t: 4 if t == T - 1 else t // 2, T, 0.3)])
    assert measured(Attention.of("x", [weights], tokens))[0].pattern_class[0] != "induction"


def test_a_head_on_the_null_is_a_sink_like_one_on_the_first_token():
    weights, _ = attention(1, 10)
    null = np.full((1, 10), 0.9, np.float32)
    side = Attention.of("x", [weights * 0.1], list("abcdefghij"), null=[null])
    assert measured(side)[0].pattern_class[0] == "sink"


def test_heads_of_layers_that_differ_in_number_each_have_theirs():
    side = Attention.of("ragged", [attention(n, 12, seed=n)[0] for n in (1, 3)], TOKENS[:12])
    assert [len(m.pattern_class) for m in measured(side)] == [1, 3]
    assert [len(m.values["self_raw"]) for m in measured(side)] == [1, 3]


def test_of_another_texts_keys_only_what_is_defined_is_said():
    weights = np.zeros((2, 4, 6), np.float32)
    weights[0, :, 2] = 1  # one key
    weights[1] = 1 / 6  # evenly
    side = Attention.of("cross", [weights], list("abcd"), keys=list("123456"))
    found = measured(side)
    assert {c.measure for c in columns([found])} == {"first_token_share", "largest", "entropy_normalised", "keys_90"}
    values = found[0].values
    np.testing.assert_allclose(values["entropy_normalised"], [0, 1], atol=1e-6)
    np.testing.assert_allclose(values["keys_90"], [1, 6])
    np.testing.assert_allclose(values["largest"], [1, 1 / 6], atol=1e-7)
    np.testing.assert_allclose(values["first_token_share"], [0, 1 / 6], atol=1e-7)


def test_rows_without_a_normaliser_are_divided_by_their_sum():
    weights, _ = attention(2, 12)
    a = measured(Attention.of("a", [weights], TOKENS[:12]))[0]
    b = measured(Attention.of("b", [0.2 * weights], TOKENS[:12], softmax=False))[0]
    for name, value in a.values.items():
        np.testing.assert_allclose(b.values[name], value, atol=1e-4, err_msg=name)


@pytest.mark.parametrize("T", [1, 2, 3])
def test_the_shortest_texts_have_a_class_and_no_wrong_number(T):
    side = made(T=T, null=True)
    for layer in measured(side):
        assert len(layer.pattern_class) == 3
        assert not any(np.isinf(v).any() for v in layer.values.values())


def test_columns_without_a_number_are_left_out():
    names = {c.measure for c in columns([measured(made())])}
    assert "null_share" not in names and "long_raw" not in names, "no null, and no key 32 tokens away"
    assert "null_share" in {c.measure for c in columns([measured(made(null=True))])}


def test_a_jax_array_is_as_good():
    weights, _ = attention(2, 12)
    a, b = (measured(Attention.of("x", [f(weights)], TOKENS[:12]))[0] for f in (np.asarray, jnp.asarray))
    np.testing.assert_array_equal(a.values["self_raw"], b.values["self_raw"])
