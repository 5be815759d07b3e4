/** The pointer on a canvas of tokens or cells: hover shows, a click locks what is under it, the same unlocks it. */

import type { Hover, Store } from "./contract";
import { unit } from "./labels";
import { tooltip } from "./tooltip";

/** `find`: what is at a point of the picture, in 1/16 rem; `words`: the lines of its tooltip, none for no tooltip. */
export function pointing<Spot extends Hover>(
  store: Store,
  canvas: HTMLCanvasElement,
  find: (x: number, y: number) => Spot | null,
  words: (spot: Spot) => string[],
): void {
  const under = (event: MouseEvent) => {
    const { left, top } = canvas.getBoundingClientRect();
    return find((event.clientX - left) / unit(), (event.clientY - top) / unit());
  };
  const leave = () => {
    store.point({ query: null, key: null, at: null });
    tooltip(store).hide();
  };
  canvas.addEventListener("pointermove", (event) => {
    const spot = under(event);
    canvas.style.cursor = spot ? "pointer" : "";
    if (!spot) return leave();
    const { query, key, at } = spot;
    store.point({ query, key, at });
    const lines = words(spot);
    if (lines.length) tooltip(store).show(event.clientX, event.clientY, lines);
    else tooltip(store).hide();
  });
  canvas.addEventListener("pointerleave", leave);
  canvas.addEventListener("click", (event) => {
    const spot = under(event);
    if (!spot) return;
    const { query, key } = spot;
    const { state } = store;
    const locked = (query ?? state.query) === state.query && (key ?? state.key) === state.key;
    if (query !== null) store.set({ query: locked ? null : query });
    if (key !== null) store.set({ key: locked ? null : key });
  });
}
