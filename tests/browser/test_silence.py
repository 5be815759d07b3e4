"""The page asks for nothing: no request in any view, none that its policy would let through, from a file or in a frame.

`look` itself fails every test in which a page makes a request, writes to the console or throws.
"""

import pytest

from tests.browser import pages
from tests.browser.driver import framed, put, settle, shown, state

pytestmark = pytest.mark.browser

VIEWS = ("lines", "map", "neuron", "scores")
MODES = ("a", "b", "side", "difference")


def test_every_view_in_every_mode_is_silent(look):
    tab = look(pages.pair().page)
    for view in VIEWS:
        for mode in MODES:
            put(tab, view=view, mode=mode)
            assert tab.locator("canvas:visible").count() >= 2
    assert tab.get_by_role("alert").filter(visible=True).all_text_contents() in ([], [""])


@pytest.mark.parametrize(
    "attempt",
    [
        "fetch('https://example.com/x')",
        "new Promise((_, no) => { const i = new Image(); i.onerror = no; i.src = 'https://example.com/x.png'; })",
        "new Promise((_, no) => { const s = document.createElement('script'); s.onerror = no;"
        " s.src = 'https://example.com/x.js'; document.head.append(s); })",
        "new FontFace('x', 'url(https://example.com/x.woff2)').load()",
        "new Promise((_, no) => { const w = new WebSocket('wss://example.com'); w.onerror = no; })",
        "new Promise((_, no) => setTimeout(() => { try { (0, eval)('1'); } catch (error) { no(error); } }))",
    ],
)
def test_the_policy_refuses_every_request(look, attempt):
    tab = look(pages.alone().page)
    tab.expected += ["Content Security Policy", "example.com"]
    sent = []
    tab.on("requestfinished", lambda request: sent.append(request.url))
    tab.on("requestfailed", lambda request: sent.append(request.url) if request.failure != "csp" else None)
    violated = "new Promise(yes => document.addEventListener('securitypolicyviolation', e => yes(e.violatedDirective)))"
    late = "new Promise(yes => setTimeout(yes, 20000, 'nothing was refused'))"
    directive = tab.evaluate(
        f"() => {{ const seen = {violated}; ({attempt}).catch(() => 0); return Promise.race([seen, {late}]); }}"
    )
    assert directive.split("-src")[0] in ("connect", "img", "script", "font", "default")
    assert not sent


def test_inline_scripts_and_handlers_do_not_run(look):
    tab = look(pages.alone().page)
    tab.expected += ["Content Security Policy"]
    tab.evaluate("""() => {
        const script = document.createElement("script");
        script.textContent = "window.hacked = true";
        document.body.append(script);
        const button = document.createElement("button");
        button.setAttribute("onclick", "window.hacked = true");
        document.body.append(button);
        button.click();
    }""")
    assert tab.evaluate("window.hacked") is None


def test_the_page_in_a_sandboxed_frame(look, folder):
    _, frame = framed(look, folder, pages.pair().page)
    for view in VIEWS:
        put(frame, view=view)
        assert frame.locator("canvas:visible").count() >= 2
    frame.get_by_role("radio", name="difference").check(force=True)
    assert state(frame)["mode"] == "difference"
    frame.locator("body").press("n")
    assert state(frame)["nulls"] == "hide"
    put(frame, mode="side", nulls="show")
    assert len(pages.TOKENS) == shown(frame, 1, 0, 0).T
    frame.get_by_role("button", name="copy link").click()
    settle(frame)


def test_the_frame_can_export(look, folder):
    tab, frame = framed(look, folder, pages.nulled().page)
    frame.get_by_role("button", name="export").click()
    with tab.expect_download() as download:
        frame.get_by_role("button", name="CSV").last.click()
    assert download.value.suggested_filename.endswith(".csv")
