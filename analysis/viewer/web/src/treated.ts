/** Maps as they are drawn: after the null's control, the filters and the difference. One treatment at a time is in use
 * by the whole page; the last few are kept, so that toggling back costs nothing.
 */

import { recent } from "./cache";
import type { HeadAt, Shown, State } from "./contract";
import { bound } from "./decode";
import { kept, type Kept } from "./filter";
import { keyOf, sizeOf } from "./packed";
import type { Packed } from "./packed";
import { sees } from "./payload";
import type { Payload } from "./payload";
import { subtract, treat } from "./treat";

const BYTES = 96 * 2 ** 20; // of treated maps

/** What of the state changes the numbers of a map. */
export function treatment(state: State): string {
  const { nulls, sink, filtered, text, kind, on, block, from, to } = state;
  return JSON.stringify([nulls, sink, filtered, text, kind, on, block, from, to]);
}

export function isFiltered(state: State): boolean {
  return state.text !== "" || state.kind !== "" || state.block !== "" || state.from > 0 || state.to !== null;
}

export interface Treated {
  apply(at: HeadAt, raw: Float32Array, state: State): Shown | undefined; // undefined: the null mass is being decoded
  get(at: HeadAt, raw: Float32Array, state: State): Shown | undefined; // the same, remembered
  minus(at: HeadAt, other: HeadAt, a: Shown, b: Shown, state: State): Shown; // a - b, remembered
}

export function treated(payload: Payload, packed: Packed): Treated {
  const done = recent<Shown>((shown) => shown.weights.byteLength, BYTES);
  const keeps = recent<Kept>(() => 1, 32);

  const apply = (at: HeadAt, raw: Float32Array, state: State): Shown | undefined => {
    const mass = packed.mass(at);
    if (mass === undefined) return undefined;
    const side = payload.sides[at.side];
    const layer = side.layers[at.layer];
    const [T, S] = sizeOf(payload, at.side);
    return treat({
      T,
      S,
      weights: raw,
      mass,
      sinkKey: layer.has_null ? null : state.sink,
      nulls: state.nulls,
      keep: keeps(`${side.text} ${treatment(state)}`, () => kept(payload.texts[side.text], state))!,
      filtered: state.filtered,
      sees: (t, s) => sees(side, layer, t, s),
      error: bound(layer.coding, 1),
    });
  };
  const key = (state: State, ...heads: HeadAt[]) => [...heads.map(keyOf), treatment(state)].join(" ");
  return {
    apply,
    get: (at, raw, state) => done(key(state, at), () => apply(at, raw, state)),
    minus: (at, other, a, b, state) => done(key(state, at, other), () => subtract(a, b))!,
  };
}
