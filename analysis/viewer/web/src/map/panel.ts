/** Heat maps on one canvas: hover, click and keys, zoom, and the maps as a table. What is drawn comes as data (plots).
 * Zooming belongs to the panel and is not in the link.
 */

import type { Panel, Store, Surface } from "../contract";
import { button, h, press, show } from "../controls/dom";
import { pointing, stepping } from "../controls/pointing";
import { remSurface, unit } from "../drawing/labels";
import { parsed, quoted } from "../heads/facts";
import { paintBox } from "./draw";
import { type Box, boxesOf, type Grid, type MapHit, mapHit, type Zoom } from "./layout";
import { legend } from "./legend";
import { type Plot, sizesOf } from "./plot";
import { between, following, scaled } from "./zoom";

type Point = [x: number, y: number];

const DRAG = 6; // 1/16 rem before a press is a drag
const ZOOMS: Record<string, number> = { "+": 0.5, "=": 0.5, "-": 2 };

/** `bar`: of page.html, with controls of what is drawn; the panel's own follow. `what`: how the canvas is called. */
export function mapPanel(store: Store, what: string, bar: HTMLElement, make: () => Grid): Panel {
  const canvas = h("canvas", { tabindex: 0, role: "application", "aria-roledescription": "heat map" });
  const turn = button("transpose", () => store.set({ transposed: !store.state.transposed }), { title: "t" });
  const nearer = button("+", () => nudge(0.5), { class: "icon", title: "or drag", "aria-label": "zoom in" });
  const farther = button("−", () => nudge(2), { class: "icon", "aria-label": "zoom out" });
  const whole = button("whole map", () => look(null), { title: "or double click" });
  bar.append(turn, nearer, farther, whole);
  const element = h("div", {}, canvas);
  Object.assign(element.style, { display: "grid", gap: "0.75rem", contain: "inline-size" });
  Object.assign(canvas.style, { touchAction: "pan-y", outlineOffset: "-2px" });

  let boxes: Box[] = [];
  let zoom: Zoom | null = null;
  let from: Point | null = null; // where a press began
  let to: Point | null = null; // where it was dragged
  let locks = "";
  let size = { width: 0, height: 0 };

  const draw = () => {
    const { state, palette } = store;
    const grid = make();
    const width = element.clientWidth / unit();
    press(turn, state.transposed);
    show(canvas, grid.plots.length > 0);
    show(whole, zoom !== null);
    boxes = [];
    if (!grid.plots.length || !width) return;
    const lock = `${state.query} ${state.key}`;
    if (zoom && lock !== locks) zoom = following(zoom, sizesOf(grid.plots[0]), state);
    locks = lock;
    boxes = boxesOf(grid, state.transposed, zoom, width);
    size = { width, height: bottom() + legend(store, boxes, width, 0) };
    const surface = remSurface(canvas, size.width, size.height);
    paint(surface);
    if (from && to) surface.frame(...from, to[0] - from[0], to[1] - from[1], palette.accent, 1);
    const names = boxes.map(({ plot: { side, name, pattern_class, values } }) => `${side}, ${name}, ${pattern_class}, ${values}`);
    const said = names.join("; ");
    canvas.setAttribute("aria-label", `${what} of ${said}. Arrow keys lock a cell, plus and minus zoom.`);
  };
  const bottom = () => Math.max(...boxes.map((box) => box.bottom)) + 14;
  const paint = (surface: Surface) => {
    for (const box of boxes) paintBox(surface, store, box);
    legend(store, boxes, size.width, bottom(), surface);
  };
  const look = (next: Zoom | null) => {
    zoom = next;
    draw();
  };
  const nudge = (by: number) => {
    const { hover, state } = store;
    const around = { query: hover.query ?? state.query, key: hover.key ?? state.key };
    if (boxes.length) look(scaled(zoom, by, sizesOf(boxes[0].plot), around));
  };

  const point = ({ offsetX, offsetY }: MouseEvent): Point => [offsetX / unit(), offsetY / unit()];
  const find = (x: number, y: number) => (to ? null : mapHit(boxes, x, y));
  pointing<MapHit>(store, canvas, find, ({ box, query, key }) => facts(box.plot, query, key));
  canvas.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || event.pointerType === "touch") return;
    from = point(event);
    canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointermove", (event) => {
    const [x, y] = point(event);
    if (!from || !(to || Math.hypot(x - from[0], y - from[1]) > DRAG)) return;
    to = [x, y];
    draw();
  });
  const release = ({ type }: Event) => {
    if (from && to && type === "pointerup") zoom = between(mapHit(boxes, ...from), mapHit(boxes, ...to)) ?? zoom;
    from = null;
    if (to) setTimeout(() => ((to = null), draw())); // after the click that ends a drag, which locks nothing
  };
  canvas.addEventListener("pointerup", release);
  canvas.addEventListener("pointercancel", release);
  canvas.addEventListener("dblclick", () => look(null));
  const way = (down: boolean) => (down === store.state.transposed ? "key" : "query");
  stepping(store, canvas, way, () => {
    const { query, key } = store.state;
    return query === null || key === null || !boxes.length ? "" : boxes[0].plot.facts(query, key).join(". ");
  });
  canvas.addEventListener("keydown", (event) => {
    const by = ZOOMS[event.key];
    if (!by || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    nudge(by);
  });
  const pictures = () => boxes.slice(0, 1).map(({ plot }) => ({ name: `${what}-${plot.short}`, ...size, paint }));
  return { element, draw, pictures, rows: () => table(boxes.map(({ plot }) => plot)) };
}

function facts(plot: Plot, query: number | null, key: number | null): string[] {
  if (query !== null && key !== null) return plot.facts(query, key);
  if (query !== null) return [`query ${query} ${quoted(plot.queries, query)}`, plot.row?.(query) ?? ""].filter(Boolean);
  return key === null || key < 0 ? [] : [`key ${key} ${quoted(plot.keys, key)}`];
}

/** A row for each query of each map, the null before the keys. */
function table(plots: Plot[]): (string | number)[][] {
  const lists = plots.map(({ keys }) => keys.text);
  const keys = lists.reduce((one, other) => (other.length > one.length ? other : one), []);
  const names = ["side", "layer", "head", "values", "query", "token", "null"];
  const rows = plots.flatMap(({ side, short, values, queries, shown, number, hidden }) => {
    const told = (t: number, s: number) => parsed(number(t, s, 0));
    return Array.from({ length: shown?.T ?? 0 }, (_, t) => {
      const { S, sees, nulls } = shown!;
      const cells = Array.from({ length: S }, (_, s) => (sees(t, s) ? told(t, s) : hidden && -Infinity));
      return [side, ...short.split("."), values, t, queries.text[t], nulls ? told(t, -1) : "", ...cells];
    });
  });
  return [[...names, ...keys.map((word, s) => `${s} ${word}`)], ...rows];
}
