/** The keys of a query by weight: where one stands in its row, and the fewest that together hold a share (top-p).
 *
 * Axes: T queries, S keys.
 */

import type { Shown } from "../contract";

export interface RowFacts {
  order: number[]; // keys that query t may see, the largest weight first, equal ones by position
  rank(s: number): number; // from 1; 0 for a key that t may not see
  cumulative(s: number): number; // share of the row's real keys that s and all larger ones hold
}

/** Where a weight stands in its row; by magnitude in a difference. */
export function rowFacts(shown: Shown, t: number): RowFacts {
  const order = ranked(shown, t, 0).filter((s) => shown.sees(t, s));
  const rank = (s: number) => order.indexOf(s) + 1;
  const hold = (keys: number[]) => keys.reduce((held, s) => held + Math.abs(shown.weights[t * shown.S + s]), 0);
  return { order, rank, cumulative: (s) => hold(order.slice(0, rank(s))) / (hold(order) || 1) };
}

/** Top-p: the fewest keys that together hold the share `top` of the row's real keys, less those below `least`. */
export function topKeys(shown: Shown, t: number, top: number, least: number): number[] {
  const row = shown.weights.subarray(t * shown.S, (t + 1) * shown.S);
  let open = 0;
  for (const w of row) open += Math.abs(w);
  open = top < 1 ? open * top * (1 - ROUNDING) : Infinity;
  const out: number[] = [];
  for (const s of ranked(shown, t, Math.max(least, Number.MIN_VALUE))) {
    if (open <= 0) break;
    open -= Math.abs(row[s]);
    out.push(s);
  }
  return out;
}

/** Keys of a row whose magnitude is at least `least`, the largest first, equal ones by position.
 *
 * Magnitude and key are packed into one exact double (31 + 20 bits), because plain numbers sort many times faster.
 */
function ranked(shown: Shown, t: number, least: number): number[] {
  if (packed.length < shown.S) packed = new Float64Array(shown.S);
  let count = 0;
  for (let s = 0; s < shown.S; s++) {
    magnitude[0] = Math.abs(shown.weights[t * shown.S + s]);
    if (magnitude[0] >= least) packed[count++] = pattern[0] * KEYS + (KEYS - 1 - s);
  }
  const sorted = packed.subarray(0, count).sort();
  return Array.from({ length: count }, (_, i) => KEYS - 1 - (sorted[count - 1 - i] % KEYS));
}

const ROUNDING = 1e-6; // of float32: 0.7 and 0.2 hold 0.9
const KEYS = 2 ** 20;
let packed = new Float64Array(0);
const magnitude = new Float32Array(1);
const pattern = new Uint32Array(magnitude.buffer); // bits of a positive float are in the order of its value
