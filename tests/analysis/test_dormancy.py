"""When heads are active: planted dormant heads, Sarle's coefficient against scipy, contexts against a full sort."""

from dataclasses import replace
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import kurtosis, skew

from analysis.capture.dormancy import affordable, dormancy_of, even
from analysis.chapter_type import Reading, Results, Unfit
from analysis.chapters.dormancy import CHAPTER, MEASURES
from analysis.drawing.style import png
from analysis.elements import Cards, Plot, Table
from analysis.measures import dormancy
from jattn import ModelConfig
from jattn.errors import InputError
from train import data
from train.windows import text_of, windows_of

T = 20
CAUSAL = np.tril(np.ones((T, T), bool))
WINDOW = CAUSAL & ~np.tril(np.ones((T, T), bool), -8)
ALL = np.ones(T, bool)


def sarle(values):
    M = len(values)
    return (skew(values, bias=False) ** 2 + 1) / (kurtosis(values, bias=False) + 3 * (M - 1) ** 2 / ((M - 2) * (M - 3)))


def sums_of(values):
    return np.asarray(dormancy.power_sums(jnp.asarray(values)[None, None], np.ones(len(values), bool)), np.float64)[0]


@pytest.mark.parametrize("draw", ["uniform", "normal", "two", "tail"])
def test_bimodality_is_sarles_coefficient(draw):
    rng = np.random.default_rng(0)
    values = {
        "uniform": rng.random(500),
        "normal": 0.5 + 0.1 * rng.normal(size=500),
        "two": np.where(rng.random(500) < 0.3, 0.05, 0.9) + 0.02 * rng.random(500),
        "tail": 1 - 0.05 * rng.exponential(size=500),
    }[draw].astype(np.float32)
    np.testing.assert_allclose(dormancy.bimodality(sums_of(values)), [sarle(values.astype(np.float64))], rtol=1e-3)


def test_bimodality_has_its_closed_forms():
    many = (np.arange(20_000) + 0.5) / 20_000
    np.testing.assert_allclose(dormancy.bimodality(sums_of(many.astype(np.float32))), 5 / 9, rtol=1e-3)
    two = np.repeat([0.0, 1.0], [3_000, 7_000]).astype(np.float32)
    np.testing.assert_allclose(dormancy.bimodality(sums_of(two)), 1, rtol=1e-3)
    assert np.isnan(dormancy.bimodality(sums_of(np.full(50, 0.7, np.float32)))).all()  # no shape
    assert np.isnan(dormancy.bimodality(sums_of(np.array([0.0, 1.0, 1.0], np.float32)))).all()  # too few


def test_power_sums_of_parts_add_up():
    values = np.random.default_rng(1).random(60).astype(np.float32)
    np.testing.assert_allclose(sums_of(values[:25]) + sums_of(values[25:]), sums_of(values), rtol=1e-5, atol=1e-5)


def planted_real():
    """Head 0 is active at every fourth query, head 1 never, head 2 is of two minds."""
    active = np.where(np.arange(T) % 4 == 0, 0.95, 0.05)
    return jnp.asarray(np.stack([active, np.full(T, 0.05), np.full(T, 0.6)])[None], jnp.float32)


def test_a_planted_dormant_head_wakes_where_it_was_told_to():
    real = planted_real()
    np.testing.assert_allclose(dormancy.active_share(real, ALL)[0], [1 / 4, 0, 1])
    np.testing.assert_allclose(dormancy.undecided_share(real, ALL)[0], [0, 0, 1])
    found = dormancy.bimodality(np.asarray(dormancy.power_sums(real, ALL)))[0]
    assert found[0] > 5 / 9  # 0.84 of 20 queries; 1 of many
    assert np.isnan(found[1:]).all()
    bars = dormancy.histogram(np.asarray(real)[None], ALL[None])
    np.testing.assert_array_equal(bars.sum(-1), T)
    np.testing.assert_allclose(dormancy.both_ends(bars)[0], [1 / 4, 0, 0])


def test_queries_that_do_not_count_change_nothing():
    counted = np.arange(T) >= 4
    changed = planted_real().at[..., :4].set(1)
    for measure in (dormancy.active_share, dormancy.undecided_share, dormancy.power_sums):
        np.testing.assert_array_equal(measure(changed, counted), measure(planted_real(), counted))


