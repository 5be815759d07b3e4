/** Which heads stand beside each other: by place, or by likeness, and the way back leads to where it began. */

import assert from "node:assert/strict";
import { test } from "node:test";

import type { Payload, Side } from "../src/payload/payload";
import { pairing } from "../src/state/pairing";

const sides = [
  side([2, 2], null),
  side(
    [2, 2],
    [
      [
        [0, 1],
        [0, 0],
      ],
      [
        [1, 0],
        [1, 1],
      ],
    ],
  ),
  side(
    [2, 2],
    [
      [
        [0, 0],
        [0, 1],
      ],
      [
        [1, 1],
        [1, 0],
      ],
    ],
  ),
  side([1], null),
];
const pages = { sides } as Payload;

function side(heads: number[], match: [number, number][][] | null): Side {
  return { match, layers: heads.map((count) => ({ heads: Array.from({ length: count }, () => ({})) })) } as Side;
}

test("by index a head stands beside the one in its place, if there is one", () => {
  assert.deepEqual(pairing(pages, "index", { side: 0, layer: 1, head: 1 }, 1), { side: 1, layer: 1, head: 1 });
  assert.equal(pairing(pages, "index", { side: 0, layer: 0, head: 1 }, 3), null);
  assert.equal(pairing(pages, "index", { side: 0, layer: 1, head: 0 }, 3), null);
});

test("by likeness the way there and back leads to the same head, also between two that are not the reference", () => {
  for (const from of [0, 1, 2]) {
    for (const to of [0, 1, 2]) {
      for (const [layer, head] of [
        [0, 0],
        [0, 1],
        [1, 0],
        [1, 1],
      ]) {
        const at = { side: from, layer, head };
        assert.deepEqual(pairing(pages, "best", pairing(pages, "best", at, to)!, from), at);
      }
    }
  }
  assert.deepEqual(pairing(pages, "best", { side: 0, layer: 0, head: 0 }, 1), { side: 1, layer: 0, head: 1 });
  assert.deepEqual(pairing(pages, "best", { side: 1, layer: 0, head: 0 }, 2), { side: 2, layer: 0, head: 1 });
});

test("a side that was not matched is compared by index", () => {
  assert.deepEqual(pairing(pages, "best", { side: 0, layer: 0, head: 0 }, 3), { side: 3, layer: 0, head: 0 });
  assert.equal(pairing(pages, "best", { side: 0, layer: 0, head: 1 }, 3), null);
});
