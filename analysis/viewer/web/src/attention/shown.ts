/** Maps as they are drawn: after the null's control, the filters and the difference. The whole page shows one
 * choice of these at a time; the last few are kept, so that toggling back costs nothing.
 */

import { kept, type Kept } from "./filter";
import { subtract, transform } from "./transform";
import type { Shown, State } from "../contract";
import { recent } from "../payload/cache";
import { bound } from "../payload/decode";
import { keyOf, layerOf, sees, sizeOf } from "../payload/lookup";
import type { Packed } from "../payload/packed";
import type { HeadAt, Payload } from "../payload/payload";

const BYTES = 96 * 2 ** 20; // of maps that are kept

/** What of the state changes the numbers of a map, as a key. */
export function transformKey(state: State): string {
  const { nulls, sink, filtered, text, word_class, on, block, from, to } = state;
  return JSON.stringify([nulls, sink, filtered, text, word_class, on, block, from, to]);
}

export function isFiltered(state: State): boolean {
  return state.text !== "" || state.word_class !== "" || state.block !== "" || state.from > 0 || state.to !== null;
}

export interface ShownMaps {
  apply(at: HeadAt, raw: Float32Array, state: State): Shown | undefined; // undefined: the null mass is being decoded
  get(at: HeadAt, raw: Float32Array, state: State): Shown | undefined; // the same, remembered
  minus(at: HeadAt, other: HeadAt, a: Shown, b: Shown, state: State): Shown; // a - b, remembered
}

export function shownMaps(payload: Payload, packed: Packed): ShownMaps {
  const done = recent<Shown>((shown) => shown.weights.byteLength, BYTES);
  const keeps = recent<Kept>(() => 1, 32);

  const apply = (at: HeadAt, raw: Float32Array, state: State): Shown | undefined => {
    const mass = packed.mass(at);
    if (mass === undefined) return undefined;
    const side = payload.sides[at.side];
    const layer = layerOf(payload, at);
    const [T, S] = sizeOf(payload, at.side);
    return transform({
      T,
      S,
      weights: raw,
      mass,
      sinkKey: layer.has_null ? null : state.sink,
      nulls: state.nulls,
      keep: keeps(`${side.text} ${transformKey(state)}`, () => kept(payload.texts[side.text], state))!,
      filtered: state.filtered,
      sees: (t, s) => sees(side, layer, t, s),
      error: bound(layer.coding, 1),
    });
  };
  const key = (state: State, ...heads: HeadAt[]) => [...heads.map(keyOf), transformKey(state)].join(" ");
  return {
    apply,
    get: (at, raw, state) => done(key(state, at), () => apply(at, raw, state)),
    minus: (at, other, a, b, state) => done(key(state, at, other), () => subtract(a, b))!,
  };
}
