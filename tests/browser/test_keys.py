"""The keyboard: every key that the page's own help lists does what it says, to the state and to nothing else."""

import pytest

from tests.browser import pages
from tests.browser.driver import canvas, put, said, settle, state

pytestmark = pytest.mark.browser

T = len(pages.TOKENS)

# As the help prints a key: (state before, key pressed, what changes in the state).
EFFECTS = {
    "←": [({"layer": 1, "head": 1}, "ArrowLeft", {"head": 0}), ({"head": 0}, "ArrowLeft", {})],
    "→": [({"layer": 1, "head": 1}, "ArrowRight", {"head": 2}), ({"head": 2}, "ArrowRight", {})],
    "↑": [({"layer": 1, "head": 1}, "ArrowUp", {"layer": 0}), ({"layer": 0}, "ArrowUp", {})],
    "↓": [({"layer": 0, "head": 1}, "ArrowDown", {"layer": 1}), ({"layer": 1}, "ArrowDown", {})],
    "[": [({"query": 5}, "[", {"query": 4}), ({"query": None}, "[", {"query": T - 1})],
    "]": [({"query": 5}, "]", {"query": 6}), ({"query": None}, "]", {"query": 0})],
    "{": [({"key": 0}, "{", {"key": -1}), ({"key": -1}, "{", {})],
    "}": [({"key": 5}, "}", {"key": 6}), ({"key": None}, "}", {"key": -1})],
    "Esc": [({"query": 5, "key": 2}, "Escape", {"query": None, "key": None})],
    "n": [
        ({"nulls": "show"}, "n", {"nulls": "hide"}),
        ({"nulls": "hide"}, "n", {"nulls": "renormalise"}),
        ({"nulls": "renormalise"}, "n", {"nulls": "show"}),
    ],
    "r": [
        ({"nulls": "show"}, "r", {"nulls": "renormalise"}),
        ({"nulls": "renormalise"}, "r", {"nulls": "show"}),
    ],
    "x": [({"a": 0, "b": 1}, "x", {"a": 1, "b": 0})],
    "d": [({"mode": "side"}, "d", {"mode": "difference"})],
    "s": [({"mode": "a"}, "s", {"mode": "side"})],
    "1": [({"view": "map"}, "1", {"view": "lines"})],
    "2": [({"view": "lines"}, "2", {"view": "map"})],
    "3": [({"view": "lines"}, "3", {"view": "neuron"})],
    "4": [({"view": "lines"}, "4", {"view": "scores"})],
    "t": [({"transposed": False}, "t", {"transposed": True}), ({"transposed": True}, "t", {"transposed": False})],
    "h": [({"horizontal": False}, "h", {"horizontal": True}), ({"horizontal": True}, "h", {"horizontal": False})],
    "/": [({}, "/", {})],  # these three change no state: see their own tests
    "c": [({}, "c", {})],
    "?": [({}, "?", {})],
}


def listed(tab):
    """The keys that the help lists, as it prints them."""
    tab.keyboard.press("?")
    tab.get_by_role("dialog").wait_for()
    keys = tab.locator("dialog kbd").filter(visible=True).all_text_contents()
    tab.keyboard.press("Escape")
    return keys


def test_every_key_of_the_help_does_what_it_says(look):
    tab = look(pages.pair().page)
    keys = listed(tab)
    assert sorted(keys) == sorted(EFFECTS), "the help lists other keys than this test drives"
    for shown in keys:
        for before, key, change in EFFECTS[shown]:
            tab.evaluate("before => jattn.set(before)", {"mode": "side", "view": "lines"} | before)
            start = state(tab)
            assert {name: start[name] for name in before} == before
            tab.keyboard.press(key)
            assert state(tab) == start | change, f"{shown} from {before}"
            tab.get_by_role("dialog").evaluate_all("all => all.forEach(dialog => dialog.close())")
            tab.evaluate("document.activeElement.blur()")
    settle(tab)


def test_keys_for_several_models_are_not_offered_for_one(look):
    tab = look(pages.alone().page)
    keys = listed(tab)
    assert set(EFFECTS) - set(keys) == {"x", "d", "s"}
    start = state(tab)
    for key in "xds":
        tab.keyboard.press(key)
    assert state(tab) == start


def test_changes_by_key_are_said(look):
    tab = look(pages.pair().page)
    for key, words in (("n", "hid"), ("d", "difference"), ("2", "Map"), ("]", "query 0 “The”"), ("x", "A is null")):
        tab.keyboard.press(key)
        tab.wait_for_function(
            "words => document.querySelector('[aria-live=polite]').textContent.includes(words)", arg=words
        )


