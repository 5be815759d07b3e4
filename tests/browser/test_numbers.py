"""What the page draws is what Python computed: weights, the null, what is left without it, differences, and filters,
each within the bound of the codec. NumPy in float64 from the float32 weights is the truth.

Axes: T queries, S keys.
"""

import re

import numpy as np
import pytest

from tests.browser import pages
from tests.browser.driver import canvas, difference, put, shown, state, within

pytestmark = pytest.mark.browser

LEAST = 0.02  # of a row: with less left it is hatched and empty


def truth(side, layer, head):
    """A head's weights [T, S] and null mass [T] (None without a null) in float64."""
    at = side.layers[layer]
    return at.weights[head].astype(np.float64), None if at.null is None else at.null[head].astype(np.float64)


def renormalised(weights, left, error):
    """Rows divided by what is left of them, which are hatched, and how far the page may be from that.

    The page divides decoded weights by their own sum: with errors e of the weights and E of the sum, a share w / W is
    off by at most (e + E w / W) / (W - E).
    """
    hatched = left < LEAST
    left = np.where(hatched, 1, left)[:, None]
    total = error.sum(-1, keepdims=True)
    share = np.where(hatched[:, None], 0, weights / left)
    return share, hatched, (error + total * share) / np.maximum(left - total, LEAST / 2)


def close(found, true, bound):
    worst = np.abs(found - true) - bound
    assert (worst <= 0).all(), f"{worst.max():.3g} over the bound at {np.unravel_index(worst.argmax(), worst.shape)}"


@pytest.fixture(params=["exact", "display"])
def both(request):
    """The pair in 16 and in 8 bits, and the bits."""
    return pages.pair(request.param), {"exact": 16, "display": 8}[request.param]


def test_the_null_is_shown_hidden_and_taken_out(look, both):
    sample, bits = both
    tab = look(sample.page)
    for nulls in ("show", "hide", "renormalise"):
        put(tab, nulls=nulls)
        for layer, head in sample.sides[1].heads:
            w, mass = truth(sample.sides[1], layer, head)
            found = shown(tab, 1, layer, head)
            np.testing.assert_array_equal(found.mass, mass)
            error = within(w, bits)
            if nulls == "renormalise":
                share, hatched, bound = renormalised(w, 1 - mass, error)
                np.testing.assert_array_equal(found.hatched, hatched)
                close(found.weights, share, bound)
                np.testing.assert_allclose(found.weights.sum(-1)[~hatched], 1, atol=1e-5)
            else:
                close(found.weights, w, error)
            if nulls == "show":
                np.testing.assert_array_equal(found.nulls, mass)
                assert np.abs(found.weights.sum(-1) + found.nulls - 1).max() < (0.02 if bits == 8 else 1e-3)
            else:
                assert found.nulls is None
    assert hatched.any() or shown(tab, 1, 0, 0).hatched[3] == 1  # the row that the null has almost whole


@pytest.mark.parametrize("sink", [0, 4])
def test_any_key_can_stand_for_the_null(look, both, sink):
    sample, bits = both
    tab = look(sample.page)
    w, _ = truth(sample.sides[0], 1, 1)
    error, mass, rest = within(w, bits), w[:, sink], np.where(np.arange(w.shape[1]) == sink, 0, w)
    put(tab, sink=sink, layer=1, head=1)
    for nulls in ("show", "hide", "renormalise"):
        put(tab, nulls=nulls)
        found = shown(tab, 0, 1, 1)
        assert found.sink == sink
        close(found.mass, mass, error[:, sink])
        said = re.search(r"as null (0\.\d\d)", tab.locator("#fact-a").text_content())
        assert said and abs(float(said[1]) - mass[1:].mean()) < 0.0051 + error[:, sink].mean()
        assert not found.weights[:, sink].any()
        if nulls == "renormalise":
            share, hatched, bound = renormalised(rest, rest.sum(-1), np.where(rest > 0, error, 0))
            sure = np.abs(rest.sum(-1) - LEAST) > 1e-2
            np.testing.assert_array_equal(found.hatched[sure], hatched[sure])
            close(found.weights[sure], share[sure], bound[sure])
        else:
            close(found.weights, rest, error)
            assert (found.nulls is None) == (nulls == "hide")
    found = shown(tab, 1, 1, 1)  # a layer with a null of its own takes no other
    assert found.sink is None
    np.testing.assert_array_equal(found.mass, truth(sample.sides[1], 1, 1)[1])


