/** Positive and negative numbers as colours and words: the two hues over paper, tanh for vectors, a true minus sign. */

import type { Palette, Pixels, RGB } from "../contract";
import { rgb } from "./colours";

/** [-1, 1] -> from the full negative hue over paper to the full positive one. */
export function tint(palette: Palette): (x: number) => RGB {
  const [paper, less, more] = [palette.paper, palette.negative, palette.positive].map(rgb);
  return (x) => paper.map((v, i) => Math.round(v + Math.min(1, Math.abs(x)) * ((x < 0 ? less : more)[i] - v))) as RGB;
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
      for (let c = 0; c < 3; c++) data[at + c] = found[c];
      data[at + 3] = 255;
    }
  }
  return { width, height, data };
}
