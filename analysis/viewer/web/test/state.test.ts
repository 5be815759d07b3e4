/** The link: every state comes back from its fragment, and no fragment makes a state that the page cannot draw. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { layer, OTHERS, payload, pick, type Random, seeded, side, whole } from "./made";
import type { State } from "../src/contract";
import { check, defaults, fromFragment, toFragment } from "../src/state/state";

const PAGE = payload();
const NAMES = Object.keys(OTHERS) as (keyof State)[];

test("the default compares the first side with the first that has a null, on a head with a pattern", () => {
  const first = defaults(PAGE);
  assert.deepEqual([first.a, first.b, first.mode, first.layer, first.head, first.view], [0, 2, "side", 1, 1, "lines"]);
  const alone = defaults(payload({ sides: PAGE.sides.slice(0, 1) }));
  assert.deepEqual([alone.a, alone.b, alone.mode], [0, 0, "a"]);
  const unlike = defaults(payload({ sides: [PAGE.sides[0], PAGE.sides[3]] }));
  assert.deepEqual([unlike.b, unlike.mode], [1, "side"]);
  const bare = defaults(payload({ sides: [side(0, [layer([]), layer(["sink"])])] }));
  assert.deepEqual([bare.layer, bare.head], [1, 0]);
});

test("the default is valid and its fragment empty", () => {
  for (const sides of [PAGE.sides, PAGE.sides.slice(0, 1), PAGE.sides.slice(1, 2), PAGE.sides.slice(3)]) {
    const page = payload({ sides });
    assert.deepEqual(check(defaults(page), page), defaults(page));
    assert.equal(toFragment(defaults(page), page), "");
    assert.deepEqual(fromFragment("", page), defaults(page));
  }
});

test("fragments are short and readable", () => {
  const state: State = { ...defaults(PAGE), view: "map", layer: 0, head: 1, b: 1, nulls: "hide", across: true };
  assert.equal(toFragment(state, PAGE), "#b=1&head=0.1&across=1&view=map&nulls=hide");
});

test("state to fragment to state is the identity for every field", () => {
  for (const name of NAMES) {
    for (const value of OTHERS[name]) {
      const state = check({ ...defaults(PAGE), [name]: value }, PAGE);
      assert.deepEqual(state[name], value, `${name}: ${String(value)} is valid`);
      assert.notDeepEqual(value, defaults(PAGE)[name], `${name}: ${String(value)} is not the default`);
      const words = toFragment(state, PAGE);
      assert.match(words, /^#[\x21-\x7e]+$/);
      assert.deepEqual(fromFragment(words, PAGE), state);
      assert.deepEqual(fromFragment(words.slice(1), PAGE), state);
    }
  }
});

test("the identity holds for any fields together, and checking twice changes nothing", () => {
  const random = seeded(1);
  for (let trial = 0; trial < 3000; trial++) {
    const state = check(anyState(random), PAGE);
    assert.deepEqual(check(state, PAGE), state);
    assert.deepEqual(fromFragment(toFragment(state, PAGE), PAGE), state);
  }
});

function anyState(random: Random): State {
  const out: Record<string, unknown> = { ...defaults(PAGE) };
  for (const name of NAMES) if (random() < 0.3) out[name] = pick<unknown>(random, OTHERS[name]);
  return out as unknown as State;
}

test("garbage never throws and always gives a valid state", () => {
  const random = seeded(2);
  const pages = [PAGE, payload({ sides: PAGE.sides.slice(1, 2) }), payload({ sides: PAGE.sides.slice(3) })];
  for (let trial = 0; trial < 6000; trial++) {
    const words = garbage(random);
    for (const page of pages) {
      const state = fromFragment(words, page);
      assertValid(state, page, words);
      assert.deepEqual(check(state, page), state, words);
      assert.deepEqual(fromFragment(toFragment(state, page), page), state, words);
    }
  }
});

const PIECES = [
  ...NAMES,
  ..."= & # . _ , - + % %00 %zz %F0 %ED%A0%80 0 1 2 99999999999 -1 1e999 NaN".split(" "),
  ..."Infinity null true 0.5 3.5 1.1 0x1 \ud800 \u2028 __proto__ constructor toString".split(" "),
  ..."map side difference best show renormalise AA BB noun /(/ <script> 1. .1 1.1_0.0".split(" "),
  " ",
  "\0",
];

function garbage(random: Random): string {
  const unit = () => String.fromCharCode(whole(random, 65536));
  if (random() < 0.2) return Array.from({ length: whole(random, 30) }, unit).join("");
  const field = () => `${pick(random, NAMES)}=${pieces(random, 1 + whole(random, 2))}`;
  if (random() < 0.7) return `#${Array.from({ length: whole(random, 8) }, field).join("&")}`;
  return pieces(random, whole(random, 20));
}

function pieces(random: Random, count: number): string {
  return Array.from({ length: count }, () => pick(random, PIECES)).join("");
}

/** What the rest of the page relies on, written out. */
function assertValid(state: State, page: typeof PAGE, words: string): void {
  assert.deepEqual(Object.keys(state).sort(), [...NAMES].sort());
  for (const name of NAMES) {
    const value = state[name];
    const type = typeof defaults(page)[name];
    if (type !== "object" || value === null) assert.equal(typeof value, type, `${name} in ${words}`);
    if (typeof value === "number") assert.ok(Number.isFinite(value), `${name} in ${words}`);
  }
  const { sides, texts } = page;
  const drawn = sides[state.mode === "b" ? state.b : state.a];
  for (const [at, head] of [[state.layer, state.head], ...state.more]) assert.ok(drawn.layers[at].heads[head], words);
  assert.ok(sides[state.a] && sides[state.b]);
  assert.ok(state.to === null || state.to >= state.from);
  assert.ok(state.top > 0 && state.top <= 1 && state.least >= 0 && state.least <= 1);
  const longest = Math.max(...texts.map((text) => Math.max(text.queries.text.length, text.keys?.text.length ?? 0)));
  for (const at of [state.sink, state.query, state.from, state.to]) assert.ok(at === null || (at >= 0 && at < longest));
  assert.ok(state.key === null || (state.key >= -1 && state.key < longest));
  assert.doesNotThrow(() => encodeURIComponent(state.text));
}

