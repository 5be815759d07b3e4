/** Maps made small for the model view. By the largest value a single spike stays visible at any size. */

/** [T, S] -> [h, w]: cell (i, j) covers rows floor(i T / h) to before floor((i + 1) T / h), at least one; so columns.
 *
 * These are the blocks of codec.py, whose thumbnails stand beside these. signed: the largest magnitude with its sign,
 * the first of equal ones, so that pooling commutes with negation.
 */
export function pool(
  values: Float32Array,
  T: number,
  S: number,
  h: number,
  w: number,
  how: "max" | "mean",
  signed: boolean,
): Float32Array {
  if (h === T && w === S) return values;
  const out = new Float32Array(h * w);
  const rows = blocks(T, h);
  const columns = blocks(S, w);
  for (let i = 0; i < h; i++) {
    const [top, bottom] = [rows[2 * i], rows[2 * i + 1]];
    for (let j = 0; j < w; j++) {
      const [left, right] = [columns[2 * j], columns[2 * j + 1]];
      let best = 0;
      let sum = 0;
      for (let t = top; t < bottom; t++) {
        for (let at = t * S + left; at < t * S + right; at++) {
          const x = values[at];
          sum += x;
          if (signed ? Math.abs(x) > Math.abs(best) : x > best) best = x;
        }
      }
      out[i * w + j] = how === "max" ? best : sum / ((bottom - top) * (right - left));
    }
  }
  return out;
}

/** [T] -> [h], means: for the null's column, whose thumbnail is a bar and not a search for spikes. */
export function poolRows(column: Float32Array, h: number): Float32Array {
  return pool(column, column.length, 1, h, 1, "mean", false);
}

/** First and end of each block, one after the other. */
function blocks(size: number, count: number): Int32Array {
  const out = new Int32Array(2 * count);
  for (let i = 0; i < count; i++) {
    out[2 * i] = Math.floor((i * size) / count);
    out[2 * i + 1] = Math.max(out[2 * i] + 1, Math.floor(((i + 1) * size) / count));
  }
  return out;
}
