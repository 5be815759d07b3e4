/** What the parts of the page owe each other: state, store, pictures, panels. Types only. */

import type { Vectors } from "./payload/packed";
import type { HeadAt, Payload } from "./payload/payload";

/** All that a link holds. Defaults and the form in the URL are in state/state.ts. */
export interface State {
  view: "lines" | "map" | "neuron" | "scores"; // the detail beside the model view
  mode: "a" | "b" | "side" | "difference";
  a: number; // sides
  b: number;
  layer: number; // the selected head, of side A (in mode "b": of B)
  head: number;
  more: [number, number][]; // further heads that lines are drawn for
  match: "index" | "best"; // which head of B stands beside A's
  nulls: "show" | "hide" | "renormalise";
  sink: number | null; // where a layer has no null: the key that the null's control acts on
  query: number | null; // locked
  key: number | null; // locked
  text: string; // filter of tokens: text, or /pattern/
  word_class: string; // filter of tokens; "" all
  on: "both" | "query" | "key"; // which tokens `text` and `word_class` are asked of
  block: "" | "AA" | "AB" | "BA" | "BB"; // query's sentence, then key's
  from: number; // position range of queries and keys, from 0; both ends belong to it
  to: number | null;
  filtered: "hide" | "renormalise"; // what becomes of the weights that filters leave
  least: number; // weights below are not drawn as lines
  top: number; // top-p: the largest weights of a query that together hold this share; 1 all
  sort: string; // "" by number, else a statistic's key: largest first
  across: boolean; // sorted: all heads in one order, not layer by layer
  pattern_class: string; // filter of heads; "" all
  by: string; // filter of heads: a statistic's key ...
  above: number | null; // ... and its least value
  pool: "max" | "mean"; // how thumbnails are pooled
  scale: "sqrt" | "linear" | "log";
  range: "fixed" | "head"; // colours from 0 to 1, or to the head's largest
  transposed: boolean; // keys down, queries across
  horizontal: boolean; // lines: tokens in rows
  stage: "all" | "product" | "scaled" | "masked" | "softmax";
  unmasked: boolean; // scores: also where a query may not look
  theme: "auto" | "light" | "dark";
}

/** What the pointer is on; not in the link. */
export interface Hover {
  query: number | null;
  key: number | null; // -1 the null
  at: HeadAt | null;
}

/** A head's map as it is drawn: after the null's control, the filters, and (difference) the subtraction. */
export interface Shown {
  T: number;
  S: number;
  weights: Float32Array; // [T, S]
  nulls: Float32Array | null; // [T], the null's column; null where there is none or it is hidden
  mass: Float32Array | null; // [T], what goes to the null, whatever is drawn; null without one
  sink: number | null; // the key that is treated as the null; its column is then empty in `weights`
  hatched: Uint8Array; // [T], 1: almost nothing is left to renormalise
  queries: Uint8Array; // [T], 1: kept by the filters
  keys: Uint8Array; // [S]
  sees(t: number, s: number): boolean;
  signed: boolean; // a difference, -1 to 1
  error: number; // bound of the codec on a weight
}

/** Small image of a map for the model view. */
export interface Thumb {
  h: number;
  w: number;
  values: Float32Array; // [h, w]
  nulls: Float32Array | null; // [h]
  signed: boolean;
}

export interface Store {
  readonly payload: Payload;
  readonly state: State; // replaced, never changed
  readonly hover: Hover;
  readonly palette: Palette;
  set(change: Partial<State>): void; // checks it, writes the link, draws
  point(change: Partial<Hover>): void;
  subscribe(listener: () => void): void; // called once per frame in which anything changed
  say(words: string): void; // to the live region, for screen readers
  drawn(): number[]; // the sides of this mode: [a], [b] or [a, b]
  selected(side: number): HeadAt | null; // the selected head, or its partner in this side
  partner(at: HeadAt, side: number): HeadAt | null; // the head of `side` that stands beside `at`
  shown(at: HeadAt): Shown | "waiting" | "absent"; // waiting: being decoded; absent: left out for size
  difference(at: HeadAt): Shown | "waiting" | "absent" | "unlike"; // A - B, `at` in A; unlike: other texts or sizes
  vectors(at: HeadAt): Vectors | "waiting" | "absent";
  thumb(at: HeadAt): Thumb | null; // in mode "difference": of A - B
  mean(at: HeadAt): number | null; // mean null mass over queries from the second on; null where there is no null
  value(at: HeadAt, key: string): number | null; // a statistic; the null mass is that of the key treated as the null
}

/** Where pictures are drawn: on a canvas, or as SVG for export. Units are CSS pixels. */
export interface Surface {
  rect(x: number, y: number, w: number, h: number, fill: string): void;
  frame(x: number, y: number, w: number, h: number, stroke: string, width: number): void;
  line(x1: number, y1: number, x2: number, y2: number, stroke: string, width: number, alpha: number): void;
  curve(points: [number, number][], stroke: string, width: number, alpha: number): void; // cubic: start, two, end
  text(x: number, y: number, words: string, style: Lettering): void;
  image(x: number, y: number, w: number, h: number, pixels: Pixels): void; // never smoothed
  hatch(x: number, y: number, w: number, h: number, stroke: string): void;
  measure(words: string, style: Lettering): number;
}

export interface Lettering {
  size: number;
  fill: string;
  align?: "left" | "center" | "right"; // at x
  middle?: boolean; // y is the middle, not the baseline
  turn?: number; // degrees, around (x, y)
  mono?: boolean;
  bold?: boolean;
}

export interface Pixels {
  width: number;
  height: number;
  data: Uint8ClampedArray; // RGBA
}

/** A picture of a size; the same function draws it on a canvas and into an SVG. */
export interface Picture {
  name: string; // for its file
  width: number;
  height: number;
  paint(surface: Surface): void;
}

export interface Panel {
  element: HTMLElement;
  draw(): void; // brings the element up to date with the store; cheap when nothing changed
  pictures(): Picture[]; // for export, as drawn now
  rows(): (string | number)[][]; // the same as a table, the first row its header
}

export interface Palette {
  dark: boolean;
  paper: string;
  wash: string;
  line: string;
  soft: string; // secondary text, at least 4.5 : 1 on paper
  ink: string;
  accent: string;
  focus: string;
  null_ink: string;
  real(x: number): RGB; // ramps over [0, 1]
  nulls(x: number): RGB;
  difference(x: number): RGB; // over [-1, 1]: negative (B has more), 0, positive (A has more)
  positive: string; // two hues of the neuron view
  negative: string;
  pattern(name: string): string; // of a pattern class
  head(index: number, count: number): string; // one of several heads in the lines
}

export type RGB = [number, number, number];
