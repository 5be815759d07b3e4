/** Where the score maps stand: one, or the four stages in a row, of which only the first has its rows named. Boxes and
 * axes are those of the map, so that both name their axes alike. Lengths in CSS pixels.
 */

import type { State } from "./contract";
import { every, unit, widest } from "./labels";
import { offset, type Axis, type Box, type Rect } from "./maplayout";
import { keysOf } from "./payload";
import type { View } from "./views";

export interface ScoresLayout {
  u: number;
  boxes: Box[];
  width: number;
  height: number;
}

const LARGEST = { one: 56, row: 36 }; // of a cell, in 1/16 rem
const NAMED = 10.5; // least cell with its token beside it
const LABEL = 80; // of a token at most
const HEAD = 82; // title, names of the stages, name of the axis
const FOOT = 46; // legend
const GAP = 36;
const APART = 5; // the null's strip from the cells

/** What is drawn of an axis of n tokens: the position range of the filters. */
export function part(state: State, n: number): { from: number; count: number } {
  const from = Math.min(state.from, n - 1);
  return { from, count: Math.min(state.to ?? n - 1, n - 1) - from + 1 };
}

/** The side of a cell when `count` maps stand in `width`; never less than a pixel: wider maps scroll. */
export function cellSize(view: View, state: State, width: number, count: number): number {
  const u = unit();
  const tokens = state.transposed ? view.queries : view.keys;
  const columns = part(state, tokens.text.length).count + (view.pinned && !state.transposed ? 1.3 : 0);
  const room = (width - (LABEL + 36) * u - (count - 1) * GAP * u) / count;
  const fit = Math.min((count > 1 ? LARGEST.row : LARGEST.one) * u, room / columns);
  const ratio = window.devicePixelRatio || 1;
  return Math.max(1, Math.floor(fit * ratio) / ratio);
}

export function scoresLayout(view: View, state: State, width: number, count: number): ScoresLayout {
  const u = unit();
  const cell = cellSize(view, state, width, count);
  const words = cell >= NAMED * u;
  const axis = (end: Axis["end"]) => {
    const tokens = end === "query" ? view.queries : keysOf(view.text);
    const { from, count } = part(state, tokens.text.length);
    const wide = widest(tokens.text.slice(from, from + count), 12.5 * u, LABEL * u);
    return { end, tokens, from, count, cell, words, wide };
  };
  const [low, across] = state.transposed ? [axis("key"), axis("query")] : [axis("query"), axis("key")];
  const upright = !words || across.wide + 6 * u <= cell;
  const above = upright ? 20 * u : Math.max(24 * u, across.wide * 0.87 + 8 * u);
  const beside = words ? low.wide : 30 * u;
  const strip = view.pinned ? Math.max(cell, 8 * u) : 0;
  const deep = strip && strip + APART * u;
  const [x, y] = state.transposed ? [0, deep] : [deep, 0];
  const [w, h] = [across.count * cell, low.count * cell];
  const left = 26 * u + beside;
  const top = HEAD * u + above;
  const blank = { ...low, words: true, tokens: { ...low.tokens, text: low.tokens.text.map(() => "") } };
  const boxes = Array.from({ length: count }, (_, i): Box => {
    const at = left + i * (w + x + GAP * u);
    const cells: Rect = [at + x, top + y, w, h];
    const nulls: Rect = state.transposed ? [at, top, w, strip] : [at, top, strip, h];
    return {
      view,
      left: at,
      top,
      width: x + w,
      height: y + h,
      down: { ...(i ? blank : low), upright: true, every: words ? 1 : every(cell, 18 * u), room: i ? 0 : beside },
      across: { ...across, upright, every: words ? 1 : every(cell, 34 * u), room: above },
      cells,
      nulls: view.pinned ? nulls : null,
      mass: null,
    };
  });
  const right = left + count * (w + x) + (count - 1) * GAP * u;
  return { u, boxes, width: Math.max(right + 8 * u, 240 * u), height: top + y + h + FOOT * u };
}

/** Which cell is at a point, in any of the maps; key -1: the null. */
export function scoresHit({ boxes }: ScoresLayout, px: number, py: number): { query: number; key: number } | null {
  for (const { cells, nulls, down, across } of boxes) {
    const at = (axis: Axis, along: number) => {
      const i = axis.from + Math.floor(along / axis.cell);
      return along >= 0 && offset(axis, i) < axis.count * axis.cell ? i : null;
    };
    const [i, j] = [at(down, py - cells[1]), at(across, px - cells[0])];
    const [query, key] = down.end === "query" ? [i, j] : [j, i];
    const inside = nulls && px >= nulls[0] && px < nulls[0] + nulls[2] && py >= nulls[1] && py < nulls[1] + nulls[3];
    if (query !== null && (key !== null || inside)) return { query, key: key ?? -1 };
  }
  return null;
}
