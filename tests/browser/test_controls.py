"""Every form control does what it says, by mouse and by keyboard: its effect is seen in the state, and nothing else is.

The lists below are held against the page: a control that no test drives is an error.
"""

import re

import pytest

from tests.browser import pages
from tests.browser.driver import put, settle, state

pytestmark = pytest.mark.browser

# label: (field of the state, how an option's value reads there)
SELECTS = {
    "theme": ("theme", str),
    "A": ("a", int),
    "B": ("b", int),
    "treat as null": ("sink", lambda value: None if value == "" else int(value)),
    "of": ("on", str),
    "word class": ("word_class", str),
    "sentences": ("block", str),
    "sort by": ("sort", str),
    "class": ("pattern_class", str),
    "only heads with": ("by", str),
    "layer": ("layer", int),
    "head": ("head", int),
    "colours": ("scale", str),
    "range": ("range", str),
}
# legend: (field, words of the choices and their values)
RADIOS = {
    "compare": ("mode", {"A": "a", "B": "b", "side by side": "side", "difference": "difference"}),
    "match heads": ("match", {"by index": "index", "best match": "best"}),
    "null": ("nulls", {"show": "show", "hide": "hide", "renormalise": "renormalise"}),
    "kept weights": ("filtered", {"as they are": "hide", "renormalised": "renormalise"}),
    "sorted": ("across", {"in each layer": False, "across layers": True}),
    "cells pooled by": ("pool", {"largest": "max", "mean": "mean"}),
    "stage": ("stage", None),
    "keys": (None, None),  # the order of the neuron view's rows: its own
}
SLIDERS = {"top-p": "top", "least weight": "least", "query": "query"}
FIELDS = {
    "tokens": ("text", "cat", "cat"),
    "positions": ("from", "2", 2),
    "to": ("to", "9", 9),
    "at least": ("above", "0.5", 0.5),
}
TABS = {"Head view": "lines", "Map": "map", "Neuron view": "neuron", "Scores": "scores"}
# Buttons that turn something on and off, and where they stand.
TOGGLES = {
    "in rows": ("lines", "horizontal"),
    "transpose": ("map", "transposed"),
    "without mask": ("scores", "unmasked"),
}
OTHERS = {"copy link", "export", "help", "reset", "zoom in", "zoom out", "whole map", "previous", "next"}


@pytest.fixture(scope="module")
def opened(look_once):
    """The page and its state as it opens."""
    tab = look_once(pages.pair().page)
    return tab, state(tab)


@pytest.fixture
def tab(opened):
    """The page as it opened."""
    tab, start = opened
    tab.keyboard.press("Escape")
    tab.mouse.move(0, 0)
    tab.evaluate("document.activeElement.blur()")
    put(tab, **start)
    return tab


def choose(tab, name):
    return tab.get_by_role("combobox", name=name, exact=True)


def click(tab, element):
    """Where the element stands, whatever lies on it."""
    element.scroll_into_view_if_needed()
    box = element.bounding_box()
    tab.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)


def group(tab, name):
    return tab.get_by_role("group", name=name, exact=True)


def test_no_control_is_left_out(tab):
    known = {"select": set(SELECTS), "radio": set(RADIOS), "range": set(SLIDERS), "field": set(FIELDS)}
    known["button"] = set(TOGGLES) | OTHERS | set(TABS)
    found = {kind: set() for kind in known}
    for view in TABS.values():
        put(tab, view=view, sort="null_share", by="null_share")
        for kind, name in tab.evaluate("""() => [...document.querySelectorAll("select, input, button")].flatMap(at => {
            if (!at.checkVisibility() || at.closest("table")) return [];
            const words = at.getAttribute("aria-label") ?? at.labels?.[0]?.textContent ?? at.textContent;
            if (at.type === "radio") return [["radio", at.closest("fieldset").querySelector("legend").textContent]];
            if (at.type === "range") return [["range", words]];
            return [[{ SELECT: "select", INPUT: "field" }[at.tagName] ?? "button", words]];
        })"""):
            found[kind].add(re.sub(r" \(.*\)$", "", name))
    for kind, names in found.items():
        assert names <= known[kind], f"{kind}: {names - known[kind]} have no test"


