/** Where the tokens of the head view stand, in 1/16 rem. One geometry serves both layouts: "along" runs in reading
 * direction (down the columns, or along the rows when horizontal) and scrolls; "across" from the queries to the keys.
 *
 *     across:  numbers | query labels | near ~~ curves ~~ far | key labels | numbers
 *     along:   0 headings, the pinned null ... pin | tokens, scrolled
 */

import type { Hover, State } from "./contract";
import { widest, widthOf } from "./labels";
import type { View } from "./views";

export interface Lane {
  edges: Float64Array; // [n + 1], along, from the first token
  shift: number; // how far it is scrolled
}

export interface Plot {
  views: View[]; // heads of one side
  names: readonly [query: string, key: string];
  count: number; // of numbers beside a token: one for each head, or one for the strongest
  start: number; // across
  queryNumbers: number; // where numbers end
  near: number;
  far: number;
  keyNumbers: number; // where numbers begin
  end: number;
  room: number; // of a label, across
  queries: Lane;
  keys: Lane;
}

export interface Layout {
  horizontal: boolean;
  width: number;
  height: number;
  reach: number; // along, of what is in sight
  span: number; // along, of everything
  row: number; // of a token: its height
  size: number; // of its letters
  pin: number;
  nulls: [number, number] | null; // along, from and to
  plots: Plot[];
}

export const NUMBER = { columns: 42, rows: 17 }; // room of a number
export const PAD = 8;
const HEADING = 64; // side and head, then names of the columns
const CURVES = 176; // between the rows of the horizontal layout
const WIDEST = 600; // of a plot with columns
const NARROW = 260; // a plot with columns that has no room for numbers
const PLOT_GAP = 32;
export const NAMES = ["query (attends)", "key (attended)"] as const;
const SHORT = ["query", "key"] as const;

export function layout(sides: View[][], state: State, width: number, most: number, scroll: number): Layout {
  const n = Math.max(...sides.flat().map((view) => Math.max(view.queries.text.length, view.keys.text.length)));
  const [row, size] = n <= 48 ? [26, 14.5] : n <= 192 ? [21, 13] : [18, 12];
  const pinned = sides.some((views) => views.some((view) => view.pinned));
  const common = { horizontal: state.horizontal, row, size, width };
  return state.horizontal ? rows(sides, pinned, common, scroll) : columns(sides, pinned, common, most, scroll);
}

type Common = Pick<Layout, "horizontal" | "row" | "size" | "width">;

function columns(sides: View[][], pinned: boolean, common: Common, most: number, scroll: number): Layout {
  const { row, size, width } = common;
  const pin = HEADING + (pinned ? row + 8 : 0);
  const lanes = sides.map(([view]) => lanesOf(view, (tokens) => even(tokens.length, row)));
  const span = pin + Math.max(...lanes.flat().map(lengthOf)) + PAD;
  const height = Math.min(span, Math.max(most, pin + 6 * row));
  const gap = PLOT_GAP;
  const each = Math.min(WIDEST, (width - gap * (sides.length - 1)) / sides.length);
  const left = Math.max(0, (width - sides.length * each - gap * (sides.length - 1)) / 2);
  const plots = sides.map((views, i): Plot => {
    const start = left + i * (each + gap);
    const end = start + each;
    const count = fitting(views.length, each);
    const numbers = 10 + NUMBER.columns * count;
    const words = [...views[0].queries.text, ...views[0].keys.text];
    const names = each < NARROW ? SHORT : NAMES;
    const least = widthOf(names[0], 12) - numbers; // the name of a column may stand above its numbers too
    const limit = Math.max(each * 0.3 - numbers, Math.min(72, each * 0.22));
    const room = Math.max(least, Math.min(limit, 1.07 * widest(words, size, limit))); // bold is wider
    const [queries, keys] = scrolled(lanes[i], pin, height, span, scroll);
    const near = start + numbers + room + PAD;
    const far = end - numbers - room - PAD;
    const [queryNumbers, keyNumbers] = [start + numbers - 14, end - numbers + 14];
    return { views, names, count, start, queryNumbers, near, far, keyNumbers, end, room, queries, keys };
  });
  const nulls: Layout["nulls"] = pinned ? [HEADING, HEADING + row] : null;
  return { ...common, height, reach: height, span, pin, nulls, plots };
}

