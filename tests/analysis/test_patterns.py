"""Pattern scores on planted heads, and against the definitions written as loops."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.measures import patterns
from jattn.errors import InputError

T = 12
PERIOD = 6
REPEATED = jnp.asarray([[3, 1, 4, 0, 5, 9] * 2])  # distinct tokens, then the same again


def random_weights(seed, B=2, N=2, null=True):
    rng = np.random.default_rng(seed)
    rows = rng.gamma(0.5, size=(B, N, T, T + 1)) + 1e-3
    rows[..., :T] *= np.tril(np.ones((T, T)))
    rows[..., T] *= null
    rows /= rows.sum(-1, keepdims=True)
    return jnp.asarray(rows[..., :T], jnp.float32), jnp.asarray(rows[..., T], jnp.float32)


def following(pattern):
    """A head that puts each query's attention evenly on its pattern keys, and on itself where it has none."""
    pattern = np.asarray(pattern, np.float64)
    rows = np.where(pattern.any(-1, keepdims=True), pattern, np.eye(pattern.shape[-1]))
    return jnp.asarray(rows / rows.sum(-1, keepdims=True), jnp.float32)[:, None]


@given(st.lists(st.integers(0, 3), min_size=T, max_size=T))
@settings(deadline=None, max_examples=30)
def test_patterns_match_their_definitions(tokens):
    array = jnp.asarray([tokens])
    duplicate, induction = np.asarray(patterns.duplicate_pattern(array)), np.asarray(patterns.induction_pattern(array))
    for i in range(T):
        for j in range(T):
            assert duplicate[0, i, j] == (j < i and tokens[j] == tokens[i])
            assert induction[0, i, j] == (1 <= j <= i and tokens[j - 1] == tokens[i])


def test_patterns_of_a_window_do_not_depend_on_its_neighbours():
    tokens = jnp.asarray([[1, 2, 1, 2], [1, 1, 1, 1], [4, 3, 2, 1]])
    for pattern in (patterns.duplicate_pattern, patterns.induction_pattern):
        np.testing.assert_array_equal(pattern(tokens)[1:2], pattern(tokens[1:2]))


@pytest.mark.parametrize("width", [1, 3, T, T + 5])
def test_local_pattern_holds_the_last_width_keys(width):
    expected = [[0 <= i - j < width for j in range(T)] for i in range(T)]
    np.testing.assert_array_equal(patterns.local_pattern(T, width), expected)


def test_a_local_width_of_nothing_is_refused():
    with pytest.raises(InputError, match=r"width .* must be >= 1, got 0"):
        patterns.local_pattern(T, 0)


def test_a_perfect_previous_token_head_scores_all_but_the_first_row():
    head = following(patterns.previous_pattern(T)[None])
    np.testing.assert_allclose(patterns.pattern_score(head, patterns.previous_pattern(T)), (T - 1) / T, rtol=1e-6)
    np.testing.assert_allclose(patterns.raw_mass(head, patterns.previous_pattern(T)), 1, rtol=1e-6)


def test_a_hand_made_induction_head_scores_one_on_the_queries_it_can_serve():
    pattern = patterns.induction_pattern(REPEATED)
    head = jnp.zeros((1, 1, T, T))
    for query in range(PERIOD, T):
        head = head.at[0, 0, query, query - PERIOD + 1].set(1)
    np.testing.assert_allclose(patterns.pattern_score(head, pattern), 1, rtol=1e-6)  # the first copy attends nowhere
    np.testing.assert_allclose(patterns.raw_mass(head, pattern), 1, rtol=1e-6)


def test_with_half_the_mass_on_the_null_raw_is_half_and_conditional_is_one():
    pattern = patterns.induction_pattern(REPEATED)
    weights, null_mass = following(pattern) / 2, jnp.full((1, 1, T), 0.5)
    np.testing.assert_allclose(patterns.raw_mass(weights, pattern), 0.5, rtol=1e-6)
    np.testing.assert_allclose(patterns.conditional_mass(weights, null_mass, pattern), 1, rtol=1e-6)


def test_a_query_wholly_on_the_null_does_not_enter_the_conditional_mass():
    pattern = patterns.previous_pattern(T)
    weights, null_mass = following(pattern[None]), jnp.zeros((1, 1, T))
    weights = weights.at[0, 0, 5].set(1e-9)  # what is left of a saturated softmax
    null_mass = null_mass.at[0, 0, 5].set(1)
    np.testing.assert_allclose(patterns.conditional_mass(weights, null_mass, pattern), 1, rtol=1e-6)
    np.testing.assert_allclose(patterns.raw_mass(weights, pattern), (T - 2) / (T - 1), rtol=1e-6)


