"""Heads in another order are found again; distances are scipy's; unrelated heads agree as much as chance."""

import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon

from analysis.chapter_type import Reading, Results, Unfit
from analysis.chapters import agreement as chapter
from analysis.elements import Plot, Table
from analysis.measures.agreement import agreement, head_distances, match
from jattn.errors import InputError
from tests.configs import model_config
from tests.planted import run_of

W, L, N, T = 4, 2, 3, 12


def random_maps(seed, null=True, shape=0.3, W=W, L=L, N=N):
    rng = np.random.default_rng(seed)
    maps = rng.gamma(shape, size=(W, L, N, T, 1 + T)) + 1e-3
    maps *= np.tril(np.ones((T, T + 1)), 1)  # the null and the keys up to the query's own
    maps[..., 0] *= 5 * null
    return (maps / maps.sum(-1, keepdims=True)).astype(np.float32)


def one_hot(offset, W=W):
    """A head that looks `offset` tokens back (at the first token where there are none), [W, T, 1 + T]."""
    rows = np.eye(T + 1)[1 + np.maximum(np.arange(T) - offset, 0)]
    return np.broadcast_to(rows, (W, T, T + 1))


def heads(*offsets):
    return np.stack([one_hot(o) for o in offsets], 1)[:, None].astype(np.float32)  # one layer


@pytest.mark.parametrize("with_null", [True, False])
def test_distances_are_scipys_mean_over_rows(with_null):
    a, b = random_maps(0), random_maps(1)
    found = head_distances(a, b, with_null)
    p, q = a[:, 0, 1, 2:], b[:, 1, 2, 2:]
    if not with_null:  # scipy divides rows by their sums
        p, q = p[..., 1:], q[..., 1:]
    distances = jensenshannon(p, q, axis=-1, base=2)  # pyright: ignore[reportCallIssue]
    np.testing.assert_allclose(found[0, 1, 1, 2], np.mean(distances), rtol=1e-4)


def test_equal_heads_are_0_apart_and_heads_without_a_common_key_1():
    distance = head_distances(heads(0, 1, 2), heads(0, 1, 2))[0, :, 0]
    np.testing.assert_array_equal(np.diag(distance), 0)
    np.testing.assert_allclose(distance[~np.eye(3, dtype=bool)], 1, rtol=1e-6)


def test_even_against_one_key_has_the_closed_form():
    """The n - 1 other keys belong to one row alone, so they count log2 2 = 1 each by their weight."""
    maps = np.zeros((1, 1, 1, T, T + 1), np.float32)
    maps[..., 1:] = 1 / T
    p, q = 1 / T, 1.0
    middle = (p + q) / 2
    jsd = (p * np.log2(p / middle) + (T - 1) / T + q * np.log2(q / middle)) / 2
    found = head_distances(maps, heads(0)[:1], with_null=True)[0, 0, 0, 0]
    np.testing.assert_allclose(found, np.sqrt(jsd), rtol=1e-5)


@pytest.mark.parametrize("with_null", [True, False])
def test_permuted_heads_are_found_again(with_null):
    a = random_maps(2)
    order = np.array([[2, 0, 1], [1, 0, 2]])
    b = np.stack([a[:, i, order[i]] for i in range(L)], 1)
    found = match(a, b, with_null=with_null)
    expected = np.argsort(order, -1)  # head n of a is b's head m with order[m] = n
    np.testing.assert_array_equal(found.partner[..., 1], expected)
    np.testing.assert_array_equal(found.partner[..., 0], [[0] * N, [1] * N])
    np.testing.assert_allclose(found.distance, 0, atol=1e-6)
    scores = agreement(a, b, with_null=with_null)
    np.testing.assert_allclose(scores["matched"], 0, atol=1e-6)
    np.testing.assert_allclose(scores["agreement"], 1, atol=1e-6)
    assert (scores["identity"] > 0.2).all()


def test_heads_that_moved_to_another_layer_are_found_over_all_layers_only():
    a = random_maps(3)
    b = a[:, ::-1]
    assert (agreement(a, b)["matched"] > 0.2).all()
    across = match(a, b, across_layers=True)
    np.testing.assert_array_equal(across.partner, [[[1, n] for n in range(N)], [[0, n] for n in range(N)]])
    np.testing.assert_allclose(agreement(a, b)["across"], 0, atol=1e-6)


def test_unrelated_heads_agree_by_chance_and_the_best_matching_is_no_better_on_other_windows():
    found = [agreement(random_maps(s, W=8, N=4), random_maps(s + 50, W=8, N=4)) for s in range(6)]
    np.testing.assert_allclose(np.mean([f["agreement"] for f in found]), 0, atol=0.02)
    apart = [f["matched"] - f["random"] for f in found]
    np.testing.assert_allclose(np.mean(apart), 0, atol=0.01)