@pytest.mark.parametrize("name", SELECTS)
def test_a_menu_sets_its_field_by_mouse_and_by_key(tab, name):
    field, read = SELECTS[name]
    put(tab, view="map", key=4, layer=1)
    menu = choose(tab, name)
    values = menu.locator("option").evaluate_all("all => all.map(option => option.value)")
    before = state(tab)
    assert len(values) > 1
    free = {"layer": {"head"}, "A": {"mode"}, "B": {"mode"}}.get(name, set())
    for value in [*values[1:], values[0]]:
        menu.select_option(value)
        now = state(tab)
        entry = read(value)
        assert now[field] == entry
        assert {k for k in now if now[k] != before[k]} <= {field} | free
    settle(tab)
    menu.focus()
    menu.press("ArrowDown")
    assert state(tab)[field] == read(values[1])
    assert menu.input_value() == values[1]


@pytest.mark.parametrize("name", [name for name, (field, words) in RADIOS.items() if words])
def test_a_row_of_choices_sets_its_field_by_mouse_and_by_key(tab, name):
    field, words = RADIOS[name]
    put(tab, sort="null_share", sink=0)
    before = state(tab)
    entries = list(words.items())
    for shown, value in [*entries[1:], entries[0]]:
        click(tab, group(tab, name).locator("label").filter(has_text=re.compile(f"^{shown}$")))
        settle(tab)
        assert state(tab) == before | {field: value}
        assert group(tab, name).get_by_role("radio", name=shown, exact=True).is_checked()
    group(tab, name).get_by_role("radio", name=entries[0][0], exact=True).focus()
    tab.keyboard.press("ArrowRight")
    assert state(tab) == before | {field: entries[1][1]}


@pytest.mark.parametrize(("name", "field"), SLIDERS.items())
def test_a_slider_sets_its_field_by_mouse_and_by_key(tab, name, field):
    put(tab, view="neuron" if name == "query" else "lines")
    slider = tab.get_by_role("slider", name=name, exact=True)
    slider.click(position={"x": slider.bounding_box()["width"] * 0.4, "y": 5})
    by_mouse = state(tab)[field]
    assert by_mouse == float(slider.input_value())
    least, most = (float(slider.get_attribute(end)) for end in ("min", "max"))
    assert least < by_mouse < most
    slider.press("ArrowRight")
    assert state(tab)[field] == float(slider.input_value()) > by_mouse
    slider.press("Home")
    assert state(tab)[field] == least
    assert slider.get_attribute("aria-valuetext")


@pytest.mark.parametrize("name", FIELDS)
def test_a_field_sets_the_state_while_one_types(tab, name):
    field, typed, value = FIELDS[name]
    put(tab, by="null_share")
    before = state(tab)
    box = tab.get_by_label(name, exact=True)
    box.click()
    tab.keyboard.type(typed)
    assert state(tab) == before | {field: value}
    settle(tab)
    assert box.input_value() == typed
    for _ in typed:
        tab.keyboard.press("Backspace")
    assert state(tab) == before


def test_a_pattern_that_cannot_be_read_is_told(tab):
    box = tab.get_by_label("tokens", exact=True)
    box.fill("/(/")
    settle(tab)
    assert tab.get_by_role("alert").filter(has_text="cannot be read").is_visible()
    assert box.get_attribute("aria-invalid") == "true"
    box.fill("/^.[cm]at$/")
    settle(tab)
    assert box.get_attribute("aria-invalid") == "false"
    assert tab.get_by_text("2 of 14 queries, 2 of 14 keys").is_visible()


def test_reset_clears_every_filter(tab):
    reset = tab.get_by_role("button", name="reset")
    before = state(tab)
    assert reset.is_disabled()
    put(tab, text="cat", word_class="word", on="key", block="AB", **{"from": 1, "to": 9})
    reset.click()
    assert state(tab) == before
    put(tab, text="cat")
    reset.press("Enter")
    assert state(tab) == before


