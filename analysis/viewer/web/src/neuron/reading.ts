/** What the neuron view shows of one query: its keys, and their way from vectors to weights.
 *
 * Filters choose rows and the null's control acts on the weights, as on every other view; scores stay the model's.
 */

import { kept } from "../attention/filter";
import { row, type Row } from "../attention/stages";
import { LEAST } from "../attention/transform";
import type { State, Store } from "../contract";
import type { View } from "../heads/views";
import { headOf, layerOf, sees } from "../payload/lookup";
import type { Vectors } from "../payload/packed";
import type { Neuron } from "../payload/payload";

export interface Reading extends Row {
  view: View;
  t: number;
  neuron: Neuron;
  vectors: Vectors;
  rows: number[]; // keys that the query may see and the filters keep
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

/** Scores and weights of the null are null where it has no row. */
export function read(store: Store, view: View, vectors: Vectors): Reading {
  const { payload, state } = store;
  const side = payload.sides[view.at.side];
  const layer = layerOf(payload, view.at);
  const neuron = headOf(payload, view.at).neuron!;
  const t = queryOf(store, vectors.T);
  const found = row(vectors, neuron, side, layer, t);
  const { scaled, weight } = found;
  const seen = [...weight.keys()].filter((s) => sees(side, layer, t, s));
  const keep = kept(view.text, state).keys;
  const sink = layer.has_null || state.sink === null || state.sink >= vectors.S ? null : state.sink;
  const mass = sink === null ? found.null_weight : weight[sink];
  const enough = without(weight, sink, mass, state.nulls);
  const nulls = state.nulls === "show" ? found : { null_score: null, null_weight: null };
  const scores = [0, nulls.null_score ?? 0, ...seen.map((s) => scaled[s])];
  return {
    ...found,
    view,
    t,
    neuron,
    vectors,
    rows: seen.filter((s) => keep[s]),
    null_score: nulls.null_score,
    null_weight: nulls.null_weight,
    sink,
    divided: state.nulls === "renormalise",
    hatched: !enough,
    strength: strength(vectors),
    low: Math.min(...scores),
    high: Math.max(...scores),
    largest: Math.max(nulls.null_weight ?? 0, ...seen.map((s) => weight[s])) || 1,
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

function strength({ q, k }: Vectors): Strength {
  const spread = (values: Float32Array) => Math.sqrt(values.reduce((sum, v) => sum + v * v, 0) / values.length) || 1;
  return { q: 2 * spread(q), k: 2 * spread(k), product: 2 * spread(q) * spread(k) };
}
