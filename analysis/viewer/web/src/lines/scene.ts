/** What all that draws the head view of one side needs to know: where things stand, the maps, what is pointed at. */

import type { Palette, Shown, Store, Surface } from "../contract";
import { most, tone } from "../drawing/tone";
import { alike } from "../heads/views";
import { type Lane, type Layout, place, type Plot } from "./layout";
import type { Focus } from "./pick";

export interface Scene {
  surface: Surface;
  palette: Palette;
  store: Store;
  layout: Layout;
  plot: Plot;
  maps: Shown[]; // of the plot's heads; empty as long as one is missing
  tones: ((w: number) => number)[];
  asked: Focus | null; // what the pointer is on, else what is locked
  locked: Focus | null;
}

export function sceneOf(surface: Surface, store: Store, layout: Layout, plot: Plot): Scene {
  const { state, hover, palette } = store;
  const found = plot.views.flatMap(({ shown }) => (typeof shown === "string" ? [] : shown));
  const maps = found.length === plot.views.length ? found : [];
  const tones = maps.map((shown) => tone(state, most(shown, state)));
  const focus = (at: Focus) => (at.query === null && at.key === null ? null : at);
  const locked = focus(state);
  const asked = (alike(store, plot.views[0]) ? focus(hover) : null) ?? locked;
  return { surface, palette, store, layout, plot, maps, tones, asked, locked };
}

/** The cell of a token and the one that is asked at the other end. */
export function cellOf({ asked }: Scene, { end }: Lane, i: number): [t: number, s: number] | null {
  if (!asked) return null;
  const [t, s] = end === "key" ? [asked.query, i] : [i, asked.key];
  return t === null || s === null ? null : [t, s];
}

export type Box = [x: number, y: number, width: number, height: number];

/** The box of a label between two places along. */
export function boxOf({ layout }: Scene, lane: Lane, [from, to]: [number, number]): Box {
  return [...place(layout, from, lane.across), ...place(layout, to - from, layout.depth)];
}
