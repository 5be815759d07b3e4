"""What leaves the page: SVG that any reader of XML takes, PNG of the right size, CSV with the numbers, a link; names of
files that mean nothing to a shell.
"""

import struct
from xml.etree import ElementTree

import numpy as np
import pytest

from tests.browser import pages
from tests.browser.driver import csv, exported, put, settle, state

pytestmark = pytest.mark.browser

SVG = "{http://www.w3.org/2000/svg}"
DRAWN = {"svg", "rect", "path", "text", "tspan", "image", "clipPath", "g", "line", "defs", "use", "title"}
VIEWS = {"lines": "Head view", "map": "Map", "neuron": "Neuron view", "scores": "Scores"}


@pytest.mark.parametrize("mode", ["side", "difference"])
@pytest.mark.parametrize(("view", "name"), VIEWS.items())
def test_a_picture_as_svg(look, view, name, mode):
    tab = look(pages.pair().page, f"#view={view}&mode={mode}")
    file, data = exported(tab, name, "SVG")
    assert file.endswith(".svg")
    root = ElementTree.fromstring(data)
    assert root.tag == f"{SVG}svg"
    assert float(root.get("width")) > 100 and float(root.get("height")) > 50
    assert {element.tag.removeprefix(SVG) for element in root.iter()} <= DRAWN
    words = "".join("".join(element.itertext()) for element in root.iter(f"{SVG}text"))
    assert "layer 0" in words
    assert len(list(root.iter(f"{SVG}rect"))) + len(list(root.iter(f"{SVG}path"))) > 20
    numbers = [
        value for element in root.iter() for key in ("x", "y", "width", "height", "d") if (value := element.get(key))
    ]
    assert not any("NaN" in value or "Infinity" in value or "undefined" in value for value in numbers)


def test_the_svg_holds_the_tokens_and_the_drawn_picture(look):
    tab = look(pages.pair().page, "#view=map&mode=b")
    root = ElementTree.fromstring(exported(tab, "Map", "SVG")[1])
    words = ["".join(element.itertext()) for element in root.iter(f"{SVG}text")]
    for token in pages.pair().sides[1].tokens.text:
        assert token in words
    for said in ("query (attends)", "key (attended)"):
        assert any(said in word for word in words)


@pytest.mark.parametrize(("view", "name"), VIEWS.items())
def test_a_picture_as_png(look, view, name):
    tab = look(pages.pair().page, f"#view={view}&mode=b")
    file, data = exported(tab, name, "PNG")
    assert file.endswith(".png") and data.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", data[16:24])
    seen = tab.get_by_role("tabpanel", name=name).locator("canvas:visible").first.bounding_box()
    assert width >= seen["width"] and height >= 100
    assert len(data) > 5000


def test_the_model_view_and_its_table(look):
    sample = pages.pair()
    tab = look(sample.page)
    root = ElementTree.fromstring(exported(tab, "Model view", "SVG")[1])
    assert len(list(root.iter())) > 20
    header, *rows = csv(tab, "Statistics")
    assert len(rows) == sum(len(side.heads) for side in sample.sides)
    column = next(i for i, name in enumerate(header) if name.startswith("null mass"))
    at = [header.index(name) for name in ("side", "layer", "head")]
    for row in rows:
        side, layer, head = (row[i] for i in at)
        if side == "null":
            true = sample.sides[1].layers[int(layer)].null[int(head)][1:].mean()
            assert float(row[column]) == pytest.approx(true, rel=1e-4)
        else:
            assert row[column] == ""


@pytest.mark.parametrize("mode", ["a", "side", "difference"])
@pytest.mark.parametrize(("view", "name"), VIEWS.items())
def test_a_table_has_a_cell_for_every_heading(look, view, name, mode):
    tab = look(pages.pair().page, f"#view={view}&mode={mode}")
    header, *rows = csv(tab, name)
    assert rows
    assert {len(row) for row in rows} == {len(header)}


def test_numbers_of_a_table_are_numbers(look):
    """A minus sign is no formula: numbers stay numbers in a spreadsheet."""
    tab = look(pages.pair().page, "#view=map&mode=difference")
    a, b = (side.layers[0].weights[1] for side in pages.pair().sides)
    put(tab, layer=0, head=1)
    _, *rows = csv(tab, "Map")
    T = len(pages.TOKENS)
    found = np.array([[float(cell or 0) for cell in row[-T:]] for row in rows])
    np.testing.assert_allclose(found, a - b, atol=2e-4)
    assert (found < 0).any()


def test_the_lines_of_a_table_are_those_drawn(look):
    sample = pages.pair()
    tab = look(sample.page, "#view=lines&mode=a&head=1.1&top=1&least=0.1")
    header, *rows = csv(tab, "Head view")
    w = sample.sides[0].layers[1].weights[1]
    found = {(int(row[header.index("query")]), int(row[header.index("key")])): float(row[-1]) for row in rows}
    assert set(found) == {(int(t), int(s)) for t, s in np.argwhere(w >= 0.1)}
    for (t, s), value in found.items():
        assert abs(value - w[t, s]) < 1e-3
    tab.get_by_text(f"{len(rows)} lines").wait_for()


def test_the_menu_closes_and_gives_the_focus_back(look):
    tab = look(pages.pair().page)
    opener = tab.get_by_role("button", name="export", exact=True)
    opener.focus()
    opener.press("Enter")
    menu = tab.get_by_role("group", name="Export")
    menu.wait_for()
    before = state(tab)
    tab.keyboard.press("n")
    assert state(tab) == before  # keys belong to the menu while it is open
    tab.keyboard.press("Tab")
    assert tab.evaluate("document.activeElement.closest('[popover]') !== null")
    tab.keyboard.press("Escape")
    menu.wait_for(state="hidden")
    assert tab.evaluate("document.activeElement.textContent") == "export"


def test_copy_link_says_so(look):
    tab = look(pages.pair().page)
    tab.context.grant_permissions(["clipboard-read", "clipboard-write"])
    put(tab, view="map", query=3)
    tab.get_by_role("button", name="copy link").click()
    tab.get_by_text("Link copied.").wait_for()
    settle(tab)
    link = tab.evaluate("navigator.clipboard.readText()")
    assert link.startswith("file://") and sorted(link.split("#")[1].split("&")) == ["query=3", "view=map"]
