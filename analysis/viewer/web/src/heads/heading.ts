/** Above a picture: the side, and its head with class and null mass, or a colour for each of several heads. */

import type { Store, Surface } from "../contract";
import { cut, widthOf } from "../drawing/labels";
import { most } from "../drawing/tone";
import type { View } from "./views";

export function heading(surface: Surface, store: Store, views: View[], x: number, y: number, room: number): void {
  const { palette } = store;
  const [view] = views;
  surface.text(x, y + 14, cut(view.side, room, 13, true), { size: 13, bold: true, fill: palette.ink });
  const size = 12.5;
  if (views.length === 1) {
    return surface.text(x, y + 32, cut(factsOf(store, view), room, size), { size, fill: palette.soft });
  }
  const long = views.map(({ short, pattern_class }) => `${short} ${pattern_class}`);
  const wide = long.reduce((sum, words) => sum + widthOf(words, size) + 28, 0);
  let at = x;
  views.forEach(({ short }, i) => {
    const words = wide > room ? short : long[i];
    surface.rect(at, y + 23, 9, 9, palette.head(i, views.length));
    surface.text(at + 13, y + 32, words, { size, fill: palette.ink });
    at += widthOf(words, size) + 28;
  });
}

/** "layer 3, head 5 · previous token · null mass 0.62" */
export function factsOf({ state }: Store, { name, pattern_class, mass, shown }: View): string {
  const scaled = state.view === "map" && state.range === "head" && typeof shown !== "string";
  const top = scaled ? `max ${most(shown, state).toFixed(2)}` : "";
  return [name, pattern_class, mass, top].filter(Boolean).join(" · ");
}
