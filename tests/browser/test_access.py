"""The page for everyone: axe-core finds nothing serious in any view, light or dark; it can be read at 200 %; pictures
have words, and what they show is also a table.

axe-core comes with `npm ci` in analysis/viewer/web.
"""

from pathlib import Path

import pytest

import analysis.viewer.page
from tests.browser import pages
from tests.browser.driver import canvas, drawn, put, settle, state

pytestmark = pytest.mark.browser

AXE = Path(analysis.viewer.page.HERE) / "web/node_modules/axe-core/axe.min.js"
VIEWS = ("lines", "map", "neuron", "scores")
WIDTH = 1280


def violations(tab):
    """What axe-core calls serious or critical, a line each."""
    found = tab.evaluate("async () => (await axe.run(document, { resultTypes: ['violations'] })).violations")
    grave = [one for one in found if one["impact"] in ("serious", "critical")]
    return [
        f"{one['id']}: {node['html'][:160]} {node['failureSummary'][:300]}" for one in grave for node in one["nodes"]
    ]


@pytest.fixture
def examined(look):
    """look, with axe-core in the page."""
    if not AXE.exists():
        pytest.skip(f"needs {AXE}: npm ci in analysis/viewer/web")

    def opened(*given, **options):
        tab = look(*given, bypass_csp=True, reduced_motion="reduce", **options)  # no colour on its way to another
        tab.evaluate(AXE.read_text(encoding="utf-8"))
        return tab

    return opened


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_serious(examined, theme):
    tab = examined(pages.pair().page)
    for view in VIEWS:
        put(tab, theme=theme, view=view, sort="null_share", by="null_share", text="/(/" if view == "map" else "cat")
        assert not violations(tab), view
    put(tab, mode="difference", view="map", query=3, key=2)
    assert not violations(tab)
    tab.keyboard.press("?")
    tab.get_by_role("dialog").wait_for()
    assert not violations(tab)
    tab.keyboard.press("Escape")
    tab.get_by_role("button", name="export", exact=True).click()
    tab.get_by_role("group", name="Export").wait_for()
    assert not violations(tab)


@pytest.mark.parametrize("make", [pages.single, pages.steps, pages.few])
def test_axe_finds_nothing_serious_on_other_pages(examined, make):
    tab = examined(make().page, "#view=neuron&head=0.0")
    assert not violations(tab)


def test_every_picture_has_words_and_is_reached_by_key(look):
    tab = look(pages.pair().page)
    for view in VIEWS:
        put(tab, view=view)
        for picture in tab.locator("canvas:visible").all():
            if picture.get_attribute("aria-hidden") == "true":
                continue
            assert len(picture.get_attribute("aria-label")) > 20
            assert picture.get_attribute("role") in ("img", "application")
            assert picture.get_attribute("tabindex") == "0"
            picture.focus()
            assert picture.evaluate("at => at === document.activeElement")


def test_labels_follow_the_selection(look):
    tab = look(pages.pair().page, "#view=map&mode=b")
    for layer, head in ((0, 1), (1, 2)):
        put(tab, layer=layer, head=head)
        for name in ("Model view", "Heat map"):
            assert f"layer {layer}, head {head}" in canvas(tab, name).get_attribute("aria-label")


def test_the_table_says_what_the_pictures_show(look):
    sample = pages.pair()
    tab = look(sample.page, "#mode=b")
    table = tab.get_by_role("table")
    headings = table.get_by_role("columnheader").all_text_contents()
    column = next(i for i, words in enumerate(headings) if words.startswith("null mass"))
    for head in range(3):
        put(tab, layer=1)
        row = table.get_by_role("row").filter(has=tab.get_by_role("rowheader", name=f"1.{head}"))
        cells = row.locator("th, td").all_text_contents()
        assert len(cells) == len(headings)
        assert float(cells[column]) == pytest.approx(sample.sides[1].layers[1].null[head][1:].mean(), abs=0.0051)
    assert table.locator("caption").text_content()


@pytest.mark.parametrize("zoom", ["device", "letters"])
def test_nothing_is_lost_at_200_percent(look, zoom):
    given = {"width": WIDTH // 2, "height": 400, "device_scale_factor": 2} if zoom == "device" else {"width": WIDTH}
    tab = look(pages.pair().page, **given)
    if zoom == "letters":
        tab.evaluate("document.documentElement.style.fontSize = '200%'")
    for mode in ("side", "difference"):
        for view in VIEWS:
            put(tab, view=view, mode=mode, query=4, sort="null_share", by="null_share")
            settle(tab)
            across = tab.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
            assert across[0] <= across[1], f"{view}, {mode}: scrolls sideways"
    tab.keyboard.press("?")
    box = tab.get_by_role("dialog").bounding_box()
    assert box["x"] >= 0 and box["x"] + box["width"] <= tab.viewport_size["width"]
    tab.keyboard.press("Escape")
    tab.get_by_role("button", name="export", exact=True).click()
    box = tab.get_by_role("group", name="Export").bounding_box()
    assert box["x"] >= 0 and box["x"] + box["width"] <= tab.viewport_size["width"]


@pytest.mark.parametrize("width", [320, 768, 1920])
def test_the_page_fits_screens_of_any_width(look, width):
    tab = look(pages.pair().page, width=width)
    for view in VIEWS:
        put(tab, view=view)
        assert tab.evaluate("document.documentElement.scrollWidth") <= width, view


def test_light_and_dark_follow_the_system_until_chosen(look):
    tab = look(pages.pair().page, color_scheme="light")
    paper = "[document.body, document.documentElement].map(at => getComputedStyle(at).backgroundColor).join()"
    light, pictures = tab.evaluate(paper), drawn(tab)
    tab.emulate_media(color_scheme="dark")
    settle(tab)
    assert tab.evaluate(paper) != light
    assert drawn(tab) != pictures
    assert state(tab)["theme"] == "auto"
    put(tab, theme="light")
    assert tab.evaluate(paper) == light
    assert drawn(tab) == pictures


def test_the_page_keeps_its_layout_while_maps_are_decoded(look):
    """Nothing jumps: the detail stands where it stood before its map was there."""
    tab = look(pages.tall(128).page, "#view=map")
    for layer in range(1, 6):
        before = tab.get_by_role("table").bounding_box()["y"]
        tab.evaluate("layer => jattn.set({ layer, head: 11 - layer })", layer)
        tab.evaluate("new Promise(requestAnimationFrame)")
        during = tab.get_by_role("table").bounding_box()["y"]
        settle(tab)
        after = tab.get_by_role("table").bounding_box()["y"]
        assert before == during == after
