"""What the page is given is what was measured: maps within the codec's bound, null masses exactly, heads in order."""

import numpy as np
import pytest

from analysis.viewer import codec
from analysis.viewer.attention import Attention
from analysis.viewer.layer import Vectors
from analysis.viewer.show import draw
from analysis.viewer.statistics import columns, measured
from tests.analysis.viewer.conftest import Read, attention, made


def vectors(T, H, S=None, seed=0, null=True):
    rng = np.random.default_rng(seed)
    draw_ = lambda n: rng.normal(size=(n, H)).astype(np.float32)
    return Vectors(draw_(T), draw_(S or T), draw_(T)[:, 0] if null else None, scale=H**-0.5, cap=3.0, slope=0.5)


SIDES = {
    "square": made(L=2, N=3, T=12, null=True),
    "one head, one token": made(L=1, N=1, T=1),
    "long": made(L=1, N=2, T=90, null=True),
    "ragged": Attention.of("ragged", [attention(n, 9, seed=n)[0] for n in (1, 4, 2)], list("abcdefghi")),
    "band": Attention.of("band", [attention(2, 9, window=4)[0]], list("abcdefghi"), windows=[4], causal=True),
    "both ways": Attention.of("both", [attention(2, 9, causal=False)[0]], list("abcdefghi")),
    "cross": Attention.of("cross", [attention(3, 7, 11, causal=False)[0]], list("abcdefg"), keys=list("123456789xy")),
}


@pytest.mark.parametrize("precision", ["exact", "display"])
@pytest.mark.parametrize("name", SIDES)
def test_maps_and_thumbnails_come_back(name, precision):
    side = SIDES[name]
    read = Read(draw([side], precision=precision))
    bits = 16 if precision == "exact" else 8
    for i, layer in enumerate(side.layers):
        assert read.sides[0]["layers"][i]["coding"]["bits"] == bits
        for n, weights in enumerate(layer.weights):
            found = read.map(0, i, n)
            assert (np.abs(found - weights) <= codec.bound(weights, bits)).all()
    whole = np.concatenate([codec.pooled(layer.weights) for layer in side.layers])
    without = np.concatenate([codec.pooled(codec.renormalised(layer.weights, layer.null)) for layer in side.layers])
    for expected, which in ((whole, "thumbs"), (without, "thumbs_without")):
        found = read.thumbs(0, which)
        assert found.shape == expected.shape and found.shape[0] == len(side.heads)
        assert (np.abs(found - expected) <= codec.bound(expected, 8)).all()


def test_null_masses_are_exact_and_zero_where_a_layer_has_none():
    weights, null = attention(2, 10, null=True)
    side = Attention.of("some", [attention(2, 10)[0], weights], list("abcdefghij"), null=[None, null])
    read = Read(draw([side]))
    found = read.floats(0, read.sides[0]["null_mass"]).reshape(4, 10)
    np.testing.assert_array_equal(found, np.concatenate([np.zeros((2, 10)), null]))
    assert [layer["has_null"] for layer in read.sides[0]["layers"]] == [False, True]
    assert Read(draw([made()])).sides[0]["null_mass"] is None


def test_statistics_and_classes_stand_in_the_order_of_the_columns():
    side = made(L=2, N=3, T=40, null=True)
    read, found = Read(draw([side])), measured(side)
    keys = [c["key"] for c in read.payload["statistics"]]
    assert keys == [c.measure for c in columns([found])]
    assert [name for name, _ in read.payload["class_terms"]] == read.payload["classes"]
    for layer, measures in zip(read.sides[0]["layers"], found, strict=True):
        for n, head in enumerate(layer["heads"]):
            assert (
                head["pattern_class"] == measures.pattern_class[n] and head["pattern_class"] in read.payload["classes"]
            )
            for key, value in zip(keys, head["stats"], strict=True):
                expected = measures.values[key][n]
                assert value is None if not np.isfinite(expected) else abs(value - expected) <= 1e-5 * abs(expected)


