/** Thumbnails: a single spike stays, a mean is a mean, and the difference's sign with it. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { near, normals, seeded, whole } from "./made";
import { pool, poolRows } from "../src/attention/pool";

test("a single spike survives at every size", () => {
  const random = seeded(1);
  for (let trial = 0; trial < 300; trial++) {
    const [T, S] = [1 + whole(random, 90), 1 + whole(random, 90)];
    const [h, w] = [1 + whole(random, 40), 1 + whole(random, 40)];
    const values = new Float32Array(T * S);
    values[whole(random, T * S)] = 0.75;
    assert.equal(Math.max(...pool(values, T, S, h, w, "max", false)), 0.75);
    assert.equal(Math.max(...pool(values, T, S, h, w, "max", true)), 0.75);
  }
});

test("at the map's own size nothing changes", () => {
  const values = normals(seeded(2), 35);
  assert.deepEqual(pool(values, 5, 7, 5, 7, "max", true), values);
  assert.deepEqual(pool(values, 5, 7, 5, 7, "mean", true), values);
});

test("larger than the map, cells repeat", () => {
  assert.deepEqual([...pool(Float32Array.of(1, 2), 1, 2, 2, 4, "max", false)], [1, 1, 2, 2, 1, 1, 2, 2]);
});

test("signed pooling commutes with negation and keeps the larger magnitude", () => {
  const values = normals(seeded(3), 64 * 64);
  const pooled = pool(values, 64, 64, 10, 10, "max", true);
  assert.deepEqual(pool(values.map((x) => -x), 64, 64, 10, 10, "max", true), pooled.map((x) => -x));
  assert.deepEqual([...pool(Float32Array.of(0.2, -0.5, 0.4, 0.1), 1, 4, 1, 1, "max", true)], [-0.5]);
  assert.deepEqual([...pool(Float32Array.of(-0.5, 0.5), 1, 2, 1, 1, "max", true)], [-0.5]);
});

test("means over equal blocks keep the mean of the whole", () => {
  const values = normals(seeded(4), 60 * 40);
  const pooled = pool(values, 60, 40, 12, 10, "mean", true);
  const mean = (list: Float32Array) => list.reduce((a, b) => a + b) / list.length;
  assert.ok(near(mean(pooled), mean(values), 1e-6));
});

test("every cell belongs to one block: counts add up", () => {
  for (const [T, h] of [[41, 40], [64, 40], [79, 40], [1024, 40]]) {
    const values = Float32Array.from({ length: T }, (_, t) => t + 1);
    const largest = pool(values, T, 1, h, 1, "max", false);
    assert.deepEqual([...largest], Array.from({ length: h }, (_, i) => Math.floor(((i + 1) * T) / h)));
  }
});

test("the null's column is pooled by its mean", () => {
  assert.deepEqual([...poolRows(Float32Array.of(0, 1, 0.5, 0.5, 1, 1), 3)], [0.5, 0.5, 1]);
  assert.deepEqual([...poolRows(Float32Array.of(-1, 0.5), 1)], [-0.25]);
});
