/** Scores: the raw product of queries and keys as a heat map, and its way to the weights: scaled, masked, softmax. One
 * stage at a time, or all four in a row as textbooks show them.
 */

import type { Panel, Store } from "./contract";
import { button, h, press, segmented, show } from "./dom";
import { headOf } from "./heads";
import { mapPanel } from "./mappanel";
import { STAGES, type Which, stagePlot } from "./scoremaps";
import { explain } from "./vectorpane";
import { views } from "./views";

const FEW = 24; // tokens, of which all four stages are shown to begin with

export function scores(store: Store): Panel {
  let all: boolean | null = null; // null: until one is picked, if there are few tokens
  let last = store.state.stage;
  const names = STAGES.slice(1).map((which) => [which, which] as const);
  const options = [["all", "all four"], ["product", "scores"], ...names] as const;
  const stages = segmented<Which | "all">("stage", options, "all", (value) => {
    all = value === "all";
    if (value !== "all") store.set({ stage: (last = value) });
    panel.draw();
  });
  const unmasked = button("without mask", () => store.set({ unmasked: !store.state.unmasked }), {
    title: "also where a query may not look",
  });
  const absent = [h("div"), h("div")];
  const panel = mapPanel(store, "Scores", [stages.element, unmasked], () => {
    const { state, payload } = store;
    const mode = state.mode === "difference" ? "side" : state.mode;
    const heads = views({ ...store, state: { ...state, mode } }).flatMap(([view]) => view ?? []);
    if (state.stage !== last) all = false; // changed from outside: a link
    last = state.stage;
    const row = all ?? (state.stage === "softmax" && heads.every(({ keys }) => keys.text.length <= FEW));
    stages.set(row ? "all" : state.stage);
    press(unmasked, state.unmasked);
    show(unmasked, heads.some(({ at }) => payload.sides[at.side].causal));
    absent.forEach((place, i) => {
      const missing = heads[i] && !headOf(payload, heads[i].at).neuron;
      show(place, missing);
      if (missing) explain(store, heads[i].at, place);
    });
    const there = heads.filter(({ at }) => headOf(payload, at).neuron);
    const drawn = row ? STAGES : [state.stage];
    const plots = there.flatMap((view) => drawn.map((which, i) => stagePlot(store, view, which, i > 0)));
    const most = (name: string) => Math.max(...plots.filter(({ values }) => values === name).map((plot) => plot.most));
    for (const plot of plots) plot.most = most(plot.values); // both sides in the same colours
    return { plots, columns: row ? STAGES.length : 2, least: row ? 240 : 300 };
  });
  panel.element.append(...absent);
  return panel;
}
