/** The cells of a map as pixels: one for a cell, or one for several where they are smaller than the screen's, pooled so
 * that a single strong cell stays in sight. What a query may not see stays transparent.
 */

import { rgb } from "./colours";
import type { Palette, Pixels, RGB, Shown, State } from "./contract";
import { density } from "./labels";
import type { Axis, Box } from "./maplayout";
import { pool, poolRows } from "./pool";
import { most, tone } from "./tone";

const KEPT = 4; // looks that a map remembers
const cache = new WeakMap<Shown, Map<string, Pixels>>();

/** Pixels of the cells in `box`, as they are drawn: transposed, zoomed. */
export function cellPixels(shown: Shown, box: Box, state: State, palette: Palette): Pixels {
  const { down, across } = box;
  const key = [palette.dark, state.scale, state.range, state.pool, down.end, down.from, down.count, down.cell];
  const name = [...key, across.from, across.count, across.cell].join();
  const known = cache.get(shown) ?? new Map<string, Pixels>();
  let found = known.get(name);
  if (!found) {
    if (known.size >= KEPT) known.clear();
    known.set(name, (found = colour(shown, box, state, palette)));
    cache.set(shown, known);
  }
  return found;
}

function colour(shown: Shown, box: Box, state: State, palette: Palette): Pixels {
  const { down, across } = box;
  const turned = down.end === "key";
  const [T, S] = turned ? [across, down] : [down, across];
  const values = new Float32Array(down.count * across.count);
  for (let i = 0; i < down.count; i++) {
    for (let j = 0; j < across.count; j++) {
      const [t, s] = turned ? [j, i] : [i, j];
      values[i * across.count + j] = shown.weights[(T.from + t) * shown.S + S.from + s];
    }
  }
  const [rows, columns] = [spans(down), spans(across)];
  const [height, width] = [rows.length, columns.length];
  const pooled = height < down.count || width < across.count;
  const small = pooled ? pool(values, down.count, across.count, height, width, state.pool, shown.signed) : values;
  const open = (t: number, s: number) => shown.sees(t, s) && !shown.hatched[t];
  const strength = tone(state, most(shown, state));
  const ramp = shown.signed ? palette.difference : palette.real;
  const wash = rgb(palette.wash);
  const data = new Uint8ClampedArray(4 * height * width);
  for (let i = 0; i < height; i++) {
    for (let j = 0; j < width; j++) {
      const [[t, lastT], [s, lastS]] = turned ? [columns[j], rows[i]] : [rows[i], columns[j]];
      if (!open(t, s) && !(pooled && (open(lastT, s) || open(t, lastS) || open(lastT, lastS)))) continue;
      const left = pooled || (shown.queries[t] && shown.keys[s] && s !== shown.sink);
      const pixel: RGB = left ? ramp(strength(small[i * width + j])) : wash;
      const at = 4 * (i * width + j);
      data[at] = pixel[0];
      data[at + 1] = pixel[1];
      data[at + 2] = pixel[2];
      data[at + 3] = 255;
    }
  }
  return { width, height, data };
}

/** First and last cell of each pixel along an axis. */
function spans({ from, count, cell }: Axis): [number, number][] {
  const n = Math.max(1, Math.round(Math.min(count, count * cell * density())));
  return Array.from({ length: n }, (_, i) => [
    from + Math.floor((i * count) / n),
    from + Math.ceil(((i + 1) * count) / n) - 1,
  ]);
}

/** The null's column as pixels, one for a query. */
export function nullPixels(shown: Shown, nulls: Float32Array, box: Box, state: State, palette: Palette): Pixels {
  const axis = box.down.end === "query" ? box.down : box.across;
  const strength = tone(state, most(shown, state));
  const ramp = shown.signed ? palette.difference : palette.nulls;
  const rows = spans(axis);
  const values = poolRows(nulls.slice(axis.from, axis.from + axis.count), rows.length);
  const data = new Uint8ClampedArray(4 * rows.length);
  rows.forEach(([t], i) => {
    if (!shown.hatched[t]) data.set([...ramp(strength(values[i])), 255], 4 * i);
  });
  return axis === box.down ? { width: 1, height: rows.length, data } : { width: rows.length, height: 1, data };
}