@pytest.mark.parametrize("null", [True, False])
def test_queries_and_keys_of_the_heads_that_were_asked_for(null):
    side = made(
        L=2, N=3, T=12, null=null, vectors={(i, n): vectors(12, 4, seed=i, null=null) for i in (0, 1) for n in (0, 1)}
    )
    read = Read(draw([side], neurons=[(1, 1)]))
    heads = {(i, n): h["neuron"] for i, la in enumerate(read.sides[0]["layers"]) for n, h in enumerate(la["heads"])}
    assert [at for at, neuron in heads.items() if neuron] == [(1, 1)]
    neuron, given = heads[1, 1], side.vectors[1, 1]
    np.testing.assert_array_equal(read.floats(0, neuron["q"]).reshape(12, 4), given.q)
    np.testing.assert_array_equal(read.floats(0, neuron["k"]).reshape(12, 4), given.k)
    assert (neuron["size"], neuron["bits"], neuron["normaliser"]) == (4, 32, "softmax")
    assert (neuron["scale"], neuron["cap"], neuron["slope"], neuron["bias"]) == (0.5, 3.0, 0.5, 0.0)
    if null:
        np.testing.assert_array_equal(read.floats(0, neuron["s_null"]), given.s_null)
    else:
        assert neuron["s_null"] is None


def test_the_dimension_whose_product_falls_with_distance_is_named():
    T, H = 40, 4
    q, k = np.ones((T, H), np.float32), np.random.default_rng(0).normal(size=(T, H)).astype(np.float32)
    k[:, 2] = np.arange(T) * 0.1  # the nearer the key, the larger
    side = made(L=1, N=1, T=T, vectors={(0, 0): Vectors(q, k)})
    assert Read(draw([side])).sides[0]["layers"][0]["heads"][0]["neuron"]["falling"][0] == 2


def with_vectors(H):
    side = made(L=2, N=3, T=40, null=True)
    return Attention(**{**side.__dict__, "vectors": {h: vectors(40, H) for h in side.heads}})


def heads_with_vectors(page):
    read = Read(page)
    return read, [h for layer in read.sides[0]["layers"] for h in layer["heads"] if h["neuron"]]


def test_a_leading_head_of_each_class_shows_its_vectors_and_others_while_there_is_room():
    assert len(heads_with_vectors(draw([with_vectors(4)]))[1]) == 6
    read, shown = heads_with_vectors(draw([with_vectors(1500)]))  # 0.64 MB a head, of 2 MB
    assert {h["pattern_class"] for h in shown} == set(read.payload["classes"]) and len(shown) == 3
    assert not any("Left out" in note for note in read.payload["notes"])


def test_only_the_heads_that_are_asked_for_show_their_vectors():
    assert len(heads_with_vectors(draw([with_vectors(4)], neurons=[(1, 2)]))[1]) == 1


def test_a_text_that_sides_share_stands_there_once():
    a, b, c = made("a"), made("b", null=True), made("c", tokens=list("abcdefghijkl"))
    read = Read(draw([a, b, c]))
    assert [side["text"] for side in read.sides] == [0, 0, 1] and len(read.payload["texts"]) == 2
    assert read.sides[0]["match"] is None and read.sides[1]["match"] and read.sides[2]["match"] is None
    d = Read(draw([made("a", split=3), made("b", split=4)]))
    assert len(d.payload["texts"]) == 2, "another second sentence is another text"


def test_steps_of_a_run_say_which_they_are():
    sides = [Attention(**{**made("null", seed=s).__dict__, "step": s}) for s in (0, 100)]
    read = Read(draw([*sides, made("other")]))
    assert [(s["name"], s["run"], s["step"]) for s in read.sides] == [
        ("null, step 0", "null", 0),
        ("null, step 100", "null", 100),
        ("other", "other", None),
    ]
    assert read.payload["title"] == "null and other"


def test_layers_and_heads_keep_their_own_numbers():
    side = made(L=2, N=2, numbers=[3, 7])
    read = Read(draw([side]))
    assert [layer["number"] for layer in read.sides[0]["layers"]] == [3, 7]
    assert [h["number"] for h in read.sides[0]["layers"][0]["heads"]] == [0, 1]


def test_over_the_limit_maps_are_left_out_and_the_rest_stays():
    side = made(L=3, N=4, T=200, null=True)
    whole, small = (Read(draw([side], precision="display", limit_mb=mb)) for mb in (25.0, 0.3))
    maps = [[h["map"] for layer in r.sides[0]["layers"] for h in layer["heads"]] for r in (whole, small)]
    assert all(maps[0]) and 0 < sum(m is not None for m in maps[1]) < 12
    np.testing.assert_array_equal(whole.thumbs(0), small.thumbs(0))
    assert any(note.startswith("Left out: the maps of") for note in small.payload["notes"])
    assert not any(note.startswith("Left out") for note in whole.payload["notes"])
