/** Which lines the head view draws: of each query the largest weights that together hold the share `top`, less those
 * below `least`; equal weights share their fate. At most 4,000 at a time, the strongest.
 */

import type { Hover, Shown, State } from "./contract";
import { topKeys } from "./treat";

export interface Line {
  head: number; // which of the plot's heads
  t: number;
  s: number; // -1: the null
  w: number;
}

/** Tokens whose lines alone are drawn. */
export type Focus = Pick<Hover, "query" | "key">;

const MOST = 4000;
const NOTHING = 1e-6; // what rounding leaves of a weight of zero
const HARDLY = 0.005; // a null that takes less is not worth its line

/** The lines of the queries `first` to `last`, or of the tokens in focus, weakest first; and how many there are. */
export function pick(maps: Shown[], [first, last]: [number, number], focus: Focus[], state: State): [Line[], number] {
  const lines: Line[] = [];
  maps.forEach((shown, head) => {
    if (focus.length === 0) for (let t = first; t <= last; t++) ofQuery(lines, shown, head, t, state);
    for (const { query, key } of focus) {
      if (query !== null && query < shown.T) ofQuery(lines, shown, head, query, state);
      if (key !== null && key < shown.S) ofKey(lines, shown, head, key, query, state);
    }
  });
  lines.sort((one, other) => Math.abs(one.w) - Math.abs(other.w));
  return [lines.slice(-MOST), lines.length];
}

/** Whether this weight is among those drawn. */
export function drawn(shown: Shown, t: number, s: number, state: State): boolean {
  const w = weightAt(shown, t, s);
  return Math.abs(w) >= (s < 0 ? Math.max(state.least, HARDLY) : cutoff(shown, t, state));
}

export function weightAt(shown: Shown, t: number, s: number): number {
  return s < 0 ? (shown.nulls?.[t] ?? 0) : shown.weights[t * shown.S + s];
}

function ofQuery(lines: Line[], shown: Shown, head: number, t: number, state: State): void {
  for (let s = shown.nulls ? -1 : 0; s < shown.S; s++) {
    if (drawn(shown, t, s, state)) lines.push({ head, t, s, w: weightAt(shown, t, s) });
  }
}

function ofKey(lines: Line[], shown: Shown, head: number, s: number, except: number | null, state: State): void {
  if (s < 0 && !shown.nulls) return;
  for (let t = 0; t < shown.T; t++) {
    if (t !== except && drawn(shown, t, s, state)) lines.push({ head, t, s, w: weightAt(shown, t, s) });
  }
}

const known = new WeakMap<Shown, { top: number; least: number; values: Float64Array }>();

/** The least weight that is drawn of a query's row. */
function cutoff(shown: Shown, t: number, { top, least }: State): number {
  let found = known.get(shown);
  if (!found || found.top !== top || found.least !== least) {
    known.set(shown, (found = { top, least, values: new Float64Array(shown.T).fill(NaN) }));
  }
  if (Number.isNaN(found.values[t])) {
    const keys = topKeys(shown, t, top, least);
    const smallest = keys.length ? Math.abs(shown.weights[t * shown.S + keys[keys.length - 1]]) : Infinity;
    found.values[t] = Math.max(smallest, NOTHING);
  }
  return found.values[t];
}
