/** The picture of the neuron view. Heading, query and null stay in place while the keys scroll below them; only the
 * rows that can be seen are drawn, so that a thousand keys scroll freely.
 */

import type { Lettering, Surface } from "./contract";
import { cut } from "./labels";
import { NUMBER, type Look, type Plan } from "./neuronplan";
import type { Reading } from "./reading";
import { decimal, image, share, tint } from "./signed";
import { css } from "./tone";

/** What every part of the picture is drawn with. */
interface Pen {
  surface: Surface;
  reading: Reading;
  p: Plan;
  look: Look;
  write(x: number, y: number, words: string, style?: Partial<Lettering>): void; // y: the middle
}

export function paint(surface: Surface, reading: Reading, p: Plan, look: Look): void {
  const { palette, x, y, height } = look;
  const plain = { size: 11 * p.u, fill: palette.ink, middle: true };
  const write: Pen["write"] = (x, y, words, style) => surface.text(x, y, words, { ...plain, ...style });
  const pen = { surface, reading, p, look, write };
  const first = Math.max(0, Math.floor(y / p.row));
  const rows = reading.rows.slice(first, Math.ceil((y + height - p.head - p.foot) / p.row));
  const top = p.head + first * p.row - y;
  surface.rect(0, 0, look.width, height, palette.paper);
  keys(pen, rows, top);
  heading(pen);
  if (look.dimension !== null) column(pen, look.dimension, Math.min(height - p.foot, top + rows.length * p.row));
  if (x > 0) surface.line(p.label + 0.5, p.query, p.label + 0.5, height - p.foot, palette.line, 1, 1);
  legend(pen);
}

function keys(pen: Pen, rows: number[], top: number): void {
  const { surface, reading, p, look } = pen;
  const { strength, vectors, t, sink } = reading;
  const k = (s: number, d: number) => vectors.k[s * p.H + d];
  const middle = (i: number) => top + (i + 0.5) * p.row;
  const fill = (s: number) => (s === sink ? look.palette.null_ink : null);
  rows.forEach((s, i) => lit(pen, s, middle(i), look.width));
  cells(pen, p.k, top, rows, strength.k, k);
  cells(pen, p.product, top, rows, strength.product, (s, d) => vectors.q[t * p.H + d] * k(s, d));
  rows.forEach((s, i) => {
    numbers(pen, middle(i), decimal(reading.product[s]), reading.scaled[s], reading.weight[s], fill(s));
  });
  surface.rect(0, p.head, p.label, look.height - p.head, look.palette.paper); // covers cells that are scrolled away
  rows.forEach((s, i) => {
    lit(pen, s, middle(i), p.label);
    name(pen, middle(i), s, reading.keys.text[s], fill(s) ?? look.palette.ink);
  });
}

/** Title, names of the columns, the query and the null: in place while the keys scroll below. */
function heading(pen: Pen): void {
  const { surface, reading, p, look, write } = pen;
  const { palette, x } = look;
  const { u } = p;
  const { neuron, vectors, t } = reading;
  const wide = p.H * p.cell;
  const line = p.query + p.row / 2;
  const rule = (y: number) => surface.line(0, y, p.width - x, y, palette.line, 1, 1);
  surface.rect(0, 0, look.width, p.head, palette.paper);
  titled(pen, p.k - x, wide, "query q, keys k", `${p.H} dimensions`);
  titled(pen, p.product - x, wide, "q × k", "per dimension");
  titled(pen, p.sum - x - NUMBER * u, NUMBER * u, "q · k", "sum", true);
  const plain = neuron.cap === null && neuron.slope === null && neuron.kind !== "log-sigmoid";
  const scaled = plain ? `${Number(neuron.scale.toPrecision(3))} × sum` : "scaled";
  titled(pen, p.score - x, NUMBER * u + p.bar, "score", scaled);
  titled(pen, p.weight - x, NUMBER * u + p.bar, "weight", neuron.kind === "sigmoid" ? "sigmoid" : "softmax");
  cells(pen, p.k, p.query, [t], reading.strength.q, (_, d) => vectors.q[t * p.H + d]);
  write(p.product - x, line, cut("q times each k below", wide, 11 * u), { fill: palette.soft });
  for (const d of neuron.falling) triangle(pen, p.product - x + (d + 0.5) * p.cell);
  rule(p.query + p.row + 2.5 * u);
  const below = p.query + 1.5 * p.row + 4 * u;
  const { null_score, null_weight } = reading;
  if (null_score !== null) {
    const words = cut("no key vector: its score is a number of its own", p.product + wide - p.k, 11 * u);
    lit(pen, -1, below, look.width);
    write(p.k - x, below, words, { fill: palette.null_ink });
    numbers(pen, below, "null logit", null_score, null_weight!, palette.null_ink);
  }
  rule(p.head - 1.5);
  surface.rect(0, 0, p.label, p.head - 2, palette.paper);
  surface.rect(0, 0, look.width, 26 * u, palette.paper);
  write(0, 13 * u, cut(look.title, look.width, 13 * u), { size: 13 * u, bold: true });
  titled(pen, 0, p.label, "key", "attended");
  name(pen, line, t, reading.queries.text[t], palette.ink, true);
  if (null_score !== null) write(34 * u, below, "∅ null", { size: 12 * u, fill: palette.null_ink, bold: true });
}

