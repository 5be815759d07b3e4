"""The interactive page beside BertViz and CircuitsVis: bytes, seconds to write, seconds until it can be used, elements.

    python benchmarks/viewer.py [--tokens 32 128 512]

Two models of 12 x 12 heads, softmax of normal scores (worst case: nothing to compress), one with a null. Needs
playwright and a Chromium on the PATH; BertViz (one model, model_view) and CircuitsVis (one layer of 12 heads) are timed
where they are installed: bytes and seconds to write, for their pages need the network to be drawn.
"""

import argparse
import shutil
import time
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

LAYERS, HEADS = 12, 12


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tokens", type=int, nargs="+", default=[32, 128, 512])
    parser.add_argument("--peers", type=int, default=128, help="the longest text that the others are given")
    args = parser.parse_args()
    print(f"{'page':24} {'T':>5} {'MB':>8} {'write s':>8} {'ready s':>8} {'toggle ms':>10} {'elements':>9}")
    for T in args.tokens:
        with TemporaryDirectory() as folder:
            began = time.perf_counter()
            file = ours(T).write(Path(folder) / "page.html")
            written = time.perf_counter() - began
            ready, toggle, elements = opened(file)
            size = file.stat().st_size / 1e6
        print(f"{'jattn, two models':24} {T:5} {size:8.2f} {written:8.2f} {ready:8.2f} {toggle:10.0f} {elements:9,}")
        for name, make in {"bertviz, one model": bertviz, "circuitsvis, one layer": circuitsvis}.items():
            if find_spec(name.split(",")[0]) is None:
                print(f"{name:24} not installed")
            elif args.peers >= T:
                began = time.perf_counter()
                size = len(make(attention(T, seed=0)[0], words(T)).encode()) / 1e6
                print(f"{name:24} {T:5} {size:8.2f} {time.perf_counter() - began:8.2f}")


def attention(T: int, *, seed: int, null: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Weights [L, N, T, T] and null mass [L, N, T] of random scores."""
    rng = np.random.default_rng(seed)
    scores = rng.normal(0, 2, (LAYERS, HEADS, T, T + 1)).astype(np.float32)
    scores[..., 1:][..., np.triu(np.ones((T, T), bool), 1)] = -np.inf
    if not null:
        scores[..., 0] = -np.inf
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    weights /= weights.sum(-1, keepdims=True)
    return weights[..., 1:], weights[..., 0]


def words(T: int) -> list[str]:
    return [f"word{i}" for i in range(T)]


def ours(T: int):
    """The page of two models, queries and keys of one head for each class among its data."""
    from analysis import Attention, view
    from analysis.viewer.attention import Vectors

    rng = np.random.default_rng(2)
    heads = [(layer, head) for layer in range(LAYERS) for head in range(HEADS)]
    sides = []
    for name, seed in (("standard", 0), ("null", 1)):
        weights, null = attention(T, seed=seed, null=name == "null")
        vectors = {at: Vectors(*rng.normal(size=(2, T, 64)).astype(np.float32), scale=0.125) for at in heads}
        given = null if name == "null" else None
        sides.append(Attention.of(name, weights, words(T), null=given, causal=True, vectors=vectors))
    return view(*sides, limit_mb=35)


def opened(file: Path) -> tuple[float, float, int]:
    """Seconds from navigation until the page is drawn, milliseconds of a null toggle (median of 9), elements."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as manager:
        found = shutil.which("chromium") or shutil.which("google-chrome")
        chromium = manager.chromium.launch(executable_path=found)
        tab = chromium.new_page(viewport={"width": 1440, "height": 900})
        asked = []
        tab.on("request", lambda request: asked.append(request.url))
        tab.goto(file.as_uri(), timeout=120_000)
        tab.wait_for_selector("html[data-ready]", state="attached", timeout=120_000)
        ready = tab.evaluate("performance.getEntriesByName('jattn-ready')[0].startTime") / 1000
        tab.wait_for_timeout(2000)
        toggles = [tab.evaluate(TOGGLE, state) for state in ["hide", "renormalise", "show"] * 3]
        elements = tab.evaluate("document.querySelectorAll('*').length")
        assert len(asked) == 1, f"the page asked for {asked[1:]}"
        chromium.close()
    return ready, float(np.median(toggles)), elements


TOGGLE = """(nulls) => new Promise((done) => {
  const began = performance.now();
  jattn.set({ nulls });
  requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now() - began)));
})"""


def bertviz(weights: np.ndarray, tokens: list[str]) -> str:
    import torch
    from bertviz import model_view

    return model_view([torch.as_tensor(w)[None] for w in weights], tokens, html_action="return").data


def circuitsvis(weights: np.ndarray, tokens: list[str]) -> str:
    from circuitsvis.attention import attention_heads

    return attention_heads(weights[0], tokens).local_src


if __name__ == "__main__":
    main()
