/** The heads of a side as the model view and the table list them: in order, filtered, and in words. No elements. */

import type { State, Store } from "../contract";
import { headOf, layerOf, sameHead, statistic } from "../payload/lookup";
import type { HeadAt, Payload } from "../payload/payload";

export interface Entry {
  at: HeadAt;
  kept: boolean; // passes the filters of heads
  value: number | null; // of the statistic that sorts
}

/** Value of a statistic, by its key; null where there is none. */
export type Value = (at: HeadAt, key: string) => number | null;

/** Whether a head passes the filters of heads. */
export function passes(payload: Payload, { pattern_class, by, above }: State, at: HeadAt, value: Value): boolean {
  const high = !by || above === null || (value(at, by) ?? -Infinity) >= above;
  return high && (!pattern_class || headOf(payload, at).pattern_class === pattern_class);
}

/** The heads of a side as they are seen: a list per layer, or one list where they are sorted across layers.
 *
 * Largest value first; heads without a value stand last, equal ones by number.
 */
export function listed(payload: Payload, state: State, side: number, value: Value): Entry[][] {
  const { sort, across } = state;
  const rows = payload.sides[side].layers.map(({ heads }, layer) =>
    heads.map((_, head) => {
      const at = { side, layer, head };
      return { at, kept: passes(payload, state, at, value), value: value(at, sort) };
    }),
  );
  if (!sort) return rows;
  const sorted = across ? [rows.flat()] : rows;
  for (const row of sorted) row.sort((one, other) => (other.value ?? -Infinity) - (one.value ?? -Infinity) || 0);
  return sorted;
}

/** "3.5": the layer's number and the head's. */
export function short(payload: Payload, at: HeadAt): string {
  return `${layerOf(payload, at).number}.${headOf(payload, at).number}`;
}

export function long(payload: Payload, at: HeadAt): string {
  return `layer ${short(payload, at).replace(".", ", head ")}`;
}

/** A number as it is printed: a true minus sign, a plus only before differences, and no sign before nothing. */
export function fixed(value: number, decimals: number, signed = false): string {
  const words = Math.abs(value).toFixed(decimals);
  if (!Number(words)) return words;
  return (value < 0 ? "−" : signed ? "+" : "") + words;
}

/** A statistic: two decimals, one for tokens; a dash where there is none. */
export function figure(value: number | null, unit: string, signed = false): string {
  return value === null ? "–" : fixed(value, unit === "tokens" ? 1 : 2, signed);
}

/** Whether heads of two sides stand beside each other. */
export function paired({ mode }: State): boolean {
  return mode === "side" || mode === "difference";
}

/** What is known of a head, a line each: place, class, chosen statistics, null mass, and the head beside it. */
export function facts(store: Store, at: HeadAt): string[] {
  const { payload, state } = store;
  const name = (head: HeadAt) =>
    (payload.sides.length > 1 ? `${payload.sides[head.side].name} · ` : "") + long(payload, head);
  const lines = [name(at), ...about(store, at)];
  const other = paired(state) ? store.partner(at, at.side === state.a ? state.b : state.a) : at;
  if (!other) return [...lines, "no head stands beside it"];
  return sameHead(at, other) ? lines : [...lines, `beside it ${name(other)}`, about(store, other).join(" · ")];
}

/** "null mass 0.62", or what goes to the key that is treated as the null; "" where there is neither. */
export function massWords(store: Store, at: HeadAt): string {
  const { payload, state: { sink } } = store;
  const mean = store.mean(at);
  const { has_null } = layerOf(payload, at);
  const name = has_null ? "null mass" : `${sink ? `key ${sink}` : "first token"} as null`;
  return mean === null ? "" : `${name} ${figure(mean, "share")}`;
}

/** "previous token 0.91": a head's class, and its score where the page has that. */
export function classWords(payload: Payload, at: HeadAt): string {
  const { pattern_class } = headOf(payload, at);
  const score = payload.statistics.find((known) => known.pattern_class === pattern_class);
  return score ? `${pattern_class} ${figure(statistic(payload, at, score.key), score.unit)}` : pattern_class;
}

/** Its class with its score, the statistics that sort and that filter, its null mass. */
export function about(store: Store, at: HeadAt): string[] {
  const { payload, state } = store;
  const { pattern_class } = headOf(payload, at);
  const asked = [state.sort, state.by].filter((key) => key !== "null_share"); // it is told in any case
  const told = payload.statistics.filter((known) => known.pattern_class !== pattern_class && asked.includes(known.key));
  const values = told.map(({ key, name, unit }) => {
    return `${name} ${figure(statistic(payload, at, key), unit)}${unit === "share" ? "" : ` ${unit}`}`;
  });
  return [classWords(payload, at), ...values, massWords(store, at) || "no null"];
}

/** Whether anything of these sides has a null, or a key that is treated as one. */
export function nulled({ payload, state }: Store, sides: number[]): boolean {
  const layers = sides.flatMap((side) => payload.sides[side].layers);
  return state.sink !== null || layers.some((layer) => layer.has_null);
}
