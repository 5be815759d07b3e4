/** A box that scrolls over a picture of any size: its canvas is as large as what is in sight and stays where it is,
 * while what is drawn on it moves. Lengths in 1/16 rem.
 */

import { h } from "./dom";
import { unit } from "../drawing/labels";

export interface Scroller {
  box: HTMLElement;
  size(): [width: number, height: number]; // of what is in sight
  at(): [x: number, y: number]; // how far it is scrolled
  to(x: number, y: number): void;
  span(width: number, height: number, tall: number): void; // of everything; the box is no taller than `tall`
}

export function scroller(canvas: HTMLCanvasElement, moved: () => void): Scroller {
  const sheet = h("div", {}, canvas);
  const box = h("div", { class: "scroller", onscroll: moved }, sheet);
  const inUnits = (...lengths: [number, number]) => lengths.map((length) => length / unit()) as [number, number];
  return {
    box,
    size: () => inUnits(box.clientWidth, box.clientHeight),
    at: () => inUnits(box.scrollLeft, box.scrollTop),
    to: (x, y) => box.scrollTo(x * unit(), y * unit()),
    span(width, height, tall) {
      Object.assign(sheet.style, { width: `${width / 16}rem`, height: `${height / 16}rem` });
      box.style.maxHeight = `${tall / 16}rem`;
    },
  };
}