def test_queries_count_where_the_readout_of_their_layer_is_defined():
    t = np.arange(1, T + 1)
    np.testing.assert_array_equal(dormancy.counted_queries(CAUSAL, null=False), t >= 5)
    np.testing.assert_array_equal(dormancy.counted_queries(WINDOW, null=True), t >= 5)
    np.testing.assert_array_equal(dormancy.counted_queries(WINDOW, null=False), t >= 5)
    np.testing.assert_array_equal(dormancy.counted_queries(CAUSAL, null=False, first=1), t >= 2)  # query 1 has one key
    with pytest.raises(InputError, match="no query from 30 on counts at T = 20"):
        dormancy.counted_queries(CAUSAL, null=True, first=30)
    with pytest.raises(InputError, match="no query from 5 on counts at T = 20"):
        dormancy.counted_queries(np.eye(T, dtype=bool), null=False)


@pytest.mark.parametrize("attention", ["standard", "null", "local:8", "null+local:8"])
def test_even_attention_is_active_by_the_null_and_dormant_by_sharpness(attention):
    config = ModelConfig(attention=attention, layers=2)
    visible, null = (WINDOW if "local" in attention else CAUSAL), "null" in attention
    counted = np.stack([dormancy.counted_queries(visible, null)] * 2)
    found = even(config, T, counted)
    n = np.minimum(np.arange(1, T + 1), 8) if "local" in attention else np.arange(1, T + 1)
    expected = np.mean((1 - 1 / (n + 1) <= 0.9)[counted[0]]) if null else 0
    assert found["active_share"] == null
    np.testing.assert_allclose(found["undecided_share"], expected, rtol=1e-6)


def test_the_nulls_readout_is_what_it_leaves():
    null = jnp.full((1, 1, T), 0.3)
    np.testing.assert_allclose(dormancy.off_null(null), 0.7, rtol=1e-6)


@pytest.mark.parametrize("keys", [1, 2, 4])
def test_sharpness_of_attention_even_over_some_of_the_keys_is_their_share_of_the_logarithm(keys):
    weights = jnp.asarray(np.tril(np.arange(T) < keys) / keys, jnp.float32)[None, None]
    found = dormancy.sharp(weights, jnp.zeros((1, 1, T)), CAUSAL)[0, 0]
    t = np.arange(4, T)
    np.testing.assert_allclose(found[4:], 1 - np.log(keys) / np.log(t + 1), atol=1e-6)
    assert jnp.isnan(found[0])


def test_of_equally_active_queries_the_one_with_the_largest_weight_is_shown():
    real = jnp.full((1, 1, T), 0.5)
    weights = jnp.zeros((1, 1, T, T)).at[0, 0, :, 0].set(0.5).at[0, 0, 9, 0].set(0.75)
    assert int(dormancy.candidates(real, weights, ALL)[1][0, 0]) == 9
    found = dormancy.no_contexts(1, 1, T, 2)
    rows = np.zeros((1, 3, 1, T), np.float32)
    rows[0, :, 0, 0] = [0.2, 0.7, 0.2]
    tokens = np.zeros((3, T), np.int32)
    found = dormancy.add_contexts(found, np.full((1, 3, 1), 0.5), np.zeros((1, 3, 1), np.int32), rows, tokens, 0)
    np.testing.assert_array_equal(found.window[0, 0], [1, 0])


