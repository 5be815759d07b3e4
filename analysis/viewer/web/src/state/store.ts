/** The one place where the page's state lives: what is chosen, what the pointer is on, and what follows from them. */

import { miniatures } from "../attention/miniatures";
import { shownMaps } from "../attention/shown";
import type { Hover, Palette, Shown, Store, Thumb } from "../contract";
import { palette } from "../drawing/colours";
import { headOf, keyOf, layerOf, sameHead, sameText, sizeOf, statistic } from "../payload/lookup";
import { unpacked, type Vectors } from "../payload/packed";
import type { HeadAt, Payload } from "../payload/payload";
import { readLink, writer } from "./link";
import { pairing } from "./pairing";
import { check } from "./state";
import { isDark, onSystemTheme } from "./theme";

/** `blobText`: the base64 block of a side. `speak`: says words to a screen reader. `redraw`: as if all had changed. */
export function createStore(
  payload: Payload,
  blobText: (side: number) => string,
  speak: (words: string) => void = () => {},
): Store & { redraw(): void } {
  let state = readLink(payload);
  let hover: Hover = { query: null, key: null, at: null };
  let colours: Palette = palette(isDark(state.theme), payload.classes);
  let frame = 0;
  const listeners: (() => void)[] = [];
  const changed = () => {
    frame ||= requestAnimationFrame(() => {
      frame = 0;
      thumbs.begin();
      for (const listener of listeners) listener();
    });
  };
  const packed = unpacked(payload, blobText, changed);
  const maps = shownMaps(payload, packed);
  const thumbs = miniatures(payload, packed, maps, changed);
  const write = writer(payload);
  const recolour = () => {
    if (colours.dark !== isDark(state.theme)) colours = palette(isDark(state.theme), payload.classes);
    changed();
  };
  const means = new Map<string, number>();
  /** What a head's queries give to one key; nothing as long as its map is not decoded. */
  const column = (at: HeadAt, key: number): Float32Array | null => {
    const map = headOf(payload, at).map && packed.map(at, false);
    const [T, S] = sizeOf(payload, at.side);
    return map && key < S ? Float32Array.from({ length: T }, (_, t) => map[t * S + key]) : null;
  };

  const store: Store & { redraw(): void } = {
    payload,
    redraw: changed,
    get state() {
      return state;
    },
    get hover() {
      return hover;
    },
    get palette() {
      return colours;
    },
    set(change) {
      const now = check({ ...state, ...change }, payload);
      if (same(now, state)) return;
      packed.forgetWaiting(); // what is still wanted is asked for again when it is drawn
      state = now;
      write(state);
      recolour();
    },
    point(change) {
      const now = { ...hover, ...change };
      if (same(now, hover)) return;
      hover = now;
      changed();
    },
    subscribe: (listener) => void listeners.push(listener),
    say: speak,
    drawn() {
      if (state.mode === "a") return [state.a];
      return state.mode === "b" ? [state.b] : [state.a, state.b];
    },
    selected(side) {
      const at = { side: state.mode === "b" ? state.b : state.a, layer: state.layer, head: state.head };
      return store.partner(at, side);
    },
    partner: (at, side) => pairing(payload, state.match, at, side),
    shown(at): Shown | "waiting" | "absent" {
      if (headOf(payload, at).map === null) return "absent";
      const raw = packed.map(at, sameHead(at, store.selected(at.side)));
      return (raw && maps.get(at, raw, state)) ?? "waiting";
    },
    difference(at) {
      const other = store.partner(at, state.b);
      if (!other || !sameText(payload, at.side, other.side)) return "unlike";
      const [a, b] = [store.shown(at), store.shown(other)];
      if (a === "absent" || b === "absent") return "absent";
      if (a === "waiting" || b === "waiting") return "waiting";
      return maps.minus(at, other, a, b, state);
    },
    vectors(at): Vectors | "waiting" | "absent" {
      return headOf(payload, at).neuron ? (packed.vectors(at) ?? "waiting") : "absent";
    },
    thumb(at): Thumb | null {
      if (state.mode !== "difference") return thumbs.of(at, null, state);
      const other = store.partner(at, state.b);
      return other && sameText(payload, at.side, other.side) ? thumbs.of(at, other, state) : null;
    },
    mean(at) {
      const mass = packed.mass(at);
      const sink = mass === null ? state.sink : null;
      const { softmax } = layerOf(payload, at);
      if (sink === 0 && softmax) return statistic(payload, at, "first_token_share"); // the same, for all heads at once
      const key = `${keyOf(at)} ${sink}`;
      let mean = means.get(key);
      if (mean === undefined) {
        const of = mass ?? (sink === null ? null : column(at, sink));
        if (!of) return null;
        const rest = of.subarray(Math.min(1, of.length - 1)); // a causal model's first query has little choice
        mean = rest.reduce((sum, value) => sum + value, 0) / rest.length;
        means.set(key, mean);
      }
      return mean;
    },
    value: (at, key) => statistic(payload, at, key) ?? (key === "null_share" ? store.mean(at) : null),
  };
  window.addEventListener("hashchange", () => store.set(readLink(payload)));
  onSystemTheme(recolour);
  return store;
}

/** Whether two plain values say the same. */
function same(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