/** Marks a dimension that falls with distance. */
function triangle({ surface, p, look }: Pen, middle: number): void {
  const side = Math.min(5 * p.u, p.cell);
  for (let i = 0; i < 3; i++) {
    const wide = (side * (3 - i)) / 3;
    surface.rect(middle - wide / 2, p.query - (7 - 1.5 * i) * p.u, wide, 1.5 * p.u, look.palette.ink);
  }
}

/** The strength of the colours in numbers. */
function legend({ surface, reading, p, look, write }: Pen): void {
  const { palette, width, height } = look;
  const { u } = p;
  const fill = palette.soft;
  const top = height - p.foot;
  const middle = top + 17 * u;
  const colour = tint(palette);
  const { q, k, product } = reading.strength;
  const words = `colour tanh(|x| / c): c = ${decimal(q)} for q, ${decimal(k)} for k, ${decimal(product)} for q × k`;
  surface.rect(0, top, width, p.foot, palette.paper);
  surface.line(0, top + 0.5, Math.min(p.width - look.x, width), top + 0.5, palette.line, 1, 1);
  write(0, middle, "negative", { fill });
  surface.image(56 * u, middle - 5 * u, 64 * u, 10 * u, image(64, 1, (_, i) => colour(Math.tanh((i - 31.5) / 12))));
  write(128 * u, middle, "positive", { fill });
  write(192 * u, middle, cut(words, width - 192 * u, 11 * u), { fill });
}

/** One dimension, marked from the query down, with its number on top. */
function column({ surface, p, look, write }: Pen, dimension: number, bottom: number): void {
  const { palette, x } = look;
  for (const left of [p.k - x, p.product - x]) {
    const at = left + dimension * p.cell;
    if (at < p.label) continue;
    const middle = at + p.cell / 2;
    surface.frame(at - 0.5, p.query - 0.5, p.cell + 1, bottom - p.query + 1, palette.ink, 1);
    surface.rect(middle - 12 * p.u, p.query - 13 * p.u, 24 * p.u, 12 * p.u, palette.paper);
    write(middle, p.query - 7 * p.u, String(dimension), { align: "center", bold: true });
  }
}

/** A block of cells, a row per key, thin lines of paper between them. */
function cells(
  { surface, p, look }: Pen,
  at: number,
  top: number,
  rows: number[],
  strength: number,
  value: (s: number, dimension: number) => number,
): void {
  if (!rows.length) return;
  const { palette, x } = look;
  const colour = tint(palette);
  const [left, wide, high] = [at - x, p.H * p.cell, rows.length * p.row];
  const pixels = image(p.H, rows.length, (i, d) => colour(Math.tanh(value(rows[i], d) / strength)));
  surface.image(left, top, wide, high, pixels);
  for (let i = 0; i <= rows.length; i++) surface.rect(left, top + i * p.row - 1, wide, 2, palette.paper);
  if (p.cell >= 6) for (let d = 1; d < p.H; d++) surface.rect(left + d * p.cell - 0.5, top, 1, high, palette.paper);
}

/** The sum; the score as a number and as a bar from zero; the weight as a number and as a bar. */
function numbers(
  { surface, reading, p, look, write }: Pen,
  middle: number,
  sum: string,
  score: number,
  weight: number,
  hue: string | null,
): void {
  const { palette, x } = look;
  const { low, high, largest } = reading;
  const { u, bar } = p;
  const style = { fill: hue ?? palette.ink, align: "right" } as const;
  const [left, right] = [p.score, p.weight].map((at) => at - x + NUMBER * u);
  const place = (value: number) => left + 6 * u + ((value - low) / (high - low || 1)) * bar;
  const [from, to] = [place(Math.min(0, score)), place(Math.max(0, score))];
  const block = (from: number, length: number, fill: string) => surface.rect(from, middle - 4 * u, length, 8 * u, fill);
  write(p.sum - x, middle, sum, { ...style, fill: hue ?? palette.soft });
  write(left, middle, decimal(score), style);
  block(from, to - from, hue ?? (score < 0 ? palette.negative : palette.positive));
  surface.rect(place(0) - 0.5, middle - p.row / 2, 1, p.row, palette.line);
  if (reading.hatched) return surface.hatch(right + 6 * u, middle - 4 * u, bar, 8 * u, palette.line);
  write(right, middle, share(weight), style);
  block(right + 6 * u, (weight / largest) * bar, css(hue ? palette.nulls(0.7) : palette.real(0.7)));
}

/** The ground of the row under the pointer, the mark of the locked one. */
function lit({ surface, p, look }: Pen, s: number, middle: number, width: number): void {
  if (look.key === s) surface.rect(0, middle - p.row / 2, Math.min(width, p.width - look.x), p.row, look.palette.wash);
  if (look.locked === s) surface.rect(0, middle - p.row / 2 + 1, 3 * p.u, p.row - 2, look.palette.accent);
}

function name({ p, look, write }: Pen, middle: number, i: number, words: string, fill: string, bold = false): void {
  const { u } = p;
  write(28 * u, middle, String(i), { size: 10 * u, fill: look.palette.soft, align: "right" });
  write(34 * u, middle, cut(words, p.label - 36 * u, 12 * u), { size: 12 * u, fill, bold });
}

function titled({ p, look, write }: Pen, x: number, width: number, words: string, below: string, right = false): void {
  const { u } = p;
  const place = { align: right ? "right" : "left" } as const;
  const at = right ? x + width : x;
  write(at, 38 * u, cut(words, width, 12 * u), { ...place, size: 12 * u, bold: true });
  write(at, 54 * u, cut(below, width, 11 * u), { ...place, fill: look.palette.soft });
}
