"""The interactive page beside BertViz and CircuitsVis: bytes, seconds to write, seconds until it can be used, elements.

    python benchmarks/viewer.py [--tokens 32 128 512] [--npm FOLDER]

Two models of 12 x 12 heads, softmax of normal scores (worst case: nothing to compress), one with a null. Needs
playwright and a Chromium on the PATH. BertViz (one model; one layer) and CircuitsVis (one layer) are timed where they
are installed. BertViz asks for three files from the network: they are served from FOLDER, after
`npm install --prefix FOLDER jquery@2 d3@5.7.0 requirejs@2.3.6`; without it its pages are written, not opened.
"""

import argparse
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

LAYERS, HEADS, H = 12, 12, 64
PATIENCE = 600_000  # milliseconds
# What a page of the others asks for, and where npm puts it.
FILES = {
    "require.min.js": "requirejs/require.js",
    "d3.min.js": "d3/dist/d3.min.js",
    "jquery.min.js": "jquery/dist/jquery.min.js",
}


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tokens", type=int, nargs="+", default=[32, 128, 512])
    parser.add_argument("--peers", type=int, default=128, help="the longest text that the others are given")
    parser.add_argument("--npm", type=Path, help="where npm has installed what BertViz asks for")
    args = parser.parse_args()
    print(f"{'page':28}{'T':>5}{'MB':>8}{'write s':>9}{'ready s':>9}{'elements':>11}{'toggle ms':>11}")
    with chromium() as open_tab:
        few = Weights(8)
        for make in (ours, *(make for package, make, _ in PEERS.values() if find_spec(package))):
            make(few)  # imports are not timed
        for T in args.tokens:
            given = Weights(T)
            for name, make in (("jattn, 2 models", ours), ("jattn, with q and k", with_vectors)):
                report(name, T, lambda given=given, make=make: make(given), lambda file: jattn_opened(open_tab, file))
            for name, (package, make, drawn) in PEERS.items():
                if find_spec(package) is None:
                    print(f"{name:28}{T:5}  not installed")
                elif args.peers >= T:
                    served = args.npm or package != "bertviz"
                    see = lambda file, drawn=drawn: peer_opened(open_tab, file, drawn, args.npm)
                    report(name, T, lambda given=given, make=make: make(given), see if served else None)


def report(name: str, T: int, make: Callable[[], str], see: Callable[[Path], tuple] | None) -> None:
    """A line of the table: the page is made, written and opened."""
    with TemporaryDirectory() as folder:
        began, file = time.perf_counter(), Path(folder) / "page.html"
        file.write_text(make(), encoding="utf-8")
        written = time.perf_counter() - began
        line = f"{name:28}{T:5}{file.stat().st_size / 1e6:8.2f}{written:9.2f}"
        print(line, end="", flush=True)
        ready, elements, toggle = see(file) if see else (None, None, None)
    values = ((ready, 9, 2), (elements, 11, 0), (toggle, 11, 0))
    print("".join("" if x is None else f"{x:{width},.{digits}f}" for x, width, digits in values))


class Weights:
    """Random attention of two models: weights [L, N, T, T], and the null mass [L, N, T] of the second."""

    def __init__(self, T: int):
        self.words = [f"word{t}" for t in range(T)]
        self.plain, _ = softmax(T, seed=0, null=False)
        self.beside, self.null = softmax(T, seed=1, null=True)


def softmax(T: int, *, seed: int, null: bool) -> tuple[np.ndarray, np.ndarray]:
    """Causal rows of normal scores, and what goes to a null."""
    rng = np.random.default_rng(seed)
    scores = rng.normal(0, 2, (LAYERS, HEADS, T, T + 1)).astype(np.float32)
    scores[..., 1:][..., np.triu(np.ones((T, T), bool), 1)] = -np.inf
    if not null:
        scores[..., 0] = -np.inf
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    weights /= weights.sum(-1, keepdims=True)
    return weights[..., 1:], weights[..., 0]


def ours(given: Weights, vectors: Any = None) -> str:
    """The page of both models."""
    from analysis import view
    from analysis.viewer.attention import Attention

    sides = [
        Attention.of(name, weights, given.words, null=null, causal=True, vectors=vectors)
        for name, weights, null in (("standard", given.plain, None), ("null", given.beside, given.null))
    ]
    return view(*sides, limit_mb=35).html


