"""What tests ask of an open page: its state and arrays through `window.jattn`, what it says and what it has drawn.

Axes: T queries, S keys.
"""

import re
from csv import reader
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

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


def shown(tab, side, layer, head) -> Any:
    """A head's map as the page draws it."""
    return _arrays(tab.evaluate(f"async at => ({_ARRAYS})(await jattn.shown(...at))", [side, layer, head]))


def difference(tab, layer, head) -> Any:
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


def said(tab):
    """What a screen reader was told last."""
    return tab.locator("[aria-live=polite]").text_content().replace("−", "-")


_TOOLTIP = "body > div[aria-hidden=true]:not([hidden])"


def tooltip(tab):
    """The lines at the pointer; none where there is nothing to say."""
    return [line.replace("−", "-") for line in tab.locator(f"{_TOOLTIP} > div").all_text_contents()]


def sweep(tab, area, across=14, down=14):
    """Points of a grid over an element, each with the lines of the tooltip there.

    The events are made in the page, since a real mouse takes minutes for what is read here in a moment.
    """
    area.scroll_into_view_if_needed()
    found = area.evaluate(
        """(area, [across, down, tooltip]) => {
        const { left, top, width, height } = area.getBoundingClientRect();
        const fire = (kind, clientX, clientY) =>
          area.dispatchEvent(new PointerEvent(kind, { clientX, clientY, bubbles: true }));
        const found = [];
        for (let i = 0; i < down; i++) for (let j = 0; j < across; j++) {
            const [x, y] = [left + (width * (j + 0.5)) / across, top + (height * (i + 0.5)) / down];
            fire("pointermove", x, y);
            found.push([[x, y], [...document.querySelectorAll(tooltip)].map(line => line.textContent)]);
        }
        fire("pointerleave", 0, 0);
        return found;
    }""",
        [across, down, f"{_TOOLTIP} > div"],
    )
    return [(point, [line.replace("−", "-") for line in lines]) for point, lines in found]


def find(tab, area, words, across=60, down=60):
    """The middle of the points of an element whose tooltip matches; the mouse is moved there."""
    points = [point for point, lines in sweep(tab, area, across, down) if re.search(words, "\n".join(lines))]
    assert points, f"no tooltip with {words!r}"
    x, y = points[len(points) // 2]
    tab.mouse.move(x, y)
    assert re.search(words, "\n".join(tooltip(tab)))
    return x, y


def exported(tab, heading, button):
    """Presses a button of the export menu, under its heading; the downloaded file's name and bytes."""
    tab.get_by_role("button", name="export", exact=True).click()
    menu = tab.get_by_role("group", name="Export")
    item = menu.locator(
        f"xpath=.//h3[normalize-space()='{heading}']/following-sibling::*[preceding-sibling::h3[1]"
        f"[normalize-space()='{heading}']]//button[normalize-space()='{button}']"
    )
    with tab.expect_download() as download:
        item.first.click()
    return download.value.suggested_filename, Path(download.value.path()).read_bytes()


def csv(tab, heading):
    """The rows of numbers that a panel exports."""
    return list(reader(StringIO(exported(tab, heading, "CSV")[1].decode(), newline="")))


def framed(look, folder, page):
    """The page as a notebook shows it: the tab, and the sandboxed frame in it."""
    outer = folder / "notebook.html"
    outer.write_text(f"<!doctype html><title>notebook</title>{page._repr_html_()}")
    tab = look(outer, ready=False)
    frame = tab.frames[1]
    frame.wait_for_selector("html[data-ready]", state="attached")
    return tab, frame
