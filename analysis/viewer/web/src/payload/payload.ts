/** What the page is given: one JSON block (`#payload`) and, per side, one text block of base64 (`#blobs-0`, ...).
 *
 * Axes as in Python: T queries, S keys, H head size. Layers and heads are counted from 0. A head is named by where it
 * stands in its layer's list; `number` is its own (they differ where heads were left out, and layers may be ragged).
 * Numbers are Python's float32; only pixels and hover values come from the packed maps.
 */

export interface Payload {
  version: 1;
  title: string;
  texts: Text[];
  statistics: Statistic[]; // columns of Head.stats, in order
  classes: string[]; // names of pattern classes, in the order of the legend
  class_terms: [string, string][]; // the same, each with one sentence on what its heads do
  sides: Side[]; // models, or steps of one; the first is the reference of Side.match
  notes: string[]; // what was left out and why, what a reader has to know: one sentence each
  command: string; // writes this page with other heads for the neuron view; "{heads}" stands for them
  provenance: [string, string][];
}

/** A text as one side reads it. Sides that share their text share its number, and only they can be subtracted. */
export interface Text {
  queries: Tokens;
  keys: Tokens | null; // null: the same tokens (self-attention)
  split: number | null; // index of the first token of sentence B
}

export interface Tokens {
  text: string[]; // as shown: spaces and line ends marked, bytes of a split character as hexadecimal
  joined: (string | null)[]; // for a piece of a character: the whole of it
  word_class: string[] | null; // of each token
}

export interface Statistic {
  key: string;
  name: string; // for people: "null mass"
  unit: string; // "share", "nats", "tokens"
  about: string; // one sentence: what it is, its range, its chance level if it has one
  without_null: boolean; // leaves null attention out: null mass must stand beside it
  pattern_class: string | null; // the one that it is the score of
}

export interface Side {
  name: string;
  run: string; // sides of one run are steps of it
  step: number | null;
  text: number;
  causal: boolean;
  layers: Layer[];
  thumbs: Blob; // u8 [heads, h, w]: square-root code of the max-pooled raw maps, all heads of all layers in order
  thumbs_without: Blob; // the same, renormalised without the null (or without position 1 where there is none)
  thumb: [number, number]; // h, w
  null_mass: Blob | null; // f32 [heads, T]; 0 in layers without a null
  match: [number, number][][] | null; // [layer][head] -> (layer, head) of side 0 that is most alike; null: not matched
}

export interface Layer {
  number: number;
  has_null: boolean; // a null or a sink token
  softmax: boolean; // rows sum to 1 with the null
  window: number | null; // last keys that a query sees, itself included
  first: number; // keys at the start that stay visible under a window
  coding: Coding;
  heads: Head[];
}

/** How a layer's maps are packed. 8 bits: w = (u / 255)^2; 16 bits (little-endian): w = u / 65535. Then zlib, base64.
 *
 * triangle: row t holds keys 0..t.  band: row t holds the last min(t + 1, window) keys.  full: every row, all S.
 */
export interface Coding {
  bits: 8 | 16;
  shape: "triangle" | "band" | "full";
}

export interface Head {
  number: number;
  pattern_class: string; // one of Payload.classes
  stats: (number | null)[];
  map: Blob | null; // null: left out for size
  neuron: Neuron | null; // null: not embedded
}

/** Queries and keys as they meet (after rotation). score = f(scale q . k): soft cap, then ALiBi, then log-sigmoid. */
export interface Neuron {
  size: number; // H
  bits: 16 | 32; // floating point
  q: Blob; // [T, H]
  k: Blob; // [S, H]
  s_null: Blob | null; // f32 [T]: score of the null
  scale: number;
  cap: number | null;
  slope: number | null; // ALiBi: minus slope x distance
  bias: number; // of unnormalised sigmoid attention; else 0
  normaliser: "softmax" | "log-sigmoid" | "sigmoid"; // log-sigmoid: softmax of log sigmoid; sigmoid: no normaliser
  falling: number[]; // dimensions whose product falls with distance
}

/** [offset, length] in the characters of the side's base64 text; each blob is decoded on its own. */
export type Blob = [number, number];

/** Where a head stands: its side, its layer in the side, its place in the layer. */
export interface HeadAt {
  side: number;
  layer: number;
  head: number;
}
