"""The mouse on the pictures: what it points at is told with Python's numbers, a click locks, a second one unlocks.

Where things stand on a canvas is the page's affair: the tests sweep the mouse over it and read the tooltip.
"""

import re

import numpy as np
import pytest

from tests.browser import pages
from tests.browser.driver import canvas, drawn, find, put, said, settle, state, sweep, tooltip, within

pytestmark = pytest.mark.browser

CELL = re.compile(r"^query (\d+) “(.*)” → key (\d+) “(.*)”$")
NULL = re.compile(r"^query (\d+) “.*” → the null$")


def numbers(lines):
    """{"weight": 0.42, ...}: the numbers of a tooltip, each with half a unit of its last digit."""
    found = re.findall(r"([a-z][a-z .·]*?) (-?\d+(?:\.(\d+))?)(?= of|,| ·|$)", "\n".join(lines), re.MULTILINE)
    return {name.strip(): (float(value), 0.5 * 10.0 ** -len(digits)) for name, value, digits in found}


def test_the_map_tells_the_weight_of_the_cell(look):
    sample = pages.pair("display")
    side = sample.sides[1]
    tab = look(sample.page, "#view=map&mode=b&head=1.2")
    w, mass = side.layers[1].weights[2].astype(np.float64), side.layers[1].null[2]
    error = within(w, 8)
    cells, nulls = set(), set()
    for _, lines in sweep(tab, canvas(tab, "Heat map"), 40, 40):
        if not lines:
            continue
        told = numbers(lines)
        if on_null := NULL.match(lines[0]):
            t = int(on_null[1])
            value, half = told["weight"]
            assert abs(value - mass[t]) <= half + 1e-6
            nulls.add(t)
        if not (at := CELL.match(lines[0])):
            continue
        t, s = int(at[1]), int(at[3])
        assert at[2] == side.tokens.text[t] and at[4] == side.tokens.text[s]
        if s > t:
            assert "may not see" in lines[1]
            continue
        value, half = told["weight"]
        assert abs(value - w[t, s]) <= half + error[t, s]
        assert abs(told["null mass"][0] - mass[t]) <= told["null mass"][1] + 1e-6
        assert told["distance"][0] == t - s
        near = error[t] + error[t, s]
        assert (
            1 + (w[t] > w[t, s] + near).sum() <= told["rank"][0] <= (w[t, : t + 1] >= (w[t, s] - near)[: t + 1]).sum()
        )
        cells.add((t, s))
    assert len(cells) > 60
    assert len(nulls) > 5


def test_a_difference_tells_both_parts(look):
    sample = pages.pair("exact")
    tab = look(sample.page, "#view=map&mode=difference&head=0.2")
    a, b = (side.layers[0].weights[2].astype(np.float64) for side in sample.sides)
    seen = 0
    for _, lines in sweep(tab, canvas(tab, "Heat map"), 10, 10):
        at = lines and CELL.match(lines[0])
        told = at and re.search(r"A - B ([+-]?[\d.]+)", "\n".join(lines))
        if told:
            t, s = int(at[1]), int(at[3])
            digits = len(told[1].split(".")[1])
            assert abs(float(told[1]) - (a - b)[t, s]) <= 0.5 * 10.0**-digits + 2e-5
            seen += 1
    assert seen > 10


def test_the_grid_tells_class_and_null_mass(look):
    sample = pages.pair()
    tab = look(sample.page, "#mode=b")
    seen = set()
    for _, lines in sweep(tab, canvas(tab, "Model view"), 10, 8):
        at = re.search(r"layer (\d+), head (\d+)", "\n".join(lines))
        if at:
            layer, head = int(at[1]), int(at[2])
            value, half = numbers(lines)["null mass"]
            assert abs(value - sample.sides[1].layers[layer].null[head][1:].mean()) <= half + 1e-6
            seen.add((layer, head))
    assert seen == set(sample.sides[1].heads)


def test_a_click_on_the_grid_selects_and_shift_adds(look):
    tab = look(pages.pair().page, "#mode=a")
    grid = canvas(tab, "Model view")
    points = {at: find(tab, grid, f"layer {at[0]}, head {at[1]}") for at in ((0, 0), (1, 1), (1, 2))}
    tab.mouse.click(*points[1, 1])
    assert (state(tab)["layer"], state(tab)["head"], state(tab)["more"]) == (1, 1, [])
    tab.keyboard.down("Shift")
    tab.mouse.click(*points[1, 2])
    tab.mouse.click(*points[0, 0])
    assert state(tab)["more"] == [[1, 2], [0, 0]]
    tab.mouse.click(*points[1, 2])
    tab.keyboard.up("Shift")
    assert state(tab)["more"] == [[0, 0]]
    tab.mouse.click(*points[0, 0])
    assert (state(tab)["layer"], state(tab)["head"], state(tab)["more"]) == (0, 0, [])
    assert "selected" in said(tab)


