/** Things to test with, from a seed: numbers, attention, tokens, a payload as odd as the contract allows. */

import type { TransformInput } from "../src/attention/transform";
import type { State } from "../src/contract";
import type { Head, Layer, Neuron, Payload, Side, Text, Tokens } from "../src/payload/payload";

export type Random = () => number;

/** Even numbers in [0, 1) (mulberry32). */
export function seeded(seed: number): Random {
  let a = seed;
  return () => {
    a = (a + 0x6d2b79f5) | 0;
    let x = Math.imul(a ^ (a >>> 15), 1 | a);
    x = (x + Math.imul(x ^ (x >>> 7), 61 | x)) ^ x;
    return ((x ^ (x >>> 14)) >>> 0) / 2 ** 32;
  };
}

export function whole(random: Random, below: number): number {
  return Math.floor(random() * below);
}

export function pick<X>(random: Random, list: readonly X[]): X {
  return list[whole(random, list.length)];
}

export function normal(random: Random): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

export function normals(random: Random, size: number): Float32Array {
  return Float32Array.from({ length: size }, () => normal(random));
}

/** Softmax rows over the keys that a query may see, and the mass of a null with a score of its own. */
export function attention(random: Random, T: number, S: number, causal: boolean, sharpness = 3, null_score = 2) {
  const weights = new Float32Array(T * S);
  const mass = new Float32Array(T);
  for (let t = 0; t < T; t++) {
    const count = causal ? Math.min(t + 1, S) : S;
    const parts = Array.from({ length: count }, () => Math.exp(sharpness * normal(random)));
    const nothing = Math.exp(null_score * (1 + normal(random)));
    const total = parts.reduce((a, b) => a + b, nothing);
    parts.forEach((part, s) => (weights[t * S + s] = part / total));
    mass[t] = nothing / total;
  }
  return { weights, mass };
}

export function ones(size: number): Uint8Array {
  return new Uint8Array(size).fill(1);
}

/** What changes nothing, of attention with a null; what is given takes the place of what is here. */
export function transformInput(random: Random, T: number, S: number, given: Partial<TransformInput> = {}): TransformInput {
  return {
    T,
    S,
    ...attention(random, T, S, T === S),
    sinkKey: null,
    nulls: "show",
    keep: { queries: ones(T), keys: ones(S) },
    filtered: "hide",
    sees: (t, s) => T !== S || s <= t,
    error: 1 / 255,
    ...given,
  };
}

export function rowSum(values: Float32Array, t: number, S: number): number {
  return values.subarray(t * S, (t + 1) * S).reduce((a, b) => a + b, 0);
}

export function near(x: number, y: number, by: number): boolean {
  return Math.abs(x - y) <= by;
}

export function tokens(words: string[], word_class: string[] | null = null): Tokens {
  return { text: words, joined: words.map(() => null), word_class };
}

const PAIR: Text = {
  queries: tokens(
    ["The", "·cat", "·sat", ".", "The", "·rug", "·lay", "."],
    ["det", "noun", "verb", "punct", "det", "noun", "verb", "punct"],
  ),
  keys: null,
  split: 4,
};
const CROSS: Text = { queries: tokens(["le", "chat"]), keys: tokens(["the", "cat", "sat"]), split: null };

function heads(patterns: string[]): Head[] {
  return patterns.map((pattern_class, number) => ({ number, pattern_class, stats: [0.5, null], map: null, neuron: null }));
}

export function layer(patterns: string[], given: Partial<Layer> = {}): Layer {
  const coding = { bits: 8, shape: "triangle" } as const;
  return { number: 0, has_null: false, softmax: true, window: null, first: 0, coding, heads: heads(patterns), ...given };
}

export function neuron(given: Partial<Neuron> = {}): Neuron {
  const blobs = { q: [0, 0], k: [0, 0], s_null: null } satisfies Partial<Neuron>;
  return { size: 4, bits: 32, ...blobs, scale: 0.5, cap: null, slope: null, bias: 0, normaliser: "softmax", falling: [], ...given };
}

export function side(text: number, layers: Layer[], given: Partial<Side> = {}): Side {
  return {
    name: "model",
    run: "run",
    step: null,
    text,
    causal: true,
    layers,
    thumbs: [0, 0],
    thumbs_without: [0, 0],
    thumb: [1, 1],
    null_mass: null,
    match: null,
    ...given,
  };
}

/** Four sides: plain, with a null, ragged with an empty layer, and an encoder-decoder's. */
export function payload(given: Partial<Payload> = {}): Payload {
  const plain = side(0, [layer(["sink", "unclassified"]), layer(["sink", "previous token", "self"])]);
  const nulled = side(0, [layer(["sink", "local"], { has_null: true }), layer(["self", "self", "self"])], {
    match: [[[0, 1], [0, 0]], [[1, 2], [1, 1], [1, 0]]],
  });
  const ragged = side(0, [layer([]), layer(["unclassified"])]);
  const cross = side(1, [layer(["next token"])], { causal: false });
  return {
    version: 1,
    title: "test",
    texts: [PAIR, CROSS],
    statistics: ["null_mass", "previous"].map((key) => {
      return { key, name: key, unit: "share", about: "", without_null: false, pattern_class: null };
    }),
    classes: ["sink", "previous token", "next token", "self", "local", "unclassified"], class_terms: [],
    sides: [plain, ragged, nulled, cross],
    notes: [],
    command: "jattn view --neurons {heads}",
    provenance: [],
    ...given,
  };
}

/** Every field of a state, with values that are valid in `payload()`, none of them the default. */
export const OTHERS: { [Name in keyof State]: State[Name][] } = {
  view: ["map", "neuron", "scores"],
  mode: ["a", "b", "difference"],
  a: [1, 2],
  b: [0, 1, 3],
  layer: [0],
  head: [0],
  more: [[[0, 1]], [[0, 0], [1, 2]]],
  match: ["best"],
  nulls: ["hide", "renormalise"],
  sink: [0, 7],
  query: [0, 7],
  key: [-1, 0, 7],
  text: ["the", "/^·c.t$/i", " &=#%+_", "小沈阳", "\u2028</script>", "😀"],
  word_class: ["noun", "punct"],
  on: ["query", "key"],
  block: ["AA", "AB", "BA", "BB"],
  from: [1, 7],
  to: [0, 7],
  filtered: ["renormalise"],
  least: [0.01, 1 / 3, 1],
  top: [1, 0.1 + 0.2, 1e-7],
  sort: ["null_mass", "previous"],
  across: [true],
  pattern_class: ["sink", "previous token"],
  by: ["null_mass", "previous"],
  above: [0, -0.25, 1e-9, 12],
  pool: ["mean"],
  scale: ["linear", "log"],
  range: ["head"],
  transposed: [true],
  horizontal: [true],
  stage: ["product", "scaled", "masked"],
  unmasked: [true],
  theme: ["light", "dark"],
};