@pytest.mark.parametrize("name", TOGGLES)
def test_a_toggle_turns_on_and_off(tab, name):
    view, field = TOGGLES[name]
    put(tab, view=view)
    before = state(tab)
    toggle = tab.get_by_role("button", name=name, exact=True)
    for act in (toggle.click, lambda: toggle.press("Enter")):
        for pressed in (True, False):
            act()
            settle(tab)
            assert state(tab) == before | {field: pressed}
            assert toggle.get_attribute("aria-pressed") == str(pressed).lower()


def test_tabs_turn_by_mouse_and_by_arrows(tab):
    for name, view in TABS.items():
        tab.get_by_role("tab", name=name).click()
        assert state(tab)["view"] == view
        settle(tab)
        assert tab.get_by_role("tab", name=name).get_attribute("aria-selected") == "true"
        assert tab.get_by_role("tabpanel", name=name).is_visible()
    tab.get_by_role("tab", name="Scores").press("Home")
    assert state(tab)["view"] == "lines"
    for view in [*list(TABS.values())[1:], "lines"]:
        tab.keyboard.press("ArrowRight")
        assert state(tab)["view"] == view


def test_stages_of_the_scores(tab):
    put(tab, view="scores")
    box = group(tab, "stage")
    for words in box.locator("label").all_text_contents():
        click(tab, box.locator("label").filter(has_text=re.compile(f"^{words}$")))
        settle(tab)
        assert box.get_by_role("radio", name=words, exact=True).is_checked()
    for stage in ("all", "product", "scaled", "masked", "softmax"):
        put(tab, stage=stage)
        assert state(tab)["stage"] == stage
    assert tab.locator('canvas[aria-label^="Scores"]:visible').first.get_attribute("aria-label").count("softmax")


def test_the_table_sorts_and_selects(tab):
    table = tab.get_by_role("table")
    sorter = table.get_by_role("button", name="largest weight")
    for act in (sorter.click, lambda: sorter.press("Enter")):
        act()
        settle(tab)
        assert state(tab)["sort"]
        assert sorter.locator("xpath=ancestor::th").get_attribute("aria-sort") == "descending"
        act()
        assert state(tab)["sort"] == ""
    settle(tab)
    table.get_by_role("rowheader", name="0.2").get_by_role("button").click()
    assert (state(tab)["layer"], state(tab)["head"]) == (0, 2)


def test_a_long_table_shows_the_first_and_says_how_many_there_are(look):
    tab = look(pages.tall(128).page, "#mode=b&sort=entropy_normalised&across=1")
    table = tab.get_by_role("table")
    rows = table.get_by_role("rowheader")
    assert 8 <= rows.count() <= 24
    assert f"{rows.count()} of 144 heads" in table.locator("caption").text_content()
    headings = table.get_by_role("columnheader").all_text_contents()
    column = next(i for i, words in enumerate(headings) if words.startswith("entropy"))
    values = [float(row.locator("th, td").nth(column).text_content()) for row in table.locator("tbody tr").all()]
    assert values == sorted(values, reverse=True)


def test_the_slider_walks_the_steps_of_a_run(look):
    sample = pages.steps()
    tab = look(sample.page)
    put(tab, a=0, b=3, mode="side")
    slider = tab.get_by_role("slider", name="step of A")
    assert tab.get_by_role("slider", name="step of B").count() == 0
    for side, step in ((1, "100"), (2, "200")):
        slider.press("ArrowRight")
        settle(tab)
        assert state(tab)["a"] == side
        assert step in slider.get_attribute("aria-valuetext")
    slider.click(position={"x": 2, "y": 5})
    assert state(tab)["a"] == 0
    tab.get_by_role("combobox", name="B", exact=True).select_option(index=0)
    settle(tab)
    assert tab.get_by_role("slider", name="step of B").is_visible()
