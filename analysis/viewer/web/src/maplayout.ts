/** Where things stand on the map, in 1/16 rem: for every view a box with its title, the two axes, the null's strip, the
 * cells, and the bars of null mass. "down" and "across" are the axes as drawn; transposing exchanges query and key.
 */

import type { Hover, State, Store } from "./contract";
import { density, every, widest } from "./labels";
import { type Item, flow, legend } from "./maplegend";
import type { Tokens } from "./payload";
import type { View } from "./views";

/** The part of the map that is drawn: [from, to). */
export interface Zoom {
  query: [number, number];
  key: [number, number];
}

export interface Axis {
  end: "query" | "key";
  tokens: Tokens;
  from: number;
  count: number;
  cell: number; // a fraction where many cells share a pixel
  words: boolean; // tokens as labels, else positions
  upright: boolean; // across only: labels are not turned
  every: number; // labels: each of so many
  room: number; // for labels
}

export type Rect = [x: number, y: number, w: number, h: number];

export interface Box {
  view: View;
  left: number;
  top: number;
  width: number;
  height: number;
  down: Axis;
  across: Axis;
  cells: Rect;
  nulls: Rect | null;
  mass: Rect | null;
}

export interface MapLayout {
  width: number;
  height: number;
  boxes: Box[];
  foot: { items: Item[]; x: number; y: number; width: number }; // the legend
}

const LARGEST = 32; // of a cell
const SMALLEST = 10.5; // of a cell with its token beside it
export const NUMBERED = 24; // of a cell with its weight in it
const SIDE = 560; // of the cells at most
const COLUMN = 300; // the least width of a box, where several heads stand beside each other
const HEAD = 46; // title and head
const TITLE = 260; // the least width of a box: of its title
const NAME = 20; // of an axis
const LABEL = 88; // a label at most
const STRIP = { wide: 28, narrow: 16 }; // the null's: with and without numbers
const POSITION = 44; // room for a position, or a short word
const MASS = 48; // bars of null mass
const GAP = 28;

export function mapLayout(store: Store, sides: View[][], zoom: Zoom | null, width: number): MapLayout {
  const { state } = store;
  const heads = Math.max(...sides.map((views) => views.length));
  const fitting = Math.max(1, Math.min(3, Math.floor((width + GAP) / (COLUMN + GAP))));
  const columns = Math.min(sides.length > 1 ? sides.length : heads, fitting);
  const views = Array.from({ length: heads }, (_, i) => sides.flatMap((side) => side[i] ?? [])).flat();
  const boxes: Box[] = [];
  let top = 0;
  for (let i = 0; i < views.length; i += columns) {
    const some = views.slice(i, i + columns);
    const gaps = GAP * (some.length - 1);
    const row = boxesOf(some, state, zoom, ((width + GAP) / columns) * some.length - GAP - gaps);
    let left = Math.max(0, (width - gaps - row.reduce((sum, box) => sum + box.width, 0)) / 2);
    for (const box of row) {
      boxes.push(moved(box, left, top));
      left += box.width + GAP;
    }
    top += Math.max(...row.map((box) => box.height)) + GAP;
  }
  const items = legend(store, views, boxes.some(shared));
  const x = boxes[0].cells[0];
  const foot = { items, x, y: top - 14, width: width - x };
  return { width, height: foot.y + flow(items, null, 0, 0, foot.width), boxes, foot };
}

/** Whether several cells share a pixel of the screen. */
export function shared({ down, across }: Box): boolean {
  return Math.min(down.cell, across.cell) * density() < 1;
}

