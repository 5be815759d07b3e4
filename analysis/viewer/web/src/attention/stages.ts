/** From queries and keys to weights, stage by stage, for the neuron view and the score maps.
 *
 * Axes: T queries, S keys, H head size.
 *
 *     product    q . k
 *     scaled     scale q . k, then soft cap, ALiBi, log-sigmoid, bias, where the model has them
 *     masked     the same, -inf where the query may not look (the map of "scaled" without those cells)
 *     softmax    exp of it over its sum, the null in the sum (sigmoid attention: sigmoid of it, no sum)
 *
 * The null has a score but no product: it stands beside the keys from the second stage on.
 */

import { sees } from "../payload/lookup";
import type { Vectors } from "../payload/packed";
import type { Layer, Neuron, Side } from "../payload/payload";

export interface Stage {
  values: Float32Array; // [T, S], NaN where not drawn
  nulls: Float32Array | null; // [T]
}

export interface Row {
  product: Float32Array; // [S], also where the query may not look
  scaled: Float32Array; // [S]
  weight: Float32Array; // [S], 0 where the query may not look
  null_score: number | null;
  null_weight: number | null;
}

export function stage(
  vectors: Vectors,
  neuron: Neuron,
  side: Side,
  layer: Layer,
  which: "product" | "scaled" | "softmax",
  unmasked: boolean,
): Stage {
  const { T, S, s_null } = vectors;
  const values = new Float32Array(T * S);
  const nulls = s_null === null || which === "product" ? null : new Float32Array(T);
  for (let t = 0; t < T; t++) {
    const found = row(vectors, neuron, side, layer, t);
    const from = which === "product" ? found.product : which === "softmax" ? found.weight : found.scaled;
    for (let s = 0; s < S; s++) {
      values[t * S + s] = unmasked || sees(side, layer, t, s) ? from[s] : NaN;
    }
    if (nulls) nulls[t] = (which === "softmax" ? found.null_weight : found.null_score)!;
  }
  return { values, nulls };
}

/** The same for query t alone. */
export function row(vectors: Vectors, neuron: Neuron, side: Side, layer: Layer, t: number): Row {
  const { S, H, q, k, s_null } = vectors;
  const [product, scaled, weight] = [0, 1, 2].map(() => new Float32Array(S));
  const null_score = s_null && s_null[t];
  let peak = null_score ?? -Infinity;
  for (let s = 0; s < S; s++) {
    let dot = 0;
    for (let h = 0; h < H; h++) dot += q[t * H + h] * k[s * H + h];
    product[s] = dot;
    scaled[s] = score(dot, neuron, Math.abs(t - s));
    if (sees(side, layer, t, s)) peak = Math.max(peak, scaled[s]);
  }
  const unbounded = neuron.normaliser === "sigmoid";
  const part = (x: number) => (unbounded ? 1 / (1 + Math.exp(-x)) : Math.exp(x - peak));
  const null_part = null_score === null ? 0 : Math.exp(null_score - peak);
  let total = null_part;
  for (let s = 0; s < S; s++) {
    if (sees(side, layer, t, s)) weight[s] = part(scaled[s]);
    total += weight[s];
  }
  const null_weight = null_score === null ? null : null_part / total;
  if (!unbounded && total > 0) for (let s = 0; s < S; s++) weight[s] /= total;
  return { product, scaled, weight, null_score, null_weight };
}

/** What each dimension adds to the product of query t and key s: [H]. */
export function products({ H, q, k }: Vectors, t: number, s: number): Float32Array {
  return q.slice(t * H, (t + 1) * H).map((x, h) => x * k[s * H + h]);
}

function score(dot: number, neuron: Neuron, distance: number): number {
  let x = dot * neuron.scale;
  if (neuron.cap !== null) x = neuron.cap * Math.tanh(x / neuron.cap);
  if (neuron.slope !== null) x -= neuron.slope * distance;
  if (neuron.normaliser === "log-sigmoid") x = Math.min(x, 0) - Math.log1p(Math.exp(-Math.abs(x)));
  return x + neuron.bias;
}
