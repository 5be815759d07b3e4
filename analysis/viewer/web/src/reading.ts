/** What the neuron view shows of one query: its keys in the order of the rows, and their way from vectors to weights.
 *
 * Filters choose rows and the null's control acts on the weights, as on every other view; scores stay the model's.
 */

import type { HeadAt, State, Store, Vectors } from "./contract";
import { kept } from "./filter";
import { headOf } from "./heads";
import { layerOf } from "./views";
import { keysOf, sees, type Neuron, type Tokens } from "./payload";
import { row } from "./stages";
import { LEAST } from "./treat";

export type Order = "position" | "weight";

export interface Reading {
  t: number;
  neuron: Neuron;
  vectors: Vectors;
  queries: Tokens;
  keys: Tokens;
  rows: number[]; // keys, from the top
  seen: number; // keys that the query may see, before the filters
  product: Float32Array; // [S]
  scaled: Float32Array;
  weight: Float32Array;
  null_score: number | null; // null: no row for it
  null_weight: number | null;
  sink: number | null; // the key that is treated as the null
  divided: boolean; // weights are renormalised
  hatched: boolean; // too little is left beside the null to divide by
  strength: Strength;
  low: number; // of the scores and 0: where bars begin and end
  high: number;
  largest: number; // the same of the weights
}

/** Values at which a cell has tanh(1) = 76 % of its colour: twice the root mean square, so that most cells differ. */
export interface Strength {
  q: number;
  k: number;
  product: number;
}

/** The query that is looked at: the locked one, else the one under the pointer, else the last. */
export function queryOf(store: Store, T: number): number {
  return Math.min(T - 1, store.state.query ?? store.hover.query ?? T - 1);
}

export function read(store: Store, at: HeadAt, vectors: Vectors, order: Order): Reading {
  const { payload, state } = store;
  const side = payload.sides[at.side];
  const layer = layerOf(store, at);
  const neuron = headOf(payload, at).neuron!;
  const text = payload.texts[side.text];
  const t = queryOf(store, vectors.T);
  const { product, scaled, weight, null_score, null_weight } = row(vectors, neuron, side, layer, t);
  const seen = Array.from(weight.keys()).filter((s) => sees(side, layer, t, s));
  const keep = kept(text, state).keys;
  const rows = seen.filter((s) => keep[s]);
  if (order === "weight") rows.sort((a, b) => scaled[b] - scaled[a]);
  const sink = layer.has_null || state.sink === null || state.sink >= vectors.S ? null : state.sink;
  const mass = sink === null ? null_weight : weight[sink];
  const left = without(weight, sink, mass, state.nulls);
  const shown = state.nulls === "show";
  const scores = [...(shown && null_score !== null ? [null_score] : []), ...seen.map((s) => scaled[s])];
  return {
    t,
    neuron,
    vectors,
    queries: text.queries,
    keys: keysOf(text),
    rows,
    seen: seen.length,
    product,
    scaled,
    weight,
    null_score: shown ? null_score : null,
    null_weight: shown ? null_weight : null,
    sink,
    divided: state.nulls === "renormalise" && mass !== null,
    hatched: !left,
    strength: strength(vectors),
    low: scores.reduce((least, x) => Math.min(least, x), 0),
    high: scores.reduce((most, x) => Math.max(most, x), 0),
    largest: seen.reduce((most, s) => Math.max(most, weight[s]), shown ? (null_weight ?? 0) : 0) || 1,
  };
}

/** The null's control, on one row in place (NaN: not drawn); false where almost nothing is left to renormalise. */
export function without(
  weight: Float32Array,
  sink: number | null,
  mass: number | null,
  nulls: State["nulls"],
): boolean {
  if (nulls === "show" || mass === null) return true;
  if (sink !== null) weight[sink] *= 0;
  if (nulls === "hide") return true;
  const left = weight.reduce((sum, w) => sum + (w || 0), 0);
  const enough = left >= LEAST;
  for (let s = 0; s < weight.length; s++) weight[s] = enough ? weight[s] / left : 0;
  return enough;
}

const strengths = new WeakMap<Vectors, Strength>();

function strength(vectors: Vectors): Strength {
  let known = strengths.get(vectors);
  if (!known) {
    const [q, k] = [spread(vectors.q), spread(vectors.k)];
    known = { q: round(2 * q), k: round(2 * k), product: round(2 * q * k) };
    strengths.set(vectors, known);
  }
  return known;
}

function spread(values: Float32Array): number {
  let sum = 0;
  for (const v of values) sum += v * v;
  return Math.sqrt(sum / Math.max(1, values.length)) || 1;
}

function round(value: number): number {
  return Number(value.toPrecision(2));
}
