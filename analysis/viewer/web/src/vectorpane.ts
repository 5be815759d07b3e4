/** What the two panels that need queries and keys have in common: a pane for each side that is drawn, beside each other
 * where there is room, and what a pane says of its head; where the page does not hold its vectors, a sentence and the
 * command that puts them there.
 */

import type { HeadAt, Panel, Picture, Store, Vectors } from "./contract";
import { h, show } from "./dom";
import { headOf, long, short } from "./heads";
import { unit } from "./labels";

export interface Pane {
  element: HTMLElement;
  draw(at: HeadAt | null, width: number, stacked: boolean): void;
  picture(): Picture | null;
}

const GAP = 24; // between two panes, in 1/16 rem

/** The element of a panel, and how to draw its panes: side by side if each is at least `least` wide (1/16 rem). */
export function paneled(store: Store, bar: HTMLElement, panes: Pane[]) {
  const both = h("div", {}, ...panes.map((pane) => pane.element));
  const element = h("div", {}, bar, both);
  Object.assign(element.style, { display: "grid", gap: "0.75rem" });
  Object.assign(both.style, { display: "grid", gap: `${GAP / 16}rem` });
  return {
    element,
    width: () => element.clientWidth,
    draw(least: number): void {
      const [sides, width, gap] = [store.drawn(), element.clientWidth, GAP * unit()];
      const beside = sides.length > 1 && width >= 2 * least * unit() + gap;
      both.style.gridTemplateColumns = `repeat(${beside ? 2 : 1}, minmax(0, 1fr))`;
      const wide = beside ? (width - gap) / 2 : width;
      panes.forEach((pane, i) => {
        const at = i < sides.length ? store.selected(sides[i]) : null;
        show(pane.element, at !== null);
        pane.draw(at, wide, sides.length > 1 && !beside);
      });
    },
    pictures: (): ReturnType<Panel["pictures"]> => panes.flatMap((pane) => pane.picture() ?? []),
  };
}

/** "A · model · layer 3, head 5". */
export function heading(store: Store, at: HeadAt): string {
  const side = store.payload.sides[at.side];
  const letter = store.drawn().length < 2 ? "" : at.side === store.state.a ? "A · " : "B · ";
  return `${letter}${side.name} · ${long(store.payload, at)}`;
}

/** The head's vectors, once they are there. Where the page has none, `words` are shown instead of the `picture`. */
export function vectorsOf(store: Store, at: HeadAt, picture: HTMLElement, words: HTMLElement): Vectors | null {
  const vectors = store.vectors(at);
  show(picture, vectors !== "absent");
  show(words, vectors === "absent");
  if (vectors === "absent") explain(store, at, words);
  return typeof vectors === "string" ? null : vectors;
}

export function explain(store: Store, at: HeadAt, place: HTMLElement): void {
  const { payload } = store;
  const heads = store.drawn().flatMap((side) => store.selected(side) ?? []);
  const wanted = heads.filter((head) => headOf(payload, head).neuron === null).map((head) => short(payload, head));
  const command = payload.command.replace("{heads}", () => [...new Set(wanted)].join(","));
  const side = payload.sides[at.side];
  const all = side.layers.flatMap(({ heads }, layer) => heads.map((_, head) => ({ side: at.side, layer, head })));
  const there = all.filter((head) => headOf(payload, head).neuron).map((head) => short(payload, head));
  const words = `The queries and keys of ${long(payload, at)} of ${side.name} are not in this page`;
  const named = there.slice(0, 24).join(", ") + (there.length > 24 ? ", …" : "");
  const others = there.length ? `; those of ${named} are.` : ".";
  const said = [words + others, "This command writes it with them:", command];
  if (place.dataset.said === String(said)) return; // a selection in it stays
  place.dataset.said = String(said);
  const code = h("code", {}, command);
  Object.assign(code.style, { userSelect: "all", overflowWrap: "anywhere" });
  place.replaceChildren(h("p", {}, said[0]), h("p", {}, said[1]), h("p", {}, code));
}
