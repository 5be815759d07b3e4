/** The neuron view in words: how this head comes from q and k to a weight, which dimensions fall with distance, what
 * stands under the pointer.
 */

import { decimal, share } from "../drawing/signed";
import { quoted } from "../heads/facts";
import type { View } from "../heads/views";
import type { Reading } from "./reading";
import type { Neuron } from "../payload/payload";

const MOST = 12; // dimensions that are named

/** The sentences below the picture. The strongest of the falling dimensions come first. */
export function caption({ neuron: { falling, ...how }, vectors, divided }: Reading): string {
  const named = falling.slice(0, MOST).join(", ") + (falling.length > MOST ? ", …" : "");
  const meaning = "▾ falls with distance: the farther the key, the smaller q × k on average.";
  const marked = named && `${meaning} Dimensions ${named}, the strongest first.\n`;
  return marked + formula(how, vectors.s_null !== null && !divided);
}

/** How the score and the weight of a head are made. */
function formula({ scale, cap, slope, normaliser, bias }: Omit<Neuron, "falling">, has_null: boolean): string {
  const number = (value: number) => String(Number(value.toPrecision(3))).replace("-", "−");
  let score = `${number(scale)} × (q · k)`;
  if (cap !== null) score = `${number(cap)} × tanh(${score} / ${number(cap)})`;
  if (slope !== null) score += ` − ${number(slope)} × distance`;
  if (normaliser === "log-sigmoid") score = `log sigmoid(${score})`;
  if (bias) score += ` + ${number(bias)}`;
  if (normaliser === "sigmoid") return `score = ${score}; weight = sigmoid(score), each key for itself.`;
  const sum = has_null ? "(exp(null logit) + sum of exp(score))" : "sum of exp(score)";
  return `score = ${score}; weight = exp(score) / ${sum}.`;
}

/** The lines of the tooltip: of the query (key null), a key or the null (-1), and of one dimension of it. */
export function facts(reading: Reading, key: number | null, dimension: number | null): string[] {
  const { view, t, vectors, scaled, product, weight, null_score, null_weight } = reading;
  const { q, k, H } = vectors;
  const from = `query ${t} ${quoted(view.queries, t)}`;
  if (key === -1) {
    const numbers = null_score === null ? [] : [`null logit ${decimal(null_score)}`, `weight ${share(null_weight!)}`];
    return [`${from} → the null`, ...numbers];
  }
  const lines = [key === null ? from : `${from} → key ${key} ${quoted(view.keys, key)}`];
  if (dimension !== null) {
    const x = q[t * H + dimension];
    const y = key === null ? 0 : k[key * H + dimension];
    lines.push(`dimension ${dimension}${reading.neuron.falling.includes(dimension) ? ", falls with distance" : ""}`);
    lines.push(`q ${decimal(x)}${key === null ? "" : ` × k ${decimal(y)} = ${decimal(x * y)}`}`);
  }
  if (key === null) return lines;
  return [...lines, `sum ${decimal(product[key])} · score ${decimal(scaled[key])} · weight ${share(weight[key])}`];
}

/** The picture for those who do not see it. */
export function label({ side, name, queries }: View, reading: Reading | null): string {
  const start = `Neuron view of ${side}, ${name}`;
  if (!reading) return `${start}: being decoded`;
  const { t, rows } = reading;
  const hint = "Left and right change the query, up and down lock a key.";
  return `${start}: query ${t} ${quoted(queries, t)}, ${rows.length} keys. ${hint}`;
}
