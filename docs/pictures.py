"""The pictures of docs/viewer.md: pages of real models, each opened at one link and photographed in Chromium.

    python docs/pictures.py --smollm2 SmolLM2.gguf --minilm FOLDER --standard RUN --null RUN [--only NAME ...]

Needs playwright and a Chromium on the PATH. Which head a picture shows is asked of the maps (the head that gives most
to the key in question), not chosen by eye; `standard` and `null` are a pair trained on backcopy.
"""

import argparse
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlencode

import numpy as np
from PIL import Image

from analysis.measures.decay import fall
from analysis.viewer.attention import Attention
from analysis.viewer.page import Page
from analysis.viewer.read import read
from analysis.viewer.show import draw
from train.checkpoint import load
from train.runs import Run

OUT = Path(__file__).parent / "images"
FOX = "The quick, brown fox jumps over the lazy"
TIRED = "The animal didn't cross the street because it was too tired"
FAR = TIRED + ", and the old man who had watched it from his window went out to help"
SHE, HE = "The nurse told the mechanic that she was late", "The nurse told the mechanic that he was late"
LIST = "We bought apples, pears, plums and figs"
PREPOSITION = "The cat slept under the old wooden table"
ACRONYM = "The World Health Organization (WHO"
AGAIN = "The red fox met a tall bear. Later that day the red fox met a tall"
CHINESE = "小沈阳江西演唱会邀请了，"
CAT, RUG = "The cat sat on the mat.", "The cat lay on the rug."


MARGIN = 16  # CSS pixels around a picture


@dataclass(frozen=True)
class Shot:
    """A page, the state in its link, the size of the window, and the part that is kept (a CSS selector)."""

    page: Page
    state: dict[str, str | int]
    size: tuple[int, int] = (1280, 860)
    part: str = "main"
    dark: bool = False


