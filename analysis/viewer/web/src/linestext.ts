/** The words and numbers of the head view: tokens, the pinned null, weights beside the tokens, headings, and what
 * stands in the middle while there is no map.
 */

import type { Shown, Surface } from "./contract";
import { digits, precision } from "./facts";
import { heading } from "./heading";
import { cut, paragraph, widthOf } from "./labels";
import { NUMBER, PAD, inSight, place } from "./lineslayout";
import { drawn, weightAt } from "./linespick";
import { type Box, type Scene, boxOf } from "./linesscene";
import { css, pale } from "./tone";
import { missing } from "./views";

type End = "query" | "key";

const BAND = 0.36; // how far up its ramp the background of an attended token goes: words on it stay legible

/** Tokens in sight, with the background of what is locked, pointed at, attended. */
export function labels(scene: Scene): void {
  const { surface, store, layout, plot, maps, asked, locked } = scene;
  const { palette } = store;
  for (const end of ["query", "key"] as const) {
    const lane = end === "query" ? plot.queries : plot.keys;
    const tokens = end === "query" ? plot.views[0].queries : plot.views[0].keys;
    const [first, last] = inSight(layout, lane);
    for (let i = Math.max(0, first); i <= last; i++) {
      const box = boxOf(scene, end, i);
      const here = asked?.[end] === i;
      background(scene, end, i, box, here);
      if (end === "query" && maps.some((shown) => shown.hatched[i])) surface.hatch(...box, palette.line);
      if (locked?.[end] === i) frame(surface, box, palette.accent);
      const kept = maps.every((shown) => (end === "query" ? shown.queries : shown.keys)[i]);
      word(scene, end, box, tokens.text[i], kept ? palette.ink : pale(palette), here);
    }
  }
}

/** The null before the keys, in its own colour. */
export function nullLabel(scene: Scene): void {
  const { surface, store, layout, plot, maps, asked, locked } = scene;
  if (!layout.nulls || !maps.some((shown) => shown.nulls)) return;
  const { nulls, null_ink } = store.palette;
  const box = boxOf(scene, "key", -1);
  const { sink } = maps[0];
  surface.rect(...box, css(nulls(0.12)));
  background(scene, "key", -1, box, asked?.key === -1);
  if (locked?.key === -1) frame(surface, box, null_ink);
  word(scene, "key", box, `∅ ${sink === null ? "null" : plot.views[0].keys.text[sink]}`, null_ink, true);
  if (asked && asked.query !== null) number(scene, "key", -1, asked.query);
}

/** The weights of the asked query beside its keys, and of the asked key beside its queries. */
export function numbers(scene: Scene): void {
  const { layout, plot, asked } = scene;
  if (!asked) return;
  const each = (lane: typeof plot.keys, write: (i: number) => void) => {
    const [first, last] = inSight(layout, lane);
    for (let i = Math.max(0, first); i <= last; i++) write(i);
  };
  const { query, key } = asked;
  if (query !== null) each(plot.keys, (s) => number(scene, "key", s, query));
  if (key !== null) each(plot.queries, (t) => number(scene, "query", t, key));
}

/** One token's weights, with respect to the asked token at the other end; the strongest where there is room for one. */
function number(scene: Scene, end: End, i: number, other: number): void {
  const { surface, store, layout, plot, maps, tones } = scene;
  if (!plot.count) return;
  const { horizontal } = layout;
  const [t, s] = end === "key" ? [other, i] : [i, other];
  const seen = ({ hatched, queries, keys, nulls, sink, sees }: Shown) =>
    queries[t] && !hatched[t] && (s < 0 ? nulls !== null : keys[s] && s !== sink && sees(t, s));
  const strength = (head: number) => Math.abs(tones[head](weightAt(maps[head], t, s)));
  let heads = [...maps.keys()].filter((head) => seen(maps[head]));
  if (plot.count < maps.length) heads = heads.sort((one, two) => strength(two) - strength(one)).slice(0, 1);
  const box = boxOf(scene, end, i);
  const along = horizontal ? box[0] + box[2] / 2 : box[1] + box[3] / 2;
  for (const head of heads) {
    const shown = maps[head];
    const least = horizontal ? 0.01 : 0.001; // there is no room for more digits
    const error = Math.max(least, precision(store, plot.views[head], shown, t, s));
    const fill = drawn(shown, t, s, store.state) ? inked(scene, head, s) : store.palette.soft;
    const column = plot.count < maps.length ? 0 : head;
    const step = horizontal ? NUMBER.rows : NUMBER.columns;
    const across = end === "key" ? plot.keyNumbers + column * step : plot.queryNumbers + (column - plot.count) * step;
    const [x, y] = place(layout, along, across + (horizontal ? 9 : 0));
    const style = { size: horizontal ? 10.5 : 12, fill, middle: true, align: horizontal ? "center" : "left" } as const;
    surface.text(x, y, digits(weightAt(shown, t, s), error, shown.signed), style);
  }
}