def with_vectors(given: Weights) -> str:
    """The same with queries and keys among its data, as of a run: of as many heads as the page chooses."""
    from analysis.viewer.layer import Vectors

    rng = np.random.default_rng(2)
    heads = [(layer, head) for layer in range(LAYERS) for head in range(HEADS)]
    shape = (2, len(given.words), H)
    return ours(given, {at: Vectors(*rng.normal(size=shape).astype(np.float32), scale=H**-0.5) for at in heads})


def model_view(given: Weights) -> str:
    import torch
    from bertviz import model_view

    return model_view([torch.as_tensor(w)[None] for w in given.plain], given.words, html_action="return").data


def head_view(given: Weights) -> str:
    import torch
    from bertviz import head_view

    return head_view([torch.as_tensor(w)[None] for w in given.plain], given.words, html_action="return").data


def attention_heads(given: Weights) -> str:
    from circuitsvis.attention import attention_heads

    return attention_heads(given.plain[0], given.words).local_src


# Package, what makes the page, and when it is drawn.
LINES = "document.querySelectorAll('line').length > 1000"
CANVASES = f"document.querySelectorAll('canvas').length > {HEADS}"
PEERS = {
    "bertviz model_view, 1 model": ("bertviz", model_view, LINES),
    "bertviz head_view, 1 model": ("bertviz", head_view, LINES),
    "circuitsvis heads, 1 layer": ("circuitsvis", attention_heads, CANVASES),
}


@contextmanager
def chromium() -> Iterator[Callable[[], Any]]:
    """Opens empty tabs, each in a context of its own."""
    from playwright.sync_api import sync_playwright

    path = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path)
        yield lambda: browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
        browser.close()


def jattn_opened(open_tab: Callable[[], Any], file: Path) -> tuple[float, int, float]:
    """Seconds from navigation until the page is drawn, its elements, milliseconds of a null toggle: the median of nine,
    each on a head that is looked at for the first time."""
    tab = open_tab()
    asked: list[str] = []
    tab.on("request", lambda request: asked.append(request.url))
    tab.goto(file.as_uri(), timeout=PATIENCE)
    tab.wait_for_selector("html[data-ready]", state="attached", timeout=PATIENCE)
    tab.wait_for_function("performance.getEntriesByName('jattn-ready').length", timeout=PATIENCE)
    ready = tab.evaluate("performance.getEntriesByName('jattn-ready')[0].startTime") / 1000
    tab.wait_for_timeout(2000)
    toggles = [tab.evaluate(TOGGLE, [head, nulls]) for head, nulls in enumerate(["hide", "renormalise", "show"] * 3)]
    elements = tab.evaluate("document.querySelectorAll('*').length")
    tab.context.close()
    assert len(asked) == 1, f"the page asked for {asked[1:]}"
    return ready, elements, float(np.median(toggles))


TOGGLE = """async ([head, nulls]) => {
  const frame = () => new Promise(requestAnimationFrame);
  jattn.set({ head });
  for (const side of [0, 1]) await jattn.shown(side, jattn.state().layer, head);
  for (let i = 0; i < 5; i++) await frame();
  const began = performance.now();
  jattn.set({ nulls });
  await frame();
  await frame();
  return performance.now() - began;
}"""


def peer_opened(open_tab: Callable[[], Any], file: Path, drawn: str, npm: Path | None) -> tuple[float, int, None]:
    """Seconds from navigation until the page is drawn, and its elements. No request reaches the network."""
    tab = open_tab()

    def serve(route: Any) -> None:
        name = route.request.url.rsplit("/", 1)[-1]
        if npm and name in FILES:
            route.fulfill(path=npm / "node_modules" / FILES[name])
        else:
            route.abort()

    tab.route(re.compile("^https?:"), serve)
    tab.goto(file.as_uri(), timeout=PATIENCE)
    tab.wait_for_function(drawn, timeout=PATIENCE)
    after = "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now()))))"
    ready = tab.evaluate(after) / 1000
    elements = tab.evaluate("document.querySelectorAll('*').length")
    tab.context.close()
    return ready, elements, None


if __name__ == "__main__":
    main()