test("a value of the wrong side falls back to one that this side has", () => {
  const state = check({ ...defaults(PAGE), a: 3, layer: 1, head: 2, more: [[0, 0], [1, 1]] }, PAGE);
  assert.deepEqual([state.layer, state.head, state.more], [0, 0, []]);
});

test("in mode b the head is one of side B", () => {
  const state = fromFragment("#mode=b&a=3&b=2&head=1.2", PAGE);
  assert.deepEqual([state.layer, state.head], [1, 2]);
  assert.deepEqual(fromFragment("#mode=b&a=2&b=3&head=1.2", PAGE).layer, 0);
});

test("a range that ends before it begins is kept, and an empty value is no number", () => {
  assert.deepEqual(fromFragment("#from=5&to=3", PAGE).to, 3);
  assert.deepEqual(fromFragment("#from=3&to=3", PAGE).to, 3);
  assert.deepEqual(fromFragment("#sink=&query=%20&least=", PAGE), defaults(PAGE));
});

test("a filter of half characters or of any length is made fit for a link", () => {
  assert.equal(check({ ...defaults(PAGE), text: "a\ud800b" }, PAGE).text, "a\ufffdb");
  assert.equal(check({ ...defaults(PAGE), text: "x".repeat(999) }, PAGE).text.length, 200);
  const cut = check({ ...defaults(PAGE), text: `${"x".repeat(199)}😀` }, PAGE);
  assert.deepEqual(fromFragment(toFragment(cut, PAGE), PAGE), cut);
});

test("one side cannot be compared, and best match needs a match", () => {
  const page = payload({ sides: PAGE.sides.slice(0, 1) });
  for (const mode of ["b", "side", "difference"]) assert.equal(fromFragment(`#mode=${mode}`, page).mode, "a");
  assert.equal(fromFragment("#match=best", page).match, "index");
  assert.equal(fromFragment("#match=best", PAGE).match, "best");
});

test("the further heads hold none twice, and not the selected one", () => {
  assert.deepEqual(fromFragment("#head=0.0&more=0.1_0.0_0.1_9.9_x", PAGE).more, [[0, 1]]);
});
