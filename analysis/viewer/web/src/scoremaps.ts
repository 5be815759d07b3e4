/** The score maps of one head as they are drawn: stage by stage, after the null's control, the filters and the
 * position range, with their colours. Scores have two hues around 0; weights are blue, those of the null orange.
 */

import { rgb } from "./colours";
import type { Palette, Pixels, RGB, Shown, State, Store, Vectors } from "./contract";
import { kept } from "./filter";
import { headOf } from "./heads";
import { sees, type Neuron } from "./payload";
import { without } from "./reading";
import { part } from "./scoreslayout";
import { image, tint } from "./signed";
import { stage, type Stage } from "./stages";
import { tone } from "./tone";
import { layerOf, type View } from "./views";

export type Which = State["stage"];

export const STAGES: Which[] = ["product", "scaled", "masked", "softmax"];

export interface ScoreMap {
  which: Which;
  shown: Shown; // weights: scores; NaN: nothing, -inf: masked
  low: number; // of the whole map and its null column
  high: number;
  top: number; // of the colours: -top to top, weights 0 to top
  colour(value: number): RGB;
  nullColour(value: number): RGB;
  pixels: Pixels; // of the position range, transposed if the picture is
  nullPixels: Pixels | null;
}

export function scoreMap(store: Store, view: View, vectors: Vectors, which: Which): ScoreMap {
  const { payload, state, palette } = store;
  const side = payload.sides[view.at.side];
  const layer = layerOf(store, view.at);
  const { T, S } = vectors;
  const sink = layer.has_null || state.sink === null || state.sink >= S ? null : state.sink;
  const { queries, keys } = kept(view.text, state);
  const neuron = headOf(payload, view.at).neuron!;
  const make = () => stage(vectors, neuron, side, layer, which, state.unmasked);
  const raw = remembered(vectors, `${which} ${state.unmasked}`, make);
  const { nulls, low, high } = raw;
  const values = raw.values.slice();
  const weights = which === "softmax";
  for (let t = 0; t < T; t++) {
    const row = values.subarray(t * S, (t + 1) * S);
    const mass = sink === null ? (nulls?.[t] ?? null) : row[sink];
    const enough = !weights || without(row, sink, mass, state.nulls);
    for (let s = 0; s < S; s++) if (!enough || !queries[t] || !keys[s]) row[s] = NaN;
  }
  const extreme = Math.max(Math.abs(high), weights ? 0 : Math.abs(low)) || 1;
  const top = weights && state.range === "fixed" ? 1 : extreme;
  const colours = weights ? weightColours(palette, state, top) : scoreColours(palette, top);
  const masked = rgb(palette.line);
  const paint = (t: number, s: number) => {
    const value = values[t * S + s];
    if (Number.isNaN(value)) return null;
    if (value === -Infinity) return masked;
    return s === sink ? colours.nullColour(value) : colours.colour(value);
  };
  const [rows, columns] = [part(state, T), part(state, S)];
  const flip = state.transposed;
  const picture = (width: number, height: number, colour: (t: number, s: number) => RGB | null) =>
    flip ? image(height, width, (i, j) => colour(j, i)) : image(width, height, colour);
  const column = state.nulls === "show" ? nulls : null;
  return {
    which,
    shown: {
      T,
      S,
      weights: values,
      nulls: column,
      mass: null,
      sink,
      hatched: new Uint8Array(T),
      queries,
      keys,
      sees: (t, s) => sees(side, layer, t, s),
      signed: !weights,
      error: 0,
    },
    low,
    high,
    top,
    ...colours,
    pixels: picture(columns.count, rows.count, (t, s) => paint(t + rows.from, s + columns.from)),
    nullPixels: column && picture(1, rows.count, (t) => colours.nullColour(column[t + rows.from])),
  };
}

const stages = new WeakMap<Vectors, Map<string, Stage>>();

/** The last few stages of a head: toggling the null does not multiply queries and keys again. */
function remembered(vectors: Vectors, name: string, make: () => Stage): Stage {
  const known = stages.get(vectors) ?? new Map<string, Stage>();
  stages.set(vectors, known);
  let found = known.get(name);
  if (!found) {
    if (known.size >= STAGES.length) known.clear();
    known.set(name, (found = make()));
  }
  return found;
}

/** A stage's name, and in few words how it follows from the one before. */
export function stageName(which: Which, { scale, cap, slope, kind }: Neuron): [name: string, about: string] {
  if (which === "product") return ["scores", "q · k"];
  if (which === "masked") return ["masked", "−∞ where hidden"];
  if (which === "softmax" && kind === "sigmoid") return ["sigmoid", "each by itself"];
  if (which === "softmax") return ["softmax", "over a query's keys"];
  const steps = [`× ${Number(scale.toPrecision(3))}`];
  if (cap !== null) steps.push(`soft cap ${Number(cap.toPrecision(3))}`);
  if (slope !== null) steps.push("ALiBi");
  if (kind === "log-sigmoid") steps.push("log sigmoid");
  return ["scaled", steps.join(", ")];
}

function weightColours(palette: Palette, state: State, top: number): Pick<ScoreMap, "colour" | "nullColour"> {
  const rise = tone(state, top);
  return { colour: (w) => palette.real(rise(w)), nullColour: (w) => palette.nulls(rise(w)) };
}

function scoreColours(palette: Palette, top: number): Pick<ScoreMap, "colour" | "nullColour"> {
  const hue = tint(palette);
  const colour = (score: number) => hue(score / top);
  return { colour, nullColour: colour };
}