def test_slash_filters_and_escape_leaves_the_field(look):
    tab = look(pages.pair().page)
    tab.keyboard.press("/")
    tab.keyboard.type("nxd")  # letters that are keys elsewhere
    assert state(tab) | {"text": ""} == state(tab) | {"text": "", "nulls": "show", "mode": "side"}
    assert state(tab)["text"] == "nxd"
    tab.keyboard.press("Escape")
    tab.keyboard.press("n")
    assert state(tab)["nulls"] == "hide"


def test_c_copies_a_link_to_this_view(look):
    tab = look(pages.pair().page)
    tab.context.grant_permissions(["clipboard-read", "clipboard-write"])
    put(tab, view="map", layer=1, head=2, nulls="hide")
    tab.keyboard.press("c")
    link = tab.evaluate("navigator.clipboard.readText()")
    other = look(pages.pair().page, "#" + link.split("#")[1])
    assert state(other) == state(tab)


def test_the_help_holds_the_page_until_it_is_closed(look):
    tab = look(pages.pair().page)
    start = state(tab)
    for close in ("Escape", "click"):
        tab.keyboard.press("?")
        dialog = tab.get_by_role("dialog")
        dialog.wait_for()
        for words in ("null mass", "jattn.state()", "hatched"):
            assert dialog.get_by_text(words).count()
        tab.keyboard.press("n")
        assert state(tab) == start
        tab.keyboard.press("Escape") if close == "Escape" else dialog.get_by_role("button", name="close").click()
        dialog.wait_for(state="hidden")
        assert state(tab) == start


def test_keys_with_modifiers_are_the_browsers(look):
    tab = look(pages.pair().page)
    start = state(tab)
    for key in ("Control+d", "Alt+x", "Meta+s", "Control+c"):
        tab.keyboard.press(key)
    assert state(tab) == start


def test_the_grid_is_walked_with_arrows(look):
    tab = look(pages.pair().page)
    put(tab, layer=0, head=0)
    grid = canvas(tab, "Model view").first
    grid.focus()
    for key in ("ArrowRight", "ArrowDown"):
        grid.press(key)
    assert "layer 1, head 1" in said(tab)
    assert (state(tab)["layer"], state(tab)["head"]) == (0, 0)
    grid.press("Enter")
    assert (state(tab)["layer"], state(tab)["head"], state(tab)["more"]) == (1, 1, [])
    grid.press("End")
    grid.press("Space")
    assert state(tab)["more"] == [[1, 2]]
    grid.press("Space")
    assert state(tab)["more"] == []
    grid.press("Home")
    grid.press("Enter")
    assert (state(tab)["layer"], state(tab)["head"]) == (1, 0)


@pytest.mark.parametrize(
    ("view", "label", "key", "moved"),
    [
        ("lines", "Head view", "ArrowDown", "query"),
        ("lines", "Head view", "Shift+ArrowDown", "key"),
        ("map", "Heat map", "ArrowDown", "query"),
        ("map", "Heat map", "ArrowRight", "key"),
        ("neuron", "Neuron view", "ArrowRight", "query"),
        ("neuron", "Neuron view", "ArrowDown", "key"),
        ("scores", "Scores", "ArrowDown", "query"),
        ("scores", "Scores", "ArrowRight", "key"),
    ],
)
def test_a_focused_picture_is_walked_and_says_where(look, view, label, key, moved):
    tab = look(pages.pair().page, f"#view={view}")
    start = state(tab)
    picture = canvas(tab, label).first
    picture.focus()
    picture.press(key)
    assert state(tab)[moved] is not None
    put(tab, query=8, key=3)
    before = state(tab)
    picture.press(key)
    assert state(tab) == before | {moved: before[moved] + 1}
    assert f"{moved} {before[moved] + 1}" in said(tab)
    picture.press("Escape")
    assert state(tab) == start


def test_zooming_the_map_by_key(look):
    tab = look(pages.pair().page, "#view=map")
    picture = canvas(tab, "Heat map").first
    whole = tab.get_by_role("button", name="whole map")
    assert not whole.is_visible()
    picture.focus()
    picture.press("+")
    settle(tab)
    assert whole.is_visible()
    picture.press("-")
    settle(tab)
    assert not whole.is_visible()


def test_every_control_is_reached_by_tab_in_reading_order(look):
    tab = look(pages.pair().page)
    seen = []
    for _ in range(120):
        tab.keyboard.press("Tab")
        found = tab.evaluate("""() => {
            const at = document.activeElement;
            if (at === document.body) return null;
            const { top, height } = at.getBoundingClientRect();
            return [at.tagName, at.getAttribute("aria-label") ?? at.labels?.[0]?.textContent ?? at.textContent, height];
        }""")
        if found is None:
            break
        assert found[1], f"a {found[0]} without a name takes the focus"
        seen.append(found[1])
    names = "\n".join(seen)
    for name in ("theme", "copy link", "export", "A", "treat as null", "sort by", "Model view", "Head view", "top-p"):
        assert name in names
