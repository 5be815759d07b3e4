/** What the head view and the map draw: for every side of the mode (or for the difference) the selected heads, with
 * their maps, their tokens and the words above them. Known before a map is decoded, so that nothing moves when it is.
 */

import type { HeadAt, Shown, Store } from "./contract";
import { headOf, long, short } from "./heads";
import { keysOf, type Layer, type Text, type Tokens } from "./payload";

/** One head of one side, or the difference of two. */
export interface View {
  at: HeadAt; // in a difference: of A
  side: string; // "A · name"
  name: string; // "layer 3, head 5"
  short: string; // "3.5"
  kind: string; // pattern class
  mean: string; // "null mass 0.62"; "" without a null
  text: Text;
  queries: Tokens;
  keys: Tokens;
  signed: boolean;
  nulled: boolean; // has a null, or a key that stands for it
  pinned: boolean; // the null is shown, in this view or in one beside it
  shown: Shown | "waiting" | "absent" | "unlike";
}

/** Views of each side in turn: the selected head first, then the further ones. */
export function views(store: Store): View[][] {
  const { state } = store;
  const difference = state.mode === "difference";
  const sides = (difference ? [state.a] : store.drawn()).filter((side) => store.selected(side));
  const heads = sides.map((side) => headsOf(store, side));
  const nulled = (at: HeadAt | null) => at !== null && (state.sink !== null || layerOf(store, at).has_null);
  const other = (at: HeadAt) => (difference ? store.partner(at, state.b) : null);
  const lists = heads.map((list) =>
    list.map((at) => ({ ...describe(store, at, sides.length > 1), nulled: nulled(at) || nulled(other(at)) })),
  );
  const pinned = state.nulls === "show" && lists.flat().some((view) => view.nulled);
  return lists.map((list) => list.map((view) => ({ ...view, pinned })));
}

/** Whether a pointer in one text means the same tokens in this view. */
export function alike(store: Store, view: Pick<View, "at">): boolean {
  const at = store.hover.at;
  return at === null || store.payload.sides[at.side].text === store.payload.sides[view.at.side].text;
}

export function layerOf(store: Store, at: HeadAt): Layer {
  return store.payload.sides[at.side].layers[at.layer];
}

/** What is drawn, for screen readers. */
export function spoken(sides: View[][]): string {
  return sides.flat().map(({ side, name, kind }) => `${side}, ${name}, ${kind}`).join("; ");
}

/** Why there is no picture, in words; "" while a map is decoded. */
export function missing(store: Store, view: View): string {
  if (view.shown === "unlike") {
    return store.partner(view.at, store.state.b)
      ? "These two sides read different texts, or cut one text into different tokens: they cannot be subtracted."
      : "No head of B stands beside this one: there is nothing to subtract.";
  }
  if (view.shown !== "absent") return "";
  const how = "Write it with a larger --limit-mb (in Python limit_mb), or with fewer --layers, to have it.";
  return `The map of ${view.name} was left out to keep the page small. ${how}`;
}

function headsOf(store: Store, side: number): HeadAt[] {
  const { state } = store;
  const selected = store.selected(side);
  if (!selected) return [];
  const origin = state.mode === "b" ? state.b : state.a;
  const more = state.more.map(([layer, head]) => store.partner({ side: origin, layer, head }, side));
  const unique = new Map([selected, ...more].filter((at) => at !== null).map((at) => [`${at.layer}.${at.head}`, at]));
  return [...unique.values()];
}

function describe(store: Store, at: HeadAt, several: boolean): Omit<View, "nulled" | "pinned"> {
  const { payload, state } = store;
  const side = payload.sides[at.side];
  const { kind } = headOf(payload, at);
  const text = payload.texts[side.text];
  const signed = state.mode === "difference";
  const mean = signed ? null : store.mean(at);
  const other = payload.sides[state.b].name;
  const letter = at.side === state.a ? "A" : "B";
  return {
    at,
    side: signed ? `A − B · ${side.name} − ${other}` : several ? `${letter} · ${side.name}` : side.name,
    name: long(payload, at),
    short: short(payload, at),
    kind,
    mean: mean === null ? "" : `null mass ${mean.toFixed(2)}`,
    text,
    queries: text.queries,
    keys: keysOf(text),
    signed,
    shown: signed ? store.difference(at) : store.shown(at),
  };
}
