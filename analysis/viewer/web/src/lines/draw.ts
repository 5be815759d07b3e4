/** The head view as a picture: two columns (or rows) of tokens, the null pinned before the keys, a curve for every
 * weight that is drawn. Labels, numbers and headings are in text.ts.
 */

import type { Store, Surface } from "../contract";
import { css } from "../drawing/tone";
import { type Layout, place, spanOf } from "./layout";
import { type Line, pick } from "./pick";
import { type Scene, sceneOf } from "./scene";
import { headings, label, placeholder } from "./text";

const FAINT = 0.02; // lines weaker than this cannot be seen
const BEHIND = 0.3; // how strong the locked token's lines are while the pointer is on another

/** Draws everything; returns how many lines are drawn, and how many there are. */
export function paintLines(surface: Surface, store: Store, layout: Layout): [number, number] {
  const counts = layout.plots.map((plot) => paintPlot(sceneOf(surface, store, layout, plot)));
  return counts.reduce(([some, all], [drawn, found]) => [some + drawn, all + found], [0, 0]);
}

function paintPlot(scene: Scene): [number, number] {
  const { surface, palette, store, layout, plot, maps, asked, locked } = scene;
  const [queries, keys] = plot.lanes;
  const sight: [number, number] = [queries.seen[0], queries.seen[queries.seen.length - 1]];
  const pickOf = (focus: typeof asked) => pick(maps, sight, focus, store.state);
  const [lines, found] = pickOf(asked);
  const behind = locked && locked !== asked ? pickOf(locked)[0] : [];
  const draw = (ofNull: boolean) => {
    for (const line of behind) if (line.s < 0 === ofNull) curve(scene, line, BEHIND);
    for (const line of lines) if (line.s < 0 === ofNull) curve(scene, line, 1);
  };
  draw(false);
  for (const lane of plot.lanes) for (const i of lane.seen) label(scene, lane, i);
  const pinned = [...place(layout, 0, plot.start), ...place(layout, layout.pin, plot.end - plot.start)] as const;
  surface.rect(...pinned, palette.paper); // tokens that are scrolled away go under it
  draw(true);
  if (layout.nulls && maps.some(({ nulls }) => nulls)) label(scene, keys, -1);
  headings(scene);
  if (!maps.length) placeholder(scene);
  return [lines.length, found];
}

function curve(scene: Scene, line: Line, strength: number): void {
  const { surface, layout, plot } = scene;
  const alpha = Math.abs(scene.tones[line.head](line.w)) * strength;
  if (alpha < FAINT) return;
  const heads = plot.views.length;
  const aside = (line.head - (heads - 1) / 2) * Math.min(3, 12 / heads); // heads run beside each other
  const [from, to] = plot.lanes.map((lane, i) => {
    const [start, end] = spanOf(layout, lane, i ? line.s : line.t);
    return (start + end) / 2 + aside;
  });
  const [near, far] = plot.lanes.map((lane) => lane.line);
  const bend = (far - near) * 0.45;
  const points = [
    place(layout, from, near),
    place(layout, from, near + bend),
    place(layout, to, far - bend),
    place(layout, to, far),
  ];
  surface.curve(points, colour(scene, line), 1.1 + 1.7 * Math.abs(line.w), alpha);
}

/** By sign in a difference, by head where there are several, else blue, and orange for the null. */
function colour({ palette, maps }: Scene, { head, s, w }: Line): string {
  if (maps[0].signed) return css(palette.difference(Math.sign(w) * 0.72));
  if (maps.length > 1) return palette.head(head, maps.length);
  return css(s < 0 ? palette.nulls(0.7) : palette.real(0.7));
}
