/** Where the tokens of the head view stand, in 1/16 rem. One geometry serves both layouts: "along" runs in reading
 * direction (down the columns, or along the rows when horizontal) and scrolls; "across" from the queries to the keys.
 *
 *     across:  numbers | query labels | line ~~ curves ~~ line | key labels | numbers
 *     along:   names, the pinned null ... pin | tokens, scrolled
 */

import type { Hover, Lettering, State } from "../contract";
import { widest } from "../drawing/labels";
import type { View } from "../heads/views";
import type { Tokens } from "../payload/payload";

/** The queries or the keys of a plot. */
export interface Lane {
  end: "query" | "key";
  tokens: Tokens;
  edges: number[]; // of tokens, along, from the first
  shift: number; // how far they are scrolled
  seen: number[]; // tokens in sight
  across: number; // where labels begin
  line: number; // where curves end, across
  align: Lettering["align"];
}

/** One side. */
export interface Plot {
  views: View[]; // its heads
  start: number; // across
  end: number;
  lanes: [queries: Lane, keys: Lane];
}

type Span = [from: number, to: number];

export interface Layout {
  horizontal: boolean;
  width: number;
  height: number;
  reach: number; // along, of what is in sight
  span: number; // along, of everything
  size: number; // of letters
  depth: number; // of labels, across
  numbered: boolean; // there is room for numbers
  names: Span; // of queries and keys, along
  nulls: Span | null;
  pin: number; // where tokens begin
  plots: Plot[];
}

const PAD = 8;
const GAP = 32; // between plots
const WIDEST = 600; // of a plot with columns
const NARROW = 260; // of one without room for numbers
const HEADING = 46;
const CURVES = 176; // between rows

/** `tall`: the most height that columns take; `scroll`: along. */
export function layout(sides: View[][], { horizontal }: State, width: number, tall: number, scroll: number): Layout {
  const texts = sides.map(([{ queries, keys }]) => [queries, keys]);
  const words = texts.flat().flatMap(({ text }) => text);
  const few = texts.flat().every(({ text }) => text.length <= 48);
  const [row, size] = few ? [26, 14.5] : [20, 12.5];
  const each = horizontal
    ? HEADING + CURVES + 2 * (row + 17)
    : Math.min(WIDEST, (width - GAP * (sides.length - 1)) / sides.length);
  const numbered = each >= NARROW;
  const numbers = horizontal ? 17 : numbered ? 52 : 0;
  const depth = horizontal ? row : Math.max(48, 1.07 * widest([...words, "∅ null"], size, 0.22 * each)) + 2 * PAD; // bold is wider
  const names: Span = horizontal ? [0, 100] : [HEADING - 6, HEADING + 14];
  const below = names[1] + 4;
  const pinned = sides.flat().some((view) => view.pinned);
  const nulls: Span | null = pinned ? [below, below + (horizontal ? 72 : row)] : null;
  const pin = (nulls ? nulls[1] : below) + PAD;

  const room = (word: string) => (horizontal ? Math.max(30, widest([word], size, 126) + 14) : row);
  const edges = texts.map((both) => both.map(({ text }) => sums(text.map(room))));
  const span = pin + Math.max(...edges.flat().map(last)) + PAD;
  const reach = horizontal ? width : Math.min(span, Math.max(tall, pin + 6 * row));
  const share = span > reach ? Math.min(1, scroll / (span - reach)) : 0; // both ends are reached together
  const margin = horizontal ? 0 : Math.max(0, (width + GAP - sides.length * (each + GAP)) / 2);

  const plots = sides.map((views, i): Plot => {
    const start = margin + i * (each + GAP);
    const end = start + each;
    const lane = (which: 0 | 1): Lane => {
      const own = edges[i][which];
      const shift = share * Math.max(0, pin + last(own) + PAD - reach);
      const across = which ? end - numbers - depth : start + (horizontal ? HEADING : 0) + numbers;
      const tokens = texts[i][which];
      return {
        end: which ? "key" : "query",
        tokens,
        edges: own,
        shift,
        seen: [...tokens.text.keys()].filter((j) => own[j + 1] > shift && own[j] < shift + reach - pin),
        across,
        line: which ? across : across + depth,
        align: horizontal ? "center" : which ? "left" : "right",
      };
    };
    return { views, start, end, lanes: [lane(0), lane(1)] };
  });
  const height = horizontal ? plots[plots.length - 1].end : reach;
  return { horizontal, width, height, reach, span, size, depth, numbered, names, nulls, pin, plots };
}

/** Where a token stands, along; -1 is the null. */
export function spanOf({ pin, nulls }: Layout, { edges, shift }: Lane, i: number): Span {
  return i < 0 ? (nulls ?? [0, 0]) : [pin + edges[i] - shift, pin + edges[i + 1] - shift];
}

/** The point of an along and an across. */
export function place(layout: Layout, along: number, across: number): [x: number, y: number] {
  return layout.horizontal ? [along, across] : [across, along];
}

export interface Hit extends Hover {
  plot: Plot;
}

/** The token under a point of the canvas. */
export function hit(layout: Layout, x: number, y: number): Hit | null {
  const [along, across] = place(layout, x, y);
  const under = (lane: Lane) => (i: number) => {
    const [from, to] = spanOf(layout, lane, i);
    return along >= from && along < to && (i < 0 || along >= layout.pin);
  };
  for (const plot of layout.plots) {
    if (across < plot.start || across >= plot.end) continue;
    const lane = plot.lanes.find(({ end, line }) => (end === "query" ? across < line + 16 : across >= line - 16));
    const i = lane && [...lane.seen, ...(lane.end === "key" ? [-1] : [])].find(under(lane));
    if (i !== undefined) return { plot, at: plot.views[0].at, query: null, key: null, [lane!.end]: i };
  }
  return null;
}

/** How far to scroll so that a token comes into sight; null: it is, or cannot. */
export function scrollTo({ pin, reach, span }: Layout, { edges, shift }: Lane, i: number | null): number | null {
  const room = reach - pin;
  const hidden = last(edges) + PAD - room;
  if (i === null || i < 0 || hidden <= 0 || (edges[i] >= shift && edges[i + 1] <= shift + room)) return null;
  return (((edges[i] + edges[i + 1] - room) / 2) * (span - reach)) / hidden;
}

function sums(sizes: number[]): number[] {
  let sum = 0;
  return [0, ...sizes.map((size) => (sum += size))];
}

function last(edges: number[]): number {
  return edges[edges.length - 1];
}
