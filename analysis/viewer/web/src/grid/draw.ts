/** Draws the model view of one side: thumbnails framed by pattern class, the null at their left edge in its own colour,
 * the legend below, and what is selected around them. The same on the screen and in an exported picture.
 */

import type { RGB, Store, Surface, Thumb } from "../contract";
import { rgb } from "../drawing/colours";
import { cut, widthOf } from "../drawing/labels";
import { image } from "../drawing/signed";
import { tone } from "../drawing/tone";
import type { Layout, Slot } from "./layout";
import { sheet } from "./thumbs";
import { figure, nulled } from "../heads/heads";
import { headOf, sameHead } from "../payload/lookup";
import type { HeadAt } from "../payload/payload";

/** Everything that stays while the pointer moves. thumbs: of the slots; ratio: device pixels per CSS pixel. */
export function paintHeads(
  surface: Surface,
  store: Store,
  grid: Layout,
  thumbs: (Thumb | null)[],
  [title, room]: [words: string, room: number],
  ratio: number,
): void {
  const { palette } = store;
  const { left, top, box, unit, across, down, layers, heads } = grid;
  const words = cut(title, room - left, 12 * unit, true);
  surface.text(left, 13 * unit, words, { size: 12 * unit, fill: palette.ink, bold: true });
  const small = { size: 11 * unit, fill: palette.soft, middle: true };
  const edge = { ...small, align: "right" } as const;
  const centre = { ...small, align: "center" } as const;
  if (heads.length) surface.text(left - 7 * unit, top - 10 * unit, "head", edge);
  heads.forEach((name, i) => surface.text(left + i * across + box.width / 2, top - 10 * unit, String(name), centre));
  const middle = (row: number) => top + row * down + box.height / 2;
  layers.forEach((name, i) => surface.text(left - 7 * unit, middle(i), String(name), edge));
  if (layers.length) surface.text(9 * unit, middle((layers.length - 1) / 2), "layer", { ...centre, turn: -90 });
  const pixels = sheet(store, grid, thumbs, ratio);
  surface.image(0, 0, pixels.width / ratio, pixels.height / ratio, pixels);
  grid.slots.forEach((slot, i) => paintHead(surface, store, grid, slot, thumbs[i]));
}

/** What is around a map: its frame, its label, and the mean null mass where the map leaves the null out. */
function paintHead(surface: Surface, store: Store, grid: Layout, slot: Slot, thumb: Thumb | null): void {
  const { payload, palette, state } = store;
  const { width, height, frame, strip } = grid.box;
  const { x, y, at, kept, label } = slot;
  if (!thumb) surface.rect(x, y, width, height, palette.wash);
  const mean = store.mean(at);
  if (thumb && !thumb.nulls && mean !== null && state.mode !== "difference") {
    const bar = (height - 2 * frame) * mean;
    surface.rect(x + frame, y + height - frame - bar, strip - 1, bar, kept ? palette.null_ink : palette.line);
  }
  const stroke = kept ? palette.pattern(headOf(payload, at).pattern_class) : palette.line;
  surface.frame(x + frame / 2, y + frame / 2, width - frame, height - frame, stroke, frame);
  if (!label) return;
  const style = { size: 10.5 * grid.unit, fill: palette.soft };
  surface.text(x, y - 5 * grid.unit, label, { ...style, fill: kept ? palette.ink : palette.soft });
  const unit = payload.statistics.find(({ key }) => key === state.sort)?.unit;
  const value = unit ? figure(slot.value, unit) : "";
  if (surface.measure(`${label} ${value}`, style) > width) return;
  surface.text(x + width, y - 5 * grid.unit, value, { ...style, align: "right" });
}

/** What moves: the selected head (or its partner), the further ones, and what the pointer or the keys are on. */
export function paintMarks(surface: Surface, store: Store, grid: Layout, side: number): void {
  const { palette, state, hover } = store;
  const origin = state.mode === "b" ? state.b : state.a;
  const more = state.more.map(([layer, head]) => store.partner({ side: origin, layer, head }, side));
  const chosen = [store.selected(side), ...more];
  const around = (at: HeadAt | null, stroke: string, off: number, width: number) => {
    const slot = at && grid.slots.find((slot) => sameHead(slot.at, at));
    if (!slot) return;
    surface.frame(slot.x - off, slot.y - off, grid.box.width + 2 * off, grid.box.height + 2 * off, stroke, width);
  };
  chosen.forEach((at, i) => around(at, more.length ? palette.head(i, chosen.length) : palette.ink, 2, 2));
  around(hover.at && store.partner(hover.at, side), palette.ink, 0.5, 1.5);
}

/** An entry of the legend: a colour or a ramp of them over [0, 1], with the words before and behind it. */
interface Ink {
  low: string;
  high: string;
  wide: number;
  ink(x: number): RGB;
}

/** Classes with their colours and counts, then the ramps of the thumbnails as they are scaled now. */
function inks(store: Store, side: number): Ink[] {
  const { payload, palette, state } = store;
  const found = payload.sides[side].layers.flatMap(({ heads }) => heads.map(({ pattern_class }) => pattern_class));
  const classes = payload.classes.filter((name) => found.includes(name)).map((name, i) => {
    const count = found.filter((pattern) => pattern === name).length;
    const low = i || state.mode !== "difference" ? "" : "classes of A:";
    return { low, high: `${name} ${count}`, wide: 1, ink: () => rgb(palette.pattern(name)) };
  });
  const strong = tone(state, 1);
  const ramp = (low: string, high: string, colour: (x: number) => RGB, from = 0) => {
    return { low, high, wide: 6, ink: (x: number) => colour(strong(from + (1 - from) * x)) };
  };
  const most = state.range === "fixed" ? "1" : "head’s largest";
  if (state.mode === "difference") return [...classes, ramp("B more", "A more", palette.difference, -1)];
  const mean = { low: "", high: "mean null mass (height)", wide: 1, ink: () => rgb(palette.null_ink) };
  const nulls = nulled(store, [side]) ? [state.nulls === "show" ? ramp("null 0", most, palette.nulls) : mean] : [];
  return [...classes, ramp("weight 0", most, palette.real), ...nulls];
}

/** Draws it below the thumbnails, in lines, if there is a surface; returns how high it is. */
export function paintLegend(store: Store, side: number, grid: Layout, width: number, surface?: Surface): number {
  const size = 11 * grid.unit;
  const style = { size, fill: store.palette.soft };
  let [x, y] = [0, size / 2];
  for (const { low, high, wide, ink } of inks(store, side)) {
    const before = low && widthOf(`${low} `, size);
    const behind = +before + size * (wide + 0.4);
    const whole = behind + widthOf(high, size) + size * 1.2;
    if (x && x + whole > width) [x, y] = [0, y + size * 1.7];
    const count = wide > 1 ? 96 : 1;
    const top = grid.height + y;
    surface?.text(x, top + size / 2, low, { ...style, middle: true });
    surface?.image(x + +before, top, size * wide, size, image(count, 1, (_, i) => ink(i / 95)));
    surface?.text(x + behind, top + size / 2, high, { ...style, middle: true });
    x += whole;
  }
  return y + size * 1.5;
}
