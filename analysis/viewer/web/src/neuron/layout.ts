/** Where things stand in the neuron view, and what is at a point of it, in 1/16 rem.
 *
 *     key | query q, keys k | q × k | q · k | score | weight
 */

import type { Reading } from "./reading";

export interface Layout {
  H: number;
  cell: number; // width of a cell
  product: number; // left edges
  sum: number;
  score: number;
  weight: number;
  bar: number; // length of a full bar
  width: number; // of all columns
  head: number; // top of the first key's row
}

export const LABEL = 128; // width of the keys' names
export const KEYS = LABEL + 8; // left edge of the vectors
export const NUMBER = 46; // room for a number, right aligned
export const ROW = 19;
export const QUERY = 76; // top of the query's row; the null's is below it
export const FOOT = 30; // height of the legend
const GAP = 14;

export function layout(width: number, H: number, nulled: boolean): Layout {
  const room = width - KEYS - 3 * NUMBER - 4 * GAP;
  const fit = Math.floor(Math.min(Math.max(16, 112 / H), (room - 80) / (2 * H)) * 2) / 2;
  const cell = Math.max(1.5, fit); // too many dimensions: it scrolls
  const bar = Math.max(36, Math.min(140, (room - 2 * H * cell) / 2));
  const product = KEYS + H * cell + GAP;
  const sum = product + H * cell;
  const score = sum + NUMBER + GAP;
  const weight = score + NUMBER + bar + GAP;
  const head = QUERY + (nulled ? 2 : 1) * ROW + 6;
  return { H, cell, product, sum, score, weight, bar, width: weight + NUMBER + bar, head };
}

/** The row of a point, by its key (-1 the null, null the query), and its dimension; null outside of all rows. */
export function hit({ rows }: Reading, p: Layout, height: number, scroll: number, x: number, y: number) {
  if (y < QUERY || y >= Math.max(p.head, height - FOOT)) return null;
  const key = y >= p.head ? rows[Math.floor((y - p.head + scroll) / ROW)] : y < QUERY + ROW ? null : -1;
  if (key === undefined) return null;
  const found = [KEYS, p.product].map((left) => Math.floor((x - left) / p.cell)).find((d) => d >= 0 && d < p.H);
  return { key, dimension: key === -1 ? null : (found ?? null) };
}