@pytest.mark.parametrize("view", ["map", "scores"])
def test_a_cell_is_locked_and_unlocked(look, view):
    tab = look(pages.pair().page, f"#view={view}&mode=b&head=1.2&stage=masked")
    picture = canvas(tab, {"map": "Heat map", "scores": "Scores"}[view])
    x, y = find(tab, picture, r"query 9 .* → key 4 ")
    assert state(tab)["query"] is None and state(tab)["key"] is None
    tab.mouse.click(x, y)
    assert (state(tab)["query"], state(tab)["key"]) == (9, 4)
    other = find(tab, picture, r"query 12 .* → key 2 ")
    assert (state(tab)["query"], state(tab)["key"]) == (9, 4)  # hovering elsewhere leaves the lock
    tab.mouse.move(*other)
    tab.mouse.click(x, y)
    assert (state(tab)["query"], state(tab)["key"]) == (None, None)
    tab.mouse.click(*other)
    assert (state(tab)["query"], state(tab)["key"]) == (12, 2)
    tab.keyboard.press("Escape")
    assert (state(tab)["query"], state(tab)["key"]) == (None, None)


def test_the_head_view_shows_on_hover_and_locks_on_click(look):
    tab = look(pages.pair().page, "#view=lines&mode=b&head=1.2")
    picture = canvas(tab, "Head view")
    picture.scroll_into_view_if_needed()
    box = picture.bounding_box()
    tab.mouse.move(5, 5)
    settle(tab)
    still = drawn(tab)
    for part, field in ((0.1, "query"), (0.9, "key")):
        x, y = box["x"] + part * box["width"], box["y"] + 0.6 * box["height"]
        tab.mouse.move(x, y)
        settle(tab)
        assert drawn(tab) != still
        assert state(tab)[field] is None
        tab.mouse.click(x, y)
        locked = state(tab)[field]
        assert locked is not None
        tab.mouse.move(5, 5)
        settle(tab)
        assert drawn(tab) != still
        tab.mouse.click(x, y)
        assert state(tab)[field] is None
        tab.mouse.click(x, y)
        tab.keyboard.press("Escape")
        assert state(tab)[field] is None
        tab.mouse.move(5, 5)
        settle(tab)
        assert drawn(tab) == still


def test_the_head_view_says_the_numbers_of_a_query(look):
    sample = pages.pair("exact")
    w, mass = sample.sides[1].layers[1].weights[2], sample.sides[1].layers[1].null[2]
    tab = look(sample.page, "#view=lines&mode=b&head=1.2&query=8")
    canvas(tab, "Head view").press("ArrowDown")
    words = said(tab)
    best = int(w[9].argmax())
    assert f"query 9 “{sample.sides[1].tokens.text[9]}”" in words
    value = re.search(re.escape(f"“{sample.sides[1].tokens.text[best]}” ") + r"([\d.]+)", words)
    assert abs(float(value[1]) - w[9, best]) < 1e-3
    assert abs(float(re.search(r"null mass ([\d.]+)", words)[1]) - mass[9]) < 1e-3


def test_dragging_zooms_the_map_and_a_double_click_shows_the_whole(look):
    tab = look(pages.pair().page, "#view=map&mode=a")
    picture = canvas(tab, "Heat map")
    whole = tab.get_by_role("button", name="whole map")
    start = find(tab, picture, r"query 5 .* → key 1 ")
    end = find(tab, picture, r"query 11 .* → key 4 ")
    before = state(tab)
    tab.mouse.move(*start)
    tab.mouse.down()
    tab.mouse.move((start[0] + end[0]) / 2, (start[1] + end[1]) / 2)
    tab.mouse.move(*end)
    tab.mouse.up()
    settle(tab)
    assert whole.is_visible()
    assert state(tab) == before  # a drag locks nothing
    seen = {int(at[1]) for _, lines in sweep(tab, picture) if lines and (at := CELL.match(lines[0]))}
    assert seen and seen <= set(range(5, 12))
    tab.mouse.dblclick(*start)
    settle(tab)
    assert not whole.is_visible()


def test_the_tooltip_never_leaves_the_window(look):
    tab = look(pages.pair().page, "#view=map", width=520, height=700)
    picture = canvas(tab, "Heat map").last
    points = [(x, y) for (x, y), lines in sweep(tab, picture) if lines and 0 < x < 520 and 0 < y < 700]
    for x, y in [points[0], points[len(points) // 2], points[-1]]:
        tab.mouse.move(x, y)
        box = tab.locator("body > div[aria-hidden=true]:not([hidden])").first.bounding_box()
        assert box["x"] >= 0 and box["y"] >= 0
        assert box["x"] + box["width"] <= 520 and box["y"] + box["height"] <= 700
    tab.mouse.move(1, 1)
    assert tooltip(tab) == []


def test_toggling_the_null_changes_the_picture_and_back(look):
    tab = look(pages.pair().page)
    for view in ("lines", "map", "neuron", "scores"):
        put(tab, view=view, nulls="show")
        pictures = {"show": drawn(tab)}
        for nulls in ("hide", "renormalise", "show"):
            tab.keyboard.press("n")
            settle(tab)
            settle(tab)
            assert state(tab)["nulls"] == nulls
            if nulls in pictures:
                assert drawn(tab) == pictures[nulls]
            else:
                assert drawn(tab) not in pictures.values()
                pictures[nulls] = drawn(tab)
