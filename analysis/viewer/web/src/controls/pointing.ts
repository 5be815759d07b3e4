/** The pointer and the arrow keys on a canvas of tokens or cells: hover shows, a click locks what is under the pointer,
 * the same click unlocks it; arrows lock what is beside it.
 */

import type { Hover, Store } from "../contract";
import { step } from "./actions";
import { tooltip } from "./tooltip";
import { unit } from "../drawing/labels";

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
  for (const gone of ["pointerleave", "wheel"]) canvas.addEventListener(gone, leave, { passive: true });
  canvas.addEventListener("click", (event) => {
    const spot = under(event);
    if (!spot) return;
    const { state } = store;
    const ends = (["query", "key"] as const).filter((end) => spot[end] !== null);
    const locked = ends.every((end) => spot[end] === state[end]);
    store.set(Object.fromEntries(ends.map((end) => [end, locked ? null : spot[end]])));
  });
}

type End = "query" | "key";

const ARROWS: Record<string, [down: boolean, by: number]> = {
  ArrowUp: [true, -1],
  ArrowDown: [true, 1],
  ArrowLeft: [false, -1],
  ArrowRight: [false, 1],
};

/** `way`: along which end an arrow steps; null for none. `told`: what is said when it has; "" for the token alone. */
export function stepping(
  store: Store,
  canvas: HTMLCanvasElement,
  way: (down: boolean, shift: boolean) => End | null,
  told: (end: End) => string,
): void {
  canvas.addEventListener("keydown", (event) => {
    const [down, by] = ARROWS[event.key] ?? [];
    const end = by && !event.ctrlKey && !event.metaKey && !event.altKey ? way(down!, event.shiftKey) : null;
    if (!end) return;
    event.preventDefault();
    step(store, end, by!);
    const words = told(end);
    if (words) store.say(words);
  });
}
