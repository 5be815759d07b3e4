/** What the neuron view shows of a query: the null's control on its weights, the filters, its rows. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { layer, near, neuron, normals, seeded, side, tokens } from "./made";
import { row } from "../src/attention/stages";
import type { State, Store } from "../src/contract";
import type { View } from "../src/heads/views";
import { read } from "../src/neuron/reading";
import type { Vectors } from "../src/payload/packed";
import type { Head, Neuron, Payload } from "../src/payload/payload";
import { defaults } from "../src/state/state";

const T = 8;
const AT = { side: 0, layer: 0, head: 0 };

function vectors(nulled: boolean): Vectors {
  const random = seeded(3);
  const s_null = nulled ? normals(random, T) : null;
  return { T, S: T, H: 4, q: normals(random, T * 4), k: normals(random, T * 4), s_null };
}

function page(nulled: boolean, given: Neuron = neuron()): Payload {
  const head: Head = { number: 0, pattern_class: "self", stats: [], map: null, neuron: given };
  const words = ["The", "·cat", "·sat", ".", "The", "·rug", "·lay", "."];
  return {
    version: 1,
    title: "",
    texts: [{ queries: tokens(words), keys: null, split: null }],
    statistics: [],
    classes: ["self"], class_terms: [],
    sides: [side(0, [{ ...layer([], { has_null: nulled }), heads: [head] }])],
    notes: [],
    command: "",
    provenance: [],
  };
}

function reading(nulled: boolean, change: Partial<State> = {}) {
  const payload = page(nulled);
  const state = { ...defaults(payload), query: T - 1, ...change };
  const hover = { query: null, key: null, at: null };
  const view = { at: AT, text: payload.texts[0] } as View;
  return read({ payload, state, hover } as unknown as Store, view, vectors(nulled));
}

function near_all(one: Float32Array, other: Float32Array): void {
  one.forEach((w, s) => assert.ok(near(w, other[s], 1e-6), `key ${s}: ${w} and ${other[s]}`));
}

test("renormalised without the null, weights are the softmax of the same scores", () => {
  const payload = page(true);
  const bare = row({ ...vectors(true), s_null: null }, neuron(), payload.sides[0], payload.sides[0].layers[0], T - 1);
  const { weight, null_score, divided } = reading(true, { nulls: "renormalise" });
  near_all(weight, bare.weight);
  assert.equal(null_score, null, "its row is gone");
  assert.ok(divided);
});

test("hidden, the null leaves the weights as they are", () => {
  const shown = reading(true);
  near_all(reading(true, { nulls: "hide" }).weight, shown.weight);
  const total = shown.weight.reduce((a, b) => a + b, shown.null_weight!);
  assert.ok(near(total, 1, 1e-6));
});

test("a key that is treated as the null leaves the row, and the rest sums to 1", () => {
  const { weight, sink } = reading(false, { nulls: "renormalise", sink: 0 });
  assert.equal(sink, 0);
  assert.equal(weight[0], 0);
  assert.ok(near(weight.reduce((a, b) => a + b, 0), 1, 1e-6));
});

test("a query has a row for every key that it may see and that the filters keep", () => {
  assert.deepEqual(reading(true, { query: 2 }).rows, [0, 1, 2]);
  assert.deepEqual(reading(true, { text: "the", on: "key" }).rows, [0, 4]);
});
