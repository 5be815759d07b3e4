"""Neuron view and scores: the numbers from queries and keys to weights equal NumPy's softmax, the null among them.

Numbers are read from the CSV that the page exports, and from the tooltip.
"""

import re

import numpy as np
import pytest

from tests.browser import pages
from tests.browser.driver import canvas, csv, put, settle, state, sweep

pytestmark = pytest.mark.browser


def truth(side, layer, head, t):
    """Of query t: products, scores, weights, the null's score and weight; in float64 from the float32 vectors."""
    v = side.vectors[layer, head]
    product = v.q[t].astype(np.float64) @ v.k.T.astype(np.float64)
    seen = side.visible(layer)[t]
    score = product * v.scale
    e = np.where(seen, np.exp(score), 0)
    null = np.exp(np.float64(v.s_null[t])) if v.s_null is not None else 0
    return product, score, e / (e.sum() + null), null / (e.sum() + null), seen


def as_printed(words, true):
    """Whether a number is the true one to the digits that it has; "<0.001" is one that is less."""
    if words.startswith("<"):
        return 0 <= true < float(words[1:])
    return abs(float(words) - true) <= 0.5001 * 10.0 ** -len(words.partition(".")[2]) + 1e-5


@pytest.mark.parametrize("make", [pages.pair, pages.encoder, pages.crossed, pages.ragged])
def test_the_neuron_view_is_the_softmax_of_its_scores(look, make):
    sample = make()
    tab = look(sample.page, "#view=neuron")
    for t in (0, 3, len(sample.sides[0].tokens) - 1):
        layer, head = sample.sides[0].heads[1]
        put(tab, layer=layer, head=head, query=t)
        header, *rows = csv(tab, "Neuron view")
        for side in sample.sides:
            v = side.vectors[layer, head]
            product, score, weight, null, seen = truth(side, layer, head, t)
            mine = [dict(zip(header, row, strict=False)) for row in rows if row[0] == side.name]
            keys = [row for row in mine if row["key"] != "null"]
            assert sorted(int(row["key"]) for row in keys) == list(np.flatnonzero(seen))
            for row in keys:
                s = int(row["key"])
                assert float(row["q.k"]) == pytest.approx(product[s], rel=1e-5, abs=1e-5)
                assert float(row["score"]) == pytest.approx(score[s], rel=1e-5, abs=1e-5)
                assert float(row["weight"]) == pytest.approx(weight[s], rel=1e-4, abs=1e-6)
                parts = [float(row[f"q*k {d}"]) for d in range(pages.H)]
                np.testing.assert_allclose(parts, v.q[t] * v.k[s], rtol=1e-5, atol=1e-6)
            nulls = [row for row in mine if row["key"] == "null"]
            assert len(nulls) == (v.s_null is not None)
            for row in nulls:
                assert float(row["score"]) == pytest.approx(v.s_null[t], rel=1e-6)
                assert float(row["weight"]) == pytest.approx(null, rel=1e-4, abs=1e-6)
            assert sum(float(row["weight"]) for row in mine) == pytest.approx(1, abs=1e-5)


def test_the_null_leaves_the_neuron_view_with_its_control(look):
    sample = pages.nulled()
    tab = look(sample.page, "#view=neuron&head=1.1&query=6&nulls=renormalise")
    header, *rows = csv(tab, "Neuron view")
    _, _, weight, null, _ = truth(sample.sides[0], 1, 1, 6)
    found = {row[header.index("key")]: float(row[header.index("weight")]) for row in rows}
    assert "null" not in found
    for s, w in found.items():
        assert w == pytest.approx(weight[int(s)] / (1 - null), rel=1e-4, abs=1e-6)


