"""Measures from sums of rows against the plain definitions on the maps themselves; and the control of a random null."""

import jax.numpy as jnp
import numpy as np
import pytest

from analysis.measures import patterns, sinks, spread, structure
from analysis.measures.row_sums import LOCAL_WIDTH, LONG, entropy, row_sums, without
from analysis.measures.text_maps import Marks
from analysis.measures.text_measures import CONTROLLED, pinned_at_random, text_measures

B, N, T = 3, 2, 40


def attention(null=True, window=None, seed=0):
    """Random rows [B, N, T, T] under a causal mask, and their null mass; some weights small, some large."""
    draw = np.random.default_rng(seed)
    apart = np.arange(T)[:, None] - np.arange(T)
    seen = (apart >= 0) & (apart < (window or T))
    scores = np.where(seen, draw.normal(0, 3, (B, N, T, T)), -np.inf)
    nulls = draw.normal(1, 2, (B, N, T, 1)) if null else np.full((B, N, T, 1), -np.inf)
    both = np.exp(np.concatenate([nulls, scores], -1))
    both /= both.sum(-1, keepdims=True)
    return jnp.asarray(both[..., 1:], jnp.float32), jnp.asarray(both[..., 0], jnp.float32), jnp.asarray(seen)


@pytest.fixture(scope="module")
def tokens():
    return jnp.asarray(np.random.default_rng(1).integers(0, 9, (B, T)))


@pytest.mark.parametrize("null", [True, False])
@pytest.mark.parametrize("window", [None, 5])
def test_every_measure_equals_its_plain_definition(null, window, tokens):
    weights, mass, visible = attention(null, window)
    found = text_measures(weights, mass, visible, Marks(tokens))
    previous = patterns.previous_pattern(T)
    expected = {
        "alpha_2": sinks.alpha(weights, 2),
        "null_share": sinks.null_share(mass),
        "first_token_share": sinks.first_token_share(weights),
        "previous_raw": patterns.raw_mass(weights, previous),
        "previous": patterns.conditional_mass(weights, mass, previous),
        "local": patterns.conditional_mass(weights, mass, patterns.local_pattern(T, LOCAL_WIDTH)),
        "duplicate": patterns.conditional_mass(weights, mass, patterns.duplicate_pattern(tokens)),
        "follower": patterns.conditional_mass(weights, mass, patterns.induction_pattern(tokens)),
        "entropy_with_null_nats": structure.entropy_with_null(weights, mass),
        "entropy_nats": structure.entropy_real(weights, mass),
        "entropy_normalised": structure.entropy_real(weights, mass, visible.sum(-1)),
        "entropy_filtered_nats": structure.entropy_filtered(*sinks.first_token_as_null(weights, mass)),
        "mean_distance_tokens": structure.mean_distance(weights),
        "distance_spread_tokens": spread.distance_spread(weights, mass, visible.sum(-1)),
        "keys_90": spread.keys_that_hold(weights, mass, visible.sum(-1)),
        "sparsity": spread.sparsity(weights, mass, visible.sum(-1)),
    }
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=2e-4, atol=2e-5, err_msg=name)


def test_sinkless_is_the_rest_after_null_and_first_token_are_taken_away(tokens):
    """By loops over rows: the pattern's part of what is left, over all queries; the filter in one measure only."""
    weights, mass, visible = attention()
    found = text_measures(weights, mass, visible, Marks(tokens))
    a, m = np.asarray(weights, np.float64), np.asarray(mass, np.float64)
    for b, n in np.ndindex(B, N):
        shares, held, spreads, filtered = [], [], [], []
        for t in range(1, T):
            left = a[b, n, t, 1:].sum()
            p = a[b, n, t] / left
            p[0] = 0
            entropy_of_t = -(p[p > 0] * np.log(p[p > 0])).sum()
            if m[b, n, t] + a[b, n, t, 0] <= 0.9:
                filtered.append(entropy_of_t)
            shares.append(p[t - 1])
            held.append(1 + (np.cumsum(np.sort(p)[::-1]) < 0.9 - 1e-6).sum())
            if t >= 2:
                spreads.append(entropy_of_t / np.log(t))
        assert found["previous_sinkless"][b, n] == pytest.approx(np.mean(shares), abs=1e-5)
        assert found["keys_90_sinkless"][b, n] == pytest.approx(np.mean(held), abs=1e-5)
        assert found["entropy_sinkless"][b, n] == pytest.approx(np.mean(spreads), abs=1e-4)
        assert found["entropy_filtered_nats"][b, n] == pytest.approx(np.mean(filtered), abs=1e-4)


