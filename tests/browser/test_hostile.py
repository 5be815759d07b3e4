"""Text that would harm a careless page is only text: in every view, in tooltips, labels, menus and in what is exported.

`hostile` goes the way of every page, where Python makes control characters visible; `raw` puts the tokens as they are
into the payload, so that nothing but the page's own care stands between them and the reader.
"""

import json
import re
from functools import cache
from xml.etree import ElementTree

import pytest

from analysis.viewer.page import Page, as_json
from tests.browser import pages
from tests.browser.driver import canvas, csv, drawn, exported, framed, put, settle, state, sweep

pytestmark = pytest.mark.browser

RUN = "window.hacked=1"
TOKENS = [
    f"</script><script>{RUN}</script>",
    "<!--",
    "-->",
    "<!--<script>",
    f"<img src=x onerror={RUN}>",
    f"<svg onload={RUN}><style>*{{display:none}}</style>",
    f'"><iframe srcdoc="<script>parent.{RUN}</script>">',
    f"javascript:{RUN}",
    "{{constructor.constructor('window.hacked=1')()}}",
    "${window.hacked=1}",
    "&lt;b&gt;&amp;&#0;",
    "line\u2028separator\u2029",
    "\u202eright\u202c to \u2066left\u2069",
    "NUL\x00 and \x1b[31m",
    "half \ud83d of a pair",
    "other \udc00 half",
    "]]><![CDATA[",
    "'; DROP TABLE heads; --",
    "=HYPERLINK(A1)",
    "toString",
    "__proto__",
    "$& $1 $`",
    "e" + "\u0301" * 40,
    "x" * 10_000,
]
NAME = f"</script><img src=x onerror={RUN}>\u202e\x00"
VIEWS = {"lines": "Head view", "map": "Map", "neuron": "Neuron view", "scores": "Scores"}


@cache
def hostile():
    """Two runs and a title of such names, on a text of such tokens."""
    sides = [pages.model(f"{i} {NAME}", TOKENS, heads=(2,), null=bool(i), split=5, seed=20 + i) for i in range(2)]
    return pages.sample(*sides, title=NAME, command=f"jattn view '{NAME}' --neurons {{heads}}").page


@cache
def raw():
    """The same with everything as it came."""
    page = hostile()
    start = page.html.index('id="payload">') + len('id="payload">')
    end = page.html.index("</script>", start)
    payload = json.loads(page.html[start:end])
    for text in payload["texts"]:
        text["queries"]["text"] = TOKENS
        text["queries"]["joined"] = [f"{RUN}</b>\u202e"] + [None] * (len(TOKENS) - 1)
        text["queries"]["word_class"] = [f"<i>{i % 3}</i>" for i in range(len(TOKENS))]
    for i, side in enumerate(payload["sides"]):
        side["name"] = side["run"] = f"{i} {NAME}"
    payload |= {"title": NAME, "notes": [NAME] * 2, "provenance": [[NAME, NAME]], "command": f"{NAME} {{heads}}"}
    return Page(NAME, page.html[:start] + as_json(payload) + page.html[end:])


@pytest.fixture(params=[hostile, raw], ids=["hostile", "raw"])
def page(request):
    return request.param()


def harmless(tab):
    """Nothing of the text has become an element, an attribute that runs, or a variable."""
    assert tab.evaluate("window.hacked") is None
    assert (
        tab.evaluate("""() => [...document.querySelectorAll("*")].filter(at =>
        ["IMG", "IFRAME", "OBJECT", "EMBED", "LINK", "BASE", "FORM", "I", "B", "CDATA", "svg"].includes(at.tagName)
        || [...at.attributes].some(({ name, value }) => name.startsWith("on") || /^\\s*javascript:/i.test(value))
    ).map(at => at.outerHTML.slice(0, 200))""")
        == []
    )
    assert tab.evaluate("document.scripts.length") == 4  # payload, two sides, the program
    assert tab.evaluate("document.querySelectorAll('style').length") == 1


