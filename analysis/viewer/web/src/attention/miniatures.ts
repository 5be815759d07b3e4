/** The small images of the model view. Those that came with the page are used as they are wherever they are exact (the
 * null shown, hidden or renormalised, nothing filtered); for other choices they stand in until the map has been
 * decoded and pooled, a few in every frame.
 */

import { pool, poolRows } from "./pool";
import { isFiltered, type ShownMaps, transformKey } from "./shown";
import { minus, subtract } from "./transform";
import type { State, Thumb } from "../contract";
import { recent } from "../payload/cache";
import { headOf, keyOf, layerOf } from "../payload/lookup";
import type { Packed } from "../payload/packed";
import type { HeadAt, Payload } from "../payload/payload";

const KEPT = 64 * 2 ** 20; // bytes of small images
const BUDGET = 20; // milliseconds of a frame that are spent on them

export interface Miniatures {
  of(at: HeadAt, other: HeadAt | null, state: State): Thumb | null; // of `at`, or of `at` - `other`
  begin(): void; // of a frame
}

export function miniatures(payload: Payload, packed: Packed, maps: ShownMaps, later: () => void): Miniatures {
  const kept = recent<Thumb>((thumb) => thumb.values.byteLength, KEPT);
  let until = 0; // when the time of this frame is over

  const hasMap = (at: HeadAt) => headOf(payload, at).map !== null;
  const bare = (at: HeadAt, state: State) => !layerOf(payload, at).has_null && state.sink === null;
  const exact = (at: HeadAt, state: State) =>
    layerOf(payload, at).has_null || bare(at, state) || (state.sink === 0 && state.nulls === "renormalise");

  /** Out of the page's own images; the null column only where it is shown. */
  const stored = (at: HeadAt, state: State): Thumb | undefined => {
    const small = packed.small(at.side);
    const nulls = bare(at, state) ? "hide" : state.nulls;
    return kept(`${keyOf(at)} ${nulls}`, () => {
      if (!small) return undefined;
      const { h, w, thumbs, without } = small;
      const from = packed.position(at) * h * w;
      const mass = nulls === "show" && packed.mass(at);
      const values = (nulls === "renormalise" ? without : thumbs).subarray(from, from + h * w);
      return { h, w, values, nulls: mass ? poolRows(mass, h) : null, signed: false };
    });
  };
  /** From the map, if it is decoded and there is time left. */
  const pooled = (at: HeadAt, other: HeadAt | null, state: State): Thumb | undefined => {
    const a = packed.map(at, false);
    const b = other && packed.map(other, false);
    if (!a || b === undefined) return undefined;
    if (performance.now() > until) return void later();
    const one = maps.apply(at, a, state)!;
    const shown = b ? subtract(one, maps.apply(other!, b, state)!) : one;
    const [h, w] = payload.sides[at.side].thumb;
    const values = pool(shown.weights, shown.T, shown.S, h, w, state.pool, shown.signed);
    return { h, w, values, nulls: shown.nulls && poolRows(shown.nulls, h), signed: shown.signed };
  };
  return {
    begin: () => void (until = performance.now() + BUDGET),
    of(at, other, state) {
      const key = `${keyOf(at)} ${other && keyOf(other)} ${transformKey(state)} ${state.pool}`;
      const [a, b] = [stored(at, state), other && stored(other, state)];
      if (!a || b === undefined) return null;
      if (!b && exact(at, state) && state.pool === "max" && !isFiltered(state)) return a;
      const make = () => (hasMap(at) && (!other || hasMap(other)) ? pooled(at, other, state) : undefined);
      return kept(key, make) ?? (b ? kept(`${key} near`, () => less(a, b))! : a);
    },
  };
}

/** The difference of two images: near the image of the difference, and there at once. */
function less(a: Thumb, b: Thumb): Thumb {
  return { ...a, values: minus(a.values, b.values)!, nulls: minus(a.nulls, b.nulls), signed: true };
}