@given(st.integers(0, 10_000))
@settings(deadline=None, max_examples=15)
def test_score_agrees_with_the_error_measure_when_rows_are_whole(seed):
    """For a binary pattern and rows that sum to 1, 1 - sum|A - P| / T = 2 * score - sum(P) / T."""
    weights, _ = random_weights(seed, null=False)
    pattern = patterns.duplicate_pattern(jnp.asarray(np.random.default_rng(seed).integers(0, 4, (2, T))))
    P = np.asarray(pattern)[:, None]
    by_error = 1 - np.abs(np.asarray(weights) - P).sum((-2, -1)) / T
    np.testing.assert_allclose(by_error, 2 * patterns.pattern_score(weights, pattern) - P.sum((-2, -1)) / T, atol=1e-5)


@given(st.integers(0, 10_000), st.floats(0, 0.99))
@settings(deadline=None, max_examples=15)
def test_a_constant_null_share_leaves_conditional_scores_and_scales_the_raw_one(seed, share):
    weights, null_mass = random_weights(seed)
    pattern = patterns.local_pattern(T, 3)
    thinned, fuller = weights * (1 - share), 1 - (1 - null_mass) * (1 - share)
    for measure in (
        lambda w, n: patterns.conditional_mass(w, n, pattern),
        lambda w, n: patterns.pattern_score(w, pattern),
    ):
        np.testing.assert_allclose(measure(thinned, fuller), measure(weights, null_mass), rtol=1e-4)
    np.testing.assert_allclose(
        patterns.raw_mass(thinned, pattern), (1 - share) * patterns.raw_mass(weights, pattern), rtol=1e-4
    )


def test_scores_are_equivariant_to_the_order_of_heads_and_windows():
    weights, null_mass = random_weights(3, B=3, N=3)
    pattern = patterns.duplicate_pattern(jnp.asarray(np.random.default_rng(3).integers(0, 3, (3, T))))
    order = jnp.asarray([2, 0, 1])
    scores = patterns.conditional_mass(weights, null_mass, pattern)
    turned = patterns.conditional_mass(weights[order][:, order], null_mass[order][:, order], pattern[order])
    np.testing.assert_allclose(turned, scores[order][:, order], rtol=1e-6)


@pytest.mark.parametrize("measure", [patterns.pattern_score, patterns.raw_mass])
def test_one_pattern_for_all_windows_equals_the_same_one_given_per_window(measure):
    weights, _ = random_weights(4)
    pattern = patterns.previous_pattern(T)
    repeated = jnp.broadcast_to(pattern, (2, T, T))
    np.testing.assert_allclose(measure(weights, pattern), measure(weights, repeated), rtol=1e-6)


def test_scores_of_nothing_are_nan_and_not_a_number_made_up():
    silent = jnp.zeros((1, 1, T, T))
    assert jnp.isnan(patterns.pattern_score(silent, patterns.previous_pattern(T))).all()
    assert jnp.isnan(patterns.conditional_mass(silent, jnp.ones((1, 1, T)), patterns.previous_pattern(T))).all()
    no_copies = patterns.duplicate_pattern(jnp.arange(T)[None])
    assert jnp.isnan(patterns.raw_mass(random_weights(0, B=1)[0], no_copies)).all()


def test_chance_levels_have_their_closed_forms():
    previous, harmonic = patterns.previous_pattern(T), sum(1 / t for t in range(2, T + 1))
    np.testing.assert_allclose(patterns.chance_mass(previous), harmonic / (T - 1), rtol=1e-6)
    with_null = sum(1 / (t + 1) for t in range(2, T + 1)) / (T - 1)
    np.testing.assert_allclose(patterns.chance_mass(previous, null=True), with_null, rtol=1e-6)
    np.testing.assert_allclose(patterns.chance_mass(patterns.local_pattern(T, 4), width=4), 1, rtol=1e-6)
    np.testing.assert_allclose(patterns.chance_mass(previous, width=2), 1 / 2, rtol=1e-6)


@pytest.mark.parametrize("width", [None, 4])
def test_chance_of_the_conditional_mass_is_the_one_without_a_null(width):
    tokens = jnp.asarray(np.random.default_rng(5).integers(0, 3, (2, T)))
    pattern = patterns.induction_pattern(tokens)
    weights = jnp.broadcast_to(patterns.uniform_weights(T, width=width, null=True), (2, 1, T, T))
    conditional = patterns.conditional_mass(weights, 1 - weights.sum(-1), pattern)
    np.testing.assert_allclose(conditional, patterns.chance_mass(pattern, width=width), rtol=1e-5)


@pytest.mark.parametrize("null", [False, True])
def test_uniform_rows_leave_exactly_the_nulls_share(null):
    visible = np.minimum(np.arange(1, T + 1), 5)
    np.testing.assert_allclose(
        patterns.uniform_weights(T, width=5, null=null).sum(-1), visible / (visible + null), rtol=1e-6
    )


def test_scores_are_the_same_under_jit():
    weights, null_mass = random_weights(6, B=1)
    pattern = patterns.induction_pattern(REPEATED)
    jitted = jax.jit(lambda w, n, t: patterns.conditional_mass(w, n, patterns.induction_pattern(t)))
    eager = patterns.conditional_mass(weights, null_mass, pattern)
    np.testing.assert_allclose(jitted(weights, null_mass, REPEATED), eager, rtol=1e-6)


