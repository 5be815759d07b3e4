/** The filters: blocks reassemble the whole, patterns mean what they say, a bad one keeps everything. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { payload, seeded, tokens, transformInput } from "./made";
import { kept } from "../src/attention/filter";
import { transform } from "../src/attention/transform";
import type { State } from "../src/contract";
import { keysOf, wordClassesOf } from "../src/payload/lookup";
import type { Text } from "../src/payload/payload";
import { defaults } from "../src/state/state";

const [PAIR, CROSS] = payload().texts;

function filtered(change: Partial<State>, text: Text = PAIR) {
  return kept(text, { ...defaults(payload()), ...change });
}

function positions(change: Partial<State>, text: Text = PAIR): [number[], number[]] {
  const { queries, keys } = filtered(change, text);
  const set = (list: Uint8Array) => [...list.keys()].filter((i) => list[i]);
  return [set(queries), set(keys)];
}

test("without filters everything is kept", () => {
  for (const text of [PAIR, CROSS]) {
    const { queries, keys, error } = filtered({}, text);
    assert.ok(queries.every((x) => x === 1) && keys.every((x) => x === 1));
    assert.equal(queries.length, text.queries.text.length);
    assert.equal(keys.length, keysOf(text).text.length);
    assert.equal(error, null);
  }
});

test("A to A, A to B, B to A and B to B reassemble the whole, each cell once", () => {
  const input = transformInput(seeded(1), 8, 8, { sees: () => true });
  const whole = new Float32Array(64);
  for (const block of ["AA", "AB", "BA", "BB"] as const) {
    const { weights } = transform({ ...input, keep: filtered({ block }) });
    weights.forEach((w, i) => {
      assert.ok(w === 0 || whole[i] === 0);
      whole[i] += w;
    });
  }
  assert.deepEqual(whole, input.weights);
});

test("A to B asks queries of A about keys of B", () => {
  assert.deepEqual(positions({ block: "AB" }), [[0, 1, 2, 3], [4, 5, 6, 7]]);
  assert.deepEqual(positions({ block: "AB" }, CROSS), [[0, 1], [0, 1, 2]], "not a pair of sentences: all");
  assert.deepEqual(positions({ block: "AB" }, { ...CROSS, split: 1 }), [[0, 1], [0, 1, 2]], "nor this one");
});

test("a space finds what is shown as a dot", () => {
  const text: Text = { ...PAIR, queries: tokens(["the", "·cat", "cat", "·"]), keys: null, split: null };
  assert.deepEqual(positions({ text: " cat" }, text)[0], [1]);
  assert.deepEqual(positions({ text: "·cat" }, text)[0], [1]);
  assert.deepEqual(positions({ text: "/^ /" }, text)[0], [1, 3]);
});

test("text is a part of the token in any case, or a pattern", () => {
  assert.deepEqual(positions({ text: "the" }), [[0, 4], [0, 4]]);
  assert.deepEqual(positions({ text: "A" }), [[1, 2, 6], [1, 2, 6]]);
  assert.deepEqual(positions({ text: "/^t/i", on: "query" })[0], [0, 4]);
  assert.deepEqual(positions({ text: "/^t/", on: "query" })[0], []);
  assert.deepEqual(positions({ text: "/a/g" })[0], [1, 2, 6], "g does not skip every other token");
  assert.deepEqual(positions({ text: "." })[0], [3, 7], "a dot is a dot");
  assert.deepEqual(positions({ text: "/" })[0], [], "a lone slash is text");
});

test("filters ask the tokens that `on` names, and leave the others alone", () => {
  assert.deepEqual(positions({ word_class: "noun", on: "query" }), [[1, 5], [0, 1, 2, 3, 4, 5, 6, 7]]);
  assert.deepEqual(positions({ word_class: "noun", on: "key" }), [[0, 1, 2, 3, 4, 5, 6, 7], [1, 5]]);
  assert.deepEqual(positions({ text: "a", on: "key" }), [[0, 1, 2, 3, 4, 5, 6, 7], [1, 2, 6]]);
  assert.deepEqual(positions({ word_class: "noun", text: "cat" }), [[1], [1]], "and");
  assert.deepEqual(positions({ word_class: "noun" }, CROSS), [[0, 1], [0, 1, 2]], "a text without word classes");
});

test("both ends of a range belong to it", () => {
  assert.deepEqual(positions({ from: 2, to: 4 }), [[2, 3, 4], [2, 3, 4]]);
  assert.deepEqual(positions({ from: 6 })[0], [6, 7]);
  assert.deepEqual(positions({ from: 1, block: "AB" }), [[1, 2, 3], [4, 5, 6, 7]]);
});

test("a pattern that cannot be read keeps all and says so", () => {
  for (const text of ["/(/", "/[z-a]/", "/a/qq", "/a/ii"]) {
    const { queries, keys, error } = filtered({ text });
    assert.ok(queries.every(Boolean) && keys.every(Boolean));
    assert.match(error!, /^This pattern cannot be read: .+\.$/);
  }
});

test("a piece of a character is found by the whole of it", () => {
  const queries = { ...tokens(["E5 B0", "8F", "沈"]), joined: ["小", "小", null] };
  const text: Text = { queries, keys: null, split: null };
  assert.deepEqual(positions({ text: "小" }, text)[0], [0, 1]);
  assert.deepEqual(positions({ text: "b0" }, text)[0], [0]);
});

test("the menu of word classes lists each once", () => {
  assert.deepEqual(wordClassesOf(PAIR), ["det", "noun", "punct", "verb"]);
  assert.deepEqual(wordClassesOf(CROSS), []);
});