@pytest.mark.parametrize("sink", [0, 4])
def test_heads_are_filtered_and_sorted_by_the_mass_of_a_treated_key(look, sink):
    sample = pages.pair("exact")
    tab = look(sample.page)
    a, b = ([truth(side, *head) for head in side.heads] for side in sample.sides)
    treated = np.array([w[1:, sink].mean() for w, _ in a])
    means = np.concatenate([treated, [mass[1:].mean() for _, mass in b if mass is not None]])
    put(tab, mode="side", sink=sink, by="null_share", above=float(np.median(means)), sort="null_share", across=True)
    tab.locator("#heads").filter(has_text=re.compile(f"^{len(means) // 2} of")).wait_for()
    rows = tab.locator("#rows th").all_text_contents()
    passing = (treated >= np.median(means)) | (means[len(a) :] >= np.median(means))
    order = [i for i in np.argsort(-treated, kind="stable") if passing[i]]
    assert rows == [".".join(map(str, sample.sides[0].heads[i])) for i in order]


@pytest.mark.parametrize("nulls", ["show", "hide", "renormalise"])
@pytest.mark.parametrize("match", ["index", "best"])
def test_a_difference_is_a_minus_b_and_exactly_the_negative_of_b_minus_a(look, both, nulls, match):
    sample, bits = both
    tab = look(sample.page)
    put(tab, mode="difference", nulls=nulls, match=match, layer=0, head=1)
    forward = {head: difference(tab, *head) for head in sample.sides[0].heads}
    pairs = {}
    for layer, head in sample.sides[0].heads:  # which head of B stands beside each is said on the page
        put(tab, layer=layer, head=head)
        facts = tab.get_by_role("list", name="Selected").text_content()
        other = re.findall(r"layer (\d+), head (\d+)", facts)[-1]
        pairs[layer, head] = int(other[0]), int(other[1])
    put(tab, layer=0, head=1)
    if match == "index":
        assert all(a == b for a, b in pairs.items())
        a, b = sample.sides
        w, v, mass = truth(a, 1, 2)[0], *truth(b, 1, 2)
        if nulls != "renormalise":
            close(forward[1, 2].weights, w - v, within(w, bits) + within(v, bits))
            assert forward[1, 2].nulls is None if nulls == "hide" else (forward[1, 2].nulls == -mass).all()
    tab.keyboard.press("x")
    assert (state(tab)["a"], state(tab)["b"]) == (1, 0)
    for at, there in pairs.items():
        back = difference(tab, *there)
        assert back.signed
        for name in ("weights", "nulls", "mass"):
            one, other = getattr(forward[at], name), getattr(back, name)
            assert (one is None) == (other is None)
            if one is not None:
                np.testing.assert_array_equal(one, -other)
        np.testing.assert_array_equal(forward[at].hatched, back.hatched)


def test_texts_that_differ_are_not_subtracted(look):
    tab = look(pages.unlike().page)
    assert difference(tab, 0, 0) == "unlike"
    assert tab.get_by_role("radio", name="difference").count() == 0
    tab.keyboard.press("d")
    assert state(tab)["mode"] != "difference"


def kept(sample, test, on="both"):
    """Masks of the queries and keys whose token passes."""
    mask = np.array([test(t, word) for t, word in enumerate(sample.sides[0].tokens.text)])
    every = np.ones_like(mask)
    return every if on == "key" else mask, every if on == "query" else mask