def test_contexts_of_a_stream_are_those_of_everything_at_once():
    rng = np.random.default_rng(2)
    L, N, W, k = 2, 3, 23, 5
    real, counted = rng.random((L, W, N, T)), np.arange(T) >= 4
    real[:, ::3] = np.round(real[:, ::3], 1)  # some equal ones
    weights, tokens = rng.random((L, W, N, T, T)).astype(np.float32), rng.integers(0, 9, (W, T))
    found = dormancy.no_contexts(L, N, T, k)
    for start in range(0, W, 4):
        rows = slice(start, start + 4)
        of_layer = ((jnp.asarray(a[la, rows]) for a in (real, weights)) for la in range(L))
        parts = [dormancy.candidates(*arrays, counted=counted) for arrays in of_layer]
        best, query, row = (np.stack([np.asarray(p[i]) for p in parts]) for i in range(3))
        found = dormancy.add_contexts(found, best.astype(np.float64), query, row, tokens[rows], start)
    for la, n in np.ndindex(L, N):
        of_window = np.where(counted, real[la, :, n].astype(np.float32), -1)
        peaks = [max((of_window[w, t], weights[la, w, n, t].max(), -t) for t in range(T)) for w in range(W)]
        order = sorted(range(W), key=lambda w: (-peaks[w][0], -peaks[w][1], w))[:k]
        np.testing.assert_array_equal(found.window[la, n], order)
        np.testing.assert_array_equal(found.query[la, n], [-peaks[w][2] for w in order])
        np.testing.assert_allclose(found.real[la, n], of_window.max(-1)[order])
        np.testing.assert_array_equal(found.tokens[la, n], tokens[order])
        for i, w in enumerate(order):
            np.testing.assert_array_equal(found.weights[la, n, i], weights[la, w, n, found.query[la, n, i]])


def test_contexts_that_were_not_seen_are_none():
    found = dormancy.no_contexts(1, 1, T, 3)
    one = np.full((1, 1, 1), 0.4)
    row = np.zeros((1, 1, 1, T), np.float32)
    found = dormancy.add_contexts(found, one, np.zeros((1, 1, 1), np.int32), row, np.zeros((1, T), np.int32), 0)
    np.testing.assert_allclose(found.real[0, 0], [0.4, -1, -1])


@pytest.fixture(scope="module")
def reading(text):
    run = text["standard", 0]
    T = run.config.model.context
    windows = windows_of(run, data.encode_corpus(text_of(run, None), run.tokenizer).valid, T, 8)
    return Reading(windows, T, "text")


@pytest.fixture(scope="module")
def results(text, reading):
    runs = {name: [text[kind, 0], text[kind, 1]] for name, kind in (("plain", "standard"), ("null", "null+local:4"))}
    found = {name: [CHAPTER.read(run, reading, lambda *done: None) for run in of] for name, of in runs.items()}
    return Results(runs, found, reading, {"plain": "#5f6b7a", "null": "#d9730d"})


def test_the_chapter_gives_its_measures_per_block_of_texts(results):
    for found in (f for group in results.measured.values() for f in group):
        assert set(found.heads) - {"classified_control"} == set(MEASURES)
        X = len(results.reading.windows)
        assert all(values.shape in ((X, 2, 2), (1, 2, 2)) for values in found.heads.values())
        assert np.isfinite(found.heads["previous_abs"]).all() and np.isfinite(found.chance["previous_mul_excl"])
        for name in ("active_share", "undecided_share", "sink_alpha"):
            values = found.heads[name]
            assert np.isfinite(values).all() and (values >= 0).all() and (values <= 1).all()
            np.testing.assert_allclose(values.mean(0), found.detail.mean[name], rtol=1e-5)
        dormancy = found.detail
        queries = dormancy.histogram.sum(-1)
        assert (queries == queries[0, 0]).all()
        np.testing.assert_allclose(
            dormancy.histogram[..., 21:].sum(-1) / queries, dormancy.mean["active_share"], atol=0.05
        )


def of_kind(elements, kind) -> list[Any]:
    return [e for e in elements if isinstance(e, kind)]


def test_the_chapter_shows_a_figure_tables_and_a_card_per_head(results):
    elements = CHAPTER.show(results)
    plots, tables, cards = (of_kind(elements, kind) for kind in (Plot, Table, Cards))
    assert png(plots[0].figure).startswith(b"\x89PNG")
    assert [t.name for t in tables] == ["classes", "where-sinks-sit"]
    for i in range(2):  # every head has one class, dormant or active
        assert sum(row[1 + 2 * i] for row in tables[0].rows) == 4
        assert sum(row[2 + 2 * i] for row in tables[0].rows if row[0] != "sink") == 4
    assert [len(group.cards) for group in cards] == [4, 4]
    reading = results.reading
    tokenizer = results.runs["plain"][0].tokenizer
    for card in (card for group in cards for card in group.cards):
        assert dict(card.facts)["class"]
        assert 1 <= len(card.passages) <= len(reading.windows)
        for p in card.passages:
            assert len(p.tokens) == len(p.weights) <= 24
            assert 0 <= p.query < len(p.tokens)
            assert sum(p.weights) <= 1 + 1e-5
            window = int(p.note.split()[1].rstrip(",")) - 1
            said = [tokenizer.token(int(t)) for t in reading.windows[window, : reading.tokens]]
            assert "".join(p.tokens) in "".join(said)