MASKS = {
    "causal": np.tril(np.ones((T, T), bool)),
    "window": np.tril(np.ones((T, T), bool)) & ~np.tril(np.ones((T, T), bool), -4),
    "both sides": np.ones((T, T), bool),
}
FIXED = {
    "self": patterns.self_pattern(T),
    "previous": patterns.previous_pattern(T),
    "next": patterns.next_pattern(T),
    "local": patterns.local_pattern(T, 3),
    "near": patterns.near_pattern(T, 3),
    "far": patterns.far_pattern(T, 5),
}


def test_fixed_patterns_match_their_definitions():
    expected = {
        "self": lambda i, j: i == j,
        "previous": lambda i, j: j == i - 1,
        "next": lambda i, j: j == i + 1,
        "local": lambda i, j: 0 <= i - j < 3,
        "near": lambda i, j: abs(i - j) < 3,
        "far": lambda i, j: abs(i - j) >= 5,
    }
    for name, rule in expected.items():
        np.testing.assert_array_equal(FIXED[name], [[rule(i, j) for j in range(T)] for i in range(T)], err_msg=name)


def test_a_distance_of_nothing_is_refused():
    with pytest.raises(InputError, match=r"distance .* must be >= 1, got 0"):
        patterns.far_pattern(T, 0)
    with pytest.raises(InputError, match=r"width .* must be >= 1, got 0"):
        patterns.near_pattern(T, 0)


def test_many_patterns_at_once_are_each_what_they_are_alone():
    weights, null_mass = random_weights(7)
    stack = jnp.stack(list(FIXED.values())) & MASKS["causal"]
    rows, real, asked = patterns.stack_rows(weights, stack), patterns.real_mass(weights, null_mass), stack.any(-1)
    raw = patterns.raw_from_rows(rows, asked)
    conditional = patterns.conditional_from_rows(rows, real, asked)
    assert raw.shape == conditional.shape == (2, 2, len(stack))
    for p, pattern in enumerate(stack):
        np.testing.assert_allclose(raw[..., p], patterns.raw_mass(weights, pattern), rtol=1e-5)
        np.testing.assert_allclose(
            conditional[..., p], patterns.conditional_mass(weights, null_mass, pattern), rtol=1e-5
        )


@pytest.mark.parametrize("null", [False, True])
@pytest.mark.parametrize("mask", MASKS)
def test_chance_is_what_uniform_attention_scores_under_any_mask(mask, null):
    visible = MASKS[mask]
    weights = patterns.uniform_over(visible, null)[None, None]
    tokens = jnp.asarray(np.random.default_rng(8).integers(0, 4, (1, T)))
    every = FIXED | {"duplicate": patterns.duplicate_pattern(tokens)[0]}
    levels = patterns.chance(jnp.stack(list(every.values())), visible, null)
    for level, (name, pattern) in zip(levels, every.items(), strict=True):
        np.testing.assert_allclose(level, patterns.raw_mass(weights, pattern & visible)[0, 0], rtol=1e-5, err_msg=name)
    conditional = patterns.conditional_mass(weights, 1 - weights.sum(-1), FIXED["previous"] & visible)
    np.testing.assert_allclose(conditional[0, 0], patterns.chance(FIXED["previous"], visible), rtol=1e-5)


def test_chance_has_its_closed_forms():
    causal, both = MASKS["causal"], MASKS["both sides"]
    harmonic = sum(1 / t for t in range(1, T + 1))
    np.testing.assert_allclose(patterns.chance(FIXED["self"], causal), harmonic / T, rtol=1e-6)
    np.testing.assert_allclose(patterns.chance(FIXED["self"], both, null=True), 1 / (T + 1), rtol=1e-6)
    np.testing.assert_allclose(patterns.chance(FIXED["next"], both), 1 / T, rtol=1e-6)
    np.testing.assert_allclose(
        patterns.chance(FIXED["local"], MASKS["window"])[...], 1 - 1 / 4 * (T - 3) / T, rtol=1e-6
    )
    assert jnp.isnan(patterns.chance(FIXED["far"], MASKS["window"]))  # nobody sees that far
    assert jnp.isnan(patterns.chance(FIXED["next"], causal))


def test_chance_agrees_with_the_older_functions_where_every_pattern_key_is_seen():
    for null in (False, True):
        np.testing.assert_allclose(
            patterns.chance(FIXED["previous"], MASKS["window"], null),
            patterns.chance_mass(FIXED["previous"], width=4, null=null)[0, 0],
            rtol=1e-6,
        )


def test_a_query_that_cannot_see_its_pattern_keys_is_not_asked():
    far = FIXED["far"] & MASKS["causal"]
    head = following(far[None])
    np.testing.assert_allclose(patterns.raw_mass(head, far), 1, rtol=1e-6)
    assert jnp.isnan(patterns.raw_mass(head, far & MASKS["window"])).all()
