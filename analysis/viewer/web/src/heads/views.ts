/** What the head view and the map draw: for every side of the mode (or for the difference) the selected heads, with
 * their maps, their tokens and the words above them. Known before a map is decoded, so that nothing moves when it is.
 */

import type { Shown, Store } from "../contract";
import { long, massWords, short } from "./heads";
import { headOf, keysOf, layerOf, sameHead, sameText } from "../payload/lookup";
import type { HeadAt, Text, Tokens } from "../payload/payload";

/** One head of one side, or the difference of two. */
export interface View {
  at: HeadAt; // in a difference: of A
  side: string; // "A · name"
  name: string; // "layer 3, head 5"
  short: string; // "3.5"
  pattern_class: string;
  mass: string; // "null mass 0.62"; "" without a null
  text: Text;
  queries: Tokens;
  keys: Tokens;
  signed: boolean;
  nulled: boolean; // has a null, or a key that stands for it
  pinned: boolean; // the null is shown, in this view or in one beside it
  shown: Shown | "waiting" | "absent" | "unlike";
}

/** Views of each side in turn: the selected head first, then the further ones. */
export function views(store: Store, subtracted = store.state.mode === "difference"): View[][] {
  const sides = subtracted ? [store.state.a] : store.drawn();
  const lists = sides.map((side) => headsOf(store, side).map((at) => viewOf(store, at, subtracted)));
  const pinned = store.state.nulls === "show" && lists.flat().some((view) => view.nulled);
  for (const view of lists.flat()) view.pinned = pinned;
  return lists.filter((list) => list.length);
}

/** Whether a pointer in one text means the same tokens in this view. */
export function alike(store: Store, view: Pick<View, "at">): boolean {
  const at = store.hover.at;
  return at === null || sameText(store.payload, at.side, view.at.side);
}

/** What is drawn, for screen readers. */
export function spoken(sides: View[][]): string {
  return sides.flat().map(({ side, name, pattern_class }) => `${side}, ${name}, ${pattern_class}`).join("; ");
}

/** Why there is no picture, in words; "" while a map is decoded. */
export function missing({ shown, name }: View): string {
  if (shown === "unlike") return "Nothing of B can be subtracted: it has other tokens, or no head beside this one.";
  if (shown !== "absent") return "";
  const how = "Write it with a larger --limit-mb (in Python limit_mb), or with fewer --layers, to have it.";
  return `The map of ${name} was left out to keep the page small. ${how}`;
}

function headsOf(store: Store, side: number): HeadAt[] {
  const { state } = store;
  const selected = store.selected(side);
  if (!selected) return [];
  const origin = state.mode === "b" ? state.b : state.a;
  const more = state.more.flatMap(([layer, head]) => store.partner({ side: origin, layer, head }, side) ?? []);
  return [selected, ...more].filter((at, i, all) => all.findIndex((one) => sameHead(one, at)) === i);
}

function viewOf(store: Store, at: HeadAt, signed: boolean): View {
  const { payload, state } = store;
  const { name, text } = payload.sides[at.side];
  const tokens = payload.texts[text];
  const letter = store.drawn().length < 2 ? "" : at.side === state.a ? "A · " : "B · ";
  const heads = [at, ...((signed && [store.partner(at, state.b)]) || [])].filter((one) => one !== null);
  const told = (words: (one: HeadAt) => string) => [...new Set(heads.map(words))].join(" − ");
  return {
    at,
    side: signed ? `A − B · ${name} − ${payload.sides[state.b].name}` : letter + name,
    name: told((one) => long(payload, one)),
    short: short(payload, at),
    pattern_class: told((one) => headOf(payload, one).pattern_class),
    mass: signed ? "" : massWords(store, at),
    text: tokens,
    queries: tokens.queries,
    keys: keysOf(tokens),
    signed,
    nulled: heads.some((one) => (state.sink !== null || layerOf(payload, one).has_null)),
    pinned: false,
    shown: signed ? store.difference(at) : store.shown(at),
  };
}
