/** What the colours and textures of the map mean, with numbers: ramps with ticks, then notes and swatches. */

import type { RGB, Store, Surface } from "./contract";
import { digits } from "./facts";
import { widthOf } from "./labels";
import { most, ticks, tone } from "./tone";
import { type View, layerOf } from "./views";

const BAR = 132; // length of a ramp
const SWATCH = 14;
const LINE = 36; // of the legend
const GAP = 20;
const SCALES = { sqrt: "square root scale", linear: "linear scale", log: "logarithmic scale" };

/** A piece of the legend: what it needs of a line, and itself at (x, y). */
export interface Item {
  width: number;
  draw(surface: Surface, x: number, y: number): void;
}

/** Ramps, the scale, pooling, textures. `pooled`: pixels that stand for several cells. */
export function legend(store: Store, views: View[], pooled: boolean): Item[] {
  const { palette, payload, state } = store;
  const [{ shown, signed, pinned }] = views;
  const full = typeof shown === "string" || views.length > 1 ? 1 : most(shown, state);
  const marks = signed ? [-full, 0, full] : ticks(state, full);
  const items = signed
    ? [ramp(store, "B more", "A more", palette.difference, marks, full)]
    : [ramp(store, "weight", "", palette.real, marks, full)];
  if (pinned && !signed) items.push(ramp(store, "∅", "", palette.nulls, marks, full));
  if (state.range === "head" && views.length > 1) items.push(words(store, "in shares of each head's largest"));
  items.push(words(store, SCALES[state.scale]));
  if (pooled) items.push(words(store, `a pixel shows the ${state.pool === "max" ? "largest" : "mean"} of its cells`));
  const partial = views.some((view) => payload.sides[view.at.side].causal || layerOf(store, view.at).window !== null);
  if (partial) {
    items.push(
      swatch(store, "not visible to the query", (surface, x, y, size) => {
        surface.hatch(x, y, size, size, palette.line);
        surface.frame(x + 0.5, y + 0.5, size - 1, size - 1, palette.line, 1);
      }),
    );
  }
  const divides = state.nulls === "renormalise" && views.some((view) => view.nulled);
  if (divides || state.filtered === "renormalise") {
    items.push(
      swatch(store, "almost nothing is left of the row", (surface, x, y, size) => {
        surface.rect(x, y, size, size, palette.wash);
        surface.hatch(x, y, size, size, palette.soft);
      }),
    );
  }
  return items;
}

/** Sets items in lines no wider than `width`: draws them if there is a surface; returns their height. */
export function flow(items: Item[], surface: Surface | null, left: number, top: number, width: number): number {
  let [x, y] = [left, top];
  for (const item of items) {
    if (x > left && x + item.width > left + width) [x, y] = [left, y + LINE];
    if (surface) item.draw(surface, x, y);
    x += item.width + GAP;
  }
  return y - top + LINE;
}

function ramp(
  { palette, state }: Store,
  before: string,
  after: string,
  colour: (strength: number) => RGB,
  marks: number[],
  full: number,
): Item {
  const signed = marks[0] < 0;
  const size = 11.5;
  const from = widthOf(before, size) + 8;
  const length = BAR;
  const strength = tone(state, full);
  const draw = (surface: Surface, left: number, y: number) => {
    const style = { size, fill: palette.ink, middle: true };
    surface.text(left, y + 5, before, style);
    if (after) surface.text(left + from + length + 8, y + 5, after, style);
    const data = new Uint8ClampedArray(4 * 128);
    for (let i = 0; i < 128; i++) data.set([...colour(signed ? (i / 127) * 2 - 1 : i / 127), 255], 4 * i);
    const x = left + from;
    surface.image(x, y, length, 10, { width: 128, height: 1, data });
    surface.frame(x - 0.5, y - 0.5, length + 1, 10 + 1, palette.line, 1);
    let last = -Infinity;
    for (const mark of marks) {
      const share = signed ? (strength(mark) + 1) / 2 : strength(mark);
      const label = number(mark, signed);
      const half = widthOf(label, 10.5) / 2;
      const at = x + share * length;
      if (at - half < last + 4) continue;
      last = at + half;
      surface.line(at, y + 10, at, y + 13, palette.soft, 1, 1);
      surface.text(at, y + 23, label, { size: 10.5, fill: palette.soft, align: "center" });
    }
  };
  return { width: from + length + (after ? widthOf(after, size) + 8 : 8), draw };
}

function words({ palette }: Store, said: string): Item {
  const style = { size: 11.5, fill: palette.soft, middle: true };
  return { width: widthOf(said, style.size), draw: (surface, x, y) => surface.text(x, y + 5, said, style) };
}

function swatch(
  store: Store,
  said: string,
  paint: (surface: Surface, x: number, y: number, size: number) => void,
): Item {
  const name = words(store, said);
  const indent = SWATCH + 6;
  return {
    width: indent + name.width,
    draw(surface, x, y) {
      paint(surface, x, y - 2, SWATCH);
      name.draw(surface, x + indent, y);
    },
  };
}

/** 0.05, 1: no more digits than a tick needs. */
function number(value: number, signed: boolean): string {
  const said = digits(value, Math.max(1e-4, Math.min(0.01, Math.abs(value) / 10)), signed);
  return said.replace(/\.?0+$/, "") || "0";
}
