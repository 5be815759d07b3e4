/** The null's control, the filters, the difference: what a row sums to, and what is never made up. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { near, normals, ones, rowSum, seeded, transformInput } from "./made";
import { rowFacts, topKeys } from "../src/attention/ranking";
import { LEAST, subtract, transform, type TransformInput } from "../src/attention/transform";

const NULLS = ["show", "hide", "renormalise"] as const;
const FILTERED = ["hide", "renormalise"] as const;

/** Inputs of every kind: with a null, with a sink key, with neither; square and rectangular; filtered or not. */
function* inputs(): Generator<TransformInput> {
  for (const [T, S] of [[1, 1], [17, 17], [6, 11]]) {
    for (const nulls of NULLS) {
      for (const filtered of FILTERED) {
        for (const sinkKey of [undefined, null, 0, S - 1, S]) {
          for (const few of [false, true]) {
            const random = seeded(T + 7 * (sinkKey ?? -1));
            const some = (size: number) => Uint8Array.from({ length: size }, () => Number(!few || random() < 0.4));
            const keep = { queries: some(T), keys: some(S) };
            const given = sinkKey === undefined ? {} : { sinkKey, mass: null };
            yield transformInput(random, T, S, { nulls, filtered, keep, ...given });
          }
        }
      }
    }
  }
}

test("shown without filters, nothing changes", () => {
  const input = transformInput(seeded(1), 12, 12);
  const shown = transform(input);
  assert.equal(shown.weights, input.weights);
  assert.equal(shown.nulls, input.mass);
  for (let t = 0; t < 12; t++) assert.ok(near(rowSum(shown.weights, t, 12) + shown.nulls![t], 1, 1e-6));
});

test("hidden, the rows keep their raw weights and sum to 1 - mass", () => {
  const input = transformInput(seeded(2), 12, 12, { nulls: "hide" });
  const shown = transform(input);
  assert.equal(shown.nulls, null);
  assert.equal(shown.mass, input.mass);
  for (let t = 0; t < 12; t++) assert.ok(near(rowSum(shown.weights, t, 12), 1 - input.mass![t], 1e-6));
});

test("renormalised rows are the softmax without the null, and sum to 1", () => {
  const [T, S] = [20, 20];
  const input = transformInput(seeded(3), T, S, { nulls: "renormalise" });
  const shown = transform(input);
  for (let t = 0; t < T; t++) {
    const left = 1 - input.mass![t];
    assert.equal(shown.hatched[t], Number(left < LEAST));
    for (let s = 0; s < S; s++) {
      const expected = shown.hatched[t] ? 0 : input.weights[t * S + s] / left;
      assert.ok(near(shown.weights[t * S + s], expected, 2e-6 / left));
    }
  }
});

test("a row is hatched exactly where less than 0.02 is left", () => {
  const left = [0, 0.001, 0.0199, 0.0201, 1];
  const weights = Float32Array.from(left);
  const mass = Float32Array.from(left, (x) => 1 - x);
  const keep = { queries: ones(5), keys: ones(1) };
  const shown = transform(transformInput(seeded(4), 5, 1, { weights, mass, keep, nulls: "renormalise" }));
  assert.deepEqual([...shown.hatched], [1, 1, 1, 0, 0]);
  assert.deepEqual([...shown.weights], [0, 0, 0, 1, 1]);
});

test("a key that stands for the null leaves the map, and its weights become the mass", () => {
  const [T, S] = [9, 9];
  const shown = transform(transformInput(seeded(5), T, S, { mass: null, sinkKey: 2 }));
  const input = transformInput(seeded(5), T, S);
  assert.equal(shown.sink, 2);
  for (let t = 0; t < T; t++) {
    assert.equal(shown.mass![t], input.weights[t * S + 2]);
    assert.equal(shown.nulls![t], shown.mass![t]);
    assert.equal(shown.weights[t * S + 2], 0);
  }
  assert.equal(transform(transformInput(seeded(5), T, S, { sinkKey: 2 })).sink, null, "not beside a null of the model's own");
});

test("under the first key as the null, the first query of a causal model is hatched", () => {
  const shown = transform(transformInput(seeded(6), 6, 6, { mass: null, sinkKey: 0, nulls: "renormalise" }));
  assert.equal(shown.hatched[0], 1);
  assert.equal(rowSum(shown.weights, 0, 6), 0);
});