def test_a_key_can_be_taken_out_of_the_sums_without_a_second_pass():
    weights, _, _ = attention()
    local = patterns.local_pattern(T, LOCAL_WIDTH)
    sums = row_sums(weights, {"local": local})
    i = jnp.arange(T)
    touches = {"local": local[:, 0], "first": i >= 0, "previous": i == 1, "self": i == 0}
    rest = without(sums, weights[..., 0], i.astype(jnp.float32), touches)
    plain = row_sums(weights.at[..., 0].set(0), {"local": local})
    for name in ("real", "plogp", "distance", "squared"):
        np.testing.assert_allclose(getattr(rest, name), getattr(plain, name), rtol=1e-3, atol=1e-4, err_msg=name)
    for name in plain.where:
        np.testing.assert_allclose(rest.where[name], plain.where[name], atol=1e-5, err_msg=name)


def test_entropy_of_a_row_that_is_almost_all_null_is_that_of_its_rest():
    weights, _, _ = attention(null=False)
    row, kept = entropy(row_sums(weights * 1e-5, {}))
    whole, _ = entropy(row_sums(weights, {}))
    assert kept.all()
    np.testing.assert_allclose(row, whole, atol=2e-4)


def test_long_range_is_what_lies_32_or_more_tokens_back():
    weights, mass, visible = attention(null=False)
    far = np.array([[t - s >= LONG for s in range(T)] for t in range(T)])
    expected = (np.asarray(weights) * far).sum(-1)[..., LONG:].mean(-1)
    np.testing.assert_allclose(text_measures(weights, mass, visible)["long_raw"], expected, atol=1e-5)


def test_a_null_of_random_mass_changes_no_measure_that_may_count_as_cleaner():
    """Rows are made whole before they are measured, and no query is left out."""
    weights, mass, visible = attention(null=False)
    before = text_measures(weights, mass, visible)
    pinned = pinned_at_random(weights, mass, 0)
    np.testing.assert_allclose(pinned[0].sum(-1) + pinned[1], 1, atol=1e-5)
    after = text_measures(*pinned, visible)
    for name in CONTROLLED:
        np.testing.assert_allclose(after[name], before[name], rtol=1e-3, err_msg=name)
    assert (after["previous_raw"] < before["previous_raw"]).all()  # such a measure could never count


def test_nothing_is_claimed_of_a_head_that_is_all_null():
    weights, mass, visible = attention()
    found = text_measures(weights * 0, jnp.ones_like(mass), visible)
    for name in ("previous", "entropy_nats", "mean_distance_tokens", "keys_90", "entropy_sinkless"):
        assert np.isnan(found[name]).all(), name
    assert (found["alpha_null"] == 1).all() and (found["previous_raw"] == 0).all()


def test_even_attention_is_wholly_spread_with_and_without_position_one_under_a_window():
    even = np.tril(np.ones((T, T))) * ~np.tril(np.ones((T, T), bool), -5)
    weights = jnp.asarray(even / even.sum(-1, keepdims=True), jnp.float32)[None, None]
    found = text_measures(weights, jnp.zeros((1, 1, T)), jnp.asarray(even > 0))
    assert found["entropy_normalised"].item() == pytest.approx(1, abs=1e-5)
    assert found["entropy_sinkless"].item() == pytest.approx(1, abs=1e-5)
