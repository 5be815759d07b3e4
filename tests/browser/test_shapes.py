"""Attention of every shape is shown: cross-attention, ragged layers, windows, one head, one token, steps of a run,
models of other tokens; and however much there is of it, the page stays a page of few elements.
"""

import numpy as np
import pytest

from tests.browser import pages
from tests.browser.driver import canvas, csv, drawn, put, settle, shown, state, within

pytestmark = pytest.mark.browser

VIEWS = {"lines": "Head view", "map": "Heat map", "neuron": "Neuron view", "scores": "Scores"}
SHAPES = [pages.encoder, pages.crossed, pages.ragged, pages.single, pages.unlike, pages.nulled]
MOST = 2000  # elements


def elements(tab):
    return tab.evaluate("document.querySelectorAll('*').length")


@pytest.mark.parametrize("make", SHAPES)
def test_every_head_of_every_shape_in_every_view(look, make):
    sample = make()
    tab = look(sample.page)
    for i, side in enumerate(sample.sides):
        put(tab, a=i, mode="a")
        for layer, head in side.heads:
            found = shown(tab, i, layer, head)
            w = side.layers[layer].weights[head]
            assert found.weights.shape == w.shape == (side.T, side.S)
            assert (np.abs(found.weights - w) <= within(w)).all()
        for change in ({}, {"transposed": True, "horizontal": True}, {"sort": "entropy_normalised", "across": True}):
            for view, label in VIEWS.items():
                put(tab, view=view, layer=side.heads[-1][0], head=side.heads[-1][1], **change)
                box = canvas(tab, label).first.bounding_box()
                assert box["width"] > 50 and box["height"] > 30
        put(tab, sort="", across=False, transposed=False, horizontal=False)
    if len(sample.sides) > 1:
        for view in VIEWS:
            put(tab, view=view, mode="side")
            assert len(drawn(tab)) >= 3
    assert elements(tab) < MOST


def test_cross_attention_has_the_tokens_of_both_texts(look):
    tab = look(pages.crossed().page, "#view=map")
    header, *rows = csv(tab, "Map")
    assert [row[header.index("token")] for row in rows] == list(pages.crossed().sides[0].tokens.text)
    assert [name.split(" ", 1)[1] for name in header[-8:]] == [f"k{s}" for s in range(8)]
    assert all(cell for row in rows for cell in row[-8:])  # every query sees every key


def test_a_window_hides_what_is_outside(look):
    sample = pages.ragged()
    tab = look(sample.page, "#view=map&head=1.1")
    _, *rows = csv(tab, "Map")
    T = len(pages.TOKENS)
    found = np.array([[bool(cell) for cell in row[-T:]] for row in rows])
    np.testing.assert_array_equal(found, sample.sides[0].visible(1))


def test_ragged_layers_are_walked_without_falling_off(look):
    tab = look(pages.ragged().page)
    put(tab, layer=1, head=2)
    for key, at in (("Down", (2, 1)), ("Up", (1, 1)), ("Up", (0, 0)), ("Up", (0, 0)), ("Right", (0, 0))):
        tab.keyboard.press(f"Arrow{key}")
        assert (state(tab)["layer"], state(tab)["head"]) == at
    assert tab.get_by_role("rowheader").count() == 1
    heads = tab.get_by_role("combobox", name="head", exact=True).locator("option")
    put(tab, layer=1)
    assert heads.count() == 3


def test_one_head_of_one_token(look):
    tab = look(pages.single().page)
    found = shown(tab, 0, 0, 0)
    assert found.weights.tolist() == [[1.0]]
    for key in ("]", "}", "[", "{", "n", "2", "t", "3", "4", "1", "h", "ArrowDown", "ArrowRight"):
        tab.keyboard.press(key)
        settle(tab)
    assert (state(tab)["layer"], state(tab)["head"]) == (0, 0)


def test_steps_of_a_run_stand_beside_each_other(look):
    sample = pages.steps()
    tab = look(sample.page)
    for i, side in enumerate(sample.sides):
        w = side.layers[1].weights[0]
        assert (np.abs(shown(tab, i, 1, 0).weights - w) <= within(w)).all()
    put(tab, a=0, b=2, mode="difference", layer=1, head=0)
    facts = tab.get_by_role("list", name="Selected").text_content()
    assert "step 0" in facts and "step 200" in facts
    menu = tab.get_by_role("combobox", name="A", exact=True)
    assert menu.locator("option").all_text_contents() == ["run", "other"]  # its steps are on the slider


def test_models_of_other_tokens_stand_side_by_side(look):
    sample = pages.unlike()
    tab = look(sample.page, "#mode=side&view=map")
    header, *rows = csv(tab, "Map")
    names = {row[header.index("side")] for row in rows}
    assert len(names) == 2
    assert len(rows) == sum(side.T for side in sample.sides)


@pytest.mark.parametrize("T", [128, 1024])
def test_two_models_of_144_heads_are_a_light_page(look, T):
    tab = look(pages.tall(T).page)
    most = elements(tab)
    for view in VIEWS:
        for mode in ("side", "difference"):
            for sort in ("", "entropy_normalised"):
                put(tab, view=view, mode=mode, sort=sort, across=True, query=T // 2)
                most = max(most, elements(tab))
    tab.keyboard.press("?")
    tab.get_by_role("dialog").wait_for()
    tab.keyboard.press("Escape")
    tab.get_by_role("button", name="export", exact=True).click()
    most = max(most, elements(tab))
    assert most < MOST
    t = T - 9
    w = pages.tall(T).sides[1].layers[0].weights[1, t]
    row = "async ([T, t]) => Array.from((await jattn.shown(1, 7, 3)).weights.subarray(t * T, (t + 1) * T))"
    assert (np.abs(np.array(tab.evaluate(row, [T, t])) - w) <= within(w, 8)).all()
    assert tab.evaluate("document.documentElement.scrollWidth") <= 1280
