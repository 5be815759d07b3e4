/** The cells of a heat map as pixels: one for a cell, or one for several where they are smaller than the screen's,
 * pooled so that a single strong cell stays in sight. What a query may not see stays transparent.
 */

import { pool } from "../attention/pool";
import type { Pixels, Shown, Store } from "../contract";
import { rgb } from "../drawing/colours";
import { density } from "../drawing/labels";
import { image } from "../drawing/signed";
import type { Axis, Box } from "./layout";

interface Drawn {
  look: string;
  cells: Pixels;
  nulls: Pixels | null;
}

const known = new WeakMap<Shown, Drawn>();

/** As they are drawn: transposed, zoomed; the null's column apart. The last look of a map is remembered. */
export function pixelsOf(store: Store, { plot, down, across, nulls }: Box, shown: Shown): Drawn {
  const { palette, state } = store;
  const part = ({ end, from, count, cell }: Axis) => [end, from, count, cell];
  const look = [palette.dark, state.scale, plot.most, state.pool, part(down), part(across)].join();
  let found = known.get(shown);
  if (found?.look !== look) {
    const one = (axis: Axis) => (axis.end === "key" ? { ...axis, from: -1, count: 1 } : axis);
    const strip = nulls && shown.nulls && paint(store, plot, one(down), one(across), shown);
    known.set(shown, (found = { look, cells: paint(store, plot, down, across, shown), nulls: strip }));
  }
  return found;
}

/** The key -1 is the null. */
function paint({ palette, state }: Store, plot: Box["plot"], down: Axis, across: Axis, shown: Shown): Pixels {
  const { S, weights, nulls, hatched, queries, keys, sink } = shown;
  const values = new Float32Array(down.count * across.count).map((_, at) => {
    const [i, j] = [down.from + Math.floor(at / across.count), across.from + (at % across.count)];
    const [t, s] = down.end === "query" ? [i, j] : [j, i];
    return s < 0 ? nulls![t] : weights[t * S + s];
  });
  const [rows, columns] = [spans(down), spans(across)];
  const [height, width] = [rows.length, columns.length];
  const pooled = height < down.count || width < across.count;
  const small = pooled ? pool(values, down.count, across.count, height, width, state.pool, shown.signed) : values;
  const open = (t: number, s: number) => !hatched[t] && (s < 0 || shown.sees(t, s));
  const wash = rgb(palette.wash);
  return image(width, height, (i, j) => {
    const [[t, lastT], [s, lastS]] = down.end === "query" ? [rows[i], columns[j]] : [columns[j], rows[i]];
    if (!open(t, s) && !(pooled && (open(lastT, s) || open(t, lastS) || open(lastT, lastS)))) return null;
    if (!pooled && s >= 0 && !(queries[t] && keys[s] && s !== sink)) return wash;
    return plot[s < 0 ? "nulls" : "real"](plot.rise(small[i * width + j] / plot.most));
  });
}

/** First and last cell of each pixel along an axis. */
function spans({ from, count, cell }: Axis): [number, number][] {
  const n = Math.max(1, Math.round(Math.min(count, count * cell * density())));
  return Array.from({ length: n }, (_, i) => [
    from + Math.floor((i * count) / n),
    from + Math.ceil(((i + 1) * count) / n) - 1,
  ]);
}
