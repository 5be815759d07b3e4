/** Words on the pictures: measured, cut to their place, broken into lines, thinned out where there is no room. */

import type { Lettering, Surface } from "../contract";
import { canvasSurface } from "./surface";

/** The titles of the axes, and of the columns of tokens. */
export const TITLES = { query: "query (attends)", key: "key (attended)" };
const LONGEST = 160; // characters of a token that are ever measured
const ruler = canvasSurface(document.createElement("canvas"), 1, 1, 1);
const widths = new Map<string, number>();

/** CSS pixels of 1/16 rem: pictures grow with the reader's type. */
export function unit(): number {
  return parseFloat(getComputedStyle(document.documentElement).fontSize) / 16;
}

/** Pixels of the screen in 1/16 rem. */
export function density(): number {
  return unit() * (window.devicePixelRatio || 1);
}

/** A canvas whose picture is laid out in 1/16 rem. */
export function remSurface(canvas: HTMLCanvasElement, width: number, height: number): Surface {
  const surface = canvasSurface(canvas, width, height, density());
  canvas.style.width = `${width / 16}rem`;
  canvas.style.height = `${height / 16}rem`;
  return surface;
}

export function widthOf(words: string, size: number, bold = false): number {
  const key = `${bold ? "b" : ""}${size} ${words}`;
  let width = widths.get(key);
  if (width === undefined) {
    if (widths.size > 20000) widths.clear();
    width = ruler.measure(words, { size, bold, fill: "" });
    widths.set(key, width);
  }
  return width;
}

/** The words, or as many of their characters as fit with "…" behind them. */
export function cut(words: string, width: number, size: number, bold = false): string {
  if (words.length <= LONGEST && widthOf(words, size, bold) <= width) return words;
  const characters = [...words.slice(0, LONGEST)];
  const shortened = (count: number) => `${characters.slice(0, count).join("")}…`;
  let [low, high] = [0, characters.length];
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (widthOf(shortened(middle), size, bold) <= width) low = middle;
    else high = middle - 1;
  }
  return shortened(low);
}

/** Width of the widest token as a label, no more than `limit`. */
export function widest(words: readonly string[], size: number, limit: number): number {
  let width = 0;
  for (const word of words) {
    width = Math.max(width, widthOf(word.slice(0, LONGEST), size));
    if (width >= limit) return limit;
  }
  return Math.ceil(width);
}

/** Every how many of things this far apart one can be labelled: 1, 2, 5, 10, 20, ... */
export function every(apart: number, room: number): number {
  for (let step = 1; ; step *= 10) {
    for (const n of [step, 2 * step, 5 * step]) if (n * apart >= room) return n;
  }
}

/** Writes words in lines no wider than `width`, around (x, y). */
export function paragraph(surface: Surface, x: number, y: number, width: number, words: string, fill: string): void {
  const style: Lettering = { size: 13, fill, align: "center", middle: true };
  const lines: string[] = [];
  for (const word of words.split(" ")) {
    const longer = `${lines[lines.length - 1]} ${word}`;
    if (lines.length && widthOf(longer, 13) <= width) lines[lines.length - 1] = longer;
    else lines.push(word);
  }
  lines.forEach((line, i) => surface.text(x, y + (i - (lines.length - 1) / 2) * 20, line, style));
}
