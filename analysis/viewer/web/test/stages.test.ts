/** From queries and keys to weights: closed forms, and rows that sum to 1 with the null. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { layer, near, neuron, normals, seeded, side } from "./made";
import { products, row, stage } from "../src/attention/stages";
import { sees } from "../src/payload/lookup";
import type { Vectors } from "../src/payload/packed";
import type { Layer, Side } from "../src/payload/payload";

const STAGES = ["product", "scaled", "softmax"] as const;

function vectors(T: number, S: number, H: number, nulled: boolean, seed = 1): Vectors {
  const random = seeded(seed);
  const s_null = nulled ? normals(random, T) : null;
  return { T, S, H, q: normals(random, T * H), k: normals(random, S * H), s_null };
}

const CAUSAL: [Side, Layer] = [side(0, []), layer([])];
const WINDOW: [Side, Layer] = [side(0, []), layer([], { window: 3, first: 1 })];
const BOTH: [Side, Layer] = [side(0, [], { causal: false }), layer([])];
const NEURONS = [neuron(), neuron({ cap: 1.5, slope: 0.25 }), neuron({ normaliser: "log-sigmoid", slope: 0.1 })];

test("softmax rows sum to 1 with the null, under every mask and score", () => {
  for (const where of [CAUSAL, WINDOW, BOTH]) {
    for (const one of NEURONS) {
      for (const nulled of [true, false]) {
        const v = vectors(9, 9, 4, nulled);
        const { values, nulls } = stage(v, one, ...where, "softmax", true);
        assert.equal(nulls === null, !nulled);
        for (let t = 0; t < 9; t++) {
          const total = values.subarray(t * 9, t * 9 + 9).reduce((a, b) => a + b, nulls ? nulls[t] : 0);
          assert.ok(near(total, 1, 1e-6));
          for (let s = 0; s < 9; s++) if (!sees(...where, t, s)) assert.equal(values[t * 9 + s], 0);
        }
      }
    }
  }
});

test("equal keys share evenly, and a null of score 0 beside products of 0 takes its part", () => {
  const v: Vectors = { T: 4, S: 4, H: 2, q: new Float32Array(8), k: new Float32Array(8), s_null: new Float32Array(4) };
  const { values, nulls } = stage(v, neuron(), ...CAUSAL, "softmax", false);
  for (let t = 0; t < 4; t++) {
    assert.ok(near(nulls![t], 1 / (t + 2), 1e-7));
    for (let s = 0; s <= t; s++) assert.ok(near(values[t * 4 + s], 1 / (t + 2), 1e-7));
  }
});

test("scores: scale, then cap, then ALiBi, then log-sigmoid", () => {
  const v: Vectors = { T: 3, S: 3, H: 1, q: Float32Array.of(1, 2, 3), k: Float32Array.of(4, -5, 6), s_null: null };
  const neurons = [neuron({ cap: 2 }), neuron({ slope: 0.5 }), neuron({ normaliser: "log-sigmoid", cap: 2, slope: 0.5 })];
  const [capped, sloped, all] = neurons.map((one) => stage(v, one, ...BOTH, "scaled", false).values);
  const x = 0.5 * 3 * 4; // query 2, key 0: two apart
  assert.ok(near(capped[6], 2 * Math.tanh(x / 2), 1e-6));
  assert.ok(near(sloped[6], x - 0.5 * 2, 1e-6));
  assert.ok(near(sloped[2], 0.5 * 1 * 6 - 0.5 * 2, 1e-6), "distance has no sign");
  assert.ok(near(all[6], Math.log(1 / (1 + Math.exp(-(2 * Math.tanh(x / 2) - 1)))), 1e-6));
});

test("sigmoid attention has no normaliser", () => {
  const v = vectors(5, 5, 4, false);
  const { values } = stage(v, neuron({ normaliser: "sigmoid" }), ...CAUSAL, "softmax", true);
  const scaled = stage(v, neuron({ normaliser: "sigmoid" }), ...CAUSAL, "scaled", true).values;
  for (let t = 0; t < 5; t++) {
    for (let s = 0; s < 5; s++) {
      const expected = s <= t ? 1 / (1 + Math.exp(-scaled[t * 5 + s])) : 0;
      assert.ok(near(values[t * 5 + s], expected, 1e-6));
    }
  }
});

test("sigmoid attention adds its bias to the score", () => {
  const v: Vectors = { T: 1, S: 1, H: 1, q: Float32Array.of(2), k: Float32Array.of(3), s_null: null };
  const one = { ...neuron({ normaliser: "sigmoid" }), bias: -Math.log(8) };
  const at = row(v, one, ...CAUSAL, 0);
  assert.ok(near(at.scaled[0], 3 - Math.log(8), 1e-6));
  assert.ok(near(at.weight[0], 1 / (1 + 8 * Math.exp(-3)), 1e-6));
});

test("huge scores neither overflow nor vanish", () => {
  const [q, k, s_null] = [[1], [2e4, -2e4], [1e4]].map((list) => Float32Array.from(list));
  const v: Vectors = { T: 1, S: 2, H: 1, q, k, s_null };
  const at = row(v, neuron(), ...BOTH, 0);
  assert.ok(near(at.weight[0], 0.5, 1e-7) && near(at.null_weight!, 0.5, 1e-7));
  assert.equal(at.weight[1], 0);
  const behind = row({ ...v, s_null: null, k: Float32Array.of(-2e4, 2e4) }, neuron(), ...CAUSAL, 0);
  assert.deepEqual([...behind.weight], [1, 0], "a large score that the mask hides takes nothing away");
  const far = row({ ...v, k: Float32Array.of(-2e4, -2e4) }, neuron({ normaliser: "log-sigmoid" }), ...BOTH, 0);
  assert.deepEqual([...far.scaled], [-1e4, -1e4]);
});

test("cells that a query may not see are blank, and drawn on demand", () => {
  const v = vectors(4, 4, 4, true);
  const hidden = 0 * 4 + 3;
  for (const which of STAGES) {
    const masked = stage(v, neuron(), ...CAUSAL, which, false).values[hidden];
    const open = stage(v, neuron(), ...CAUSAL, which, true).values[hidden];
    assert.ok(Number.isNaN(masked) && Number.isFinite(open), which);
  }
});

test("the null stands beside the keys from the second stage on: it has no product", () => {
  const v = vectors(6, 6, 4, true);
  for (const which of STAGES) {
    const { nulls } = stage(v, neuron(), ...CAUSAL, which, false);
    assert.equal(nulls === null, which === "product", which);
  }
});

test("a row is the row of its stages", () => {
  const v = vectors(7, 9, 4, true);
  const where = BOTH;
  for (const one of NEURONS) {
    const maps = STAGES.map((which) => stage(v, one, ...where, which, true));
    for (let t = 0; t < 7; t++) {
      const at = row(v, one, ...where, t);
      const cut = (i: number) => maps[i].values.subarray(t * 9, t * 9 + 9);
      assert.deepEqual([at.product, at.scaled, at.weight], [cut(0), cut(1), cut(2)]);
      assert.equal(at.null_score, maps[1].nulls![t]);
      assert.equal(Math.fround(at.null_weight!), maps[2].nulls![t]);
    }
  }
});

test("the products of the dimensions add up to the product", () => {
  const v = vectors(5, 6, 8, false);
  const at = row(v, neuron(), ...BOTH, 3);
  for (let s = 0; s < 6; s++) {
    const parts = products(v, 3, s);
    assert.equal(parts.length, 8);
    assert.ok(near(parts.reduce((a, b) => a + b, 0), at.product[s], 1e-6));
  }
});
