"""TransformerLens's two scores: against TransformerLens itself, and in closed form."""

from itertools import product

import jax.numpy as jnp
import numpy as np
import pytest

from analysis.measures import detector, patterns
from jattn.model import build
from tests.configs import model_config

T = 24
EXCLUSIONS = [
    {"exclude_bos": bos, "exclude_current_token": current} for bos, current in product((False, True), repeat=2)
]
PATTERNS = {
    "previous_token_head": lambda tokens: jnp.broadcast_to(patterns.previous_pattern(T), (len(tokens), T, T)),
    "duplicate_token_head": patterns.duplicate_pattern,
    "induction_head": patterns.induction_pattern,
}


def random_maps(tokens, heads=4):
    """Rows over the keys s <= t from sharp to even."""
    rng = np.random.default_rng(0)
    rows = rng.gamma(np.array([0.05, 0.3, 1, 10])[:heads, None, None], size=(len(tokens), heads, T, T)) + 1e-9
    rows *= np.tril(np.ones((T, T)))
    return jnp.asarray(rows / rows.sum(-1, keepdims=True), jnp.float32)


def model_maps(tokens):
    """The maps of a two-layer model whose queries and keys are long enough to choose, its layers side by side."""
    config = model_config(layers=2, heads=4, width=32, vocab_size=16, context=T, init__std=0.4)
    maps = build(config)(tokens, observe=lambda seen: seen.weights())[1]
    return jnp.moveaxis(maps, 0, 1).reshape(len(tokens), 8, T, T)


@pytest.mark.peers
@pytest.mark.parametrize("exclusions", EXCLUSIONS, ids=lambda e: "+".join(k for k, v in e.items() if v) or "none")
@pytest.mark.parametrize("name", PATTERNS)
@pytest.mark.parametrize("maps", [random_maps, model_maps])
def test_scores_are_those_of_transformer_lens(maps, name, exclusions):
    pytest.importorskip("transformer_lens")
    import torch
    from transformer_lens import head_detector as theirs

    rng = np.random.default_rng(1)
    tokens = np.concatenate([rng.integers(0, 16, (2, T)), np.tile(rng.permutation(16)[: T // 2], (1, 2))]).astype(int)
    weights, pattern = maps(jnp.asarray(tokens)), PATTERNS[name](jnp.asarray(tokens))
    expected_pattern = [getattr(theirs, f"get_{name}_detection_pattern")(torch.tensor(row)[None]) for row in tokens]
    np.testing.assert_array_equal(pattern, np.stack(expected_pattern))
    for measure, ours in (("mul", detector.mul_score), ("abs", detector.abs_score)):
        expected = [
            [
                theirs.compute_head_attention_similarity_score(
                    torch.tensor(np.asarray(head)), detection_pattern=target, error_measure=measure, **exclusions
                )
                for head in of_window
            ]
            for of_window, target in zip(weights, expected_pattern, strict=True)
        ]
        scores = np.asarray(ours(weights, pattern, **exclusions), np.float64)
        if measure == "abs":
            assert np.abs(scores - expected).max() < 5e-4 + 1e-5  # theirs is rounded
            halfway = np.abs(np.abs((1 - scores) * 1000 % 1) - 0.5) < 1e-2
            scores = np.where(halfway, expected, 1 - np.round(1 - scores, 3))
            assert halfway.mean() < 0.2
        np.testing.assert_allclose(scores, expected, atol=1e-5)


def previous_head():
    return jnp.asarray(np.eye(T, k=-1) + np.eye(T) * (np.arange(T) == 0), jnp.float32)[None, None]


def test_a_perfect_previous_token_head_has_its_ceiling_in_both_measures():
    head, pattern = previous_head(), patterns.previous_pattern(T)
    np.testing.assert_allclose(detector.mul_score(head, pattern), (T - 1) / T, rtol=1e-6)
    np.testing.assert_allclose(detector.abs_score(head, pattern), 1 - 1 / T, rtol=1e-6)


def test_exclusions_take_the_keys_out_of_both_sums_or_of_the_errors():
    head, pattern = previous_head(), patterns.previous_pattern(T)
    # Position 1 as a key: query 1's own attention, an error, and query 2's, a hit.
    np.testing.assert_allclose(detector.mul_score(head, pattern, exclude_bos=True), 1, rtol=1e-6)
    np.testing.assert_allclose(detector.abs_score(head, pattern, exclude_bos=True), 1, rtol=1e-6)
    np.testing.assert_allclose(detector.mul_score(head, pattern, exclude_current_token=True), 1, rtol=1e-6)
    half = head / 2 + jnp.eye(T) / 2
    np.testing.assert_allclose(detector.mul_score(half, pattern), (T - 1) / 2 / T, rtol=1e-6)
    np.testing.assert_allclose(detector.mul_score(half, pattern, exclude_current_token=True), 1, rtol=1e-6)


def test_mul_without_exclusions_is_the_pattern_score():
    tokens = jnp.asarray(np.random.default_rng(2).integers(0, 5, (3, T)))
    weights, pattern = random_maps(tokens), patterns.duplicate_pattern(tokens)
    np.testing.assert_array_equal(detector.mul_score(weights, pattern), patterns.pattern_score(weights, pattern))


def test_abs_counts_what_goes_to_the_null_as_an_error():
    """A previous-token head that gives half to the null: queries 2 to T are off by 1/2, query 1 by its own 1/2."""
    np.testing.assert_allclose(detector.abs_score(previous_head() / 2, patterns.previous_pattern(T)), 0.5, rtol=1e-6)


def test_abs_takes_predictions_between_zero_and_one():
    target = jnp.full((T, T), 0.25) * jnp.eye(T)
    weights = jnp.eye(T)[None, None]
    np.testing.assert_allclose(detector.abs_score(weights, target), 0.25, rtol=1e-6)
    np.testing.assert_allclose(detector.abs_score(weights * 0.25, target), 1, rtol=1e-6)


def test_nothing_left_after_the_exclusions_is_nan():
    sink = jnp.zeros((1, 1, T, T)).at[..., 0].set(1)
    assert jnp.isnan(detector.mul_score(sink, patterns.previous_pattern(T), exclude_bos=True)).all()


@pytest.mark.parametrize("null", [False, True])
def test_scores_with_exclusions_stand_beside_those_of_even_attention(null):
    tokens = jnp.asarray(np.tile(np.arange(T // 2), (2, 1)).repeat(2, 1).reshape(2, T))
    visible = jnp.tril(jnp.ones((T, T), bool))
    scores, even = detector.detected(jnp.broadcast_to(previous_head(), (2, 1, T, T)), visible, tokens, null)
    assert scores.keys() == even.keys()
    np.testing.assert_allclose(scores["previous_mul_excl"], 1, rtol=1e-6)
    np.testing.assert_allclose(scores["previous_abs"], 1, rtol=1e-6)
    t = np.arange(T)  # query t (from 0) has t - 1 keys that are neither position 1 nor its own, from t = 2 on
    kept, hit = np.maximum(t - 1, 0) / (t + 1 + null), (t >= 2) / (t + 1 + null)
    np.testing.assert_allclose(even["previous_mul_excl"], hit.sum() / kept.sum(), rtol=1e-5)
    errors = kept - hit + np.where(t >= 2, 1 - 1 / (t + 1 + null), 0)
    np.testing.assert_allclose(even["previous_abs"], 1 - errors.sum() / T, rtol=1e-5)
