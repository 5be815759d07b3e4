/** What buttons, keys and other controls do to the state, and what is said of it. */

import type { State, Store } from "../contract";
import { byId } from "./dom";
import { classWords, long, massWords, nulled } from "../heads/heads";
import { keysOf, sameText, sizeOf } from "../payload/lookup";

type Act = (store: Store, ...words: string[]) => void;

/** By the first word of `data-act` in page.html; the others are what it is given: "turn mode difference". */
export const ACTS: Record<string, Act> = {
  head: (store, by) => change(store, { head: store.state.head + Number(by) }),
  layer: (store, by) => change(store, { layer: store.state.layer + Number(by) }),
  step: (store, what, by) => step(store, what as "query" | "key", Number(by)),
  turn,
  swap(store) {
    const { a, b } = store.state;
    change(store, { a: b, b: a });
    store.say(`A is ${store.payload.sides[b].name}, B is ${store.payload.sides[a].name}`);
  },
  unlock(store) {
    change(store, { query: null, key: null });
    store.say("unlocked");
  },
  reset(store) {
    change(store, { text: "", word_class: "", on: "both", block: "", from: 0, to: null });
    store.say("all tokens are kept");
  },
  filter: () => byId("text").focus(),
  help: () => byId<HTMLDialogElement>("help").showModal(),
  close: () => byId<HTMLDialogElement>("help").close(),
};

/** The side whose heads `State.layer` and `State.head` count. */
export function leading(state: State): number {
  return state.mode === "b" ? state.b : state.a;
}

/** "layer 3, head 5 · previous token 0.91 · null mass 0.62": what is known of the selected head of a side. */
export function describe(store: Store, side: number): string {
  const at = store.selected(side);
  if (!at) return "no head stands beside it";
  return [long(store.payload, at), classWords(store.payload, at), massWords(store, at)].filter(Boolean).join(" · ");
}

/** Changes the state so that the same head stays selected, which has another place in another side; at the first and
 * the last head and layer it stays. Sides of different texts have no difference and stand side by side.
 */
export function change(store: Store, part: Partial<State>): void {
  const { payload, state } = store;
  const next = { ...state, ...part };
  const { layer, head } = store.selected(leading(next)) ?? state;
  Object.assign(next, { layer, head }, part);
  if (next.mode === "difference" && !sameText(payload, next.a, next.b)) next.mode = "side";
  const { layers } = payload.sides[leading(next)];
  next.layer = within(next.layer, layers.length);
  next.head = within(next.head, layers[next.layer].heads.length);
  store.set(next);
  if (next.layer !== state.layer || next.head !== state.head) store.say(describe(store, leading(next)));
}

/** Sets one value of the state from the words of a control. */
export function put(store: Store, name: string, words: string): void {
  const parse = {
    string: () => words,
    boolean: () => words === "true",
    number: () => (words === "" ? null : Number(words)),
  };
  const type = typeof store.state[name as keyof State] as keyof typeof parse;
  change(store, { [name]: (parse[type] ?? parse.number)() }); // null: a number that is not chosen
}

/** The next of these values, the first if it has none of them; says it as the page has it beside the control. */
function turn(store: Store, name: string, ...values: string[]): void {
  const value = values[(values.indexOf(String(store.state[name as keyof State])) + 1) % values.length];
  put(store, name, value);
  const control = document.querySelector<HTMLInputElement>(`[name="${name}"][value="${value}"]`);
  store.say(`${name}: ${(control?.labels?.[0] ?? control)?.textContent ?? value}`);
}

/** Locks the next or the previous query, or key. The null (-1) stands before the first key. */
export function step(store: Store, what: "query" | "key", by: number): void {
  const { state, payload } = store;
  const [T, S] = sizeOf(payload, leading(state));
  const [least, count] = what === "query" ? [0, T] : [nulled(store, store.drawn()) ? -1 : 0, S];
  const to = within((state[what] ?? (by > 0 ? least - 1 : count)) + by, count, least);
  store.set({ [what]: to });
  store.say(`${what} ${nameOf(store, what, to)}`);
}

/** `7 "cat"`; the null by its name. */
export function nameOf({ state, payload }: Store, what: "query" | "key", position: number): string {
  if (position < 0) return "null";
  const text = payload.texts[payload.sides[leading(state)].text];
  return `${position} “${(what === "query" ? text.queries : keysOf(text)).text[position]}”`;
}

function within(index: number, count: number, least = 0): number {
  return Math.max(least, Math.min(count - 1, index));
}
