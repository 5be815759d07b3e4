/** The page's promises in time: a toggle redraws what is visible within 100 ms at 512 tokens. Bounds are several times
 * what two slow cores need, so that only a change of order fails; what was measured is printed.
 */

import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";

import { layer, neuron, normals, ones, seeded, side, transformInput } from "./made";
import { pool } from "../src/attention/pool";
import { topKeys } from "../src/attention/ranking";
import { stage } from "../src/attention/stages";
import { subtract, transform, type TransformInput } from "../src/attention/transform";
import { unpackMap } from "../src/payload/decode";
import type { Vectors } from "../src/payload/packed";

const CODING = { bits: 8, shape: "triangle" } as const;

/** Median milliseconds of a call, after it has run often enough to be compiled. */
function timed(context: TestContext, name: string, limit: number, call: () => void): void {
  for (let i = 0; i < 5; i++) call();
  const times = Array.from({ length: 9 }, () => {
    const start = performance.now();
    call();
    return performance.now() - start;
  });
  const median = times.sort((a, b) => a - b)[4];
  context.diagnostic(`${name}: ${median.toFixed(2)} ms`);
  assert.ok(median < limit, `${name} takes ${median} ms`);
}

for (const [T, factor] of [[512, 1], [1024, 4]]) {
  const input = transformInput(seeded(T), T, T);
  const keys = ones(T);
  keys[3] = 0;
  const few = { queries: keys, keys };
  const choices: [string, Partial<TransformInput>][] = [
    ["renormalise", { nulls: "renormalise" }],
    ["first key as the null, renormalised", { nulls: "renormalise", mass: null, sinkKey: 0 }],
    ["renormalise, filter, renormalise", { nulls: "renormalise", filtered: "renormalise", keep: few }],
  ];

  test(`one map of ${T} tokens`, (context) => {
    const bytes = new Uint8Array((T * (T + 1)) / 2).fill(9);
    timed(context, "unpack", 15 * factor, () => unpackMap(bytes, CODING, T, T, null));
    for (const [name, given] of choices) timed(context, name, 15 * factor, () => transform({ ...input, ...given }));
    const shown = transform({ ...input, nulls: "renormalise" });
    timed(context, "difference", 15 * factor, () => subtract(shown, shown));
    for (const how of ["max", "mean"] as const) {
      timed(context, `pool, ${how}`, 15 * factor, () => pool(shown.weights, T, T, 40, 40, how, false));
    }
    timed(context, "top-p of all rows", 250 * factor, () => {
      for (let t = 0; t < T; t++) topKeys(shown, t, 0.9, 0.001);
    });
  });

}

test("scores of 512 tokens, heads of 64", (context) => {
  const [T, H, random] = [512, 64, seeded(1)];
  const [q, k] = [normals(random, T * H), normals(random, T * H)];
  const vectors: Vectors = { T, S: T, H, q, k, s_null: normals(random, T) };
  timed(context, "softmax", 300, () => stage(vectors, neuron({ size: H }), side(0, []), layer([]), "softmax", false));
});

test("144 maps of 512 tokens, transformed and pooled", (context) => {
  const T = 512;
  const inputs = Array.from({ length: 12 }, (_, i) => transformInput(seeded(i), T, T, { nulls: "renormalise" }));
  const start = performance.now();
  for (let i = 0; i < 144; i++) pool(transform(inputs[i % 12]).weights, T, T, 40, 40, "max", false);
  const taken = performance.now() - start;
  context.diagnostic(`${taken.toFixed(0)} ms`);
  assert.ok(taken < 5000, `it takes ${taken} ms`);
});
