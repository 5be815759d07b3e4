/** Above a picture: the side, and its head with class and null mass, or a colour for each of several heads. */

import type { Store, Surface } from "./contract";
import { cut, widthOf } from "./labels";
import { most } from "./tone";
import type { View } from "./views";

export function heading(surface: Surface, store: Store, views: View[], x: number, y: number, room: number): void {
  const { palette } = store;
  const [view] = views;
  surface.text(x, y + 14, cut(view.side, room, 13), { size: 13, bold: true, fill: palette.ink });
  const facts = factsOf(store, view);
  if (views.length === 1) return surface.text(x, y + 32, cut(facts, room, 12.5), { size: 12.5, fill: palette.soft });
  let at = x;
  views.forEach(({ short, kind }, i) => {
    const words = `${short} ${kind}`;
    if (at > x + room) return;
    surface.rect(at, y + 23, 9, 9, palette.head(i, views.length));
    surface.text(at + 13, y + 32, cut(words, Math.max(0, x + room - at - 13), 12), { size: 12, fill: palette.ink });
    at += widthOf(words, 12) + 28;
  });
}

/** "layer 3, head 5 · previous token · null mass 0.62" */
export function factsOf({ state }: Store, { name, kind, mean, shown }: View): string {
  const top = state.range === "head" && typeof shown !== "string" ? `max ${most(shown, state).toFixed(2)}` : "";
  return [name, kind, mean, state.view === "map" ? top : ""].filter(Boolean).join(" · ");
}
