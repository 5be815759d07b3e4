/** The map: the selected heads as heat maps, with the null's column apart, on one canvas. Zooming belongs to the panel
 * and is not in the link.
 */

import type { Panel, State, Store, Surface } from "./contract";
import { button, h, press, select, show } from "./dom";
import { cellFacts, largestOf, plain, quoted } from "./facts";
import { remSurface, unit } from "./labels";
import { paintMap } from "./mapdraw";
import { type MapHit, type MapLayout, type Rect, type Zoom, mapHit, mapLayout } from "./maplayout";
import { between, following, scaled } from "./mapzoom";
import { pointing } from "./pointing";
import { type View, spoken, views } from "./views";

type Step = [down: number, right: number];

const DRAG = 6; // 1/16 rem before a press is a drag
const STEPS: Record<string, Step> = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
const ZOOMS: Record<string, number> = { "+": 0.5, "=": 0.5, "-": 2 };

export function map(store: Store): Panel {
  const canvas = h("canvas", { tabindex: 0, role: "application", "aria-roledescription": "heat map" });
  const scale = select<State["scale"]>(
    "colours",
    [["sqrt", "square root"], ["linear", "linear"], ["log", "logarithmic"]],
    "sqrt",
    (value) => store.set({ scale: value }),
  );
  const range = select<State["range"]>("range", [["fixed", "0 to 1"], ["head", "head's largest"]], "fixed", (value) =>
    store.set({ range: value }),
  );
  const turn = button("transpose", () => store.set({ transposed: !store.state.transposed }), { title: "t" });
  const nearer = button("+", () => nudge(0.5), { class: "icon", title: "or drag", "aria-label": "zoom in" });
  const farther = button("−", () => nudge(2), { class: "icon", "aria-label": "zoom out" });
  const whole = button("whole map", () => look(null), { title: "or double click" });
  const bar = h("div", { class: "row" }, scale.element, range.element, turn, nearer, farther, whole);
  const element = h("div", { class: "map" }, bar, canvas);
  Object.assign(element.style, { display: "grid", gap: "0.75rem", contain: "inline-size" });
  Object.assign(canvas.style, { touchAction: "pan-y", outlineOffset: "-2px" });

  let now: MapLayout | null = null;
  let zoom: Zoom | null = null;
  let pressed: [number, number] | null = null;
  let dragged: Rect | null = null;
  let locks = "";

  const draw = () => {
    const { state } = store;
    const sides = views(store);
    const width = element.clientWidth / unit();
    scale.set(state.scale);
    range.set(state.range);
    press(turn, state.transposed);
    if (!sides.length || !width) return;
    const lock = `${state.query} ${state.key}`;
    if (zoom && lock !== locks) zoom = following(zoom, sizesOf(sides[0][0]), state);
    locks = lock;
    show(whole, zoom !== null);
    now = mapLayout(store, sides, zoom, width);
    paintMap(remSurface(canvas, now.width, now.height), store, now, dragged);
    canvas.setAttribute("aria-label", `Heat map of ${spoken(sides)}. Arrow keys lock a cell, plus and minus zoom.`);
  };
  const look = (next: Zoom | null) => {
    zoom = next;
    draw();
  };
  const nudge = (by: number) => {
    const { hover, state } = store;
    if (!now) return;
    const around = { query: hover.query ?? state.query, key: hover.key ?? state.key };
    look(scaled(zoom, by, sizesOf(now.boxes[0].view), around));
  };

  pointing<MapHit>(store, canvas, (x, y) => (now && !dragged ? mapHit(now, x, y) : null), (hit) => facts(store, hit));
  canvas.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || event.pointerType === "touch") return;
    pressed = [event.offsetX / unit(), event.offsetY / unit()];
    canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointermove", ({ offsetX, offsetY }) => {
    const [x, y] = [offsetX / unit(), offsetY / unit()];
    if (!pressed || !(dragged || Math.hypot(x - pressed[0], y - pressed[1]) > DRAG)) return;
    dragged = [Math.min(x, pressed[0]), Math.min(y, pressed[1]), Math.abs(x - pressed[0]), Math.abs(y - pressed[1])];
    draw();
  });
  const release = (keep: boolean) => {
    if (now && dragged && keep) {
      const [x, y, w, h] = dragged;
      zoom = between(mapHit(now, x, y), mapHit(now, x + w, y + h)) ?? zoom;
    }
    pressed = null;
    if (dragged) setTimeout(() => ((dragged = null), draw())); // after the click that ends a drag, which locks nothing
  };
  canvas.addEventListener("pointerup", () => release(true));
  canvas.addEventListener("pointercancel", () => release(false));
  canvas.addEventListener("dblclick", () => look(null));
  canvas.addEventListener("keydown", (event) => {
    if (!now || event.ctrlKey || event.metaKey || event.altKey) return;
    const step = STEPS[event.key];
    const by = ZOOMS[event.key];
    if (!step && !by) return;
    event.preventDefault();
    if (by) return nudge(by);
    const [box] = now.boxes;
    const cell = beside(store.state, box.view, step);
    store.set(cell);
    store.say(facts(store, { box, at: box.view.at, ...cell }).join(". "));
  });
  const pictures = () => {
    const drawn = now;
    if (!drawn) return [];
    const { width, height, boxes } = drawn;
    const paint = (on: Surface) => paintMap(on, store, drawn, null);
    return [{ name: `map-${boxes[0].view.short}`, width, height, paint }];
  };
  return { element, draw, pictures, rows: () => table(store) };
}

/** The cell beside the locked one; the first where none is. */
function beside({ query, key, transposed }: State, view: View, [down, right]: Step): Record<keyof Zoom, number> {
  const [t, s] = transposed ? [right, down] : [down, right];
  const sizes = sizesOf(view);
  const clamp = (value: number, least: number, n: number) => Math.max(least, Math.min(n - 1, value));
  if (query === null || key === null) return { query: query ?? 0, key: key ?? 0 };
  return { query: clamp(query + t, 0, sizes.query), key: clamp(key + s, view.pinned ? -1 : 0, sizes.key) };
}

function facts(store: Store, { box: { view }, query, key }: MapHit): string[] {
  if (query !== null && key !== null) return cellFacts(store, view, query, key);
  if (query === null) return key === null || key < 0 ? [] : [`key ${key} ${quoted(view.keys, key)}`];
  return [`query ${query} ${quoted(view.queries, query)}`, largestOf(store, view, query, 3)].filter(Boolean);
}

function sizesOf(view: View): Record<keyof Zoom, number> {
  return { query: view.queries.text.length, key: view.keys.text.length };
}

/** Every map as a table: a row for each query, the null before the keys. */
function table(store: Store): (string | number)[][] {
  const all = views(store).flat();
  const keys = all.map((view) => view.keys.text);
  const longest = keys.reduce((one, other) => (other.length > one.length ? other : one), []);
  const out: (string | number)[][] = [
    ["side", "layer", "head", "query", "token", "null", ...longest.map((word, s) => `${s} ${word}`)],
  ];
  for (const view of all) {
    const { shown } = view;
    if (typeof shown === "string") continue;
    const number = (t: number, s: number) => plain(store, view, shown, t, s);
    for (let t = 0; t < shown.T; t++) {
      const cells = Array.from({ length: shown.S }, (_, s) => (shown.sees(t, s) ? number(t, s) : ""));
      const names = [view.side, ...view.short.split("."), t, view.queries.text[t]];
      out.push([...names, shown.nulls ? number(t, -1) : "", ...cells]);
    }
  }
  return out;
}
