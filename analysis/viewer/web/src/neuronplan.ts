/** Where things stand in the neuron view, and what is at a point of it. Lengths in CSS pixels.
 *
 *     key | query q, keys k | q × k | q · k | score | weight
 */

import type { Palette } from "./contract";
import { unit, widest } from "./labels";
import type { Reading } from "./reading";

export interface Plan {
  u: number; // CSS pixels of 1/16 rem
  H: number;
  cell: number; // width of a cell
  label: number; // width of the keys' names
  k: number; // left edges
  product: number;
  sum: number; // right edge: numbers end here
  score: number; // left edges of number and bar
  weight: number;
  bar: number; // length of a full bar
  width: number; // of all columns
  query: number; // top of the query's row
  head: number; // top of the first key's row
  row: number;
  foot: number; // height of the legend
}

/** What the pointer and the scroll bars say. */
export interface Look {
  palette: Palette;
  title: string;
  width: number;
  height: number;
  x: number; // scrolled
  y: number;
  key: number | null; // under the pointer; -1 the null
  locked: number | null;
  dimension: number | null;
}

export const NUMBER = 46; // room for a number, in 1/16 rem
const GAP = 14;

export function plan(width: number, H: number, words: readonly string[], has_null: boolean): Plan {
  const u = unit();
  const label = Math.ceil(34 * u + Math.max(52 * u, widest(words, 12 * u, 96 * u)));
  const [number, gap] = [NUMBER * u, GAP * u];
  const fixed = label + 3 * number + 5 * gap + 2 * 6 * u;
  const room = width - fixed - 2 * 36 * u;
  const fit = Math.min(Math.max(16, 112 / H) * u, room / (2 * H));
  const cell = fit < 1.5 * u ? 3 * u : fit < 3 ? Math.floor(2 * fit) / 2 : Math.floor(fit); // too narrow: it scrolls
  const bar = Math.max(36 * u, Math.min(140 * u, (width - fixed - 2 * H * cell) / 2));
  const k = label + gap;
  const product = k + H * cell + gap;
  const sum = product + H * cell + number + gap;
  const score = sum + gap;
  const weight = score + number + 6 * u + bar + gap;
  const [query, row] = [76 * u, Math.round(19 * u)];
  const head = Math.round(query + row + 4 * u + (has_null ? row + 4 * u : 0));
  const right = Math.ceil(weight + number + 6 * u + bar);
  return { u, H, cell, label, k, product, sum, score, weight, bar, width: right, query, head, row, foot: 30 * u };
}

/** A place in the picture: a row, by its key (-1 the null, null the query), and a dimension. */
export interface Hit {
  key: number | null;
  dimension: number | null;
}

/** What is at a point; null outside of all rows. */
export function hit(reading: Reading, p: Plan, look: Look, x: number, y: number): Hit | null {
  const line = Math.floor((y - p.head + look.y) / p.row);
  const above = y < p.head;
  if (y < p.query || y >= look.height - p.foot || (!above && line >= reading.rows.length)) return null;
  const key = !above ? reading.rows[line] : y < p.query + p.row + 2 * p.u ? null : -1;
  const at = [p.k, p.product].map((left) => Math.floor((x + look.x - left) / p.cell)).find((d) => d >= 0 && d < p.H);
  return { key, dimension: at === undefined || x <= p.label || key === -1 ? null : at };
}
