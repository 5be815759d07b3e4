/** What is remembered stays within its limit; what is asked for is made once, the urgent at once. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { cache, recent } from "../src/payload/cache";

test("the longest unused is forgotten first, and the newest never", () => {
  const values = recent<string>((value) => value.length, 6);
  const put = (key: string, value: string) => assert.equal(values(key, () => value), value);
  const known = (...keys: string[]) => keys.map((key) => values(key));
  put("a", "xx");
  put("b", "xx");
  values("a");
  put("c", "xxxx");
  assert.deepEqual(known("a", "b", "c"), ["xx", undefined, "xxxx"]);
  put("d", "x".repeat(9));
  assert.deepEqual(known("a", "c", "d"), [undefined, undefined, "x".repeat(9)]);
  assert.equal(values("d", () => assert.fail("it is remembered")), "x".repeat(9));
  assert.equal(values("e", () => undefined), undefined);
});

test("three are made side by side, the urgent at once, each once, and what is cleared is not made", async () => {
  const made: string[] = [];
  const gates: (() => void)[] = [];
  const store = cache<string>(
    () => 1,
    100,
    () => {},
  );
  const ask = (key: string, urgent: boolean) => {
    const make = () => new Promise<string>((resolve) => (made.push(key), gates.push(() => resolve(key))));
    return store.get(key, make, urgent);
  };
  for (const key of ["1", "2", "3", "waits", "waits", "cleared"]) assert.equal(ask(key, false), undefined);
  assert.deepEqual(made, ["1", "2", "3"]); // so many side by side
  ask("urgent", true);
  assert.deepEqual(made.slice(3), ["urgent"]);
  gates[0]();
  await settled();
  assert.deepEqual(made.slice(4), [], "the urgent one stands in its place");
  gates[1]();
  await settled();
  assert.deepEqual(made.slice(4), ["waits"]);
  store.clear();
  for (const open of gates) open();
  await settled();
  assert.deepEqual(made.slice(5), []);
  assert.equal(ask("1", false), "1");
});

function settled(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve));
}
