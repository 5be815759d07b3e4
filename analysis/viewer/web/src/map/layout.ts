/** Where things stand on heat maps, in 1/16 rem: for every plot a box with its title, the two axes, the null's strip,
 * the cells, and the bars of null mass. "down" and "across" are the axes as drawn; transposing exchanges query and key.
 */

import type { Hover } from "../contract";
import { density, every, widest } from "../drawing/labels";
import { type Plot, sizesOf } from "./plot";
import type { Tokens } from "../payload/payload";

type End = "query" | "key";

/** The part of the map that is drawn: [from, to). */
export type Zoom = Record<End, [number, number]>;

export interface Axis {
  end: End;
  tokens: Tokens;
  from: number;
  count: number;
  cell: number; // a fraction where many cells share a pixel
  words: boolean; // tokens as labels, else positions
  turned: boolean; // across only: long labels
  every: number; // labels: each of so many
  room: number; // for labels; 0: the box before has them
}

export type Rect = [x: number, y: number, w: number, h: number];

export interface Box {
  plot: Plot;
  left: number;
  top: number;
  right: number;
  bottom: number;
  down: Axis;
  across: Axis;
  cells: Rect;
  nulls: Rect | null;
  mass: Rect | null;
}

/** Plots in rows of so many, as long as each has the `least` width; else in rows of half as many. */
export interface Grid {
  plots: Plot[];
  columns: number;
  least: number;
}

const LARGEST = 44; // of a cell
const SMALLEST = 10.5; // of a cell with its token beside it
const SIDE = 640; // of the cells at most
const HEAD = 46; // title and what is below it
const TITLE = 260; // the least width of a box, as far as there is room
const NAME = 22; // of an axis
const LABEL = 88; // a label at most
const STRIP = 30; // the null's
const BARS = 32; // of null mass
const GAP = 28; // between boxes
const NEAR = 6; // between the parts of a box
const SIZE = 12.5; // of letters

export function boxesOf(grid: Grid, transposed: boolean, zoom: Zoom | null, width: number): Box[] {
  const { plots, least } = grid;
  let columns = Math.min(grid.columns, plots.length);
  while (columns > 1 && columns * (least + GAP) > width + GAP) columns = Math.ceil(columns / 2);
  const boxes: Box[] = [];
  let top = 0;
  for (let i = 0; i < plots.length; i += columns) {
    const row = rowOf(plots.slice(i, i + columns), transposed, zoom, (width + GAP) / columns - GAP, top);
    boxes.push(...row);
    top = Math.max(...row.map(({ bottom }) => bottom)) + GAP;
  }
  return boxes;
}

/** Boxes that stand beside each other: cells of one size, as large as the width of each allows. */
function rowOf(plots: Plot[], transposed: boolean, zoom: Zoom | null, width: number, top: number): Box[] {
  const plans = plots.map((plot, i) => {
    const [query, key] = (["query", "key"] as const).map((end) => axisOf(plot, end, zoom));
    const [down, across] = transposed ? [key, query] : [query, key];
    const bare = i > 0 && down.tokens === axisOf(plots[0], down.end, zoom).tokens; // the first box has the labels
    const room = bare ? 0 : Math.max(24, widest(names(down), SIZE, LABEL));
    const [strip, bars] = [plot.pinned ? STRIP + NEAR : 0, plot.nulled ? BARS + 16 : 8];
    const before = (room && NAME + room + NEAR) + (transposed ? 0 : strip);
    return { plot, down, across, room, strip, bars, before };
  });
  const taken = plans.reduce((sum, { before, bars }) => sum + before + (transposed ? 8 : bars), 0);
  const counts = plans.map(({ across }) => across.count);
  const [w, h] = cellSize(counts, Math.max(...plans.map(({ down }) => down.count)), width * plots.length - taken);
  const end = (width + GAP) * plots.length;
  const [named, words] = [w >= SMALLEST, h >= SMALLEST];
  const longest = Math.max(...plans.map(({ across }) => widest(names(across), SIZE, LABEL)));
  const turned = named && longest + 6 > w;
  const above = turned ? Math.max(24, longest * 0.87 + 8) : 20;
  const y = Math.round(top + HEAD + NAME + above + (transposed ? Math.max(...plans.map(({ strip }) => strip)) : 0));
  let left = 0;
  return plans.map(({ plot, down, across, room, strip, bars, before }, i): Box => {
    const x = Math.round(left + before);
    const cells: Rect = [x, y, w * across.count, h * down.count];
    const [right, bottom] = [x + cells[2], y + cells[3]];
    const nulls: Rect = transposed ? [x, y - strip, cells[2], STRIP] : [x - strip, y, STRIP, cells[3]];
    const mass: Rect = transposed ? [x, bottom + 8, cells[2], BARS] : [right + 8, y, BARS, cells[3]];
    const last = i === plots.length - 1;
    const share = (end - left) / (plots.length - i) - GAP;
    const box = {
      plot,
      left,
      top,
      right: Math.max(last ? end - GAP : left + Math.min(TITLE, share), right + (transposed ? 8 : bars)),
      bottom: bottom + (transposed ? bars : 16),
      down: { ...down, cell: h, words, turned: false, every: words ? 1 : every(h, 16), room },
      across: { ...across, cell: w, words: named, turned, every: named ? 1 : every(w, 34), room: above },
      cells,
      nulls: plot.pinned ? nulls : null,
      mass: plot.nulled ? mass : null,
    };
    left = box.right + GAP;
    return box;
  });
}