/** The colour of a number: of its head, but dark enough to be read. */
function inked({ store: { palette }, maps }: Scene, head: number, s: number): string {
  if (maps.length > 1 && !maps[0].signed) return palette.head(head, maps.length);
  return s < 0 && !maps[0].signed ? palette.null_ink : palette.ink;
}

/** How much of an asked query's weight goes to keys that are scrolled away. */
export function outOfSight({ surface, store, layout, plot, maps, asked }: Scene): void {
  if (!asked || asked.query === null || maps.length > 1 || maps[0].signed) return;
  const [{ S, weights }] = maps;
  const row = weights.subarray(asked.query * S, (asked.query + 1) * S);
  const [first, last] = inSight(layout, plot.keys);
  const write = (keys: Float32Array, arrow: string, along: number) => {
    const share = keys.reduce((sum, w) => sum + w, 0);
    if (share < 0.005) return;
    const [x, y] = place(layout, along, plot.far - 12);
    const style = { size: 12, fill: store.palette.soft, middle: true, align: "right" } as const;
    surface.text(x, y, `${arrow} ${share.toFixed(2)}`, style);
  };
  const [before, after] = layout.horizontal ? "←→" : "↑↓";
  write(row.subarray(0, Math.max(0, first)), before, layout.pin + (layout.horizontal ? 52 : 12));
  write(row.subarray(last + 1), after, layout.reach - 12);
}

/** What stands in the middle while there is no map: nothing much, or why. */
export function placeholder({ surface, store, layout, plot }: Scene): void {
  const words = plot.views.map((view) => missing(store, view)).find(Boolean) ?? "decoding …";
  const along = (layout.pin + layout.reach) / 2;
  const [x, y] = place(layout, along, (plot.near + plot.far) / 2);
  const width = layout.horizontal ? Math.min(layout.width - layout.pin, 480) : plot.far - plot.near;
  paragraph(surface, x, y, width - 24, words, store.palette.soft);
}

/** Side and heads above, and the names of the columns. */
export function headings({ surface, store, layout, plot }: Scene): void {
  const [query, key] = plot.names;
  const style = { size: 12, fill: store.palette.soft, middle: true };
  if (layout.horizontal) {
    heading(surface, store, plot.views, 0, plot.start, layout.width);
    surface.text(0, plot.near - layout.row / 2, query, style);
    surface.text(0, plot.far + layout.row / 2, key, style);
  } else {
    const left = plot.near - PAD - Math.max(plot.room, widthOf(query, 12));
    heading(surface, store, plot.views, left, 0, plot.end - left);
    surface.text(plot.near - PAD, 51, query, { ...style, align: "right" });
    surface.text(plot.far + PAD, 51, key, style);
  }
}

function background(scene: Scene, end: End, i: number, box: Box, here: boolean): void {
  const { surface, store, maps, asked } = scene;
  const { palette } = store;
  if (here) surface.rect(...box, i < 0 ? css(palette.nulls(0.25)) : palette.wash);
  const other = end === "key" ? asked?.query : asked?.key;
  if (other === null || other === undefined || maps.length !== 1) return;
  const [t, s] = end === "key" ? [other, i] : [i, other];
  const shown: Shown = maps[0];
  if (t >= shown.T || (s >= 0 ? s >= shown.S : !shown.nulls)) return;
  const strength = scene.tones[0](weightAt(shown, t, s)) * BAND;
  if (Math.abs(strength) < 0.01) return;
  const ramp = shown.signed ? palette.difference : s < 0 ? palette.nulls : palette.real;
  surface.rect(...box, css(ramp(strength)));
}

function word({ surface, layout }: Scene, end: End, box: Box, words: string, fill: string, bold: boolean): void {
  const { horizontal, size } = layout;
  const [x, y, w, h] = box;
  const pad = horizontal ? 4 : PAD;
  const align = horizontal ? "center" : end === "query" ? "right" : "left";
  const at = { left: x + pad, center: x + w / 2, right: x + w - pad }[align];
  surface.text(at, y + h / 2, cut(words, w - 2 * pad + 1, size), { size, fill, align, middle: true, bold });
}

function frame(surface: Surface, [x, y, w, h]: Box, stroke: string): void {
  surface.frame(x + 0.5, y + 0.5, w - 1, h - 1, stroke, 1);
}
