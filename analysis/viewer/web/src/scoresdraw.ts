/** The picture of the score maps: cells with their numbers where there is room, the null's column apart, a legend below
 * each, arrows from stage to stage.
 */

import type { RGB, Store, Surface } from "./contract";
import { headOf } from "./heads";
import { cut } from "./labels";
import { labels } from "./mapmargins";
import { offset, within, type Box } from "./maplayout";
import { stageName, type ScoreMap } from "./scoremaps";
import type { ScoresLayout } from "./scoreslayout";
import { decimal, image } from "./signed";
import { ticks, tone } from "./tone";
import { alike } from "./views";

const NUMBERS = 34; // least cell with its number in it, in 1/16 rem

export function paint(surface: Surface, store: Store, layout: ScoresLayout, maps: ScoreMap[], title: string): void {
  const { palette } = store;
  const { u, boxes, width } = layout;
  surface.text(0, 17 * u, cut(title, width, 13 * u), { size: 13 * u, fill: palette.ink, bold: true });
  maps.forEach((map, i) => {
    const box = { ...boxes[i], view: { ...boxes[i].view, shown: map.shown } };
    const [x, , wide] = box.cells;
    const [name, about] = stageName(map.which, headOf(store.payload, box.view.at).neuron!);
    surface.text(x, 42 * u, name, { size: 12.5 * u, fill: palette.ink, bold: true });
    const room = Math.max(wide + 28 * u, 120 * u);
    surface.text(x, 57 * u, cut(about, room, 11 * u), { size: 11 * u, fill: palette.soft });
    if (i > 0) surface.text(boxes[i].left - 18 * u, 42 * u, "→", { size: 16 * u, fill: palette.soft, align: "center" });
    cells(surface, store, box, map, u);
    if (box.cells[2] / box.across.count >= NUMBERS * u) numbers(surface, store, box, map, u);
    labels(surface, store, box);
    cross(surface, store, box);
    legend(surface, store, box, map, u);
  });
}

function cells(surface: Surface, { palette }: Store, box: Box, map: ScoreMap, u: number): void {
  const { cells, nulls, across, down } = box;
  const [x, y, w, h] = cells;
  surface.hatch(x, y, w, h, palette.line);
  surface.image(x, y, w, h, map.pixels);
  if (across.cell >= 14 * u) {
    for (let j = 1; j < across.count; j++) surface.rect(x + j * across.cell - 0.5, y, 1, h, palette.paper);
    for (let i = 1; i < down.count; i++) surface.rect(x, y + i * down.cell - 0.5, w, 1, palette.paper);
  }
  surface.frame(x - 0.5, y - 0.5, w + 1, h + 1, palette.line, 1);
  if (!nulls || !map.nullPixels) return;
  surface.image(...nulls, map.nullPixels);
  surface.frame(nulls[0] - 0.5, nulls[1] - 0.5, nulls[2] + 1, nulls[3] + 1, palette.null_ink, 1);
}

function numbers(surface: Surface, { palette }: Store, box: Box, map: ScoreMap, u: number): void {
  const { cells, nulls, down, across } = box;
  const { weights, S, nulls: column } = map.shown;
  const write = (x: number, y: number, value: number, fill: RGB | null) => {
    const words = map.which === "softmax" ? value.toFixed(2) : decimal(value);
    surface.text(x, y, words, { size: 10.5 * u, fill: fill ? on(fill) : palette.soft, align: "center", middle: true });
  };
  for (let i = down.from; i < down.from + down.count; i++) {
    for (let j = across.from; j < across.from + across.count; j++) {
      const value = weights[down.end === "query" ? i * S + j : j * S + i];
      const [x, y] = [cells[0] + offset(across, j) + across.cell / 2, cells[1] + offset(down, i) + down.cell / 2];
      if (!Number.isNaN(value)) write(x, y, value, value === -Infinity ? null : map.colour(value));
    }
  }
  const queries = down.end === "query" ? down : across;
  for (let t = queries.from; nulls && column && t < queries.from + queries.count; t++) {
    const along = offset(queries, t) + queries.cell / 2;
    const [x, y] = queries === down ? [nulls[2] / 2, along] : [along, nulls[3] / 2];
    write(nulls[0] + x, nulls[1] + y, column[t], map.nullColour(column[t]));
  }
}

/** The row and the column of what is locked, and on top of what is pointed at. */
function cross(surface: Surface, store: Store, { view, cells: [x, y, w, h], down, across }: Box): void {
  const { palette, state, hover } = store;
  for (const [at, stroke] of [[state, palette.accent], [hover, palette.ink]] as const) {
    if (at === hover && !alike(store, view)) continue;
    for (const axis of [down, across]) {
      const i = at[axis.end];
      if (i === null || !within(axis, i)) continue;
      const from = offset(axis, i);
      for (const edge of axis.cell < 3 ? [from + axis.cell / 2] : [from, from + axis.cell]) {
        if (axis === down) surface.line(x, y + edge, x + w, y + edge, stroke, 1, 0.7);
        else surface.line(x + edge, y, x + edge, y + h, stroke, 1, 0.7);
      }
    }
  }
}

/** The colours with their numbers: scores around 0, weights from 0. */
function legend(surface: Surface, { palette, state }: Store, { cells }: Box, map: ScoreMap, u: number): void {
  const [x, y, w, h] = cells;
  const wide = Math.min(180 * u, Math.max(70 * u, w));
  const top = y + h + 14 * u;
  const weights = map.which === "softmax";
  const two = weights && map.shown.nulls;
  const bar = (down: number, high: number, colour: (share: number) => RGB) =>
    surface.image(x, top + down, wide, high, image(64, 1, (_, i) => colour(i / 63)));
  bar(0, 9 * u, weights ? palette.real : (share) => map.colour((2 * share - 1) * map.top));
  if (two) bar(5 * u, 4 * u, palette.nulls);
  surface.frame(x - 0.5, top - 0.5, wide + 1, 9 * u + 1, palette.line, 1);
  if (two) surface.text(x + wide + 8 * u, top + 9 * u, "∅", { size: 11 * u, fill: palette.null_ink });
  const all = weights ? ticks(state, map.top) : [-map.top, 0, map.top];
  const rise = tone(state, map.top);
  for (const value of wide > 120 * u || !weights ? all : [0, map.top]) {
    const at = x + wide * (weights ? rise(value) : (value / map.top + 1) / 2);
    const words = weights ? String(Number(value.toPrecision(2))) : decimal(value);
    surface.text(at, top + 22 * u, words, { size: 10.5 * u, fill: palette.soft, align: "center" });
  }
}

/** Black or white, whichever is read better on the colour (relative luminance of WCAG 2). */
function on(fill: RGB): string {
  const [r, g, b] = fill.map((v) => (v / 255) ** 2.2);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b > 0.18 ? "#111418" : "#ffffff";
}