type Part = Pick<Axis, "end" | "tokens" | "from" | "count">;

function axisOf(plot: Plot, end: End, zoom: Zoom | null): Part {
  const n = sizesOf(plot)[end];
  const [from, to] = zoom ? [Math.min(zoom[end][0], n - 1), Math.min(zoom[end][1], n)] : [0, n];
  return { end, tokens: end === "query" ? plot.queries : plot.keys, from, count: Math.max(1, to - from) };
}

function names({ tokens, from, count }: Part): string[] {
  return tokens.text.slice(from, from + count);
}

/** Width and height of a cell: whole device pixels where they can be, square unless one axis is much longer. */
function cellSize(across: number[], down: number, wide: number): [number, number] {
  const ratio = density();
  const fit = (room: number, count: number) => {
    const size = Math.min(LARGEST, Math.max(room, 40) / count);
    return size * ratio >= 1 ? Math.floor(size * ratio) / ratio : size;
  };
  const most = Math.max(...across);
  const w = Math.min(fit(SIDE, most), fit(wide, across.reduce((sum, count) => sum + count)));
  const h = fit(SIDE, down);
  const alike = Math.max(most, down) < 2.5 * Math.min(most, down);
  return alike ? [Math.min(w, h), Math.min(w, h)] : [w, h];
}

export interface MapHit extends Hover {
  box: Box;
}

/** The cell under a point, or the query or key whose label or null mass is; key -1: the null. */
export function mapHit(boxes: Box[], px: number, py: number): MapHit | null {
  const box = boxes.find(({ left, top, right, bottom }) => px >= left && px < right && py >= top && py < bottom);
  if (!box) return null;
  const hit: MapHit = { box, at: box.plot.at, query: null, key: null };
  const [x, y] = box.cells;
  for (const [axis, at] of [[box.down, py - y], [box.across, px - x]] as const) {
    const i = axis.from + Math.floor(at / axis.cell);
    if (within(axis, i)) hit[axis.end] = i;
    else if (box.nulls && axis.end === "key" && at < 0 && at > -NEAR - STRIP) hit.key = -1;
  }
  return hit.query === null && hit.key === null ? null : hit;
}

/** The part of an area beside the axes that belongs to a query and to a key; null: all of them. */
export function part({ down, across }: Box, [x, y, w, h]: Rect, query: number | null, key: number | null): Rect {
  const at = { query, key };
  const span = (axis: Axis, from: number, length: number) => {
    const i = at[axis.end];
    return i === null ? [from, length] : [from + (i - axis.from) * axis.cell, axis.cell];
  };
  const [[left, wide], [top, high]] = [span(across, x, w), span(down, y, h)];
  return [left, top, wide, high];
}

export function within(axis: Axis, i: number | null): boolean {
  return i !== null && i >= axis.from && i < axis.from + axis.count;
}

/** Both axes, that of the queries first. */
export function queriesFirst({ down, across }: Box): [Axis, Axis] {
  return down.end === "query" ? [down, across] : [across, down];
}

/** The tokens of an axis that are in sight. */
export function inSight({ from, count }: Axis): number[] {
  return Array.from({ length: count }, (_, i) => from + i);
}
