/** The rooms of the page's program: every import leads down this list or stays in its room, and no files form a circle. */

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { posix } from "node:path";
import { test } from "node:test";

const ROOMS = [
  ["payload"],
  ["contract.ts"],
  ["attention", "drawing"],
  ["heads"],
  ["state", "controls"],
  ["export", "grid", "lines", "map", "neuron"],
  ["scores"],
  ["main.ts"],
];
const FILES = readdirSync("src", { recursive: true, encoding: "utf8" })
  .map((name) => name.replaceAll("\\", "/"))
  .filter((name) => name.endsWith(".ts"));

function imports(file: string): string[] {
  const found = readFileSync(`src/${file}`, "utf8").matchAll(/\bfrom "(\.[^"]+)"|\bimport\(?"(\.[^"]+)"/g);
  return [...found].map(([, name, other]) => `${posix.join(posix.dirname(file), name ?? other)}.ts`);
}

function floor(file: string): number {
  return ROOMS.findIndex((rooms) => rooms.includes(file.split("/")[0]));
}

test("every file has a room, and every import is a file", () => {
  for (const file of FILES) {
    assert.ok(floor(file) >= 0, `${file} is in no room of the list`);
    for (const other of imports(file)) assert.ok(FILES.includes(other), `${file} imports ${other}`);
  }
});

test("no import leads up, or across to another room of its floor", () => {
  const room = (file: string) => file.split("/")[0];
  for (const file of FILES) {
    for (const other of imports(file)) {
      assert.ok(room(other) === room(file) || floor(other) < floor(file), `${file} imports ${other}`);
    }
  }
});

test("no files import each other in a circle", () => {
  const done = new Set<string>();
  const walk = (file: string, path: string[]) => {
    assert.ok(!path.includes(file), [...path, file].join(" -> "));
    if (done.has(file)) return;
    for (const other of imports(file)) walk(other, [...path, file]);
    done.add(file);
  };
  for (const file of FILES) walk(file, []);
});
