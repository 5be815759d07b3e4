/** The picture of the neuron view. Heading, query and null stay in place while the keys scroll below them; only the
 * rows that can be seen are drawn, so that a thousand keys scroll freely.
 */

import type { Lettering, Palette, Surface } from "../contract";
import { cut } from "../drawing/labels";
import { decimal, image, share, tint } from "../drawing/signed";
import { css } from "../drawing/tone";
import { FOOT, KEYS, LABEL, type Layout, NUMBER, QUERY, ROW } from "./layout";
import type { Reading } from "./reading";

/** What the pointer and the scroll bar say. */
export interface Look {
  palette: Palette;
  width: number;
  height: number;
  scroll: number;
  key: number | null; // under the pointer; -1 the null
  locked: number | null;
  dimension: number | null;
}

/** What every part of the picture is drawn with. */
interface Pen extends Look {
  surface: Surface;
  reading: Reading;
  p: Layout;
  write(x: number, y: number, words: string, style?: Partial<Lettering>): void; // y: the middle
}

export function paint(surface: Surface, reading: Reading, p: Layout, look: Look): void {
  const { palette, scroll, width, height, dimension } = look;
  const write: Pen["write"] = (x, y, words, style) =>
    surface.text(x, y, words, { size: 11, fill: palette.ink, middle: true, ...style });
  const pen = { ...look, surface, reading, p, write };
  const { vectors, strength, t, null_score } = reading;
  const q = (_: number, d: number) => vectors.q[t * p.H + d];
  const k = (s: number, d: number) => vectors.k[s * p.H + d];
  const bottom = height - FOOT;
  const first = Math.floor(scroll / ROW);
  const rows = reading.rows.slice(first, Math.ceil((scroll + bottom - p.head) / ROW));
  const top = p.head + first * ROW - scroll;

  surface.rect(0, 0, width, height, palette.paper);
  rows.forEach((s, i) => line(pen, top + i * ROW, s));
  cells(pen, KEYS, top, rows, strength.k, k);
  cells(pen, p.product, top, rows, strength.product, (s, d) => q(s, d) * k(s, d));
  surface.rect(0, 0, width, p.head, palette.paper); // keys that are scrolled away go under it
  titles(pen);
  name(pen, QUERY, t, reading.view.queries.text[t], { bold: true });
  cells(pen, KEYS, QUERY, [t], strength.q, q);
  for (const d of reading.neuron.falling) write(p.product + (d + 0.5) * p.cell, QUERY + 9, "▾", { align: "center" });
  if (null_score !== null) line(pen, QUERY + ROW, -1);
  if (dimension !== null) column(pen, dimension, Math.min(bottom, top + rows.length * ROW));
  legend(pen, bottom);
}

/** The row of a key or of the null (-1): its name, the sum, score and weight as numbers and as bars. */
function line(pen: Pen, top: number, s: number): void {
  const { surface, palette, reading, p, write } = pen;
  const { low, high, largest, product, scaled, weight, null_score, null_weight } = reading;
  const hue = s < 0 || s === reading.sink ? palette.null_ink : null;
  const [score, share_of] = s < 0 ? [null_score!, null_weight!] : [scaled[s], weight[s]];
  const middle = top + ROW / 2;
  if (pen.key === s) surface.rect(0, top, p.width, ROW, palette.wash);
  if (pen.locked === s) surface.rect(0, top + 1, 3, ROW - 2, palette.accent);
  name(pen, top, s, s < 0 ? "∅ null" : reading.view.keys.text[s], { fill: hue ?? palette.ink, bold: s < 0 });

  const number = (at: number, words: string) =>
    write(at + NUMBER, middle, words, { fill: hue ?? palette.ink, align: "right" });
  const block = (from: number, to: number, fill: string) => surface.rect(from, middle - 4, to - from, 8, fill);
  const place = (value: number) => p.score + NUMBER + 6 + ((value - low) / (high - low || 1)) * (p.bar - 6);
  number(p.sum, s < 0 ? "null logit" : decimal(product[s]));
  number(p.score, decimal(score));
  block(place(Math.min(0, score)), place(Math.max(0, score)), hue ?? (score < 0 ? palette.negative : palette.positive));
  surface.rect(place(0) - 0.5, top, 1, ROW, palette.line);
  const from = p.weight + NUMBER + 6;
  if (reading.hatched) return surface.hatch(from, middle - 4, p.bar - 6, 8, palette.line);
  number(p.weight, share(share_of));
  block(from, from + (share_of / largest) * (p.bar - 6), css(hue ? palette.nulls(0.7) : palette.real(0.7)));
}

