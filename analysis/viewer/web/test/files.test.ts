/** What leaves the page: names no shell can misread, tables no spreadsheet runs. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { csv, fileName } from "../src/export/files";

test("a file's name is letters, digits, points and hyphens, whatever its model is called", () => {
  for (const name of [
    "</script><img onerror=x>",
    "../../etc/passwd",
    "a\u202eb\0c",
    "x".repeat(500),
    "$(rm -rf ~)",
    "é · ü",
  ]) {
    assert.match(fileName(name, "svg"), /^[A-Za-z0-9][A-Za-z0-9.-]{0,79}\.svg$/);
  }
  assert.equal(fileName("map A · layer 3", "png"), "map-A-layer-3.png");
  assert.equal(fileName("∅", "csv"), "jattn.csv");
});

test("a table quotes what would break it and keeps formulas text", () => {
  assert.equal(
    csv([
      ["token", "weight"],
      ['a,"b"\n', 0.5],
    ]),
    'token,weight\r\n"a,""b""\n",0.5\r\n',
  );
  assert.equal(csv([["=1+1", "@x", "-", -1, NaN]]), "'=1+1,'@x,'-,-1,\r\n");
});