def test_how_much_is_null_changes_the_reading_with_the_null_alone():
    a = random_maps(4)
    b = a.copy()
    b[..., 1:] *= 0.3
    b[..., 0] = 1 - b[..., 1:].sum(-1)
    diagonal = lambda d: d[np.arange(L)[:, None], np.arange(N), np.arange(L)[:, None], np.arange(N)]
    np.testing.assert_allclose(diagonal(head_distances(a, b)), 0, atol=1e-3)
    assert (diagonal(head_distances(a, b, with_null=True)) > 0.1).all()


def test_in_a_layer_without_a_null_the_first_token_is_the_null():
    a = random_maps(5, null=False)
    b = a.copy()
    b[..., 2:] *= 0.2
    b[..., 1] = 1 - b[..., 2:].sum(-1)
    found = match(a, b)
    np.testing.assert_allclose(found.distance, 0, atol=1e-3)


def test_a_head_wholly_on_the_null_has_no_real_attention_to_compare():
    a, b = random_maps(6), random_maps(6)
    for maps in (a, b):
        maps[:, 0, 0] = np.eye(T + 1)[0]
    real, whole = match(a, b), match(a, b, with_null=True)
    assert np.isnan(real.distance[0, 0]) and np.isfinite(real.distance).sum() == L * N - 1
    np.testing.assert_allclose(whole.distance, 0, atol=1e-6)
    assert np.isfinite(agreement(a, b)["matched"]).all()


def test_one_head_has_one_matching_and_no_agreement_beyond_it():
    found = agreement(random_maps(10, N=1), random_maps(11, N=1))
    assert np.isnan(found["agreement"]).all()
    np.testing.assert_array_equal(found["matched"], found["random"])


def test_half_precision_is_enough():
    a, b = random_maps(7), random_maps(8)
    small = head_distances(a.astype(np.float16), b.astype(np.float16))
    np.testing.assert_allclose(small, head_distances(a, b), atol=2e-3)


def test_bad_maps_are_one_line_each():
    a = random_maps(9)
    with pytest.raises(InputError, match=r"maps: windows and tokens differ, \(4, 12, 13\) and \(3, 12, 13\)"):
        match(a, a[:3])
    with pytest.raises(InputError, match="runs of 2 x 3 and 1 x 3 layers and heads have no one-to-one matching"):
        match(a, a[:, :1])
    with pytest.raises(InputError, match="number of windows W must be >= 2, got 1"):
        agreement(a[:1], a[:1])
    nan = a.copy()
    nan[0, 0, 0, 3, 2] = np.nan
    with pytest.raises(InputError, match="maps: 1 values are not finite"):
        match(a, nan)


# The chapter ---------------------------------------------------------------------------------------------------------


def made(seed):
    model = model_config(vocab_size=7, context=16, layers=L, heads=N, width=12, init__std=0.5, attention="null")
    return run_of(model, seed=seed)


WINDOWS = np.random.default_rng(0).integers(0, 7, (5, T + 1)).astype(np.int32)


def results_of(**groups):
    reading = Reading(WINDOWS, T, "text")
    found = {name: [chapter.read(run, reading, lambda *_: None) for run in runs] for name, runs in groups.items()}
    return Results(groups, found, reading, dict.fromkeys(groups, "#000000"))


def test_pairs_of_runs_of_a_group_have_numbers_and_a_run_alone_has_a_line():
    results = results_of(three=[made(0), made(1), made(0)], alone=[made(0)])
    assert results.measured["alone"][0].detail.shape == (5, L, N, T, 1 + T)
    np.testing.assert_allclose(results.measured["alone"][0].detail.sum(-1), 1, atol=2e-3)
    pairs = chapter.pairs(results)
    assert set(pairs) == {"three"} and set(pairs["three"]) == set(chapter.MEASURES)
    matched = pairs["three"]["head_matched"]
    assert matched.shape == (3,) and matched[1] < 1e-6 < matched[0]  # runs 0 and 2 are the same run
    plot, table = chapter.show(results)
    assert isinstance(plot, Plot) and isinstance(table, Table)
    assert table.rows[-1][:2] == ["alone", "0 (one run: train another seed)"]


def test_groups_of_one_run_are_shown_as_lines_alone():
    (table,) = chapter.show(results_of(a=[made(0)], b=[made(1)]))
    assert isinstance(table, Table)
    assert [row[0] for row in table.rows] == ["a", "b"]


def test_one_window_is_no_reading():
    with pytest.raises(Unfit, match="agreement needs two windows of at least 4 tokens, got 1 of 12"):
        chapter.read(made(0), Reading(WINDOWS[:1], T, "text"), lambda *_: None)
