/** The score maps of one side: its canvas, the pointer and the keys. */

import type { Store, Vectors } from "./contract";
import { h } from "./dom";
import { quoted } from "./facts";
import { headOf, same, short } from "./heads";
import { keysOf, sees } from "./payload";
import { paint } from "./scoresdraw";
import { part, scoresHit, scoresLayout, type ScoresLayout } from "./scoreslayout";
import { scoreMap, stageName, type ScoreMap, type Which } from "./scoremaps";
import { decimal, share } from "./signed";
import { row } from "./stages";
import { canvasSurface } from "./surface";
import { tooltip } from "./tooltip";
import { treatment } from "./treated";
import { heading, vectorsOf, type Pane } from "./vectorpane";
import { layerOf, views, type View } from "./views";

export interface ScoresPane extends Pane {
  maps(): { view: View; maps: ScoreMap[] } | null;
}

const ARROWS: Record<string, [down: number, right: number]> = {
  ArrowUp: [-1, 0],
  ArrowDown: [1, 0],
  ArrowLeft: [0, -1],
  ArrowRight: [0, 1],
};

/** `stages`: which are drawn, from left to right. */
export function scoresPane(store: Store, stages: () => readonly Which[]): ScoresPane {
  const canvas = h("canvas", { tabindex: 0, role: "application" });
  const box = h("div", {}, canvas);
  const words = h("div");
  Object.assign(box.style, { overflowX: "auto" });
  Object.assign(canvas.style, { outlineOffset: "-2px" });

  let view: View | null = null;
  let layout: ScoresLayout | null = null;
  let maps: ScoreMap[] | null = null;
  let made: unknown[] = [];

  const say = (t: number, s: number) => facts(store, view!, t, s);
  const find = (event: MouseEvent) => {
    const { left, top } = canvas.getBoundingClientRect();
    return maps && layout && scoresHit(layout, event.clientX - left, event.clientY - top);
  };
  const leave = () => {
    store.point({ query: null, key: null, at: null });
    tooltip(store).hide();
  };
  canvas.addEventListener("pointermove", (event) => {
    const found = find(event);
    if (!found) return leave();
    store.point({ ...found, at: view!.at });
    tooltip(store).show(event.clientX, event.clientY, say(found.query, found.key));
  });
  canvas.addEventListener("pointerleave", leave);
  canvas.addEventListener("click", (event) => {
    const found = find(event);
    const { query, key } = store.state;
    if (found) store.set(found.query === query && found.key === key ? { query: null, key: null } : found);
  });
  canvas.addEventListener("keydown", (event) => {
    const arrow = ARROWS[event.key];
    if (!arrow || !maps || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    const { state } = store;
    const [dt, ds] = state.transposed ? [arrow[1], arrow[0]] : arrow;
    const { T, S } = maps[0].shown;
    const move = (now: number | null, by: number, n: number) => {
      const { from, count } = part(state, n);
      return now === null ? from : Math.max(from, Math.min(from + count - 1, now + by));
    };
    const [query, key] = [move(state.query, dt, T), move(state.key, ds, S)];
    store.set({ query, key });
    store.say(say(query, key).join(", "));
  });

  const build = (vectors: Vectors) => {
    const { transposed, unmasked, scale, range } = store.state;
    const look = JSON.stringify([view!.at, stages(), treatment(store.state), transposed, unmasked, scale, range]);
    const now = [vectors, store.palette, look];
    if (maps && now.every((value, i) => value === made[i])) return;
    maps = stages().map((which) => scoreMap(store, view!, vectors, which));
    made = now;
  };

  return {
    element: h("div", {}, box, words),
    draw(at, width) {
      view = views(store).flat().find((found) => same(found.at, at)) ?? null;
      if (!at || !view) return void (maps = null);
      const vectors = vectorsOf(store, at, box, words);
      if (vectors) build(vectors);
      else maps = null;
      const { neuron } = headOf(store.payload, at);
      if (!neuron) return;
      view = { ...view, pinned: neuron.s_null !== null && store.state.nulls === "show" };
      layout = scoresLayout(view, store.state, width, stages().length);
      const surface = canvasSurface(canvas, Math.max(width, layout.width), layout.height);
      if (maps) paint(surface, store, layout, maps, heading(store, at));
      canvas.setAttribute("aria-label", label(heading(store, at), store, view, maps));
    },
    picture() {
      if (!maps || !layout || !view) return null;
      const [where, what, { at }] = [layout, maps, view];
      const { width, height } = layout;
      const name = `scores-${short(store.payload, at)}`;
      return { name, width, height, paint: (surface) => paint(surface, store, where, what, heading(store, at)) };
    },
    maps: () => view && maps && { view, maps },
  };
}

/** The lines of the tooltip: the four numbers of a cell. */
function facts(store: Store, { at, text }: View, t: number, s: number): string[] {
  const vectors = store.vectors(at);
  const { neuron } = headOf(store.payload, at);
  if (typeof vectors === "string" || !neuron) return [];
  const side = store.payload.sides[at.side];
  const layer = layerOf(store, at);
  const of = row(vectors, neuron, side, layer, t);
  const from = `query ${t} ${quoted(text.queries, t)}`;
  const [last] = stageName("softmax", neuron);
  if (s < 0) {
    return [`${from} → the null`, `null logit ${decimal(of.null_score!)}`, `${last} ${share(of.null_weight!)}`];
  }
  const seen = sees(side, layer, t, s);
  return [
    `${from} → key ${s} ${quoted(keysOf(text), s)}`,
    `scores q · k ${decimal(of.product[s])}`,
    `scaled ${decimal(of.scaled[s])}`,
    `masked ${seen ? decimal(of.scaled[s]) : "−∞: this query may not see this key"}`,
    `${last} ${share(of.weight[s])}`,
  ];
}

function label(name: string, { payload, state }: Store, { at }: View, maps: ScoreMap[] | null): string {
  const axes = state.transposed ? "keys down, queries across" : "queries down, keys across";
  const { neuron } = headOf(payload, at);
  if (!maps) return `Scores of ${name}, being decoded`;
  const range = ({ which, low, high }: ScoreMap) =>
    `${stageName(which, neuron!)[0]} from ${decimal(low)} to ${decimal(high)}`;
  return `Scores of ${name}, ${axes}: ${maps.map(range).join("; ")}. Arrow keys lock a cell.`;
}
