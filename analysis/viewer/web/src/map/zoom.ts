/** The part of the map that is in sight: to a rectangle of cells, nearer, farther, along with the locked cell. */

import type { MapHit, Zoom } from "./layout";

type Sizes = Record<keyof Zoom, number>;
type Cell = Record<keyof Zoom, number | null>;

const FEWEST = 4; // cells along an axis

/** Between two corners that were dragged; null where they lie in different boxes, or outside the cells. */
export function between(one: MapHit | null, other: MapHit | null): Zoom | null {
  if (!one || !other || one.box !== other.box) return null;
  const span = (a: number | null, b: number | null): [number, number] | null =>
    a === null || b === null || a < 0 || b < 0 ? null : [Math.min(a, b), Math.max(a, b) + 1];
  const [query, key] = [span(one.query, other.query), span(one.key, other.key)];
  return query && key ? { query, key } : null;
}

/** Twice as near (0.5) or as far (2), around this cell; null: everything is in sight. */
export function scaled(zoom: Zoom | null, by: number, sizes: Sizes, around: Cell): Zoom | null {
  const next = (end: keyof Zoom): [number, number] => {
    const n = sizes[end];
    const [from, to] = zoom?.[end] ?? [0, n];
    const length = Math.min(n, Math.max(Math.min(FEWEST, n), Math.round((to - from) * by)));
    const middle = Math.max(0, around[end] ?? (from + to - 1) / 2); // the null stands before the first key
    return fitted(Math.round(middle - (length - 1) / 2), length, n);
  };
  const [query, key] = [next("query"), next("key")];
  const all = query[1] - query[0] >= sizes.query && key[1] - key[0] >= sizes.key;
  return all ? null : { query, key };
}

/** Moved, no more than needed, so that the cell is in sight. */
export function following(zoom: Zoom, sizes: Sizes, cell: Cell): Zoom {
  const next = (end: keyof Zoom): [number, number] => {
    const [from, to] = zoom[end];
    const i = cell[end];
    if (i === null || i < 0 || (i >= from && i < to)) return zoom[end];
    return fitted(i < from ? i : i - (to - from) + 1, to - from, sizes[end]);
  };
  return { query: next("query"), key: next("key") };
}

function fitted(from: number, length: number, n: number): [number, number] {
  const start = Math.max(0, Math.min(from, n - length));
  return [start, Math.min(n, start + length)];
}
