/** Which lines the head view draws: of each query the largest weights that together hold the share `top`, less those
 * below `least`; equal weights share their fate. At most 4,000 at a time, the strongest.
 */

import { topKeys } from "../attention/ranking";
import type { Hover, Shown, State } from "../contract";
import { weightAt } from "../heads/facts";

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
export function pick(
  maps: Shown[],
  [first, last]: [number, number],
  focus: Focus | null,
  state: State,
): [Line[], number] {
  const lines: Line[] = [];
  maps.forEach((shown, head) => {
    const add = (t: number, s: number) => {
      if (drawn(shown, t, s, state)) lines.push({ head, t, s, w: weightAt(shown, t, s) });
    };
    const row = (t: number) => {
      for (let s = shown.nulls ? -1 : 0; s < shown.S; s++) add(t, s);
    };
    const { query, key } = focus ?? { query: null, key: null };
    if (!focus) for (let t = first; t <= last; t++) row(t);
    if (query !== null && query < shown.T) row(query);
    if (key === null || key >= shown.S || (key < 0 && !shown.nulls)) return;
    for (let t = 0; t < shown.T; t++) if (t !== query) add(t, key);
  });
  lines.sort((one, other) => Math.abs(one.w) - Math.abs(other.w));
  return [lines.slice(-MOST), lines.length];
}

/** Whether this weight is among those drawn. */
export function drawn(shown: Shown, t: number, s: number, state: State): boolean {
  const w = Math.abs(weightAt(shown, t, s));
  return w >= (s < 0 ? Math.max(state.least, HARDLY) : cutoff(shown, t, state));
}

const cutoffs = new WeakMap<Shown, { look: string; values: number[] }>();

/** The least weight that is drawn of a query's row. */
function cutoff(shown: Shown, t: number, { top, least }: State): number {
  const look = `${top} ${least}`;
  let known = cutoffs.get(shown);
  if (known?.look !== look) cutoffs.set(shown, (known = { look, values: [] }));
  if (known.values[t] === undefined) {
    const keys = topKeys(shown, t, top, least);
    const smallest = keys.length ? Math.abs(weightAt(shown, t, keys[keys.length - 1])) : Infinity;
    known.values[t] = Math.max(smallest, NOTHING);
  }
  return known.values[t];
}
