/** What stands where in the payload: layers, heads, their numbers, texts and their sizes. */

import type { Head, HeadAt, Layer, Payload, Side, Text, Tokens } from "./payload";

export function layerOf(payload: Payload, at: HeadAt): Layer {
  return payload.sides[at.side].layers[at.layer];
}

export function headOf(payload: Payload, at: HeadAt): Head {
  return payload.sides[at.side].layers[at.layer].heads[at.head];
}

export function has(payload: Payload, at: HeadAt): boolean {
  return at.head in (payload.sides[at.side]?.layers[at.layer]?.heads ?? []);
}

export function sameHead(one: HeadAt | null, other: HeadAt | null): boolean {
  return one?.side === other?.side && one?.layer === other?.layer && one?.head === other?.head;
}

/** A head's value of the statistic with this key; null where it is not defined. */
export function statistic(payload: Payload, at: HeadAt, key: string): number | null {
  return headOf(payload, at).stats[payload.statistics.findIndex((known) => known.key === key)] ?? null;
}

export function keyOf(at: HeadAt): string {
  return `${at.side}.${at.layer}.${at.head}`;
}

/** Queries and keys of a side's text: T, S. */
export function sizeOf(payload: Payload, side: number): [number, number] {
  const text = payload.texts[payload.sides[side].text];
  return [text.queries.text.length, keysOf(text).text.length];
}

/** Whether two sides read the same text, so that their maps can be subtracted. */
export function sameText({ sides }: Payload, a: number, b: number): boolean {
  return sides[a].text === sides[b].text;
}

/** The keys of a text: its queries where both are the same tokens. */
export function keysOf(text: Text): Tokens {
  return text.keys ?? text.queries;
}

/** Whether query t may see key s (both from 0) in this layer. */
export function sees(side: Side, layer: Layer, t: number, s: number): boolean {
  if (!side.causal) return layer.window === null || Math.abs(t - s) < layer.window || s < layer.first;
  return s <= t && (layer.window === null || t - s < layer.window || s < layer.first);
}

/** The word classes that occur in a text, for the menu. */
export function wordClassesOf(text: Text): string[] {
  return [...new Set([...(text.queries.word_class ?? []), ...(text.keys?.word_class ?? [])])].sort();
}
