/** Around the cells of a heat map: names of the axes, tokens or positions along them, bars of null mass. */

import type { Shown, Store, Surface } from "../contract";
import { cut, TITLES } from "../drawing/labels";
import { css, pale } from "../drawing/tone";
import { fixed } from "../heads/heads";
import { alike } from "../heads/views";
import { type Axis, type Box, inSight, part, queriesFirst, type Rect, within } from "./layout";

const TURN = 60; // degrees that long labels are turned by; layout.ts leaves room for its sine, 0.87
const ASKED = 72; // room for the token of the row or column in focus, where the others have positions

/** Names and labels of both axes; those of the row and column in focus are bold, and tokens in any case. */
export function labels(surface: Surface, store: Store, box: Box): void {
  const { palette, hover, state } = store;
  const { down, across, nulls, plot, right } = box;
  const [x, y, w, h] = box.cells;
  const [startX, startY] = nulls ? [Math.min(x, nulls[0]), Math.min(y, nulls[1])] : [x, y]; // where labels end
  const name = { size: 12, fill: palette.soft, align: "center" } as const;
  const named = ({ end }: Axis, length: number) => (length < 100 ? end : TITLES[end]);
  surface.text(x + w / 2, startY - across.room - 6, named(across, w), name);
  if (down.room) surface.text(startX - down.room - 16, y + h / 2, named(down, h), { ...name, turn: -90 });
  if (nulls) {
    const style = { size: 12.5, bold: true, fill: palette.null_ink, align: "center", middle: true } as const;
    if (startY < y) surface.text(x - 12, startY + nulls[3] / 2, "∅", style);
    else surface.text(startX + nulls[2] / 2, y - 10, "∅", style);
  }
  for (const axis of [down, across].filter(({ room }) => room)) {
    const asked = (alike(store, plot) ? hover[axis.end] : null) ?? state[axis.end];
    const [size, clear] = axis.words ? [Math.min(12.5, axis.cell), 1] : [11.5, axis === down ? 14 : ASKED / 2 + 14];
    const kept = plot.shown && (axis.end === "query" ? plot.shown.queries : plot.shown.keys);
    const write = (i: number, here: boolean) => {
      const token = axis.words || here;
      const words = token ? axis.tokens.text[i] : String(i);
      const fill = kept && !kept[i] ? pale(palette) : token ? palette.ink : palette.soft;
      const style = { size, fill, bold: here, middle: true };
      const [left, top, wide, high] = part(box, box.cells, i, i);
      if (axis === down) {
        surface.text(startX - 6, top + high / 2, cut(words, axis.room, size), { ...style, align: "right" });
      } else if (axis.turned) {
        const fitting = cut(words, (axis.room - 6) / 0.87, size);
        surface.text(left + wide / 2 + 2, startY - 7, fitting, { ...style, turn: -TURN });
      } else {
        const middle = token && !axis.words ? Math.min(left + wide / 2, right - ASKED / 2) : left + wide / 2;
        surface.text(middle, startY - 10, cut(words, ASKED, size), { ...style, align: "center" });
      }
    };
    for (const i of inSight(axis)) {
      const apart = Math.abs(i - (asked ?? Infinity)) * axis.cell;
      if (i % axis.every === 0 && apart >= clear) write(i, false);
    }
    if (asked !== null && within(axis, asked)) write(asked, true);
  }
}

/** Null mass of each query, from 0 to 1; in a difference to both sides of the middle. */
export function massBars(surface: Surface, { palette }: Store, box: Box, { mass, signed }: Shown): void {
  if (!box.mass || !mass) return;
  const [x, y, w, h] = box.mass;
  const [queries] = queriesFirst(box);
  const upright = queries === box.across;
  const at = (share: number) => (upright ? h : w) * (signed ? (share + 1) / 2 : share);
  const slice = ([left, top, wide, high]: Rect, from: number, to: number): Rect =>
    upright ? [left, y + at(from), wide, at(to) - at(from)] : [x + at(from), top, at(to) - at(from), high];
  for (const t of inSight(queries)) {
    const fill = css(signed ? palette.difference(Math.sign(mass[t]) * 0.6) : palette.nulls(0.6));
    surface.rect(...slice(part(box, box.mass, t, null), Math.min(0, mass[t]), Math.max(0, mass[t])), fill);
  }
  for (const share of signed ? [-1, 0, 1] : [0, 1]) {
    const [left, top, wide, high] = slice(box.mass, share, share);
    const style = { size: 10.5, fill: palette.soft, middle: true };
    surface.line(left, top, left + wide, top + high, palette.line, 1, 1);
    if (upright) surface.text(x - 5, top, fixed(share, 0, signed), { ...style, align: "right" });
    else surface.text(left, y + h + 10, fixed(share, 0, signed), { ...style, align: "center" });
  }
  const [left, top] = upright ? [x - 24, y + h / 2] : [x + w, y - box.across.room - 10];
  surface.text(left, top, "null mass", { size: 11, fill: palette.null_ink, align: "right", middle: true });
}
