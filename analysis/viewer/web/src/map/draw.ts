/** Heat maps as a picture: the cells, the null's strip, the numbers written in, the crosshair. What stands around the
 * cells is in margins.ts, the legend in legend.ts.
 */

import type { Hover, Shown, Store, Surface } from "../contract";
import { cut, paragraph, widthOf } from "../drawing/labels";
import { alike } from "../heads/views";
import { type Box, inSight, part, queriesFirst, type Rect, within } from "./layout";
import { labels, massBars } from "./margins";
import { pixelsOf } from "./pixels";

const NUMBERED = 24; // least size of a cell with its number in it

export function paintBox(surface: Surface, store: Store, box: Box): void {
  const { palette, state, hover } = store;
  const { plot, left, top, right, cells } = box;
  const title = { size: 13, bold: true, fill: palette.ink };
  surface.text(left, top + 14, cut(plot.title, right - left, 13, true), title);
  surface.text(left, top + 32, cut(plot.about, right - left, 12.5), { size: 12.5, fill: palette.soft });
  labels(surface, store, box);
  if (plot.shown) {
    paintCells(surface, store, box, plot.shown);
    numbers(surface, store, box, plot.shown);
    massBars(surface, store, box, plot.shown);
    cross(surface, box, state, palette.accent, 1.5);
    if (alike(store, plot)) cross(surface, box, hover, palette.ink, 1);
  } else {
    const [x, y, w, h] = cells;
    surface.rect(...cells, palette.wash);
    paragraph(surface, x + w / 2, y + h / 2, Math.max(w - 32, 160), plot.why, palette.soft);
  }
}

function paintCells(surface: Surface, store: Store, box: Box, shown: Shown): void {
  const { palette } = store;
  const pixels = pixelsOf(store, box, shown);
  const framed = ([x, y, w, h]: Rect, stroke: string) => surface.frame(x - 0.5, y - 0.5, w + 1, h + 1, stroke, 1);
  // Shows where the pixels are transparent: in cells that may not be seen.
  if (box.plot.hidden) surface.rect(...box.cells, palette.line);
  else surface.hatch(...box.cells, palette.line);
  hatchedRows(surface, store, box, shown);
  surface.image(...box.cells, pixels.cells);
  framed(box.cells, palette.line);
  if (!box.nulls) return;
  if (pixels.nulls) surface.image(...box.nulls, pixels.nulls);
  framed(box.nulls, palette.null_ink);
}

/** Rows with almost nothing left, as far as the query may see. */
function hatchedRows(surface: Surface, { palette }: Store, box: Box, { hatched, sees }: Shown): void {
  const [queries, keys] = queriesFirst(box);
  for (const t of inSight(queries).filter((t) => hatched[t])) {
    const seen = inSight(keys).filter((s) => sees(t, s));
    if (!seen.length) continue;
    const [x, y] = part(box, box.cells, t, seen[0]);
    const [right, bottom, w, h] = part(box, box.cells, t, seen[seen.length - 1]);
    const row: Rect = [x, y, right + w - x, bottom + h - y];
    surface.rect(...row, palette.wash);
    surface.hatch(...row, palette.soft);
  }
}

/** The numbers in their cells, where there is room; what would read 0.00 stays empty. */
function numbers(surface: Surface, { palette }: Store, box: Box, shown: Shown): void {
  const { plot, down, across, cells, nulls } = box;
  const least = Math.min(down.cell, across.cell);
  if (least < NUMBERED) return;
  const size = Math.min(11, 0.36 * least);
  const [queries, keys] = queriesFirst(box);
  const write = ([x, y, w, h]: Rect, words: string, strength: number) => {
    const fitting = [words, words.replace("0.", ".")].find((form) => widthOf(form, size) < w - 3);
    if (!fitting) return;
    const fill = Math.abs(strength) > 0.55 ? palette.paper : palette.ink;
    surface.text(x + w / 2, y + h / 2, fitting, { size, fill, align: "center", middle: true });
  };
  for (const t of inSight(queries)) {
    if (shown.hatched[t]) continue;
    const cell = (rect: Rect, s: number, value: number) => {
      if (Math.abs(value) >= 0.005) write(rect, plot.number(t, s, 0.01), plot.rise(value / plot.most));
    };
    for (const s of inSight(keys)) {
      const rect = part(box, cells, t, s);
      if (shown.sees(t, s)) cell(rect, s, shown.weights[t * shown.S + s]);
      else write(rect, plot.hidden, 0);
    }
    if (nulls && shown.nulls) cell(part(box, nulls, t, null), -1, shown.nulls[t]);
  }
}

/** Around the row and the column of what is locked or pointed at. */
function cross(surface: Surface, box: Box, at: Pick<Hover, "query" | "key">, stroke: string, thick: number): void {
  const { query, key } = at;
  const { cells, nulls } = box;
  const [queries, keys] = queriesFirst(box);
  if (within(queries, query)) {
    for (const area of nulls ? [cells, nulls] : [cells]) surface.frame(...part(box, area, query, null), stroke, thick);
  }
  if (within(keys, key)) surface.frame(...part(box, cells, null, key), stroke, thick);
  else if (key === -1 && nulls) surface.frame(...nulls, stroke, thick);
}