function rows(sides: View[][], pinned: boolean, common: Common, scroll: number): Layout {
  const { row, size, width } = common;
  const nullWidth = widthOf("∅ null", size) + 16;
  const pin = widthOf(NAMES[0], 12) + 8 + (pinned ? nullWidth : 0) + 12;
  const wide = (word: string) => Math.max(29, Math.min(140, widest([word], size, 126) + 14));
  const lanes = sides.map(([view]) => lanesOf(view, (tokens) => cumulative(tokens.map(wide))));
  const span = pin + Math.max(...lanes.flat().map(lengthOf)) + PAD;
  let start = 0;
  const plots = sides.map((views, i): Plot => {
    const count = fitting(views.length, Infinity);
    const numbers = NUMBER.rows * count;
    const top = start + (start ? PLOT_GAP : 0);
    const queryNumbers = top + 46 + numbers;
    const near = queryNumbers + row;
    const far = near + CURVES;
    const keyNumbers = far + row;
    const end = keyNumbers + numbers + 6;
    start = end;
    const [queries, keys] = scrolled(lanes[i], pin, width, span, scroll);
    const across = { start: top, queryNumbers, near, far, keyNumbers, end };
    return { views, names: NAMES, count, ...across, room: 126, queries, keys };
  });
  const nulls: Layout["nulls"] = pinned ? [pin - 12 - nullWidth, pin - 12] : null;
  return { ...common, height: start, reach: width, span, pin, nulls, plots };
}

/** Where token i has its middle, along. */
export function middle(layout: Layout, lane: Lane, i: number): number {
  return layout.pin + (lane.edges[i] + lane.edges[i + 1]) / 2 - lane.shift;
}

/** First and last token in sight; the last lies before the first where there is none. */
export function inSight(layout: Layout, lane: Lane): [number, number] {
  const last = lane.edges.length - 2;
  const first = indexAt(lane, lane.shift);
  const end = indexAt(lane, lane.shift + layout.reach - layout.pin - 1);
  return [first, Math.min(last, end)];
}

/** The point of an along and an across. */
export function place(layout: Layout, along: number, across: number): [number, number] {
  return layout.horizontal ? [along, across] : [across, along];
}

export interface Hit extends Hover {
  plot: Plot;
}

/** The token under a point of the canvas. */
export function hit(layout: Layout, x: number, y: number): Hit | null {
  const [along, across] = layout.horizontal ? [x, y] : [y, x];
  const plot = layout.plots.find((one) => across >= one.start && across < one.end);
  if (!plot) return null;
  const margin = 16;
  const token = (lane: Lane) => {
    if (along < layout.pin) return null;
    const i = indexAt(lane, along - layout.pin + lane.shift);
    return i >= 0 && i < lane.edges.length - 1 ? i : null;
  };
  const { nulls } = layout;
  const left = across < plot.near + margin;
  if (!left && across < plot.far - margin) return null;
  const i = !left && nulls && along >= nulls[0] && along < nulls[1] ? -1 : token(left ? plot.queries : plot.keys);
  return i === null ? null : { plot, at: plot.views[0].at, query: left ? i : null, key: left ? null : i };
}

/** How far to scroll so that this stretch of a lane comes into sight; null: it is. */
export function scrollTo(layout: Layout, lane: Lane, i: number): number | null {
  const room = layout.reach - layout.pin;
  const length = lengthOf(lane) + PAD;
  if (length <= room || (lane.edges[i] >= lane.shift && lane.edges[i + 1] <= lane.shift + room)) return null;
  const shift = Math.max(0, Math.min(length - room, (lane.edges[i] + lane.edges[i + 1] - room) / 2));
  return (shift / (length - room)) * (layout.span - layout.reach);
}

/** Both lanes reach their ends together, however different their lengths are. */
function scrolled(lanes: Lane[], pin: number, reach: number, span: number, scroll: number): Lane[] {
  const share = span > reach ? Math.min(1, scroll / (span - reach)) : 0;
  return lanes.map((lane) => ({ ...lane, shift: share * Math.max(0, pin + lengthOf(lane) + PAD - reach) }));
}

function lanesOf(view: View, edges: (tokens: string[]) => Float64Array): Lane[] {
  const queries = edges(view.queries.text);
  const keys = view.keys === view.queries ? queries : edges(view.keys.text);
  return [queries, keys].map((lane) => ({ edges: lane, shift: 0 }));
}

function even(count: number, row: number): Float64Array {
  return Float64Array.from({ length: count + 1 }, (_, i) => i * row);
}

function cumulative(sizes: number[]): Float64Array {
  const edges = new Float64Array(sizes.length + 1);
  sizes.forEach((size, i) => (edges[i + 1] = edges[i] + size));
  return edges;
}

function lengthOf(lane: Lane): number {
  return lane.edges[lane.edges.length - 1];
}

/** The token that begins at or before this place. */
function indexAt(lane: Lane, at: number): number {
  let [low, high] = [-1, lane.edges.length - 1];
  while (low < high) {
    const half = (low + high + 1) >> 1;
    if (lane.edges[half] <= at) low = half;
    else high = half - 1;
  }
  return low;
}

/** How many numbers fit beside a token, on both sides of a plot of this width. */
function fitting(heads: number, width: number): number {
  if (width < NARROW) return 0;
  return heads <= 3 && heads * NUMBER.columns * 2 < width * 0.45 ? heads : 1;
}
