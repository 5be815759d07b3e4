/** Small images: those of the page where they are exact, else from the map; one that stands in is made once. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { layer, payload, side } from "./made";
import { miniatures } from "../src/attention/miniatures";
import type { ShownMaps } from "../src/attention/shown";
import type { State } from "../src/contract";
import type { Packed } from "../src/payload/packed";
import type { HeadAt } from "../src/payload/payload";
import { defaults } from "../src/state/state";

const [A, B]: HeadAt[] = [0, 1].map((at) => ({ side: at, layer: 0, head: 0 }));

/** Two sides of one head, of images of one cell; `map`: is one packed, and decoded? */
function made(map: "left out" | "waiting" | "there") {
  const sides = [0, 1].map(() => side(0, [layer(["sink"])]));
  if (map !== "left out") for (const { layers } of sides) layers[0].heads[0].map = [0, 0];
  const page = payload({ sides });
  const without = Float32Array.of(0.5);
  const small = (at: number) => ({ h: 1, w: 1, thumbs: Float32Array.of(0.25 + at), without, mass: null });
  const packed = {
    map: () => (map === "there" ? Float32Array.of(0) : undefined),
    small,
    mass: () => null,
    position: () => 0,
  } as Partial<Packed> as Packed;
  const rest = { T: 1, S: 1, nulls: null, mass: null, hatched: [0], queries: [1], keys: [1] };
  const apply = ({ side }: HeadAt) => ({ ...rest, weights: Float32Array.of(0.75 - side) });
  const all = miniatures(page, packed, { apply } as unknown as ShownMaps, () => {});
  all.begin();
  const state = (given: Partial<State>): State => ({ ...defaults(page), ...given });
  return (other: HeadAt | null, given: Partial<State> = {}) => all.of(A, other, state(given))!;
}

test("the page's own image is used where it is exact", () => {
  const of = made("there");
  assert.deepEqual([...of(null).values], [0.25]);
  assert.equal(of(null), of(null));
  assert.deepEqual([...of(null, { pool: "mean" }).values], [0.75]);
});

test("until the map is there, and where it was left out, the difference of two images stands in, always the same", () => {
  for (const map of ["left out", "waiting"] as const) {
    const of = made(map);
    assert.deepEqual([...of(B).values], [-1]);
    assert.equal(of(B), of(B));
    assert.equal(of(B).signed, true);
  }
  assert.deepEqual([...made("there")(B).values], [1]);
});