test("renormalised rows sum to 1 or are hatched, under every combination", () => {
  for (const input of inputs()) {
    const { T, S, keep } = input;
    const shown = transform(input);
    const without = input.nulls === "renormalise" && shown.mass !== null;
    for (let t = 0; t < T; t++) {
      const total = rowSum(shown.weights, t, S) + (shown.nulls ? shown.nulls[t] : 0);
      if (!keep.queries[t] || shown.hatched[t]) assert.equal(total, 0);
      else if (keep.keys.includes(0) ? input.filtered === "renormalise" : without) assert.ok(near(total, 1, 1e-6));
      else assert.ok(total <= 1 + 1e-6);
    }
  }
});

test("what filters leave out is 0, and nothing that was given is changed", () => {
  for (const input of inputs()) {
    const before = [input.weights.slice(), input.mass?.slice(), input.keep.keys.slice()];
    const { weights, T, S } = transform(input);
    for (let t = 0; t < T; t++) {
      for (let s = 0; s < S; s++) {
        if (!input.keep.queries[t] || !input.keep.keys[s]) assert.equal(weights[t * S + s], 0);
      }
    }
    assert.deepEqual([input.weights, input.mass ?? undefined, input.keep.keys], before);
  }
});

test("hidden, a filter keeps every weight as it was", () => {
  const keep = { queries: ones(10), keys: Uint8Array.of(1, 0, 1, 0, 1, 0, 1, 0, 1, 0) };
  const input = transformInput(seeded(7), 10, 10, { keep });
  const shown = transform(input);
  shown.weights.forEach((w, i) => assert.equal(w, keep.keys[i % 10] ? input.weights[i] : 0));
  assert.deepEqual(shown.nulls, input.mass);
});

test("a difference is exactly antisymmetric, and nothing against itself", () => {
  const all = [...inputs()].filter(({ T }) => T === 17).map(transform);
  for (let i = 0; i + 1 < all.length; i++) {
    const [one, other] = [subtract(all[i], all[i + 1]), subtract(all[i + 1], all[i])];
    for (const name of ["weights", "nulls", "mass"] as const) {
      assert.equal(one[name] === null, other[name] === null);
      one[name]?.forEach((x, at) => assert.ok(x === -other[name]![at]));
    }
    assert.deepEqual([one.hatched, one.queries, one.keys], [other.hatched, other.queries, other.keys]);
    assert.deepEqual([one.sink, one.error, one.signed], [other.sink, other.error, true]);
    assert.ok(subtract(all[i], all[i]).weights.every((x) => x === 0));
  }
});

test("a difference with a model without a null counts its null as 0", () => {
  const a = transform(transformInput(seeded(8), 8, 8));
  const b = transform(transformInput(seeded(9), 8, 8, { mass: null }));
  assert.deepEqual(subtract(a, b).nulls, a.nulls);
  assert.deepEqual(subtract(b, b).nulls, null);
});

test("a row that one side cannot show is hatched in the difference, and empty", () => {
  const a = transform(transformInput(seeded(10), 6, 6, { mass: null, sinkKey: 0, nulls: "renormalise" }));
  const b = transform(transformInput(seeded(11), 6, 6, { mass: null }));
  const shown = subtract(a, b);
  assert.equal(shown.hatched[0], 1);
  assert.equal(rowSum(shown.weights, 0, 6), 0);
});

test("a difference holds a key visible where either model sees it", () => {
  const a = transform(transformInput(seeded(12), 4, 4, { sees: (t, s) => t === s }));
  const b = transform(transformInput(seeded(12), 4, 4, { sees: (_, s) => s === 0 }));
  const { sees } = subtract(a, b);
  assert.deepEqual([sees(2, 2), sees(2, 0), sees(2, 1)], [true, true, false]);
});

test("the errors of both sides may add up", () => {
  const [a, b] = [0.25, 0.5].map((error) => transform(transformInput(seeded(1), 2, 2, { error })));
  assert.equal(subtract(a, b).error, 0.75);
});

test("maps of other sizes are not subtracted", () => {
  const [a, b] = [transform(transformInput(seeded(1), 3, 3)), transform(transformInput(seeded(1), 3, 4))];
  assert.throws(() => subtract(a, b), /3 x 3 and 3 x 4/);
});

