/** Positive and negative numbers as colours and words: the two hues over paper, tanh for vectors, a true minus sign. */

import { rgb } from "./colours";
import type { Palette, Pixels, RGB } from "./contract";

const STEPS = 255;
const tables = new WeakMap<Palette, (x: number) => RGB>();

/** [-1, 1] -> from the full negative hue over paper to the full positive one. */
export function tint(palette: Palette): (x: number) => RGB {
  let known = tables.get(palette);
  if (!known) {
    const paper = rgb(palette.paper);
    const ramps = [palette.negative, palette.positive].map((hue) =>
      Array.from({ length: STEPS + 1 }, (_, i) => rgb(hue).map((c, j) => mix(paper[j], c, i / STEPS)) as RGB),
    );
    known = (x) => ramps[x < 0 ? 0 : 1][Math.round(STEPS * Math.min(1, Math.abs(x)))];
    tables.set(palette, known);
  }
  return known;
}

/** Three digits or so, as people write numbers: −12.3, 0.05, 1,240. */
export function decimal(value: number): string {
  if (Number.isNaN(value)) return "–";
  const size = Math.abs(value);
  if (size === Infinity) return value < 0 ? "−∞" : "∞";
  const words = size.toFixed(size >= 100 ? 0 : size >= 10 ? 1 : 2);
  return value < 0 && Number(words) > 0 ? `−${words}` : words;
}

/** A weight or a share of a whole: three decimals. */
export function share(value: number): string {
  return value > 0 && value < 0.0005 ? "<0.001" : value.toFixed(3);
}

/** Pixels, each its colour or none. */
export function image(width: number, height: number, colour: (row: number, column: number) => RGB | null): Pixels {
  const data = new Uint8ClampedArray(4 * width * height);
  for (let i = 0, at = 0; i < height; i++) {
    for (let j = 0; j < width; j++, at += 4) {
      const found = colour(i, j);
      if (!found) continue;
      data[at] = found[0];
      data[at + 1] = found[1];
      data[at + 2] = found[2];
      data[at + 3] = 255;
    }
  }
  return { width, height, data };
}

function mix(from: number, to: number, by: number): number {
  return Math.round(from + by * (to - from));
}
