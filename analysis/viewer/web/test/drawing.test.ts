/** What the head view and the map draw of a row: which lines, how strong, with how many digits, and which part. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { payload, seeded, transformInput } from "./made";
import { subtract, transform } from "../src/attention/transform";
import { ticks, tone } from "../src/drawing/tone";
import { digits } from "../src/heads/facts";
import { pick } from "../src/lines/pick";
import { following, scaled } from "../src/map/zoom";
import { defaults } from "../src/state/state";

const STATE = { ...defaults(payload()), top: 0.9, least: 0 };

test("the lines of a query hold the share top of its real weights, and no smaller set of them does", () => {
  const shown = transform(transformInput(seeded(1), 20, 20));
  for (const top of [0.3, 0.9, 1]) {
    const [lines] = pick([shown], [0, 19], null, { ...STATE, top });
    for (let t = 0; t < 20; t++) {
      const total = shown.weights.subarray(t * 20, (t + 1) * 20).reduce((sum, w) => sum + w, 0);
      const own = lines.filter((line) => line.t === t && line.s >= 0).map((line) => line.w);
      const held = own.reduce((sum, w) => sum + w, 0);
      assert.ok(held >= top * total - 1e-4);
      assert.ok(top === 1 || held - Math.min(...own) < top * total + 1e-6);
    }
  }
});

test("lines come weakest first, none below the least weight, the null's among them", () => {
  const shown = transform(transformInput(seeded(2), 16, 16));
  const [lines, found] = pick([shown], [0, 15], null, { ...STATE, top: 1, least: 0.05 });
  assert.equal(lines.length, found);
  assert.ok(lines.every(({ w }, i) => w >= 0.05 && (i === 0 || w >= lines[i - 1].w)));
  assert.ok(lines.some(({ s }) => s === -1));
});

test("at most 4,000 lines are drawn, the strongest", () => {
  const shown = transform(transformInput(seeded(3), 120, 120));
  const [lines, found] = pick([shown], [0, 119], null, { ...STATE, top: 1 });
  assert.equal(lines.length, 4000);
  assert.ok(found > 4000);
});

test("in focus, a query and a key have their own lines, the cell of both once", () => {
  const shown = transform(transformInput(seeded(4), 12, 12));
  const [lines] = pick([shown], [0, 11], { query: 8, key: 2 }, { ...STATE, top: 1 });
  assert.ok(lines.every(({ t, s }) => t === 8 || s === 2));
  assert.equal(lines.filter(({ t, s }) => t === 8 && s === 2).length, 1);
});

test("the lines of A - B are those of B - A with the other sign", () => {
  const [a, b] = [5, 6].map((seed) => transform(transformInput(seeded(seed), 14, 14)));
  const name = ({ t, s, w }: { t: number; s: number; w: number }) => `${t} ${s} ${w}`;
  const [one] = pick([subtract(a, b)], [0, 13], null, STATE);
  const [other] = pick([subtract(b, a)], [0, 13], null, STATE);
  assert.deepEqual(one.map(name).sort(), other.map((line) => name({ ...line, w: -line.w })).sort());
});

test("tones rise from 0 to 1 within the range, odd in the sign, on every scale", () => {
  for (const scale of ["sqrt", "linear", "log"] as const) {
    const rise = tone({ scale }, 0.5);
    assert.equal(rise(0), 0);
    assert.equal(rise(0.5), 1);
    assert.equal(rise(0.9), 1);
    for (let w = 0.01; w < 0.5; w += 0.01) {
      assert.ok(rise(w) > rise(w - 0.01));
      assert.equal(rise(-w), -rise(w));
    }
    assert.ok(ticks({ scale }, 0.5).every((mark) => mark >= 0 && mark <= 0.5));
  }
});

test("a number has only the digits that its error leaves certain", () => {
  assert.equal(digits(0.41872, 1 / 255), "0.42");
  assert.equal(digits(0.41872, 1 / 131070), "0.4187");
  assert.equal(digits(0.41872, 0.03), "0.4");
  assert.equal(digits(-0.25, 0.004, true), "−0.25");
  assert.equal(digits(0.25, 0.004, true), "+0.25");
  assert.equal(digits(-0.0001, 0.004, true), "0.00");
});

test("zooming stays inside the map, keeps its cell, and ends where everything is in sight", () => {
  const sizes = { query: 40, key: 9 };
  const cell = { query: 39, key: -1 };
  let zoom = scaled(null, 0.5, sizes, cell)!;
  for (let i = 0; i < 8; i++) zoom = scaled(zoom, 0.5, sizes, cell)!;
  assert.deepEqual(zoom, { query: [36, 40], key: [0, 4] });
  assert.deepEqual(following(zoom, sizes, { query: 10, key: 8 }), { query: [10, 14], key: [5, 9] });
  assert.deepEqual(following(zoom, sizes, { query: 37, key: null }), zoom);
  let out: typeof zoom | null = zoom;
  for (let i = 0; i < 8 && out; i++) out = scaled(out, 2, sizes, cell);
  assert.equal(out, null);
});
