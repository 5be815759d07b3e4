/** What a cell, a query or a key says in words and numbers: for tooltips, for screen readers, for tables. Numbers have
 * only the digits that the codec's bound on their error supports.
 */

import { rowFacts } from "../attention/ranking";
import type { Shown, Store } from "../contract";
import { fixed } from "./heads";
import type { View } from "./views";
import { bound } from "../payload/decode";
import { layerOf } from "../payload/lookup";
import type { Tokens } from "../payload/payload";

const LONGEST = 1000; // characters of a token in a tooltip

/** "0.42": as many decimals, 1 to 4, as an error of this size leaves certain. */
export function digits(value: number, error: number, signed = false): string {
  return fixed(value, Math.max(1, Math.min(4, Math.floor(-Math.log10(Math.max(error, 1e-9))))), signed);
}

/** Bound on the error of the weight of (t, s); s = -1: the null, which is packed as a float. */
export function precision(store: Store, view: View, shown: Shown, t: number, s: number): number {
  if (s < 0 && store.state.sink === null) return 1e-6;
  if (shown.signed) {
    const errors = [view.at, store.partner(view.at, store.state.b)].map((at) => {
      const one = at ? store.shown(at) : "absent";
      return typeof one === "string" ? 0 : precision(store, { ...view, at: at! }, one, t, s);
    });
    return errors[0] + errors[1];
  }
  const left = store.state.nulls === "renormalise" && shown.mass ? Math.max(1 - shown.mass[t], 0.02) : 1;
  return bound(layerOf(store.payload, view.at).coding, s < 0 ? shown.mass![t] : weightAt(shown, t, s) * left) / left;
}

/** The weight of (t, s); s = -1: of the null, 0 where it is not drawn. */
export function weightAt(shown: Shown, t: number, s: number): number {
  return s < 0 ? (shown.nulls?.[t] ?? 0) : shown.weights[t * shown.S + s];
}

/** The same as a number in words, no finer than `least`. */
export function weight(store: Store, view: View, shown: Shown, t: number, s: number, least = 0): string {
  return digits(weightAt(shown, t, s), Math.max(least, precision(store, view, shown, t, s)), shown.signed);
}

/** The number for tables, with the same digits. */
export function plain(...cell: Parameters<typeof weight>): number {
  return parsed(weight(...cell));
}

/** A number in words as a number. */
export function parsed(words: string): number {
  return Number(words.replace("−", "-"));
}

/** “fox”, of a piece of a character also the whole of it. */
export function quoted(tokens: Tokens, i: number): string {
  const joined = tokens.joined[i];
  return `“${tokens.text[i].slice(0, LONGEST)}”${joined ? `, part of “${joined}”` : ""}`;
}

/** The lines of the tooltip of a cell; s = -1: the null. */
export function cellFacts(store: Store, view: View, t: number, s: number): string[] {
  const { shown, queries, keys } = view;
  if (typeof shown === "string" || (s < 0 && !shown.nulls)) return [];
  const real = s >= 0;
  const to = real ? `key ${s} ${quoted(keys, s)}` : nullName(shown, keys);
  const lines = [`query ${t} ${quoted(queries, t)} → ${to}`];
  const mass = massOf(store, view, shown, t);
  if (real && s === shown.sink) return [...lines, "stands for the null: see its own column", ...mass];
  if (real && !shown.sees(t, s)) return [...lines, "this query may not see this key"];
  if (!shown.queries[t] || (real && !shown.keys[s])) lines.push("left out by the filters");
  if (shown.hatched[t]) return [...lines, "almost nothing is left in this row to renormalise", ...mass];
  lines.push(`${shown.signed ? "A − B" : "weight"} ${weight(store, view, shown, t, s)}${parts(store, view, t, s)}`);
  if (!real) return lines;
  const { order, rank, cumulative } = rowFacts(shown, t);
  lines.push(`rank ${rank(s)} of ${order.length}, cumulative share ${digits(cumulative(s), 0.001)}`, ...mass);
  return view.text.keys ? lines : [...lines, `distance ${fixed(t - s, 0)}`];
}

/** “brown” 0.42, “quick” 0.21, ...: the largest weights of a query. */
export function largestOf(store: Store, view: View, t: number, count: number): string {
  const { shown, keys } = view;
  if (typeof shown === "string") return "";
  const keysOf = rowFacts(shown, t).order.slice(0, count);
  const words = keysOf.map((s) => `${quoted(keys, s)} ${weight(store, view, shown, t, s)}`);
  return [...words, ...massOf(store, view, shown, t)].join(", ");
}

function nullName(shown: Shown, keys: Tokens): string {
  return shown.sink === null ? "the null" : `key ${shown.sink} ${quoted(keys, shown.sink)} as the null`;
}

function massOf(store: Store, view: View, shown: Shown, t: number): string[] {
  if (!shown.mass) return [];
  return [`null mass ${digits(shown.mass[t], precision(store, view, shown, t, -1), shown.signed)}`];
}

/** In a difference: " = 0.42 − 0.30", the two weights. */
function parts(store: Store, { at, signed }: View, t: number, s: number): string {
  const other = signed && store.partner(at, store.state.b);
  if (!other) return "";
  const words = [at, other].map((one) => {
    const shown = store.shown(one);
    return typeof shown === "string" ? "" : digits(weightAt(shown, t, s), shown.error);
  });
  return words.every(Boolean) ? ` = ${words.join(" − ")}` : "";
}