function name({ palette, write }: Pen, top: number, i: number, words: string, style: Partial<Lettering>): void {
  if (i >= 0) write(28, top + ROW / 2, String(i), { size: 10, fill: palette.soft, align: "right" });
  write(34, top + ROW / 2, cut(words, LABEL - 36, 12), { size: 12, ...style });
}

/** Title and names of the columns. */
function titles({ surface, palette, width, reading: { neuron, view }, p, write }: Pen): void {
  const wide = p.H * p.cell;
  const columns: [x: number, room: number, words: string, below: string][] = [
    [0, LABEL, "key", "attended"],
    [KEYS, wide, "query q, keys k", `${p.H} dimensions`],
    [p.product, wide, "q × k", "per dimension"],
    [p.sum + 10, NUMBER, "q · k", "sum"],
    [p.score + 10, NUMBER + p.bar, "score", "scaled"],
    [p.weight + 10, NUMBER + p.bar, "weight", neuron.normaliser === "sigmoid" ? "sigmoid" : "softmax"],
  ];
  write(0, 13, cut(`${view.side} · ${view.name}`, width, 13, true), { size: 13, bold: true });
  for (const [x, room, words, below] of columns) {
    write(x, 38, cut(words, room, 12), { size: 12, bold: true });
    write(x, 54, cut(below, room, 11), { fill: palette.soft });
  }
  surface.rect(0, p.head - 3, p.width, 1, palette.line);
}

/** The strength of the colours in numbers. */
function legend({ surface, palette, width, reading, p, write }: Pen, top: number): void {
  const fill = palette.soft;
  const colour = tint(palette);
  const [q, k, product] = (["q", "k", "product"] as const).map((what) => decimal(2 * reading.strength[what]));
  const words = `positive; nearly full colour at ${q} for q, ${k} for k, ${product} for q × k`; // tanh 2 = 0.96
  surface.rect(0, top, width, FOOT, palette.paper);
  surface.rect(0, top, p.width, 1, palette.line);
  write(0, top + 17, "negative", { fill });
  surface.image(56, top + 12, 64, 10, image(64, 1, (_, i) => colour(Math.tanh((i - 31.5) / 12))));
  write(128, top + 17, cut(words, width - 128, 11), { fill });
}

/** One dimension, marked from the query down. */
function column({ surface, palette, p }: Pen, dimension: number, bottom: number): void {
  for (const left of [KEYS, p.product]) {
    const x = left + dimension * p.cell;
    surface.frame(x - 0.5, QUERY - 0.5, p.cell + 1, bottom - QUERY + 1, palette.ink, 1);
  }
}

/** A block of cells, a row per key, thin lines of paper between them. */
function cells(
  { surface, palette, p }: Pen,
  left: number,
  top: number,
  rows: number[],
  strength: number,
  value: (s: number, dimension: number) => number,
): void {
  if (!rows.length) return;
  const colour = tint(palette);
  const [wide, high] = [p.H * p.cell, rows.length * ROW];
  const pixels = image(p.H, rows.length, (i, d) => colour(Math.tanh(value(rows[i], d) / strength)));
  surface.image(left, top, wide, high, pixels);
  for (let i = 0; i <= rows.length; i++) surface.rect(left, top + i * ROW - 1, wide, 2, palette.paper);
  if (p.cell >= 6) for (let d = 1; d < p.H; d++) surface.rect(left + d * p.cell - 0.5, top, 1, high, palette.paper);
}