FILTERS = [
    ({"text": "AT"}, lambda t, word: "at" in word.lower()),
    ({"text": "/^.c|2/"}, lambda t, word: bool(re.search("^.c|2", word))),
    ({"text": "/THE/i"}, lambda t, word: bool(re.search("(?i)the", word))),
    ({"word_class": "punctuation"}, lambda t, word: word == "."),
    ({"from": 3, "to": 8}, lambda t, word: 3 <= t <= 8),
    ({"text": "o", "from": 4}, lambda t, word: "o" in word and t >= 4),
]


@pytest.mark.parametrize("on", ["both", "query", "key"])
def test_filters_keep_the_weights_of_what_they_keep(look, on):
    sample = pages.pair("exact")
    tab = look(sample.page)
    whole = shown(tab, 1, 0, 2)
    for change, test in FILTERS:
        put(tab, **{"text": "", "word_class": "", "from": 0, "to": None, "on": on, "filtered": "hide"} | change)
        queries, keys = kept(sample, test, on if not {"from", "to"} & set(change) else "both")
        if change.get("text") == "o":  # a range is of queries and keys, whatever the words are asked of
            inside = np.arange(len(queries)) >= 4
            queries, keys = (mask & inside for mask in kept(sample, lambda t, word: "o" in word, on))
        found = shown(tab, 1, 0, 2)
        np.testing.assert_array_equal(found.queries, queries)
        np.testing.assert_array_equal(found.keys, keys)
        part = np.where(queries[:, None] & keys, whole.weights, 0)
        np.testing.assert_allclose(found.weights, part, atol=1e-7)
        put(tab, filtered="renormalise")
        found = shown(tab, 1, 0, 2)
        if keys.all():
            continue
        rest = part.sum(-1) + whole.nulls
        full = queries & (rest >= LEAST)
        np.testing.assert_array_equal(found.hatched, queries & (rest < LEAST))
        np.testing.assert_allclose(found.weights[full], part[full] / rest[full, None], atol=1e-5)
        np.testing.assert_allclose(found.weights.sum(-1)[full] + found.nulls[full], 1, atol=1e-5)


@pytest.mark.parametrize("make", [pages.pair, pages.encoder])
def test_the_four_blocks_of_two_sentences_make_the_whole(look, make):
    sample = make()
    tab = look(sample.page)
    whole = shown(tab, 0, 0, 1).weights
    parts = []
    for block in ("AA", "AB", "BA", "BB"):
        put(tab, block=block)
        parts.append(shown(tab, 0, 0, 1).weights)
        inside = [
            np.arange(len(whole)) < pages.SPLIT if name == "A" else np.arange(len(whole)) >= pages.SPLIT
            for name in block
        ]
        assert not parts[-1][~(inside[0][:, None] & inside[1])].any()
    np.testing.assert_array_equal(sum(parts), whole)
    assert (np.count_nonzero(parts, 0) <= 1).all()


def test_a_model_that_was_never_trained(look):
    """jattn's own models: the page shows what the model computes, and the neuron view what it computes it from."""
    from analysis.viewer.read import read
    from tests.planted import byte_run

    sides = [read(byte_run(kind, layers=1), "The cat sat on", name=kind) for kind in ("standard", "logit")]
    sample = pages.sample(*sides)
    tab = look(sample.page)
    for i, side in enumerate(sides):
        for layer, head in side.heads:
            w, mass = truth(side, layer, head)
            found = shown(tab, i, layer, head)
            close(found.weights, w, within(w, 16))
            assert (found.mass is None) == (mass is None)
    put(tab, mode="side")
    for view, label in (("neuron", "Neuron view"), ("scores", "Scores"), ("map", "Heat map"), ("lines", "Head view")):
        put(tab, view=view)
        assert canvas(tab, label).count()
