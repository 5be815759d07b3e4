"""Cause against models changed by hand and a closed form; readouts scored against it; the chapter from end to end."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from analysis.chapter_type import Reading, Results, Unfit
from analysis.chapters.cause import CHAPTER, HEADS, Plan, by_head, chosen_heads
from analysis.drawing.style import png
from analysis.elements import Plot, Table
from analysis.interventions import ablation, cause
from analysis.measures import cause_scores
from analysis.measures.cause_scores import Score, score, score_heads
from analysis.measures.readouts import NEED_NULL, READOUTS
from jattn.config import ModelConfig
from jattn.errors import InputError
from jattn.model import assemble, parameter_shapes
from jattn.taps import at
from tests.configs import changed, model_config
from tests.small import close
from tests.small import drawn as weights

B, T, V, N, H, L = 2, 6, 11, 2, 4, 2
TOKENS = jnp.asarray(np.random.default_rng(0).integers(0, V, (B, T)))
ALL = jnp.asarray(np.tile(np.arange(T), (B, 1)))
SIZES = {"vocab_size": V, "context": T, "layers": L, "heads": N, "width": N * H}
DOUBLE = {"compute__dtype": "float64", "compute__param_dtype": "float64"}


def tiny(attention="standard", **changes):
    return model_config(**SIZES | DOUBLE | {"attention": attention} | changes)


def nats(config, parameters, heads, values=None, queries=ALL):
    heads = jnp.asarray(heads)
    values = jnp.zeros((len(heads), config.H)) if values is None else values
    return cause.cause_nats(config, parameters, TOKENS, queries, heads, values)


# The cause of a head at a query --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("attention", "changes"),
    [
        ("standard", {"compute__layer_loop": "scan"}),
        ("null+local:3", {}),
        ("first:1+local:2,key_value", {"positions": "learned"}),
        ("token", {"heads": 2, "kv_heads": 1}),
        ("sigmoid", {}),
    ],
)
def test_cause_is_that_of_a_whole_run_with_the_head_silenced_at_that_query_alone(x64, attention, changes):
    config, value = tiny(attention, **changes), 0.3 * jnp.arange(H)
    p, (layer, head) = weights(config), (0, 1)
    found = nats(config, p, [(layer, head)], value[None])[0]

    @jax.jit
    def direct(t):
        model = assemble(config, p)
        edit = at("z", lambda z: z.at[:, t, head].set(value), layer=layer)
        return ablation.kl_nats(model(TOKENS)[:, t], model(TOKENS, edit=edit)[:, t])

    close(found, np.stack([direct(t) for t in range(T)], 1))


def test_silencing_all_queries_at_once_is_another_number_but_in_the_last_layer(x64):
    """Why one query at a time: later layers read what the head did at earlier queries."""
    config = tiny()
    p = weights(config)
    found = nats(config, p, [(0, 1), (1, 1)])
    whole = assemble(config, p)(TOKENS)
    at_once = [assemble(config, p)(TOKENS, edit=ablation.silence(layer, 1)) for layer in (0, 1)]
    close(found[1], ablation.kl_nats(whole, at_once[1]))
    close(found[0][:, 0], ablation.kl_nats(whole, at_once[0])[:, 0])  # query 1 reads nothing earlier
    assert np.abs(found[0] - ablation.kl_nats(whole, at_once[0]))[:, 1:].max() > 1e-3


def test_silencing_the_only_head_is_the_model_without_attention(x64):
    config = tiny("key_value", layers=1, heads=1)
    p = weights(config)
    without = p | {"blocks.0.attention.out.kernel": jnp.zeros_like(p["blocks.0.attention.out.kernel"])}
    expected = ablation.kl_nats(assemble(config, p)(TOKENS), assemble(config, without)(TOKENS))
    close(nats(config, p, [(0, 0)])[0], expected)


def test_a_dormant_head_has_a_cause_of_exactly_zero():
    config = changed(tiny("null"), compute__dtype="float32", compute__param_dtype="float32")
    p, name = weights(config), "blocks.0.attention.v.kernel"
    p = p | {name: p[name].at[:, :H].set(0.0)}
    found = nats(config, p, [(0, 0), (0, 1)])
    assert not np.any(found[0]) and found[1].min() > 0


def test_a_head_copied_straight_to_the_logits_has_its_closed_form(x64):
    """Every key has the value c e_1, every token the row c e_0, the output layer is the identity.

    After the final norm: sqrt(V/2) on tokens 0 and 1 with the head, sqrt(V) on token 0 without it.
    """
    size, c = 6, 1e4
    config = model_config(
        **DOUBLE,
        vocab_size=size,
        width=size,
        context=T,
        layers=1,
        heads=1,
        mlp__activation="none",
        positions="none",
        output__tied=False,
    )
    one = jnp.eye(size)
    p = {name: jnp.zeros(s.shape, s.dtype) for name, s in parameter_shapes(config).items()}
    p |= {name: jnp.ones_like(a) for name, a in p.items() if name.endswith("norm.scale")}
    p |= {"token_rows": c * one, "head.kernel": one, "blocks.0.attention.out.kernel": one}
    p |= {"blocks.0.attention.v.kernel": c / np.sqrt(size) * jnp.outer(one[0], one[1])}
    queries = jnp.asarray([[0, 3, 5]])
    found = cause.cause_nats(config, p, jnp.zeros((1, T), int), queries, jnp.zeros((1, 2), int), jnp.zeros((1, size)))
    heard = np.array([np.sqrt(size / 2)] * 2 + [0] * (size - 2))
    silent = np.array([np.sqrt(size)] + [0] * (size - 1))
    p_heard, p_silent = (np.exp(x) / np.exp(x).sum() for x in (heard, silent))
    close(found[0, 0], (p_heard * np.log(p_heard / p_silent)).sum(), 1e-8)


def test_queries_are_different_and_never_the_first():
    drawn = cause.draw_queries(10, 5, 40)
    assert drawn.shape == (40, 5) and drawn.min() == 1 and drawn.max() == 9
    assert (np.diff(drawn) > 0).all()
    np.testing.assert_array_equal(cause.draw_queries(4, 99, 2), [[1, 2, 3]] * 2)
    with pytest.raises(InputError, match="tokens T of a text must be >= 2, got 1"):
        cause.draw_queries(1, 5, 2)


# What attention says -------------------------------------------------------------------------------------------------


def test_readouts_lie_between_zero_and_one_and_need_a_null_where_they_name_one():
    config = model_config(**SIZES, attention="null,standard")
    found = cause.readings(config, weights(config), TOKENS)
    assert set(found) == set(READOUTS)
    for name, values in found.items():
        assert values.shape == (L, B, N, T)
        has = values[:1] if name in NEED_NULL else values
        assert np.isfinite(has).all() and has.min() >= -1e-6 and has.max() <= 1 + 1e-6
        assert name not in NEED_NULL or np.isnan(values[1]).all()


def test_norm_that_a_head_writes_is_that_of_its_part_of_attn_out(x64):
    config = tiny(heads=1)
    p = weights(config)
    observe = lambda seen: (seen["attn_out"], seen["resid_pre"])
    wrote, stream = (np.linalg.norm(a, axis=-1) for a in assemble(config, p)(TOKENS, observe=observe)[1])
    close(cause.readings(config, p, TOKENS)["written"][:, :, 0], wrote / (wrote + stream), 1e-6)


# Scores and margin ---------------------------------------------------------------------------------------------------

CAUSE = np.array([0.0, 0.01, 0.04, 0.06, 0.2, 1.0])


def test_a_readout_that_knows_the_cause_is_perfect_and_one_that_knows_nothing_is_chance():
    knows = score(np.array([0.1, 0.2, 0.3, 0.6, 0.7, 0.8]), CAUSE)
    assert (knows.auroc, knows.accuracy, knows.balanced, knows.positive_share) == (1, 1, 1, 0.5)
    assert knows.rank == pytest.approx(1)
    blind = score(np.full(6, 0.9), CAUSE)
    assert (blind.auroc, blind.accuracy, blind.balanced) == (0.5, 0.5, 0.5) and np.isnan(blind.rank)


def test_one_class_has_no_auroc_but_an_accuracy():
    found = score(np.array([0.1, 0.9]), np.array([0.0, 0.01]))
    assert np.isnan(found.auroc) and np.isnan(found.balanced) and (found.accuracy, found.positive_share) == (0.5, 0)


def test_numbers_that_are_not_finite_are_refused():
    with pytest.raises(InputError, match="1 of 2 are not finite"):
        score(np.array([0.1, np.nan]), np.array([0.0, 0.1]))
    with pytest.raises(InputError, match="cause: 1 of 2 are not finite"):
        score(np.array([0.1, 0.2]), np.array([0.0, np.nan]))


def test_heads_without_the_readout_are_left_out_of_the_pool():
    readout = np.stack([np.full((2, 3), np.nan), np.array([[0.1, 0.2, 0.3], [0.6, 0.7, 0.8]])])
    pooled, heads, blocks = score_heads(readout, np.stack([np.ones((2, 3)), CAUSE.reshape(2, 3)]), [np.array([0, 1])])
    assert pooled == heads[1] == blocks[0] and heads[0] is None and pooled.auroc == 1
    assert score_heads(readout[:1], np.ones((1, 2, 3)))[0] is None


def runs(**readouts):
    """seed -> readout -> a score with that AUROC."""
    told = {name: [Score(a, 0.0, 0.0, 0.0, 0.0) for a in values] for name, values in readouts.items()}
    return {
        seed: {name: scores[seed] for name, scores in told.items()} for seed in range(len(next(iter(told.values()))))
    }


@pytest.mark.parametrize(
    ("null", "verdict"),
    [
        ([0.99, 0.98, 0.99], "supported"),
        ([0.91, 0.91, 0.91], "not supported"),
        ([0.99, 0.85, 0.95], "inconclusive"),
        ([0.99], "inconclusive"),
    ],
)
def test_margin_is_over_the_best_readout_of_the_baseline_by_a_stated_threshold(null, verdict):
    found = cause_scores.margin(runs(null=null), runs(norm=[0.9, 0.9, 0.9], first=[0.99, 0.7, 0.7]))
    assert (found.readout, found.verdict) == ("norm", verdict) or (len(null) == 1 and found.readout == "first")
    assert found.difference.mean == pytest.approx(found.null.mean - found.other.mean)


def test_there_is_no_margin_without_a_pair():
    base = runs(norm=[0.9, 0.9])
    assert cause_scores.margin({7: {}}, base) is None
    assert cause_scores.margin(runs(norm=[0.9, 0.9]), base) is None
    assert cause_scores.margin(runs(null=[np.nan, 0.9]), base) is None


# The chapter ---------------------------------------------------------------------------------------------------------


def reading_of(run, count=8):
    rng = np.random.default_rng(0)
    return Reading(rng.integers(0, run.tokenizer.vocab_size, (count, 17)).astype(np.int32), 16, "noise")


def test_chapter_gives_every_measure_it_names_and_shows_it(text):
    reading = reading_of(text["standard", 0])
    groups = {"standard": [text["standard", s] for s in (0, 1)], "null": [text["null+local:4", s] for s in (0, 1)]}
    found = {g: [CHAPTER.read(run, reading, lambda done, total: None) for run in rs] for g, rs in groups.items()}
    for f in found["null"]:
        assert set(f.heads) | set(f.values) == set(CHAPTER.measures)
        assert {a.shape[1:] for a in f.heads.values()} == {(2, 2)}
        assert {len(a) for n, a in f.values.items() if n.startswith("cause")} == {8}
    without = set(CHAPTER.measures) - set(found["standard"][0].heads) - set(found["standard"][0].values)
    assert {name.split("_")[-1] for name in without} == {"null", "column", "value"}
    assert all("null" in name for name in without)
    shown = CHAPTER.show(Results(groups, found, reading, {"standard": "#000000", "null": "#d9730d"}))
    assert len({(type(e), e.name) for e in shown}) == len(shown)
    assert all(len(row) == len(e.columns) for e in shown if isinstance(e, Table) for row in e.rows)
    assert all(png(e.figure) for e in shown if isinstance(e, Plot))


def test_chapter_refuses_a_model_that_predicts_no_next_token(text):
    run = text["standard", 0]
    bert = replace(run, config=replace(run.config, model=replace(run.config.model, causal=False)))
    with pytest.raises(Unfit, match="does not predict"):
        CHAPTER.read(bert, reading_of(run), lambda done, total: None)
    bigram = replace(run, config=replace(run.config, model=replace(run.config.model, layers=0)))
    with pytest.raises(Unfit, match="no heads"):
        CHAPTER.read(bigram, reading_of(run), lambda done, total: None)


def test_large_models_have_some_heads_of_all_layers_silenced_and_few_texts_read():
    config = ModelConfig(layers=30, heads=9, kv_heads=3, width=576, vocab_size=49152, context=2048)
    heads, plan = chosen_heads(config), Plan.of(config, Reading(np.zeros((256, 129)), 128, "x"))
    assert len(heads) == HEADS and {0, 29} <= set(heads[:, 0]) and len(np.unique(heads, axis=0)) == HEADS
    assert 1 <= plan.texts < 16 and plan.queries >= 16 and plan.ablated >= 1
    spread = by_head(config, heads, np.ones((HEADS, 3)))
    assert spread.shape == (3, 30, 9) and np.nansum(spread) == 3 * HEADS
    small = Plan.of(model_config(**SIZES), Reading(np.zeros((256, 65)), 64, "x"))
    assert (small.texts, small.queries) == (64, 63)
