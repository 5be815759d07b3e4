"""One Chromium for all tests of the page, and `look`, which opens a page and watches it: whatever a test asks, the page
makes no request, writes nothing to the console, throws nothing and violates no policy of its own.
"""

import os
import shutil
from contextlib import contextmanager
from importlib.util import find_spec

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PATIENCE = 30_000  # milliseconds: a slow machine is not an error
INSIDE = ("data:", "blob:", "about:")  # addresses of what is in the page


@pytest.fixture(scope="session")
def browser():
    """Chromium. Without it the tests are skipped, or fail where JATTN_BROWSER=1 says that it has to be there."""
    path = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    missing = [name for name, found in (("playwright", find_spec("playwright")), ("Chromium", path)) if not found]
    if missing:
        reason = f"needs {' and '.join(missing)}: pip install playwright; Chromium on the PATH or in $CHROMIUM"
        (pytest.fail if os.environ.get("JATTN_BROWSER") == "1" else pytest.skip)(reason)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path)
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """Where pages are written."""
    return tmp_path_factory.mktemp("pages")


@pytest.fixture
def look(browser, folder):
    """look(page, "#view=map", width=...) opens an analysis.viewer Page (or a path) and waits until it is drawn.

    `expected` of what it returns are words of the requests and messages that the test itself provokes.
    """
    with opening(browser, folder) as look:
        yield look


@pytest.fixture(scope="module")
def look_once(browser, folder):
    """The same for a page that several tests of a file share."""
    with opening(browser, folder) as look:
        yield look


@contextmanager
def opening(browser, folder):
    """Opens pages and watches them; at the end nothing has happened that must not."""
    contexts, wrong = [], []

    def opened(page, fragment="", *, width=1280, height=900, ready=True, **options):
        if hasattr(page, "write"):
            path = folder / f"{abs(hash(page.html))}.html"
            page = path if path.exists() else page.write(path)
        context = browser.new_context(viewport={"width": width, "height": height}, accept_downloads=True, **options)
        context.set_default_timeout(PATIENCE)
        contexts.append(context)
        tab = context.new_page()
        tab.expected = []
        watch(tab, page.as_uri(), wrong)
        tab.goto(page.as_uri() + fragment)
        if ready:
            tab.wait_for_selector("html[data-ready]", state="attached")
        return tab

    yield opened
    for context in contexts:
        context.close()
    assert not wrong, "\n".join(wrong)


def watch(tab, address, wrong):
    """Notes whatever the page asks for, writes to the console or throws."""

    def note(what, words):
        if not any(part in words for part in tab.expected):
            wrong.append(f"{what}: {words}"[:2000])

    def asked(request):
        if not request.url.startswith(INSIDE) and request.url.split("#")[0] != address:
            note("request", request.url)

    tab.on("request", asked)
    tab.on("console", lambda message: note(f"console {message.type}", message.text))
    tab.on("pageerror", lambda error: note("error", str(error)))
    tab.on("dialog", lambda dialog: (note("dialog", dialog.message), dialog.dismiss()))
    tab.on("popup", lambda popup: note("popup", popup.url))
    tab.on("crash", lambda: note("crash", address))
