/** The stages of one head as heat maps, after the null's control and the filters. Scores have two hues around 0;
 * weights are blue, those of the null orange.
 */

import { kept } from "../attention/filter";
import { transformKey } from "../attention/shown";
import { row, stage, type Stage } from "../attention/stages";
import { transform } from "../attention/transform";
import type { Shown, State, Store } from "../contract";
import { decimal, share, tint } from "../drawing/signed";
import { most, tone } from "../drawing/tone";
import { quoted } from "../heads/facts";
import { fixed } from "../heads/heads";
import type { View } from "../heads/views";
import type { Plot, Ramp } from "../map/plot";
import { recent } from "../payload/cache";
import { headOf, layerOf, sees } from "../payload/lookup";
import type { Neuron } from "../payload/payload";

export type Which = Exclude<State["stage"], "all">;

export const STAGES: Which[] = ["product", "scaled", "masked", "softmax"];

const BYTES = 64 * 2 ** 20;
const stages = recent<Stage>(({ values }) => values.byteLength, BYTES); // what no control changes
const maps = recent<Shown>(({ weights }) => weights.byteLength, BYTES);

/** `follows`: on the stage before, which stands beside it. */
export function stagePlot(store: Store, view: View, which: Which, follows: boolean): Plot {
  const { palette, state, payload } = store;
  const neuron = headOf(payload, view.at).neuron!;
  const shown = shownAt(store, view, neuron, which) ?? null;
  const [values, about] = named(neuron)[which];
  const last = which === "softmax";
  const nulled = last ? view.nulled : neuron.s_null !== null && which !== "product";
  const pinned = nulled && state.nulls === "show";
  const [real, nulls] = last ? [palette.real, palette.nulls] : [tint(palette), tint(palette)];
  const ramps: Ramp[] = [[which === "masked" ? "scaled" : values, "", real]];
  if (last && pinned) ramps.push(["∅", "", nulls]);
  return {
    ...view,
    shown,
    pinned,
    nulled: false,
    signed: !last,
    title: `${follows ? "→ " : ""}${values} · ${view.side}`,
    about: `${about} · ${view.name}`,
    values,
    why: "decoding …",
    hidden: which === "masked" ? "−∞" : "",
    most: shown ? most(shown, last ? state : { range: "head" }) : 0,
    rise: tone({ scale: last ? state.scale : "linear" }, 1),
    real,
    nulls,
    ramps,
    number(t, s, least) {
      const value = s < 0 ? shown!.nulls![t] : shown!.weights[t * shown!.S + s];
      return least ? decimal(value) : fixed(value, 4);
    },
    facts: (t, s) => facts(store, view, neuron, t, s),
  };
}

/** Transformed as a map is: scores are not divided by anything, and no key stands for their null. */
function shownAt(store: Store, view: View, neuron: Neuron, which: Which): Shown | undefined {
  const { payload, state } = store;
  const vectors = store.vectors(view.at);
  if (typeof vectors === "string") return undefined;
  const { T, S } = vectors;
  const side = payload.sides[view.at.side];
  const layer = layerOf(payload, view.at);
  const last = which === "softmax";
  const open = state.unmasked && which !== "masked";
  const values_of = which === "masked" ? "scaled" : which; // the same numbers, without the cells that are hidden
  const at = [view.at.side, view.at.layer, view.at.head, values_of, open].join();
  return maps(`${at} ${transformKey(state)}`, () => {
    const { values, nulls } = stages(at, () => stage(vectors, neuron, side, layer, values_of, open))!;
    const shown = transform({
      T,
      S,
      weights: values.map((value) => value || 0), // nothing (NaN) where a query may not look
      mass: nulls,
      sinkKey: last && !layer.has_null ? state.sink : null,
      nulls: last || state.nulls === "show" ? state.nulls : "hide",
      keep: kept(view.text, state),
      filtered: last ? state.filtered : "hide",
      sees: (t, s) => open || sees(side, layer, t, s),
      error: 0,
    });
    return { ...shown, signed: !last };
  });
}

/** Names of the stages, and in few words how each follows from the one before. */
function named({ scale, cap, slope, normaliser }: Neuron): Record<Which, [name: string, about: string]> {
  const short = (value: number) => Number(value.toPrecision(3));
  const steps = [
    `× ${short(scale)}`,
    cap !== null && `soft cap ${short(cap)}`,
    slope !== null && "ALiBi",
    normaliser === "log-sigmoid" && "log sigmoid",
  ];
  return {
    product: ["product", "q · k"],
    scaled: ["scaled", steps.filter(Boolean).join(", ")],
    masked: ["masked", "−∞ where hidden"],
    softmax: normaliser === "sigmoid" ? ["sigmoid", "each by itself"] : ["softmax", "over a query's keys"],
  };
}

/** The four numbers of a cell, or the two of the null. */
function facts(store: Store, { at, queries, keys }: View, neuron: Neuron, t: number, s: number): string[] {
  const vectors = store.vectors(at);
  if (typeof vectors === "string") return [];
  const side = store.payload.sides[at.side];
  const layer = layerOf(store.payload, at);
  const { product, scaled, weight, null_score, null_weight } = row(vectors, neuron, side, layer, t);
  const last = (value: number) => `${named(neuron).softmax[0]} ${share(value)}`;
  const from = `query ${t} ${quoted(queries, t)} → `;
  if (s < 0 && null_score === null) return [];
  if (s < 0) return [`${from}the null`, `null logit ${decimal(null_score!)}`, last(null_weight!)];
  return [
    `${from}key ${s} ${quoted(keys, s)}`,
    `product q · k ${decimal(product[s])}`,
    `scaled ${decimal(scaled[s])}`,
    `masked ${sees(side, layer, t, s) ? decimal(scaled[s]) : "−∞: this query may not see this key"}`,
    last(weight[s]),
  ];
}
