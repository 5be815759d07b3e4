/** The model view: heads in order, filtered, each in its place, and every key leads to what is seen there. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { layer, payload, side } from "./made";
import type { State } from "../src/contract";
import { hit, layout, type Layout, step } from "../src/grid/layout";
import { figure, listed, short, type Value } from "../src/heads/heads";
import { statistic } from "../src/payload/lookup";
import type { HeadAt, Payload } from "../src/payload/payload";
import { defaults } from "../src/state/state";

const ROOM = { width: 300, unit: 1, strip: true };

function valueOf(made: Payload): Value {
  return (at, key) => statistic(made, at, key);
}

/** Layers of 3, 1 and 2 heads; `values` are those of the first statistic, in order. */
function ragged(values: (number | null)[]): Payload {
  const rest = [...values];
  const layers = [["sink", "self", "sink"], ["self"], ["sink", "local"]].map((patterns, number) => layer(patterns, { number }));
  for (const { heads } of layers) for (const head of heads) head.stats = [rest.shift() ?? null, null];
  return payload({ sides: [side(0, layers)] });
}

const VALUES = [0.1, null, 0.9, 0.5, 0.1, 0.7];

function state(given: Partial<State> = {}): State {
  return { ...defaults(payload()), ...given };
}

function placed(made: Payload, given: State, width = ROOM.width): Layout {
  return layout(made, given, 0, { ...ROOM, width, value: valueOf(made) });
}

function names(given: Partial<State>): string[][] {
  const made = ragged(VALUES);
  return listed(made, state(given), 0, valueOf(made)).map((row) => row.map(({ at }) => short(made, at)));
}

test("heads stand by number, or by a statistic within or across layers, without a value last", () => {
  assert.deepEqual(names({}), [["0.0", "0.1", "0.2"], ["1.0"], ["2.0", "2.1"]]);
  assert.deepEqual(names({ sort: "null_mass" }), [["0.2", "0.0", "0.1"], ["1.0"], ["2.1", "2.0"]]);
  assert.deepEqual(names({ sort: "null_mass", across: true }), [["0.2", "2.1", "1.0", "0.0", "2.0", "0.1"]]);
});

test("filters of heads ask for a class and for a least value, which a missing value never has", () => {
  const made = ragged(VALUES);
  const kept = (given: Partial<State>) =>
    listed(made, state(given), 0, valueOf(made)).flat().filter((entry) => entry.kept).length;
  assert.equal(kept({}), 6);
  assert.equal(kept({ pattern_class: "sink" }), 3);
  assert.equal(kept({ by: "null_mass", above: -1 }), 5);
  assert.equal(kept({ by: "null_mass", above: 0.5, pattern_class: "sink" }), 1);
  assert.equal(kept({ by: "null_mass", above: null }), 6);
});

test("numbers have a true minus, no negative nothing, and a plus only where they differ", () => {
  assert.equal(figure(-0.254, "share"), "−0.25");
  assert.equal(figure(-0.001, "share"), "0.00");
  assert.equal(figure(12.34, "tokens"), "12.3");
  assert.equal(figure(null, "share"), "–");
  assert.deepEqual([0.004, 0.25, -0.25].map((value) => figure(value, "share", true)), ["0.00", "+0.25", "−0.25"]);
});

test("no two thumbnails overlap, all lie inside, and the middle of each is that head", () => {
  for (const given of [{}, { sort: "null_mass" }, { sort: "null_mass", across: true }] as Partial<State>[]) {
    const grid = placed(ragged(VALUES), state(given));
    const { width, height } = grid.box;
    for (const slot of grid.slots) {
      assert.equal(hit(grid, slot.x + width / 2, slot.y + height / 2), slot);
      assert.ok(slot.x >= 0 && slot.x + width <= grid.width && slot.y >= 0 && slot.y + height <= grid.height);
      for (const other of grid.slots) {
        const apart = Math.abs(slot.x - other.x) >= width || Math.abs(slot.y - other.y) >= height;
        assert.ok(slot === other || apart);
      }
    }
    assert.ok(grid.width <= ROOM.width);
  }
});

test("thumbnails are 18 to 72 wide, whatever the room", () => {
  for (const width of [10, 90, 200, 2000]) {
    const { box } = placed(ragged(VALUES), state(), width);
    assert.ok(box.width >= 18 && box.width <= 72);
  }
});

test("keys lead by what is seen", () => {
  const made = ragged(VALUES);
  const walk = (grid: Layout, from: [number, number], key: string) => {
    const at: HeadAt = { side: 0, layer: from[0], head: from[1] };
    const found = step(grid, at, key);
    return found && short(made, found.at);
  };
  const rows = placed(made, state());
  assert.equal(walk(rows, [0, 2], "ArrowRight"), "0.2");
  assert.equal(walk(rows, [0, 2], "ArrowDown"), "1.0");
  assert.equal(walk(rows, [0, 1], "End"), "0.2");
  assert.equal(walk(rows, [0, 1], "n"), null);

  const sorted = placed(made, state({ sort: "null_mass", across: true })); // 0.2 2.1 1.0 0.0 / 2.0 0.1
  assert.equal(walk(sorted, [0, 2], "ArrowRight"), "2.1");
  assert.equal(walk(sorted, [0, 2], "ArrowLeft"), "0.2");
  assert.equal(walk(sorted, [0, 2], "End"), "0.1");
});
