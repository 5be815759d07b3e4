/** What the colours and textures of heat maps mean, with numbers: ramps with ticks, then notes and swatches. */

import { isFiltered } from "../attention/shown";
import type { Store, Surface } from "../contract";
import { density, widthOf } from "../drawing/labels";
import { image } from "../drawing/signed";
import { ticks } from "../drawing/tone";
import { digits } from "../heads/facts";
import type { Box } from "./layout";
import type { Plot, Ramp } from "./plot";
import { layerOf } from "../payload/lookup";

const BAR = 132; // length of a ramp
const SWATCH = 14;
const LINE = 36; // of the legend
const GAP = 20;
const SIZE = 11.5;

/** A piece of the legend: what it needs of a line, and itself at (x, y). */
interface Item {
  width: number;
  draw(surface: Surface, x: number, y: number): void;
}

/** Draws the legend in lines no wider than `width`, if there is a surface; returns their height. */
export function legend(store: Store, boxes: Box[], width: number, top: number, surface?: Surface): number {
  const [left] = boxes[0].cells;
  let [x, y] = [left, top];
  for (const item of items(store, boxes)) {
    if (x > left && x + item.width > width) [x, y] = [left, y + LINE];
    if (surface) item.draw(surface, x, y);
    x += item.width + GAP;
  }
  return y - top + LINE;
}

/** Every ramp once, pooling, textures. */
function items(store: Store, boxes: Box[]): Item[] {
  const { palette, payload, state } = store;
  const plots = boxes.map(({ plot }) => plot);
  const ramps = new Map(plots.flatMap((plot) => plot.ramps.map((ramp) => [ramp[0], [plot, ramp]] as const)));
  const shares = plots.some((one) => plots.some(({ values, most }) => values === one.values && most !== one.most));
  const out = [...ramps.values()].map(([plot, ramp]) => scale(store, plot, ramp, shares ? 1 : plot.most));
  const words = (said: string, indent = 0, paint?: Item["draw"]) => {
    const draw: Item["draw"] = (surface, x, y) => {
      paint?.(surface, x, y - 2);
      surface.text(x + indent, y + 5, said, { size: SIZE, fill: palette.soft, middle: true });
    };
    out.push({ width: indent + widthOf(said, SIZE), draw });
  };
  const swatch = (said: string, ground: string, stroke?: string) =>
    words(said, SWATCH + 6, (surface, x, y) => {
      surface.rect(x, y, SWATCH, SWATCH, ground);
      if (stroke) surface.hatch(x, y, SWATCH, SWATCH, stroke);
      surface.frame(x + 0.5, y + 0.5, SWATCH - 1, SWATCH - 1, palette.line, 1);
    });
  if (shares) words("in shares of each map's largest");
  if (boxes.some(({ down, across }) => Math.min(down.cell, across.cell) * density() < 1)) {
    words(`a pixel shows the ${state.pool === "max" ? "largest" : "mean"} of its cells`);
  }
  const whole = ({ at, keys, shown }: Plot) =>
    (!payload.sides[at.side].causal && layerOf(payload, at).window === null) || shown?.sees(0, keys.text.length - 1);
  const veiled = plots.filter((plot) => !whole(plot));
  if (veiled.some(({ hidden }) => !hidden)) swatch("not visible to the query", palette.paper, palette.line);
  if (veiled.some(({ hidden }) => hidden)) swatch("masked: −∞", palette.line);
  if (isFiltered(state)) swatch("left out by the filters", palette.wash);
  if (state.nulls === "renormalise" || state.filtered === "renormalise") {
    swatch("almost nothing is left of the row", palette.wash, palette.soft);
  }
  return out;
}

function scale({ palette, state }: Store, { rise, signed }: Plot, [before, after, colour]: Ramp, full: number): Item {
  const from = widthOf(before, SIZE) + 8;
  const marks = signed ? [-full, 0, full] : ticks(state, full);
  const low = signed ? -1 : 0;
  const draw = (surface: Surface, left: number, y: number) => {
    const style = { size: SIZE, fill: palette.ink, middle: true };
    const x = left + from;
    surface.text(left, y + 5, before, style);
    if (after) surface.text(x + BAR + 8, y + 5, after, style);
    surface.image(x, y, BAR, 10, image(128, 1, (_, i) => colour(low + (i / 127) * (1 - low))));
    surface.frame(x - 0.5, y - 0.5, BAR + 1, 11, palette.line, 1);
    for (const mark of marks) {
      const at = x + ((rise(mark / full) - low) / (1 - low)) * BAR;
      surface.line(at, y + 10, at, y + 13, palette.soft, 1, 1);
      surface.text(at, y + 23, number(mark), { size: 10.5, fill: palette.soft, align: "center" });
    }
  };
  return { width: from + BAR + widthOf(after, SIZE) + 8, draw };
}

/** 0.05, 1: no more digits than a tick needs. */
function number(value: number): string {
  const said = digits(value, Math.max(1e-4, Math.min(0.01, Math.abs(value) / 10)));
  return said.replace(/\.?0+$/, "") || "0";
}
