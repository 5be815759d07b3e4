/** The codec: what was packed comes back, within the stated bound and at its own place. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { deflateSync } from "node:zlib";

import { attention, seeded } from "./made";
import { bound, floats, inflate, unpackMap, unpackThumbs } from "../src/payload/decode";
import type { Coding } from "../src/payload/payload";

/** As codec.py packs: the cells that the shape holds, row by row. */
function packed(weights: Float32Array, coding: Coding, T: number, S: number, window: number | null): Uint8Array {
  const cells: number[] = [];
  for (let t = 0; t < T; t++) {
    for (let s = 0; s < S; s++) {
      const inside = coding.shape === "full" || (s <= t && (coding.shape === "triangle" || t - s < (window ?? T)));
      if (inside) cells.push(weights[t * S + s]);
    }
  }
  if (coding.bits === 8) return Uint8Array.from(cells, (w) => Math.round(255 * Math.sqrt(w)));
  return new Uint8Array(Uint16Array.from(cells, (w) => Math.round(65535 * w)).buffer);
}

for (const bits of [8, 16] as const) {
  for (const shape of ["triangle", "band", "full"] as const) {
    test(`a ${shape} of ${bits} bits comes back within the bound`, () => {
      for (const [T, S] of [[1, 1], [7, 7], [33, 33], [5, 9], [9, 5]]) {
        const { weights } = attention(seeded(T), T, S, shape !== "full");
        const window = shape === "band" ? 4 : null;
        const found = unpackMap(packed(weights, { bits, shape }, T, S, window), { bits, shape }, T, S, window);
        assert.equal(found.length, T * S);
        for (let i = 0; i < found.length; i++) {
          const [t, s] = [Math.floor(i / S), i % S];
          const held = shape === "full" || (s <= t && (window === null || t - s < window));
          const error = Math.abs(found[i] - (held ? weights[i] : 0));
          assert.ok(error <= bound({ bits, shape }, weights[i]) + 2e-7, `${T}x${S} at ${t}, ${s}: ${error}`);
        }
      }
    });
  }
}

test("a truncated or overlong map is an error, not a pale one", () => {
  assert.throws(() => unpackMap(new Uint8Array(5), { bits: 8, shape: "triangle" }, 3, 3, null), /3 x 3 has 6 weights/);
  assert.throws(() => unpackMap(new Uint8Array(7), { bits: 8, shape: "triangle" }, 3, 3, null), /3 x 3 has 6 weights/);
  assert.throws(() => unpackMap(new Uint8Array(16), { bits: 16, shape: "full" }, 3, 3, null), /3 x 3 has 9 weights, the page 8/);
});

test("every code of 8 bits lies within the bound of every weight that it stands for", () => {
  const codes = unpackThumbs(Uint8Array.from({ length: 256 }, (_, u) => u));
  for (let i = 0; i <= 100_000; i++) {
    const w = i / 100_000;
    assert.ok(Math.abs(codes[Math.round(255 * Math.sqrt(w))] - w) <= bound({ bits: 8, shape: "full" }, w) + 1e-7);
  }
  assert.equal(codes[255], 1);
  assert.equal(codes[0], 0);
});

test("all 65,536 half floats are those of IEEE 754", () => {
  const bytes = new Uint8Array(Uint16Array.from({ length: 65536 }, (_, bits) => bits).buffer);
  const found = floats(bytes, 16);
  for (let bits = 0; bits < 65536; bits++) {
    assert.ok(Object.is(found[bits], textbook(bits)), `0x${bits.toString(16)}: ${found[bits]}`);
  }
  assert.equal(found[0x3c00], 1);
  assert.equal(found[0xc000], -2);
  assert.equal(found[0x7bff], 65504);
  assert.equal(found[0x0001], 2 ** -24);
  assert.equal(found[0x3555], 0.333251953125);
});

/** From the digits of the standard: (-1)^sign 2^(e - 15) 1.fraction, or 2^-14 0.fraction. */
function textbook(bits: number): number {
  const digits = bits.toString(2).padStart(16, "0");
  const exponent = parseInt(digits.slice(1, 6), 2);
  const fraction = parseInt(digits.slice(6), 2) / 1024;
  const sign = digits[0] === "1" ? -1 : 1;
  if (exponent === 31) return fraction > 0 ? NaN : sign * Infinity;
  return sign * (exponent > 0 ? Math.pow(2, exponent - 15) * (1 + fraction) : Math.pow(2, -14) * fraction);
}

test("floats of 32 bits come back exactly, from bytes at any offset", () => {
  const values = Float32Array.of(0, -0, 1 / 3, -1e30, Infinity, 1e-45);
  const shifted = new Uint8Array(values.byteLength + 3);
  shifted.set(new Uint8Array(values.buffer), 3);
  assert.deepEqual(floats(shifted.subarray(3), 32), values);
  assert.throws(() => floats(new Uint8Array(5), 32), RangeError);
});

test("base64 and zlib come off", async () => {
  for (const size of [0, 1, 1000, 300_000]) {
    const random = seeded(size);
    const bytes = Uint8Array.from({ length: size }, () => 256 * random());
    assert.deepEqual(await inflate(deflateSync(bytes).toString("base64")), bytes);
  }
  await assert.rejects(inflate("AAAA"));
  await assert.rejects(inflate(deflateSync(new Uint8Array(1000)).subarray(0, 9).toString("base64")));
});
