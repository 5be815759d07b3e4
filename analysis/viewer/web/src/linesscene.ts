/** What all that draws the head view of one side needs to know: where things stand, the maps, what is pointed at. */

import type { Shown, State, Store, Surface } from "./contract";
import type { Lane, Layout, Plot } from "./lineslayout";
import { place } from "./lineslayout";
import type { Focus, Line } from "./linespick";
import { css, most, tone } from "./tone";
import { type View, alike } from "./views";

export interface Scene {
  surface: Surface;
  store: Store;
  layout: Layout;
  plot: Plot;
  maps: Shown[]; // of the plot's heads; empty as long as one is missing
  tones: ((w: number) => number)[];
  asked: Focus | null; // what the pointer is on, else what is locked
  locked: Focus | null;
}

export function sceneOf(surface: Surface, store: Store, layout: Layout, plot: Plot): Scene {
  const maps = plot.views.map((view) => view.shown).filter((shown): shown is Shown => typeof shown !== "string");
  const [hovered, locked] = focusOf(store, plot.views[0]);
  return {
    surface,
    store,
    layout,
    plot,
    maps: maps.length === plot.views.length ? maps : [],
    tones: maps.map((shown) => tone(store.state, most(shown, store.state))),
    asked: hovered ?? locked,
    locked,
  };
}

/** The pointer's token and the locked one, as far as this plot has them. */
function focusOf(store: Store, view: View): (Focus | null)[] {
  const inside = ({ query, key }: Pick<State, "query" | "key">): Focus | null => {
    const focus = {
      query: query !== null && query < view.queries.text.length ? query : null,
      key: key !== null && key < view.keys.text.length ? key : null,
    };
    return focus.query === null && focus.key === null ? null : focus;
  };
  return [alike(store, view) ? inside(store.hover) : null, inside(store.state)];
}

/** By sign in a difference, by head where there are several, else blue, and orange for the null. */
export function lineColour({ store, plot }: Scene, line: Pick<Line, "head" | "s" | "w">): string {
  const { palette } = store;
  if (plot.views[0].signed) return css(palette.difference(Math.sign(line.w) * 0.72));
  if (plot.views.length > 1) return palette.head(line.head, plot.views.length);
  return css(line.s < 0 ? palette.nulls(0.7) : palette.real(0.7));
}

export type Box = [x: number, y: number, width: number, height: number];

/** The box of a token's label. */
export function boxOf({ layout, plot }: Scene, side: "query" | "key", i: number): Box {
  const lane: Lane = side === "query" ? plot.queries : plot.keys;
  const [from, to] =
    i < 0 ? layout.nulls! : [lane.edges[i], lane.edges[i + 1]].map((edge) => layout.pin + edge - lane.shift);
  const depth = layout.horizontal ? layout.row : plot.room + 16;
  const across = side === "query" ? plot.near - depth : plot.far;
  return [...place(layout, from, across), ...place(layout, to - from, depth)];
}
