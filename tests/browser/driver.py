"""What tests ask of an open page: its state and arrays through `window.jattn`, what it says and what it has drawn.

Axes: T queries, S keys.
"""

import re
from types import SimpleNamespace

import numpy as np

_ARRAYS = """found => typeof found === "string" ? found : Object.fromEntries(Object.entries(found)
  .filter(([, value]) => typeof value !== "function")
  .map(([name, value]) => [name, ArrayBuffer.isView(value) ? Array.from(value) : value]))"""


def state(tab):
    return tab.evaluate("jattn.state()")


def settle(tab):
    """Waits until what has changed is drawn, maps decoded included."""
    tab.evaluate("""async () => {
        const frame = () => new Promise(requestAnimationFrame);
        const { a, b, layer, head, mode } = jattn.state();
        await frame();
        if (mode === "difference") await jattn.difference(layer, head);
        else await jattn.shown(mode === "b" ? b : a, layer, head);
        for (let i = 0; i < 3; i++) await frame();
    }""")


def put(tab, **change):
    """Sets the state and waits until it is drawn."""
    tab.evaluate("change => jattn.set(change)", change)
    settle(tab)


def shown(tab, side, layer, head):
    """A head's map as the page draws it."""
    return _arrays(tab.evaluate(f"async at => ({_ARRAYS})(await jattn.shown(...at))", [side, layer, head]))


def difference(tab, layer, head):
    """A - B as the page draws it, or why there is none."""
    return _arrays(tab.evaluate(f"async at => ({_ARRAYS})(await jattn.difference(...at))", [layer, head]))


def _arrays(found):
    if isinstance(found, str):
        return found
    for name, value in found.items():
        if isinstance(value, list):
            found[name] = np.array(value, np.float64)
    found["weights"] = found["weights"].reshape(found["T"], found["S"])
    return SimpleNamespace(**found)


def within(weights, bits=16):
    """How far a weight on the page may be from Python's: half a step of its code, and float32."""
    if bits == 16:
        return np.full_like(weights, 1 / 131070 + 1e-6, np.float64)
    return (2 * np.sqrt(weights) + 1 / 510) / 510 + 1e-6


def canvas(tab, name):
    """The canvas whose label begins like this."""
    return tab.locator(f'canvas[aria-label^="{name}"]:visible')


def drawn(tab):
    """What is on every canvas that can be seen, as data."""
    return tab.locator("canvas:visible").evaluate_all("all => all.map(canvas => canvas.toDataURL())")


def tooltip(tab):
    """The lines at the pointer; none where there is nothing to say."""
    found = tab.locator("body > div[aria-hidden=true]:not([hidden]) > div").all_text_contents()
    return [re.sub("−", "-", line) for line in found]


def said(tab):
    """What a screen reader was told last."""
    return tab.locator("[aria-live=polite]").text_content().replace("−", "-")


def sweep(tab, area, across=14, down=14):
    """Moves the mouse over a grid of points of an element; yields each point and the tooltip there."""
    area.scroll_into_view_if_needed()
    box = area.bounding_box()
    for i in range(down):
        for j in range(across):
            x, y = box["x"] + box["width"] * (j + 0.5) / across, box["y"] + box["height"] * (i + 0.5) / down
            tab.mouse.move(x, y)
            yield (x, y), tooltip(tab)


def find(tab, area, words, **grid):
    """The first point of an element whose tooltip matches."""
    for point, lines in sweep(tab, area, **grid):
        if re.search(words, "\n".join(lines)):
            return point
    raise AssertionError(f"no tooltip with {words!r}")