@pytest.mark.parametrize("policy", ["policy", "no policy"])
def test_tokens_are_inert_in_every_view(look, page, policy):
    tab = look(page, bypass_csp=policy == "no policy")
    for view in VIEWS:
        for mode in ("side", "difference"):
            put(tab, view=view, mode=mode, query=0, key=1, transposed=mode == "side", horizontal=mode == "side")
            assert tab.locator("canvas:visible").count() >= 2
    for text in (TOKENS[0], f"/{TOKENS[4]}/", "/[/", ""):
        put(tab, text=text, sort="null_share")
    tab.keyboard.press("?")
    tab.get_by_role("dialog").wait_for()
    harmless(tab)


def test_tokens_are_inert_in_tooltips_and_labels(look, page):
    tab = look(page, "#mode=b", bypass_csp=True)
    for view, label in (("lines", "Head view"), ("map", "Heat map"), ("neuron", "Neuron view"), ("scores", "Scores")):
        put(tab, view=view, stage="masked")
        seen = [lines for _, lines in sweep(tab, canvas(tab, label).first, 30, 30) if lines]
        assert seen or view == "lines"
        picture = canvas(tab, label).first
        picture.focus()
        for key in ("ArrowDown", "ArrowRight", "Shift+ArrowDown"):
            picture.press(key)
    sweep(tab, canvas(tab, "Model view").first)
    settle(tab)
    harmless(tab)
    assert max(len(name) for name in tab.locator("[aria-label]").evaluate_all("a => a.map(x => x.ariaLabel)")) < 5000
    box = tab.locator("body").bounding_box()
    assert box["width"] <= 1280


@pytest.mark.parametrize(("view", "name"), VIEWS.items())
def test_exports_hold_text_only(look, page, view, name):
    tab = look(page, f"#view={view}&transposed=1&stage=masked", bypass_csp=True)
    for heading in (name, "Model view"):
        file, data = exported(tab, heading, "SVG")
        assert re.fullmatch(r"[A-Za-z0-9.-]+\.svg", file) and not file.startswith((".", "-"))
        root = ElementTree.fromstring(data)
        for element in root.iter():
            tag = element.tag.partition("}")[2]
            assert tag not in ("script", "foreignObject", "iframe", "style", "a", "animate", "set")
            for key, value in element.attrib.items():
                assert not key.lower().startswith("on")
                if key.endswith("href"):
                    assert value.startswith("data:image/png;base64,")
                assert "javascript:" not in value and "http" not in value
    header, *rows = csv(tab, name)
    for cell in [cell for row in [header, *rows] for cell in row]:
        assert not re.match(r"[=+@\t\r]|-(?![\d.])", cell), "a spreadsheet would run it"
    harmless(tab)


def test_the_title_and_names_are_read_as_they_are(look):
    tab = look(hostile())
    assert tab.title() == tab.get_by_role("heading", level=1).text_content()
    assert RUN in tab.title()
    options = tab.get_by_role("combobox", name="A", exact=True).locator("option").all_text_contents()
    assert all(RUN in option for option in options)


def test_the_page_in_a_frame_is_as_harmless(look, folder):
    tab, frame = framed(look, folder, hostile())
    harmless(frame)
    assert tab.evaluate("window.hacked") is None
    assert tab.locator("img, script").count() == 0


def test_python_shows_what_does_not_print(look):
    """A token that turns or hides what stands around it is spelled out, and a long one is cut."""
    tab = look(hostile(), "#view=map&mode=a")
    rows = csv(tab, "Map")
    words = [row[rows[0].index("token")] for row in rows[1:]]
    for hidden in ("\u202e", "\u2066", "\u2028", "\x00", "\x1b", "\ud83d"):
        assert not any(hidden in word for word in words)
    assert any("202E" in word for word in words)
    assert max(map(len, words)) <= 400


def test_a_link_with_hostile_words(look):
    tab = look(hostile(), "#text=%3C/script%3E%3Cimg src=x onerror=window.hacked=1%3E&word_class=%3Cb%3E")
    assert state(tab)["text"].startswith("</script>")
    assert tab.get_by_label("tokens", exact=True).input_value() == state(tab)["text"]
    harmless(tab)
    assert drawn(tab)
