/** The page against Python: golden.json holds what golden.py says these functions must give. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { pool } from "../src/attention/pool";
import { stage } from "../src/attention/stages";
import { transform, type TransformInput } from "../src/attention/transform";
import { floats, inflate, unpackMap, unpackThumbs } from "../src/payload/decode";
import type { Layer, Neuron, Side } from "../src/payload/payload";
import golden from "./golden.json";

type Flat = (number | null)[]; // null stands for what JSON cannot say: -inf, NaN

function assertClose(found: ArrayLike<number>, expected: Flat, by: number, what: string): void {
  assert.equal(found.length, expected.length, what);
  expected.forEach((y, i) => {
    const close = y === null ? !Number.isFinite(found[i]) : Math.abs(found[i] - y) <= by * Math.max(1, Math.abs(y));
    assert.ok(close, `${what}, at ${i}: ${found[i]}, Python ${y}`);
  });
}

function numbers(list: Flat | null): Float32Array | null {
  return list && Float32Array.from(list as number[]);
}

test("maps are unpacked as Python unpacks them", async () => {
  for (const { T, S, coding, window, blob, values } of golden.maps) {
    const found = unpackMap(await inflate(blob), coding as Layer["coding"], T, S, window);
    assertClose(found, values, 1e-7, `${coding.shape} of ${coding.bits} bits, ${T} x ${S}, window ${window}`);
  }
});

test("thumbnails are unpacked as Python packs them", async () => {
  assertClose(unpackThumbs(await inflate(golden.thumbs.blob)), golden.thumbs.values, 1e-6, "thumbs");
});

test("floats come back exactly", async () => {
  for (const { bits, blob, values } of golden.floats) {
    assert.deepEqual(floats(await inflate(blob), bits as 16 | 32), numbers(values), `${bits} bits`);
  }
  const { bits, values } = golden.halves;
  assert.deepEqual(floats(new Uint8Array(Uint16Array.from(bits).buffer), 16), numbers(values));
});

test("the null's control and the filters give Python's rows", () => {
  for (const given of golden.transformed) {
    const { T, S, sinkKey, nulls, filtered, expect } = given;
    const shown = transform({
      T,
      S,
      weights: numbers(given.weights)!,
      mass: numbers(given.mass),
      sinkKey,
      nulls: nulls as TransformInput["nulls"],
      keep: { queries: Uint8Array.from(given.queries), keys: Uint8Array.from(given.keys) },
      filtered: filtered as TransformInput["filtered"],
      sees: (t, s) => s <= t,
      error: 0,
    });
    const what = `${nulls}, ${filtered}, sink ${sinkKey}, keys ${given.keys}`;
    assertClose(shown.weights, expect.weights, 1e-5, what);
    for (const name of ["nulls", "mass"] as const) {
      assert.equal(shown[name] === null, expect[name] === null, `${name}: ${what}`);
      if (expect[name]) assertClose(shown[name]!, expect[name], 1e-5, `${name}: ${what}`);
    }
    assert.deepEqual([...shown.hatched], expect.hatched, what);
  }
});

test("the stages give Python's scores and weights", () => {
  for (const { T, S, vectors, expect, ...given } of golden.stages) {
    const { H, q, k, s_null } = vectors;
    const numeric = { T, S, H, q: numbers(q)!, k: numbers(k)!, s_null: numbers(s_null) };
    const where = [given.neuron as unknown as Neuron, given.side as Side, given.layer as Layer] as const;
    const what = JSON.stringify({ ...given.neuron, ...given.side, ...given.layer });
    const of = (which: "product" | "scaled" | "softmax", open = true) => stage(numeric, ...where, which, open);
    assertClose(of("product").values, expect.product, 1e-5, `product: ${what}`);
    assertClose(of("scaled").values, expect.scaled, 1e-5, `scaled: ${what}`);
    assertClose(of("softmax").values, expect.softmax, 1e-5, `softmax: ${what}`);
    const masked = expect.scaled.map((x, i) => (expect.visible[i] ? x : null));
    assertClose(of("scaled", false).values, masked, 1e-5, `masked: ${what}`);
    assert.equal(of("softmax").nulls === null, expect.null_weight === null);
    if (expect.null_weight) assertClose(of("softmax").nulls!, expect.null_weight, 1e-5, `null: ${what}`);
  }
});

test("thumbnails are pooled over Python's blocks", () => {
  for (const { T, S, h, w, values, expect } of golden.pooled) {
    const signed = numbers(values)!;
    const weights = signed.map(Math.abs);
    const what = `${T} x ${S} to ${h} x ${w}`;
    assert.deepEqual(pool(weights, T, S, h, w, "max", false), numbers(expect.max), what);
    assertClose(pool(weights, T, S, h, w, "mean", false), expect.mean, 1e-6, what);
    assert.deepEqual(pool(signed, T, S, h, w, "max", true), numbers(expect.signed), what);
  }
});