def test_only_a_run_without_a_null_is_read_again_with_one_pinned_at_random(results):
    assert all("classified_control" in found.heads for found in results.measured["plain"])
    assert all("classified_control" not in found.heads for found in results.measured["null"])


def test_a_pinned_null_changes_a_class_only_by_the_queries_that_it_hides(text, reading):
    """Scores are of what is not null, so a random null leaves them where they are, but for queries above 90 %."""
    found = dormancy_of(text["standard", 0], reading.windows[:, : reading.tokens])
    assert found.control is not None
    assert (found.control.nothing > found.classes.nothing).all()  # half of the attention, on average
    np.testing.assert_allclose(found.control.nothing, 0.5, atol=0.2)


def test_topics_are_not_read_where_the_context_is_too_short_for_a_sentence(results):
    for name in ("topic", "topic_baseline"):
        assert np.isnan(results.measured["plain"][0].heads[name]).all()


def test_a_parameter_that_is_no_number_is_named(text, reading):
    run = text["standard", 0]
    name = max(run.parameters)
    broken = run.parameters | {name: np.full_like(run.parameters[name], np.nan)}
    with pytest.raises(InputError, match=f"values of {name} are NaN or infinite"):
        dormancy_of(replace(run, parameters=broken), reading.windows[:, : reading.tokens])


def test_attention_that_is_no_number_is_one_clear_line(text, reading):
    run = text["standard", 0]
    huge = {name: np.full_like(value, 1e38) for name, value in run.parameters.items()}
    with pytest.raises(InputError, match=r"attention is not finite; are its parameters far too large"):
        dormancy_of(replace(run, parameters=huge), reading.windows[:, : reading.tokens])


def test_texts_too_short_for_a_query_to_count_are_refused(text, reading):
    run = text["standard", 0]
    with pytest.raises(InputError, match="no query from 5 on counts at T = 4"):
        dormancy_of(run, reading.windows[:, :4])
    with pytest.raises(Unfit, match=r"windows of 3 tokens have no query from 5 on; .* --tokens 5 or up"):
        CHAPTER.read(run, replace(reading, tokens=3), lambda *done: None)


def with_attention(run, attention):
    return replace(run, config=replace(run.config, model=replace(run.config.model, attention=attention)))


def test_a_window_is_read_and_one_of_a_single_key_is_unfit(text, reading):
    run = text["standard", 0]
    found = CHAPTER.read(with_attention(run, "local:2"), reading, lambda *done: None)
    assert np.isfinite(found.heads["active_share"]).all()
    with pytest.raises(Unfit, match=r"attention local:1 leaves no query .* take a wider window or a null"):
        CHAPTER.read(with_attention(run, "local:1"), reading, lambda *done: None)


def test_a_model_that_sees_both_sides_has_next_token_scores_and_no_repeats(text, reading):
    run = text["standard", 0]
    config = replace(run.config, model=replace(run.config.model, causal=False))
    found = dormancy_of(replace(run, config=config), reading.windows[:, : reading.tokens])
    assert np.isfinite(found.mean["next"]).all()
    assert "induction" not in found.mean
    np.testing.assert_allclose(found.chance["sink_alpha"], 1 / reading.tokens, rtol=1e-6)
    assert (found.mean["active_share"] < 0.1).all()  # so small a model attends about evenly
    assert "previous_abs" not in found.mean


def test_unnormalised_attention_is_read_by_its_shares(sigmoid_run, reading):
    found = dormancy_of(sigmoid_run, reading.windows[:, : reading.tokens])
    assert np.isfinite(found.mean["active_share"]).all()
    np.testing.assert_allclose(found.mean["null_share"], 0)


def test_a_large_model_reads_fewer_texts():
    small, large = ModelConfig(vocab_size=64, layers=2), ModelConfig(vocab_size=50_000, layers=24, width=768, heads=12)
    assert affordable(small, 64) > 256
    assert affordable(large, 128) < 256
