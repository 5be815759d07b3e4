/** The one tooltip of the page: a few lines of text at the pointer, never wider than the screen, never under it. */

import type { Store } from "../contract";
import { byId, filler, h } from "./dom";

export interface Tooltip {
  show(x: number, y: number, lines: string[]): void; // client coordinates
  hide(): void;
}

const GAP = 14; // from the pointer, in CSS pixels

const element = byId("tooltip");
const fill = filler<string>(element, (line) => h("div", {}, line));
const shared: Tooltip = {
  show(x, y, lines) {
    fill(lines);
    element.hidden = false;
    const { width, height } = element.getBoundingClientRect();
    element.style.left = beside(x, width, document.documentElement.clientWidth);
    element.style.top = beside(y, height, window.innerHeight);
  },
  hide() {
    element.hidden = true;
  },
};

/** The tooltip that all panels share. The first line is its heading. */
export const tooltip: (store: Store) => Tooltip = () => shared;

/** Behind the pointer where there is room, else before it. */
function beside(at: number, size: number, room: number): string {
  const place = at + GAP + size <= room ? at + GAP : at - GAP - size;
  return `${Math.max(4, Math.min(place, room - size - 4))}px`;
}