test("ranks and cumulative shares are those of the sorted row", () => {
  const shown = transform(transformInput(seeded(13), 30, 30));
  for (const t of [0, 1, 15, 29]) {
    const facts = rowFacts(shown, t);
    const row = [...shown.weights.subarray(t * 30, t * 30 + t + 1)];
    const sorted = row.map((w, s) => [w, s]).sort((x, y) => y[0] - x[0] || x[1] - y[1]);
    assert.deepEqual(facts.order, sorted.map(([, s]) => s));
    const total = row.reduce((a, b) => a + b);
    let held = 0;
    sorted.forEach(([w, s], i) => {
      held += w;
      assert.equal(facts.rank(s), i + 1);
      assert.ok(near(facts.cumulative(s), held / total, 1e-12));
    });
    assert.equal(facts.rank(30), 0);
  }
});

test("top-p keeps the fewest keys that hold the share", () => {
  const [T, S] = [1, 60];
  const random = seeded(14);
  for (const top of [0.1, 0.5, 0.9, 0.999]) {
    for (let trial = 0; trial < 50; trial++) {
      const { weights } = transformInput(random, T, S);
      const shown = transform(transformInput(random, T, S, { weights }));
      const keys = topKeys(shown, 0, top, 0);
      const total = rowSum(weights, 0, S);
      const held = keys.reduce((sum, s) => sum + weights[s], 0);
      const least = weights[keys.at(-1)!];
      assert.ok(held >= top * total - 2e-6, "it holds the share");
      assert.ok(held - least < top * total, "no smaller set does: these are the largest");
      assert.ok(weights.every((w, s) => w <= least || keys.includes(s)));
      assert.deepEqual(keys, rowFacts(shown, 0).order.slice(0, keys.length));
    }
  }
});

test("top 1 keeps every weight that is not 0; the least weight is a floor; a hatched row has none", () => {
  const weights = Float32Array.of(0.5, 0, 0.25, 0.25, 0);
  const mass = Float32Array.of(0);
  const of = (given: Partial<TransformInput>) => transform(transformInput(seeded(1), 1, 5, { weights, mass, ...given }));
  assert.deepEqual(topKeys(of({}), 0, 1, 0), [0, 2, 3]);
  assert.deepEqual(topKeys(of({}), 0, 1, 0.3), [0]);
  assert.deepEqual(topKeys(of({}), 0, 0.6, 0), [0, 2]);
  assert.deepEqual(topKeys(of({ mass: Float32Array.of(0.99), nulls: "renormalise" }), 0, 1, 0), []);
});

test("0.7 and 0.2 hold 0.9, as numbers of 32 bits too", () => {
  const weights = Float32Array.of(0.1, 0.2, 0.7);
  assert.deepEqual(topKeys(transform(transformInput(seeded(1), 1, 3, { weights, mass: null })), 0, 0.9, 0), [2, 1]);
});

test("nine of ten equal keys hold nine tenths, whatever the rounding", () => {
  for (const S of [10, 30, 1000]) {
    const weights = new Float32Array(S).fill(1 / S);
    assert.equal(topKeys(transform(transformInput(seeded(1), 1, S, { weights, mass: null })), 0, 0.9, 0).length, 0.9 * S);
  }
});

test("in a difference, size counts and not sign", () => {
  const a = transform(transformInput(seeded(1), 1, 3, { weights: Float32Array.of(0.2, 0.1, 0.7), mass: null }));
  const b = transform(transformInput(seeded(1), 1, 3, { weights: Float32Array.of(0.3, 0.6, 0.1), mass: null }));
  assert.deepEqual(rowFacts(subtract(a, b), 0).order, [2, 1, 0]);
  assert.deepEqual(topKeys(subtract(a, b), 0, 0.45, 0), [2]);
});

test("keys are told apart in rows of any length", () => {
  const S = 5000;
  const weights = normals(seeded(15), S).map(Math.abs);
  const shown = transform(transformInput(seeded(1), 1, S, { weights, mass: null }));
  const order = rowFacts(shown, 0).order;
  assert.equal(new Set(order).size, S);
  for (let i = 1; i < S; i++) assert.ok(weights[order[i - 1]] >= weights[order[i]]);
});