/** Boxes that stand beside each other, at the origin: with cells of one size, as large as the width allows. */
function boxesOf(views: View[], { transposed }: State, zoom: Zoom | null, width: number): Box[] {
  const axis = (view: View, end: Axis["end"]): Pick<Axis, "end" | "tokens" | "from" | "count"> => {
    const tokens = end === "query" ? view.queries : view.keys;
    const n = tokens.text.length;
    const [from, to] = zoom ? [Math.min(zoom[end][0], n - 1), Math.min(zoom[end][1], n)] : [0, n];
    return { end, tokens, from, count: Math.max(1, to - from) };
  };
  const ends = transposed ? (["key", "query"] as const) : (["query", "key"] as const);
  const size = 12.5;
  const margin = 8; // of the last label
  const plans = views.map((view, i) => {
    const [down, across] = [axis(view, ends[0]), axis(view, ends[1])];
    const bare = i > 0 && down.tokens === axis(views[0], ends[0]).tokens; // the first box has the labels
    const mass = view.nulled ? MASS : 0;
    const strip = view.nulled && view.pinned;
    const word = widest(names(across), size, LABEL);
    return { view, down, across, bare, mass, strip, word, label: Math.max(24, widest(names(down), size, LABEL)) };
  });
  const rooms = (words: boolean) => plans.map(({ bare, label }) => (bare ? 0 : words ? label : POSITION));
  const sizes = (words: boolean) => {
    const beside = rooms(words).map((room) => (room && NAME + room) + 6 + margin);
    const nulls = plans.map(({ mass, strip }) => (transposed ? 0 : mass + (strip ? STRIP.wide + 6 : 0)));
    const wide = width - [...beside, ...nulls].reduce((sum, one) => sum + one, 0);
    const [across, down] = [plans.map((plan) => plan.across.count), plans.map((plan) => plan.down.count)];
    return cellSizes(across, Math.max(...down), Math.floor(wide));
  };
  const words = sizes(true)[1] >= SMALLEST;
  const [w, h] = sizes(words);
  const named = w >= SMALLEST;
  const deep = (transposed ? h : w) < NUMBERED ? STRIP.narrow : STRIP.wide;
  const longest = Math.max(...plans.map(({ word }) => word));
  const upright = !named || longest + 6 <= w;
  const above = upright ? 20 : Math.max(24, longest * 0.87 + 8);
  const nullsDeep = plans.some(({ strip }) => strip) ? deep + 6 : 0;
  return plans.map(({ view, down, across, bare, mass, strip }, i): Box => {
    const room = rooms(words)[i];
    const x = Math.round((bare ? 0 : NAME) + room + 6 + (transposed || !strip ? 0 : deep + 6));
    const y = Math.round(HEAD + NAME + above + (transposed ? nullsDeep : 0));
    const cells: Rect = [x, y, w * across.count, h * down.count];
    const [right, bottom] = [x + cells[2], y + cells[3]];
    const bars = MASS - 16;
    const beside: Rect = transposed ? [x, y - nullsDeep, cells[2], deep] : [x - deep - 6, y, deep, cells[3]];
    const after: Rect = transposed ? [x, bottom + 8, cells[2], bars] : [right + 8, y, bars, cells[3]];
    return {
      view,
      left: 0,
      top: 0,
      width: Math.max(TITLE, right + (transposed ? 0 : mass) + margin),
      height: bottom + (transposed ? mass : 16),
      down: { ...down, cell: h, words, upright: true, every: words ? 1 : every(h, 16), room },
      across: { ...across, cell: w, words: named, upright, every: named ? 1 : every(w, 34), room: above },
      cells,
      nulls: strip ? beside : null,
      mass: mass ? after : null,
    };
  });
}

/** Width and height of a cell: whole device pixels where they can be, square unless one axis is much longer. */
function cellSizes(across: number[], down: number, wide: number): [number, number] {
  const ratio = density();
  const fit = (room: number, count: number) => {
    const size = Math.min(LARGEST, Math.max(room, 40) / count);
    return size * ratio >= 1 ? Math.floor(size * ratio) / ratio : size;
  };
  const most = Math.max(...across);
  const w = Math.min(fit(SIDE, most), fit(wide, across.reduce((sum, count) => sum + count, 0)));
  const h = fit(SIDE, down);
  const alike = Math.max(most, down) < 2.5 * Math.min(most, down);
  return alike ? [Math.min(w, h), Math.min(w, h)] : [w, h];
}

function names({ tokens, from, count }: Pick<Axis, "tokens" | "from" | "count">): string[] {
  return tokens.text.slice(from, from + count);
}

function moved(box: Box, left: number, top: number): Box {
  const shift = (rect: Rect): Rect => [Math.round(rect[0] + left), Math.round(rect[1] + top), rect[2], rect[3]];
  const { cells, nulls, mass } = box;
  return { ...box, left, top, cells: shift(cells), nulls: nulls && shift(nulls), mass: mass && shift(mass) };
}

export interface MapHit extends Hover {
  box: Box;
}

/** The cell under a point, or the query or key whose label or null mass is. */
export function mapHit(layout: MapLayout, px: number, py: number): MapHit | null {
  for (const box of layout.boxes) {
    if (px < box.left || px >= box.left + box.width || py < box.top || py >= box.top + box.height) continue;
    const [x, y] = box.cells;
    const down = index(box.down, py - y);
    const across = index(box.across, px - x);
    const hit: MapHit = { box, at: box.view.at, query: null, key: null };
    if (down !== null) hit[box.down.end] = down;
    if (across !== null) hit[box.across.end] = across;
    if (box.nulls && nullsOf(box) && inside(box.nulls, px, py)) hit.key = -1;
    return hit.query === null && hit.key === null ? null : hit;
  }
  return null;
}

/** The null's column of the map, where it has one. */
export function nullsOf({ view: { shown } }: Box): Float32Array | null {
  return typeof shown === "string" ? null : shown.nulls;
}

/** Where token i of an axis begins, from the first cell. */
export function offset(axis: Axis, i: number): number {
  return (i - axis.from) * axis.cell;
}

export function within(axis: Axis, i: number): boolean {
  return i >= axis.from && i < axis.from + axis.count;
}

function index(axis: Axis, at: number): number | null {
  const i = Math.floor(at / axis.cell);
  return i >= 0 && i < axis.count ? axis.from + i : null;
}

function inside([x, y, w, h]: Rect, px: number, py: number): boolean {
  return px >= x && px < x + w && py >= y && py < y + h;
}
