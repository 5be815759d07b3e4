/** The head view as a picture: two columns (or rows) of tokens, the null pinned before the keys, a curve for every
 * weight that is drawn. Numbers, names and words around it are in linestext.ts.
 */

import type { Store, Surface } from "./contract";
import { type Layout, inSight, middle, place } from "./lineslayout";
import { type Focus, type Line, pick } from "./linespick";
import { type Scene, lineColour, sceneOf } from "./linesscene";
import { headings, labels, nullLabel, numbers, outOfSight, placeholder } from "./linestext";

const FAINT = 0.02; // lines weaker than this cannot be seen
const BEHIND = 0.3; // how strong the locked token's lines are while the pointer is on another

/** Draws everything; returns how many lines are drawn, and how many there are. */
export function paintLines(surface: Surface, store: Store, layout: Layout): [number, number] {
  const counts = layout.plots.map((plot) => paintPlot(sceneOf(surface, store, layout, plot)));
  return counts.reduce(([some, all], [drawn, found]) => [some + drawn, all + found], [0, 0]);
}

function paintPlot(scene: Scene): [number, number] {
  const { plot, maps, asked, locked } = scene;
  if (maps.length === 0) {
    labels(scene);
    cover(scene);
    placeholder(scene);
    headings(scene);
    return [0, 0];
  }
  const sight = inSight(scene.layout, plot.queries);
  const pickOf = (focus: Focus | null) => pick(maps, sight, focus ? [focus] : [], scene.store.state);
  const [lines, found] = pickOf(asked);
  const behind = locked && locked !== asked ? pickOf(locked)[0] : [];
  const draw = (ofNull: boolean) => {
    for (const line of behind) if (line.s < 0 === ofNull) curve(scene, line, BEHIND);
    for (const line of lines) if (line.s < 0 === ofNull) curve(scene, line, 1);
  };
  draw(false);
  labels(scene);
  numbers(scene);
  outOfSight(scene);
  cover(scene);
  draw(true);
  nullLabel(scene);
  headings(scene);
  return [lines.length, found];
}

/** Tokens that are scrolled away go under the headings. */
function cover({ surface, store, layout, plot }: Scene): void {
  const [x, y] = place(layout, 0, plot.start);
  const [w, h] = place(layout, layout.pin, plot.end - plot.start);
  surface.rect(x, y, w, h, store.palette.paper);
}

function curve(scene: Scene, line: Line, strength: number): void {
  const { surface, layout, plot } = scene;
  const alpha = Math.abs(scene.tones[line.head](line.w)) * strength;
  if (alpha < FAINT) return;
  const aside = beside(plot.views.length, line.head);
  const from = middle(layout, plot.queries, line.t) + aside;
  const to = (line.s < 0 ? nullMiddle(layout) : middle(layout, plot.keys, line.s)) + aside;
  const bend = (plot.far - plot.near) * 0.45;
  const points = [
    [from, plot.near],
    [from, plot.near + bend],
    [to, plot.far - bend],
    [to, plot.far],
  ].map(([along, across]) => place(layout, along, across));
  surface.curve(points, lineColour(scene, line), (1.1 + 1.7 * Math.abs(line.w)), alpha);
}

/** Lines of several heads between the same tokens run beside each other. */
function beside(heads: number, head: number): number {
  return (head - (heads - 1) / 2) * Math.min(3, 12 / heads);
}

function nullMiddle({ nulls }: Layout): number {
  return nulls ? (nulls[0] + nulls[1]) / 2 : 0;
}
