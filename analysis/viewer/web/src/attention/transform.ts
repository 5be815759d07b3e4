/** From a head's weights to what is drawn: first the null's control, then the filters, then perhaps a difference.
 *
 * Axes: T queries, S keys. Weights are as the model computes them: with a null, a row sums to 1 - mass.
 *
 *     show           weights as they are, the null's column beside them
 *     hide           weights as they are, without that column
 *     renormalise    a row is divided by what is left beside the null
 *
 * A row is divided by the sum of its decoded weights: that is 1 - mass up to the codec, and its error cancels.
 */

import type { Kept } from "./filter";
import type { Shown, State } from "../contract";

export const LEAST = 0.02; // a row with less is hatched: what is left of it is mostly rounding

export interface TransformInput {
  T: number;
  S: number;
  weights: Float32Array; // [T, S]; not changed, but shared where nothing is to do
  mass: Float32Array | null; // [T]
  sinkKey: number | null; // without a null: the key that stands for it
  nulls: State["nulls"];
  keep: Pick<Kept, "queries" | "keys">;
  filtered: State["filtered"];
  sees(t: number, s: number): boolean;
  error: number;
}

export function transform(input: TransformInput): Shown {
  const { T, S, weights, keep, sees, error } = input;
  const sink = input.mass === null && input.sinkKey !== null && input.sinkKey < S ? input.sinkKey : null;
  const mass = sink === null ? input.mass : Float32Array.from({ length: T }, (_, t) => weights[t * S + sink]);
  const without = input.nulls === "renormalise" && mass !== null;
  const beside = input.nulls === "show" ? mass : null;
  const fewer = keep.keys.includes(0);
  const hatched = new Uint8Array(T);
  const shown = { T, S, mass, sink, hatched, queries: keep.queries, keys: keep.keys, sees, signed: false, error };
  if (sink === null && !without && !fewer && !keep.queries.includes(0)) return { ...shown, weights, nulls: beside };

  const out = new Float32Array(T * S);
  const nulls = beside && new Float32Array(T);
  const open = keep.keys.slice();
  if (sink !== null) open[sink] = 0;
  for (let t = 0; t < T; t++) {
    if (!keep.queries[t]) continue;
    const row = t * S;
    let left = 0;
    let kept = 0;
    for (let s = 0; s < S; s++) {
      const w = weights[row + s];
      left += w;
      kept += w * open[s];
    }
    if (sink !== null) left -= weights[row + sink];
    let rest = 1; // of what is drawn in this row
    let factor = 1;
    if (without) {
      rest = sink === null && left > 0 ? 1 - mass[t] : left;
      factor = 1 / left;
    }
    if (fewer && input.filtered === "renormalise" && rest >= LEAST) {
      rest = kept * factor + (beside ? beside[t] : 0);
      factor /= rest;
    }
    hatched[t] = Number(rest < LEAST);
    if (hatched[t]) continue;
    for (let s = 0; s < S; s++) out[row + s] = weights[row + s] * open[s] * factor;
    if (nulls && beside) nulls[t] = beside[t] * factor;
  }
  return { ...shown, weights: out, nulls };
}

/** A - B. Exactly the negative of B - A; a row that either cannot show is hatched; no null counts as 0. */
export function subtract(a: Shown, b: Shown): Shown {
  const { T, S } = a;
  if (b.T !== T || b.S !== S) throw new Error(`maps of ${T} x ${S} and ${b.T} x ${b.S} cannot be subtracted`);
  const hatched = a.hatched.map((x, t) => x | b.hatched[t]);
  const weights = minus(a.weights, b.weights)!;
  const nulls = minus(a.nulls, b.nulls);
  hatched.forEach((yes, t) => {
    if (!yes) return;
    weights.fill(0, t * S, (t + 1) * S);
    nulls?.fill(0, t, t + 1);
  });
  return {
    ...a,
    weights,
    nulls,
    mass: minus(a.mass, b.mass),
    sink: a.sink === b.sink ? a.sink : null,
    hatched,
    queries: a.queries.map((x, t) => x & b.queries[t]),
    keys: a.keys.map((x, s) => x & b.keys[s]),
    sees: (t, s) => a.sees(t, s) || b.sees(t, s),
    signed: true,
    error: a.error + b.error,
  };
}

/** a - b; what is missing counts as 0. */
export function minus(a: Float32Array | null, b: Float32Array | null): Float32Array | null {
  const out = a?.slice() ?? (b && new Float32Array(b.length));
  if (out && b) for (let i = 0; i < b.length; i++) out[i] -= b[i];
  return out;
}