def main() -> None:
    """Make all pictures, or some."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("--smollm2", "--minilm", "--standard", "--null"):
        parser.add_argument(name, required=True)
    parser.add_argument("--only", nargs="*")
    parser.add_argument("--pages", type=Path, help="keep the pages here too")
    args = parser.parse_args()
    smollm2, minilm, standard, null = (load(p) for p in (args.smollm2, args.minilm, args.standard, args.null))
    shots = {**llama(smollm2), **bert(minilm), **pair(standard, null), **arrays()}
    with browser() as photograph:
        for name, make in shots.items():
            if not args.only or name in args.only:
                shot = make()
                print(name, shot.state, shot.page, flush=True)
                if args.pages:
                    shot.page.write(args.pages / f"{name}.html")
                photograph(shot, OUT / f"view-{name}.png")


def llama(run: Run) -> dict[str, Callable[[], Shot]]:
    """Pictures of a causal language model."""

    def one(text: str, part: str = "#detail", **state) -> Shot:
        attention = read(run, text, name="SmolLM2")
        return Shot(only(attention), asked(attention, state), (1180, 800), part)

    lines = lambda text, query, *keys: one(text, view="lines", most=(query, *keys))
    return {
        "fox": lambda: one(FOX, view="lines", head="2.3"),
        "heads": lambda: one(FOX, "main", view="map", head="2.3"),
        "tired": lambda: lines(TIRED, " it", " animal"),
        "she": lambda: lines(SHE, " she", " nurse"),
        "he": lambda: lines(HE, " he", " mechanic"),
        "list": lambda: lines(LIST, " figs", " apples", " pears", " plums"),
        "preposition": lambda: lines(PREPOSITION, " table", " under"),
        "acronym": lambda: lines(ACRONYM, "WHO", " Organization"),
        "induction": lambda: one(AGAIN, view="map", stripe=1, sink=0, nulls="renormalise"),
        "neuron": lambda: falling(run, FAR),
        "chinese": lambda: stages(run, CHINESE),
        "long": lambda: long(run),
    }


def bert(run: Run) -> dict[str, Callable[[], Shot]]:
    """A sentence pair in a model that sees both sides: A to B, in one early and one late layer."""

    def made(layer: int) -> Shot:
        a = read(run, CAT, RUG, name="MiniLM")
        across = a.layers[layer].weights[:, 1 : a.split - 1, a.split : -1].sum((1, 2))
        return Shot(
            only(a), {"view": "lines", "head": f"{layer}.{across.argmax()}", "block": "AB"}, (1180, 1000), "main"
        )

    last = run.config.model.layers - 1
    return {"pair-early": lambda: made(0), "pair-late": lambda: made(last)}


def pair(standard: Run, null: Run) -> dict[str, Callable[[], Shot]]:
    """Backcopy with and without the null, side by side and as a difference."""
    from train.corpora import load as corpus
    from train.corpora.backcopy import is_trigger

    windows = np.stack([window[:24] for window in corpus("backcopy", context=48).valid[:256]])
    text = null.tokenizer.decode(windows[is_trigger(windows).sum(-1).argmax()])
    page = lambda: draw([read(standard, text, name="standard"), read(null, text, name="null")])
    state = {"view": "map", "head": "0.0"}
    return {
        "backcopy": lambda: Shot(page(), state | {"mode": "side"}, (1440, 860)),
        "difference": lambda: Shot(page(), state | {"mode": "difference"}),
        "dark": lambda: Shot(page(), state | {"mode": "side", "nulls": "renormalise"}, (1440, 860), dark=True),
    }


def arrays() -> dict[str, Callable[[], Shot]]:
    """Attention to another text, from plain arrays: made by hand, soft alignments of a sentence and its translation."""

    def made() -> Shot:
        queries = ["Das", " kleine", " Haus", " steht", " am", " Fluss", "."]
        keys = ["The", " little", " house", " stands", " by", " the", " river", "."]
        goal = np.array([0, 1, 2, 3, 4.5, 6, 7])[:, None]
        score = -((goal - np.arange(len(keys))) ** 2)
        weights = np.exp(score * np.array([0.15, 0.6, 3.0])[:, None, None])
        weights = np.broadcast_to(weights / weights.sum(-1, keepdims=True), (2, 3, len(queries), len(keys)))
        alignment = Attention.of("alignment", weights, queries, keys=keys)
        return Shot(draw([alignment], title="cross-attention"), {"view": "map", "head": "1.2"})

    return {"cross": made}


def only(attention: Attention, neurons: tuple[tuple[int, int], ...] = ()) -> Page:
    return draw([attention], neurons=neurons, title=attention.name)


def asked(attention: Attention, state: dict) -> dict[str, str | int]:
    """The state with its head found: the one that gives most from a query to some keys (`most`), or most to what
    followed an earlier copy of the query (`stripe`)."""
    text = list(attention.tokens.text)
    weights = np.stack([layer.weights for layer in attention.layers])
    if words := state.pop("most", None):
        begins = lambda word, token: len(token) > 1 and word.replace(" ", "·").startswith(token)
        query, *keys = (next(i for i, token in enumerate(text) if begins(word, token)) for word in words)
        state["query"], (layer, head) = query, best(weights[:, :, query, keys].min(-1))
        state["head"] = f"{layer}.{head}"
    if state.pop("stripe", None):
        after = [(t, s + 1) for t in range(len(text)) for s in range(t) if text[s] == text[t]]
        layer, head = best(sum(weights[:, :, t, s] for t, s in after))
        state["head"] = f"{layer}.{head}"
    return state


def best(scores: np.ndarray) -> tuple[int, int]:
    layer, head = divmod(int(scores.argmax()), scores.shape[1])
    return layer, head


def falling(run: Run, text: str) -> Shot:
    """The neuron view of the head whose q . k falls most with distance."""
    a = read(run, text, name="SmolLM2")
    distances = range(len(a.tokens.text) - 2)
    curves = {
        at: np.array([np.mean([v.q[t] @ v.k[t - d] for t in range(d + 1, len(v.q))]) * v.scale for d in distances])
        for at, v in a.vectors.items()
    }
    at = max(curves, key=lambda at: float(fall(curves[at])))
    state = {"view": "neuron", "head": f"{at[0]}.{at[1]}", "query": len(a.tokens.text) - 1}
    return Shot(only(a, (at,)), state, (1500, 1160), "#detail")


def stages(run: Run, text: str) -> Shot:
    """Scores before the softmax, of tokens that are pieces of a character: a head of the first layer."""
    return Shot(
        only(read(run, text, name="SmolLM2"), ((0, 0),)),
        {"view": "scores", "head": "0.0", "stage": "scaled", "unmasked": 1},
        (1440, 1000),
        "#detail",
    )


def long(run: Run) -> Shot:
    """Four layers on 1,024 tokens."""
    words = (Path(__file__).parent / "attention.md").read_text(encoding="utf-8")
    text = run.tokenizer.decode(run.tokenizer.encode(words)[:1024])
    return Shot(
        only(read(run, text, layers=(0, 10, 20, 29), name="SmolLM2")), {"view": "map", "head": "1.2"}, part="main"
    )


@contextmanager
def browser() -> Iterator[Callable[[Shot, Path], None]]:
    """`with browser() as photograph`: photograph(shot, path) opens a shot's page at its link and keeps the picture."""
    from playwright.sync_api import sync_playwright

    found = shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as manager, TemporaryDirectory() as folder:
        chromium = manager.chromium.launch(executable_path=found)

        def photograph(shot: Shot, path: Path) -> None:
            file = shot.page.write(Path(folder) / "page.html")
            width, height = shot.size
            scheme = "dark" if shot.dark else "light"
            tab = chromium.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
            tab.goto(f"{file.as_uri()}#{urlencode(shot.state)}")
            tab.wait_for_selector("html[data-ready]", state="attached")
            tab.wait_for_timeout(2500)  # until every thumbnail is exact
            box = tab.locator(shot.part).bounding_box()
            assert box is not None, shot.part
            top = 0 if shot.part == "main" else MARGIN  # above main is another part
            x, y, width = box["x"] - MARGIN, box["y"] - top, box["width"] + 2 * MARGIN
            clip = {"x": x, "y": y, "width": width, "height": box["height"] + top}
            whole = tab.screenshot(full_page=True, clip=clip)
            picture = Image.open(BytesIO(whole)).convert("RGB")
            trimmed(picture).save(path, optimize=True)
            tab.close()

        yield photograph


def trimmed(picture: Image.Image) -> Image.Image:
    """The picture without the empty space below and beside what is drawn."""
    pixels = np.asarray(picture, int)
    drawn = np.abs(pixels - pixels[-10, -1]).sum(-1) > 24
    drawn[-4:] = False  # the line between two parts of the page
    bottom, right = (np.flatnonzero(drawn.any(axis))[-1] + MARGIN for axis in (1, 0))
    return picture.crop((0, 0, min(right, picture.width), min(bottom, picture.height)))


if __name__ == "__main__":
    main()
