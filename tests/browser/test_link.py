"""The link: every field of the state goes into the address and comes back from it; what no page can mean is ignored."""

import json

import pytest

from tests.browser import pages
from tests.browser.driver import put, settle, shown, state

pytestmark = pytest.mark.browser

EVERYTHING = {
    "view": "scores",
    "mode": "difference",
    "a": 1,
    "b": 0,
    "layer": 1,
    "head": 2,
    "more": [[0, 1], [1, 0]],
    "match": "best",
    "nulls": "renormalise",
    "sink": 3,
    "query": 5,
    "key": 4,
    "text": "/^t|a/i & = # % + ü 😀",
    "word_class": "word",
    "on": "key",
    "block": "AB",
    "from": 1,
    "to": 9,
    "filtered": "renormalise",
    "least": 0.25,
    "top": 0.5,
    "sort": "null_share",
    "across": True,
    "pattern_class": None,  # a class that the page has
    "by": "first_token_share",
    "above": 0.125,
    "pool": "mean",
    "scale": "log",
    "range": "head",
    "transposed": True,
    "horizontal": True,
    "stage": "product",
    "unmasked": True,
    "theme": "dark",
}


def everything():
    """A state in which no field has its default."""
    heads = [head for side in payload()["sides"] for layer in side["layers"] for head in layer["heads"]]
    return EVERYTHING | {"pattern_class": min(head["pattern_class"] for head in heads)}


def payload():
    html = pages.pair().page.html
    return json.loads(html.split('id="payload">')[1].split("</script>")[0])


def written(tab):
    """The fragment, once the page has written it: a moment after the last change."""
    tab.wait_for_function("() => location.hash.includes('theme=dark')")
    return tab.evaluate("location.hash")


def test_every_field_survives_the_link(look):
    tab = look(pages.pair().page)
    default = state(tab)
    assert set(EVERYTHING) == set(default), "a field of the state is not in this test"
    put(tab, **everything())
    now = state(tab)
    assert now == everything()
    assert not [name for name in now if now[name] == default[name]]
    fragment = written(tab)
    tab.reload()
    tab.wait_for_selector("html[data-ready]", state="attached")
    assert state(tab) == now
    assert tab.evaluate("location.hash") == fragment
    assert state(look(pages.pair().page, fragment)) == now


def test_the_default_needs_no_fragment(look):
    tab = look(pages.pair().page)
    default = state(tab)
    put(tab, theme="dark", view="map")
    written(tab)
    put(tab, **default)
    tab.wait_for_function("() => location.hash === ''")
    assert "#" not in tab.url


def test_a_link_is_short_and_can_be_read(look):
    tab = look(pages.pair().page)
    put(tab, view="map", layer=1, head=2, nulls="hide", theme="dark")
    assert sorted(written(tab)[1:].split("&")) == ["head=1.2", "nulls=hide", "theme=dark", "view=map"]


GARBAGE = [
    "#",
    "#%",
    "#%E0%A4%A",
    "#====&&&&?#",
    "#view=<img src=x onerror=alert(1)>&mode=</script>",
    "#head=99.99&a=7&b=-1&query=1e9&key=-2&sink=0.5&from=-3&to=oops",
    "#head=1&head=0.1&head=&layer=5&more=1.1_x_9.9_1.1_&a=&b=NaN",
    "#from=9&to=2&top=0&least=-1&above=Infinity&by=nothing&sort=__proto__",
    "#__proto__=1&constructor=2&toString=3&hasOwnProperty=4",
    "#mode=difference&a=1&b=1&match=worst&nulls=null&theme=plaid&stage=0",
    "#text=%00%1F%F0%9F%98&text=/(/&word_class=zzz&block=CC&on=none",
    "#more=" + "1.1_" * 5000,
    "#text=" + "a" * 20000,
]


def works(tab):
    """The page shows a head that it has, and follows its keys."""
    settle(tab)
    now = state(tab)
    assert now["a"] in (0, 1) and now["b"] in (0, 1) and now["layer"] in (0, 1) and now["head"] in (0, 1, 2)
    assert len(pages.TOKENS) == shown(tab, now["a"], now["layer"], now["head"]).T
    tab.locator("body").press("n")
    assert state(tab)["nulls"] != now["nulls"]
    put(tab, view="map", mode="side", text="")
    assert tab.locator("canvas:visible").count() >= 2
    assert tab.get_by_role("alert").filter(has_text="wrong").count() == 0


@pytest.mark.parametrize("fragment", GARBAGE[1:7])
def test_a_page_opened_with_garbage_works(look, fragment):
    works(look(pages.pair().page, fragment))


def test_garbage_typed_into_the_address_does_not_stop_the_page(look):
    tab = look(pages.pair().page)
    for fragment in GARBAGE:
        tab.evaluate("fragment => { location.hash = fragment; }", fragment)
        works(tab)


def test_what_does_not_fit_leaves_the_rest_of_the_link(look):
    tab = look(pages.pair().page, "#view=map&head=77.1&nulls=hide&query=5&key=400")
    now = state(tab)
    assert (now["view"], now["nulls"], now["query"], now["key"]) == ("map", "hide", 5, None)


def test_a_link_typed_into_the_open_page_is_followed(look):
    tab = look(pages.pair().page)
    tab.goto(tab.url.split("#")[0] + "#view=scores&head=1.1")
    tab.wait_for_function("() => jattn.state().view === 'scores'")
    assert (state(tab)["layer"], state(tab)["head"]) == (1, 1)


def test_the_page_refuses_states_that_it_has_no_place_for(look):
    tab = look(pages.pair().page)
    before = state(tab)
    put(tab, layer=50, view="video", query=-4, top=7, mode="c", sort="nothing", nulls=None, text="")
    assert state(tab) == before
