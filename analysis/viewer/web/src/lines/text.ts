/** The words and numbers of the head view: tokens, the pinned null, weights beside them, headings, and what stands in
 * the middle while there is no map.
 */

import type { Shown } from "../contract";
import { cut, paragraph, TITLES } from "../drawing/labels";
import { css, pale } from "../drawing/tone";
import { weight, weightAt } from "../heads/facts";
import { heading } from "../heads/heading";
import { missing } from "../heads/views";
import { type Lane, place, spanOf } from "./layout";
import { drawn } from "./pick";
import { type Box, boxOf, cellOf, type Scene } from "./scene";

const BAND = 0.36; // how far up its ramp the background of an attended token goes: words on it stay legible

/** A token (-1: the null) on the background of what is locked, pointed at, attended; and its weight beside it. */
export function label(scene: Scene, lane: Lane, i: number): void {
  const { surface, palette, layout, plot, maps, tones, asked, locked } = scene;
  const { end, tokens } = lane;
  const box = boxOf(scene, lane, spanOf(layout, lane, i));
  const here = asked?.[end] === i;
  if (i < 0) surface.rect(...box, css(palette.nulls(here ? 0.25 : 0.12)));
  else if (here) surface.rect(...box, palette.wash);
  const cell = cellOf(scene, lane, i);
  if (cell && maps.length === 1) {
    const strength = tones[0](weightAt(maps[0], ...cell)) * BAND;
    const ramp = maps[0].signed ? palette.difference : cell[1] < 0 ? palette.nulls : palette.real;
    if (Math.abs(strength) > 0.01) surface.rect(...box, css(ramp(strength)));
  }
  if (end === "query" && maps.some((shown) => shown.hatched[i])) surface.hatch(...box, palette.line);
  if (locked?.[end] === i) {
    const [x, y, w, h] = box;
    surface.frame(x + 0.5, y + 0.5, w - 1, h - 1, i < 0 ? palette.null_ink : palette.accent, 1);
  }
  if (cell && layout.numbered) number(scene, lane, box, ...cell);
  if (i < 0) {
    const { sink } = maps[0];
    const name = sink === null ? "null" : plot.views[0].keys.text[sink];
    return word(scene, lane, box, `∅ ${name}`, palette.null_ink, true);
  }
  const kept = maps.every((shown) => (end === "query" ? shown.queries : shown.keys)[i]);
  word(scene, lane, box, tokens.text[i], kept ? palette.ink : pale(palette), here);
}

function word({ layout, surface }: Scene, { align }: Lane, box: Box, words: string, fill: string, bold: boolean): void {
  const [x, y, w, h] = box;
  const { size } = layout;
  const pad = layout.horizontal ? 4 : 8;
  const at = align === "center" ? x + w / 2 : align === "left" ? x + pad : x + w - pad;
  surface.text(at, y + h / 2, cut(words, w - 2 * pad + 1, size), { size, fill, align, middle: true, bold });
}

/** The weight of a cell beside a label; of several heads the strongest. */
function number(scene: Scene, lane: Lane, box: Box, t: number, s: number): void {
  const { surface, palette, store, layout, plot, maps, tones } = scene;
  const { horizontal } = layout;
  const seen = ({ hatched, queries, keys, nulls, sink, sees }: Shown) =>
    queries[t] && !hatched[t] && (s < 0 ? nulls : keys[s] && s !== sink && sees(t, s));
  const strength = (head: number) => Math.abs(tones[head](weightAt(maps[head], t, s)));
  const heads = [...maps.keys()].filter((head) => seen(maps[head])).sort((one, two) => strength(two) - strength(one));
  if (!heads.length) return;
  const [head] = heads;
  const shown = maps[head];
  const ink = shown.signed || (maps.length === 1 && s >= 0) ? palette.ink : palette.null_ink;
  const own = maps.length > 1 && !shown.signed ? palette.head(head, maps.length) : ink;
  const [x, y, w, h] = box;
  const aside = lane.end === "query" ? -9 : layout.depth + 9;
  const [left, top] = horizontal ? [x + w / 2, lane.across + aside] : [lane.across + aside, y + h / 2];
  const least = horizontal ? 0.01 : 0.001; // for lack of room
  surface.text(left, top, weight(store, plot.views[head], shown, t, s, least), {
    size: horizontal ? 10.5 : 12,
    fill: drawn(shown, t, s, store.state) ? own : palette.soft,
    align: lane.align,
    middle: true,
  });
}

/** Side and heads above, and the names of the columns. */
export function headings(scene: Scene): void {
  const { surface, palette, store, layout, plot } = scene;
  const { horizontal, names, width } = layout;
  const [x, y] = horizontal ? [0, plot.start] : [plot.start, 0];
  heading(surface, store, plot.views, x, y, horizontal ? width : plot.end - plot.start);
  for (const { end, across, line, align } of plot.lanes) {
    const middle = horizontal ? across + layout.depth / 2 : line + (end === "query" ? -8 : 8);
    const [left, top] = place(layout, (names[0] + names[1]) / 2, middle);
    surface.text(left, top, layout.numbered ? TITLES[end] : end, { size: 12, fill: palette.soft, middle: true, align });
  }
}

/** What stands in the middle while there is no map: nothing much, or why. */
export function placeholder({ surface, palette, layout, plot }: Scene): void {
  const words = plot.views.map((view) => missing(view)).find(Boolean) ?? "decoding …";
  const [near, far] = plot.lanes.map((lane) => lane.line);
  const [x, y] = place(layout, (layout.pin + layout.reach) / 2, (near + far) / 2);
  paragraph(surface, x, y, layout.horizontal ? 480 : far - near - 24, words, palette.soft);
}
