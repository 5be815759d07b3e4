/** The neuron view in words: how this head comes from q and k to a weight, which dimensions fall with distance, what
 * stands under the pointer.
 */

import { quoted } from "./facts";
import type { Neuron } from "./payload";
import type { Reading } from "./reading";
import { decimal, share } from "./signed";

const MOST = 12; // dimensions that are named

/** The sentences below the picture. */
export function caption(reading: Reading): string {
  const left = reading.seen - reading.rows.length;
  const filtered = left ? ` The filters leave out ${left} of ${reading.seen} keys, but no weight changes.` : "";
  const hatched = reading.hatched ? " Almost nothing is left beside the null to renormalise." : "";
  const { neuron, vectors, divided } = reading;
  const all = falling(neuron.falling) + formula(neuron, vectors.s_null !== null && !divided);
  return all + (divided ? " Renormalised: without the null." : "") + filtered + hatched;
}

/** "Dimensions 3, 11 and 40 fall with distance ..."; "" without any. They come with the strongest first. */
function falling(dimensions: readonly number[]): string {
  const named = dimensions.slice(0, MOST).sort((a, b) => a - b).map(String);
  if (dimensions.length > MOST) named.push(`${dimensions.length - MOST} more`);
  const last = named.pop();
  if (!last) return "";
  const all = named.length ? `Dimensions ${named.join(", ")} and ${last} fall` : `Dimension ${last} falls`;
  return `${all} with distance (▾): the farther the key, the smaller q × k. `;
}

/** How the score and the weight of a head are made. */
function formula({ scale, cap, slope, kind, bias }: Neuron, has_null: boolean): string {
  const number = (value: number) => String(Number(value.toPrecision(3))).replace("-", "−");
  let score = `${number(scale)} × (q · k)`;
  if (cap !== null) score = `${number(cap)} × tanh(${score} / ${number(cap)})`;
  if (slope !== null) score += ` − ${number(slope)} × distance`;
  if (kind === "log-sigmoid") score = `log sigmoid(${score})`;
  if (bias) score += ` + ${number(bias)}`;
  if (kind === "sigmoid") return `score = ${score}; weight = sigmoid(score), each key for itself.`;
  const sum = has_null ? "(exp(null logit) + sum of exp(score))" : "sum of exp(score)";
  return `score = ${score}; weight = exp(score) / ${sum}.`;
}

/** The lines of the tooltip: of the query (key null), a key or the null (-1), and of one dimension of it. */
export function facts(reading: Reading, key: number | null, dimension: number | null): string[] {
  const { t, vectors, scaled, product, weight, keys, queries, null_score, null_weight } = reading;
  const from = `query ${t} ${quoted(queries, t)}`;
  if (key === -1) {
    return [`${from} → the null`, `null logit ${decimal(null_score!)}`, `weight ${share(null_weight!)}`];
  }
  const lines = [key === null ? from : `${from} → key ${key} ${quoted(keys, key)}`];
  if (dimension !== null) {
    const q = vectors.q[t * vectors.H + dimension];
    const k = key === null ? NaN : vectors.k[key * vectors.H + dimension];
    lines.push(`dimension ${dimension}${reading.neuron.falling.includes(dimension) ? ", falls with distance" : ""}`);
    lines.push(key === null ? `q ${decimal(q)}` : `q ${decimal(q)} × k ${decimal(k)} = ${decimal(q * k)}`);
  }
  if (key === null) return lines;
  lines.push(`sum ${decimal(product[key])} · score ${decimal(scaled[key])} · weight ${share(weight[key])}`);
  return lines;
}

/** The picture for those who do not see it. */
export function label(name: string, reading: Reading | null): string {
  if (!reading) return `Neuron view of ${name}: being decoded`;
  const { t, queries, keys, rows, weight, null_weight } = reading;
  const best = rows.reduce((one, s) => (weight[s] > weight[one] ? s : one), rows[0]);
  const most = rows.length ? `, the largest weight ${share(weight[best])} on ${quoted(keys, best)}` : "";
  const nulls = null_weight === null ? "" : `, null ${share(null_weight)}`;
  const hint = "Left and right change the query, up and down lock a key.";
  return `Neuron view of ${name}: query ${t} ${quoted(queries, t)}, ${rows.length} keys${most}${nulls}. ${hint}`;
}
