/** The map as a picture: its cells, the null's strip, the weights written in, the crosshair. What stands around the
 * cells is in mapmargins.ts, the legend in maplegend.ts.
 */

import type { Hover, Shown, Store, Surface } from "./contract";
import { digits, precision } from "./facts";
import { paragraph, widthOf } from "./labels";
import { type Axis, type Box, type MapLayout, type Rect, NUMBERED, nullsOf, offset, within } from "./maplayout";
import { flow } from "./maplegend";
import { labels, massBars, title } from "./mapmargins";
import { cellPixels, nullPixels } from "./mappixels";
import { most, tone } from "./tone";
import { alike, missing } from "./views";

export function paintMap(surface: Surface, store: Store, layout: MapLayout, dragged: Rect | null): void {
  const { foot } = layout;
  for (const box of layout.boxes) {
    title(surface, store, box);
    const { shown } = box.view;
    if (typeof shown === "string") placeholder(surface, store, box);
    else {
      body(surface, store, box, shown);
      numbers(surface, store, box, shown);
      if (box.mass && shown.mass) massBars(surface, store, box, shown, shown.mass);
    }
    labels(surface, store, box);
    if (typeof shown !== "string") crosshair(surface, store, box);
  }
  flow(foot.items, surface, foot.x, foot.y, foot.width);
  if (dragged) surface.frame(...dragged, store.palette.accent, 1);
}

/** The same size, with nothing or a reason in it. */
function placeholder(surface: Surface, store: Store, { view, cells: [x, y, w, h] }: Box): void {
  surface.rect(x, y, w, h, store.palette.wash);
  const words = missing(store, view) || (w > 90 ? "decoding …" : "");
  paragraph(surface, x + w / 2, y + h / 2, Math.max(w - 32, 160), words, store.palette.soft);
}

function body(surface: Surface, store: Store, box: Box, shown: Shown): void {
  const { palette, state } = store;
  const frame = ([x, y, w, h]: Rect, stroke: string) => surface.frame(x - 0.5, y - 0.5, w + 1, h + 1, stroke, 1);
  surface.hatch(...box.cells, palette.line); // shows where the pixels are transparent: cells that may not be seen
  hatchedRows(surface, store, box, shown);
  surface.image(...box.cells, cellPixels(shown, box, state, palette));
  frame(box.cells, palette.line);
  if (box.nulls && shown.nulls) {
    surface.image(...box.nulls, nullPixels(shown, shown.nulls, box, state, palette));
    frame(box.nulls, palette.null_ink);
  }
}

/** Rows with almost nothing left, as far as the query may see. */
function hatchedRows(surface: Surface, store: Store, box: Box, shown: Shown): void {
  const [x, y] = box.cells;
  const [rows, keys] = queriesFirst(box);
  for (let t = rows.from; t < rows.from + rows.count; t++) {
    if (!shown.hatched[t]) continue;
    const seen = Array.from({ length: keys.count }, (_, j) => keys.from + j).filter((s) => shown.sees(t, s));
    if (!seen.length) continue;
    const [along, length] = [offset(keys, seen[0]), (seen[seen.length - 1] - seen[0] + 1) * keys.cell];
    const at = offset(rows, t);
    const upright = rows === box.across;
    const rect: Rect = upright ? [x + at, y + along, rows.cell, length] : [x + along, y + at, length, rows.cell];
    surface.rect(...rect, store.palette.wash);
    surface.hatch(...rect, store.palette.soft);
  }
}

/** The weights in their cells, where there is room; what would read 0.00 stays empty. */
function numbers(surface: Surface, store: Store, box: Box, shown: Shown): void {
  const { down, across, view } = box;
  const [rows, keys] = queriesFirst(box);
  const least = Math.min(down.cell, across.cell);
  if (least < NUMBERED) return;
  const { palette, state } = store;
  const size = Math.min(11, 0.36 * least);
  const strength = tone(state, most(shown, state));
  const write = (t: number, s: number, w: number, x: number, y: number) => {
    if (Math.abs(w) < 0.005 || shown.hatched[t]) return;
    const words = digits(w, Math.max(0.01, precision(store, view, shown, t, s)), shown.signed);
    const fitting = widthOf(words, size) < across.cell - 3 ? words : words.replace("0.", ".");
    const fill = Math.abs(strength(w)) > 0.55 ? palette.paper : palette.ink;
    surface.text(x, y, fitting, { size, fill, align: "center", middle: true });
  };
  for (let t = rows.from; t < rows.from + rows.count; t++) {
    const at = offset(rows, t) + rows.cell / 2;
    const place = ([x, y, w, h]: Rect, along: number | null): [number, number] =>
      rows === down ? [x + (along ?? w / 2), y + at] : [x + at, y + (along ?? h / 2)];
    for (let s = keys.from; s < keys.from + keys.count; s++) {
      const along = offset(keys, s) + keys.cell / 2;
      if (shown.sees(t, s)) write(t, s, shown.weights[t * shown.S + s], ...place(box.cells, along));
    }
    if (box.nulls && shown.nulls) write(t, -1, shown.nulls[t], ...place(box.nulls, null));
  }
}

/** Lines along the row and the column of what is locked, and on top of what is pointed at. */
function crosshair(surface: Surface, store: Store, box: Box): void {
  const { palette, hover, state } = store;
  cross(surface, box, state, palette.accent, 1.5);
  if (alike(store, box.view)) cross(surface, box, hover, palette.ink, 1);
}

function cross(surface: Surface, box: Box, at: Pick<Hover, Axis["end"]>, stroke: string, thick: number): void {
  const [x, y, w, h] = box.cells;
  const strip = nullsOf(box) ? box.nulls : null;
  for (const axis of [box.down, box.across]) {
    const i = at[axis.end];
    if (i !== null && i < 0 && strip) surface.frame(...strip, stroke, thick);
    if (i === null || !within(axis, i)) continue;
    const from = offset(axis, i);
    const edges = axis.cell < 3 ? [from + axis.cell / 2] : [from, from + axis.cell];
    const [left, top] = axis.end === "query" && strip ? strip : [x, y];
    for (const edge of edges) {
      if (axis === box.down) surface.line(left, y + edge, x + w, y + edge, stroke, thick, 0.6);
      else surface.line(x + edge, top, x + edge, y + h, stroke, thick, 0.6);
    }
  }
}

function queriesFirst({ down, across }: Box): [Axis, Axis] {
  return down.end === "query" ? [down, across] : [across, down];
}
