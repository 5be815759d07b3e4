/** Thumbnails in colour, all on one sheet: a single copy to the screen, a single image in an SVG. A map is pooled to
 * the pixels of the screen, by its largest value so that a single cell stays visible.
 */

import { pool, poolRows } from "../attention/pool";
import type { Pixels, RGB, Store, Thumb } from "../contract";
import { tone } from "../drawing/tone";
import type { Layout } from "./layout";

const FADED = 56; // of 255: heads that filters leave out

interface Sheet {
  width: number;
  words: Uint32Array; // a pixel each: alpha, blue, green, red from the highest byte
}

/** thumbs: of the slots; ratio: device pixels per CSS pixel. */
export function sheet(store: Store, grid: Layout, thumbs: (Thumb | null)[], ratio: number): Pixels {
  const pixels = (length: number) => Math.round(length * ratio);
  const { frame, strip } = grid.box;
  const [width, height] = [pixels(grid.width), pixels(grid.height)];
  const [w, h, narrow] = [pixels(grid.box.width - 2 * frame), pixels(grid.box.height - 2 * frame), pixels(strip)];
  const out = { width, words: new Uint32Array(width * height) };
  grid.slots.forEach(({ kept, x, y }, i) => {
    const thumb = thumbs[i];
    if (thumb) stamp(out, thumb, [pixels(x + frame), pixels(y + frame), w, h], narrow, store, kept ? 255 : FADED);
  });
  return { width, height, data: new Uint8ClampedArray(out.words.buffer) };
}

type Box = readonly [x: number, y: number, width: number, height: number];

/** The null's strip at the left, a free column behind it, then the map. */
function stamp(out: Sheet, thumb: Thumb, [x, y, width, height]: Box, strip: number, store: Store, alpha: number): void {
  const { palette, state } = store;
  const room = width - strip;
  const [h, w] = [Math.min(thumb.h, height), Math.min(thumb.w, room)];
  const values = pool(thumb.values, thumb.h, thumb.w, h, w, state.pool, thumb.signed);
  const nulls = thumb.nulls && poolRows(thumb.nulls, h);
  const largest = (list: Float32Array) => list.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const most = state.range === "fixed" ? 1 : Math.max(largest(values), nulls ? largest(nulls) : 0) || 1;
  const strong = tone(state, most);
  const inked = (list: Float32Array, ramp: (x: number) => RGB) => {
    const cells = new Uint32Array(list.length);
    list.forEach((value, i) => {
      const [red, green, blue] = ramp(strong(value));
      cells[i] = (alpha << 24) | (blue << 16) | (green << 8) | red;
    });
    return cells;
  };
  const [real, empty] = thumb.signed ? [palette.difference, palette.difference] : [palette.real, palette.nulls];
  spread(out, [x + strip, y, room, height], inked(values, real), w);
  if (nulls && strip > 1) spread(out, [x, y, strip - 1, height], inked(nulls, empty), 1);
}

/** Fills a part of the sheet with cells, `columns` to a row. */
function spread(out: Sheet, [left, top, width, height]: Box, cells: Uint32Array, columns: number): void {
  const rows = cells.length / columns;
  for (let y = 0, above = -1; y < height; y++) {
    const row = Math.floor((y * rows) / height) * columns;
    const at = (top + y) * out.width + left;
    if (row === above) out.words.copyWithin(at, at - out.width, at - out.width + width);
    else for (let x = 0; x < width; x++) out.words[at + x] = cells[row + Math.floor((x * columns) / width)];
    above = row;
  }
}