def test_the_tooltip_of_the_neuron_view_tells_product_and_sum(look):
    sample = pages.pair()
    tab = look(sample.page, "#view=neuron&mode=b&head=1.2&query=10")
    v = sample.sides[1].vectors[1, 2]
    product, score, weight, *_ = truth(sample.sides[1], 1, 2, 10)
    cells = set()
    for _, lines in sweep(tab, canvas(tab, "Neuron view"), 40, 30):
        words = "\n".join(lines)
        row = re.search(r"→ key (\d+)", words)
        numbers = row and re.search(r"sum (-?[\d.]+) · score (-?[\d.]+) · weight (<?[\d.]+)", words)
        if not numbers:
            continue
        s = int(row[1])
        for found, true in zip(numbers.groups(), (product[s], score[s], weight[s]), strict=True):
            assert as_printed(found, true)
        if cell := re.search(r"dimension (\d+)[^\n]*\nq (-?[\d.]+) × k (-?[\d.]+) = (-?[\d.]+)", words):
            d = int(cell[1])
            for found, true in zip(cell.groups()[1:], (v.q[10, d], v.k[s, d], v.q[10, d] * v.k[s, d]), strict=True):
                assert as_printed(found, true)
            cells.add((s, d))
    assert len(cells) > 20


def test_a_head_without_vectors_says_so_and_gives_the_command(look):
    tab = look(pages.few().page, "#view=neuron&head=1.2")
    panel = tab.get_by_role("tabpanel", name="Neuron view")
    assert panel.get_by_text("are not on this page").first.is_visible()
    assert panel.locator("code").first.text_content() == "jattn view runs/a --neurons 1.2"
    put(tab, layer=0, head=1)
    assert canvas(tab, "Neuron view").is_visible()


STAGES = ("product", "scaled", "masked", "softmax")


def test_the_stages_of_the_scores(look):
    sample = pages.pair()
    tab = look(sample.page, "#view=scores&mode=b&head=0.2&stage=product&unmasked=1")
    side = sample.sides[1]
    v, seen = side.vectors[0, 2], side.visible(0)
    product = v.q.astype(np.float64) @ v.k.T.astype(np.float64)
    true = {"product": product, "scaled": product * v.scale, "masked": product * v.scale}
    true["softmax"] = side.layers[0].weights[2]
    for stage in STAGES:
        put(tab, stage=stage)
        header, *rows = csv(tab, "Scores")
        mine = [row for row in rows if row[header.index("values")] == stage]
        found = np.array([[float(cell or "nan") for cell in row[-len(pages.TOKENS) :]] for row in mine])
        shown = np.isfinite(found)
        assert shown[seen].all()
        if stage in ("product", "scaled"):
            assert shown.all()  # also where the query may not look
        np.testing.assert_allclose(found[seen], true[stage][seen], atol=1e-4)
        if v.s_null is not None and stage in ("masked", "softmax"):
            nulls = np.array([float(row[header.index("null")]) for row in mine])
            np.testing.assert_allclose(nulls, side.layers[0].null[2] if stage == "softmax" else v.s_null, atol=1e-4)
    put(tab, stage="product", unmasked=False)
    header, *rows = csv(tab, "Scores")
    found = np.array([[cell != "" for cell in row[-len(pages.TOKENS) :]] for row in rows])
    np.testing.assert_array_equal(found, seen)


def test_the_tooltip_of_the_scores_tells_every_stage(look):
    sample = pages.pair()
    tab = look(sample.page, "#view=scores&mode=b&head=0.2&stage=masked")
    seen = 0
    for _, lines in sweep(tab, canvas(tab, "Scores"), 30, 30):
        words = "\n".join(lines)
        at = re.search(r"^query (\d+) .* → key (\d+) ", words)
        if not at or int(at[2]) > int(at[1]):
            continue
        product, score, weight, *_ = truth(sample.sides[1], 0, 2, int(at[1]))
        found = re.findall(r"(<?-?\d+(?:\.\d+)?)", "\n".join(lines[1:]))
        for true in (product, score, weight):
            assert any(as_printed(x, true[int(at[2])]) for x in found), words
        seen += 1
    assert seen > 40


def test_the_query_follows_lock_and_slider(look):
    tab = look(pages.pair().page, "#view=neuron")
    slider = tab.get_by_role("slider", name="query")
    assert slider.input_value() == str(len(pages.TOKENS) - 1)  # the last, where none is locked
    put(tab, query=4)
    assert slider.input_value() == "4"
    assert pages.TOKENS[4].strip() in slider.get_attribute("aria-valuetext")
    slider.press("ArrowRight")
    settle(tab)
    assert state(tab)["query"] == 5
    assert "query 5" in canvas(tab, "Neuron view").first.get_attribute("aria-label")
