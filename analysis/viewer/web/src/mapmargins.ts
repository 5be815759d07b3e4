/** Around the cells of the map: the title, names of the axes, tokens or positions along them, bars of null mass. */

import type { Shown, Store, Surface } from "./contract";
import { factsOf, heading } from "./heading";
import { cut, widthOf } from "./labels";
import { type Axis, type Box, nullsOf, offset, within } from "./maplayout";
import { css, pale } from "./tone";
import { alike } from "./views";

const NAMES = { query: "query (attends)", key: "key (attended)" };
const TURN = 60; // degrees that long labels are turned by; mapLayout leaves room for its sine, 0.87

/** Above the cells; from the left edge of the box where it needs the room. */
export function title(surface: Surface, store: Store, { view, left, top, width, cells }: Box): void {
  const wide = Math.max(widthOf(view.side, 13, true), widthOf(factsOf(store, view), 12.5));
  const x = wide < left + width - cells[0] ? cells[0] : left;
  heading(surface, store, [view], x, top, left + width - x);
}

/** Names and labels of both axes; those of the row and column in focus are whole and on top. */
export function labels(surface: Surface, store: Store, box: Box): void {
  const { palette } = store;
  const { down, across, nulls } = box;
  const [x, y, w, h] = box.cells;
  const [startX, startY] = starts(box);
  const name = { size: 12, fill: palette.soft, align: "center" as const };
  const above = startY - across.room - 6;
  const named = ({ end }: Axis, length: number) => (length < 100 ? end : NAMES[end]);
  surface.text(x + w / 2, above, named(across, w), name);
  if (down.room) surface.text(startX - down.room - 14, y + h / 2, named(down, h), { ...name, turn: -90 });
  if (nulls && (nullsOf(box) || typeof box.view.shown === "string")) {
    const style = { size: 12.5, bold: true, fill: palette.null_ink, middle: true };
    if (nulls[1] < y) surface.text(nulls[0] - 6, nulls[1] + nulls[3] / 2, "∅", { ...style, align: "right" });
    else surface.text(nulls[0] + nulls[2] / 2, y - 10, "∅", { ...style, align: "center" });
  }
  for (const axis of [down, across]) {
    if (!axis.room) continue;
    const asked = (alike(store, box.view) ? store.hover[axis.end] : null) ?? store.state[axis.end];
    for (let i = Math.ceil(axis.from / axis.every) * axis.every; i < axis.from + axis.count; i += axis.every) {
      const apart = asked === null ? Infinity : Math.abs(i - asked) * axis.cell;
      if (axis.words ? i !== asked : apart > (axis === down ? 14 : 32)) label(surface, store, box, axis, i, false);
    }
    if (asked !== null && within(axis, asked)) label(surface, store, box, axis, asked, true);
  }
}

/** Where labels end, left of and above the cells and the null's strip. */
function starts({ cells, nulls }: Box): [number, number] {
  return [Math.min(cells[0], nulls?.[0] ?? Infinity), Math.min(cells[1], nulls?.[1] ?? Infinity)];
}

function label(surface: Surface, store: Store, box: Box, axis: Axis, i: number, here: boolean): void {
  const { palette } = store;
  const { shown } = box.view;
  const [startX, startY] = starts(box);
  const kept = typeof shown === "string" || (axis.end === "query" ? shown.queries : shown.keys)[i];
  const token = axis.words || here;
  const words = token ? axis.tokens.text[i] : String(i);
  const size = axis.words ? Math.min(12.5, axis.cell * 0.95) : here ? 12.5 : 11;
  const style = { size, fill: kept ? (token ? palette.ink : palette.soft) : pale(palette), bold: here, middle: true };
  const middle = offset(axis, i) + axis.cell / 2;
  if (axis === box.down) {
    const y = box.cells[1] + middle;
    const clear = axis.words ? axis.cell : 18;
    if (here) surface.rect(startX - axis.room - 6, y - clear / 2, axis.room + 5, clear, palette.paper);
    return surface.text(startX - 6, y, cut(words, axis.room, size), { ...style, align: "right" });
  }
  const x = box.cells[0] + middle;
  if (!axis.upright) {
    return surface.text(x + 2, startY - 7, cut(words, (axis.room - 6) / 0.87, size), { ...style, turn: -TURN });
  }
  const shortened = cut(words, 120, size);
  const half = widthOf(shortened, size, here) / 2 + 4;
  const at = here ? Math.max(box.left + half, Math.min(x, box.left + box.width - half)) : x;
  if (here) surface.rect(at - half, startY - 19, 2 * half, 18, palette.paper);
  surface.text(at, startY - 10, shortened, { ...style, align: "center" });
}

/** Null mass of each query, from 0 to 1; in a difference to both sides of the middle. */
export function massBars(surface: Surface, store: Store, box: Box, shown: Shown, mass: Float32Array): void {
  const { palette } = store;
  const [x, y, w, h] = box.mass!;
  const axis = box.down.end === "query" ? box.down : box.across;
  const upright = axis === box.across;
  const length = upright ? h : w;
  const scale = shown.signed ? length / 2 : length;
  const zero = length - scale;
  const step = Math.max(1, Math.ceil(1 / axis.cell)); // queries that share a bar: the largest stands for them
  const thick = axis.cell * step > 4 ? axis.cell * step - 1 : axis.cell * step;
  for (let t = axis.from; t < axis.from + axis.count; t += step) {
    const group = Array.from(mass.subarray(t, Math.min(t + step, axis.from + axis.count)));
    const m = group.reduce((best, value) => (Math.abs(value) > Math.abs(best) ? value : best));
    const fill = css(shown.signed ? palette.difference(Math.sign(m) * 0.6) : palette.nulls(0.6));
    const [at, from, size] = [offset(axis, t), zero + Math.min(0, m) * scale, Math.abs(m) * scale];
    if (upright) surface.rect(x + at, y + from, thick, size, fill);
    else surface.rect(x + from, y + at, size, thick, fill);
  }
  const style = { size: 10.5, fill: palette.soft };
  for (const mark of shown.signed ? [-1, 0, 1] : [0, 1]) {
    const at = zero + mark * scale;
    const words = mark < 0 ? "−1" : shown.signed && mark > 0 ? "+1" : String(mark);
    if (upright) {
      surface.line(x, y + at, x + w, y + at, palette.line, 1, 1);
      surface.text(x - 5, y + at, words, { ...style, align: "right", middle: true });
    } else {
      surface.line(x + at, y, x + at, y + h, palette.line, 1, 1);
      surface.text(x + at, y + h + 13, words, { ...style, align: "center" });
    }
  }
  const name = { size: 11, fill: palette.null_ink };
  if (upright) surface.text(x - 22, y + h / 2, "null mass", { ...name, align: "right", middle: true });
  else surface.text(x + w / 2, starts(box)[1] - box.across.room - 6, "null mass", { ...name, align: "center" });
}
