/** Scores: the raw product of queries and keys as a heat map, and its way to the weights: scaled, masked, softmax. One
 * stage at a time, or all four in a row as textbooks show them.
 */

import type { Panel, Store } from "../contract";
import { button, byId, h, press, show } from "../controls/dom";
import { views } from "../heads/views";
import { mapPanel } from "../map/panel";
import { explain } from "../neuron/absent";
import { headOf } from "../payload/lookup";
import { stagePlot, STAGES } from "./plots";

export function scores(store: Store): Panel {
  const unmasked = button("without mask", () => store.set({ unmasked: !store.state.unmasked }), {
    title: "also where a query may not look",
  });
  const bar = byId("bar-scores");
  bar.append(unmasked);
  const absent = [h("div"), h("div")];
  const panel = mapPanel(store, "Scores", bar, () => {
    const { state, payload } = store;
    const mode = state.mode === "difference" ? "side" : state.mode;
    const heads = views({ ...store, state: { ...state, mode } }).flatMap(([view]) => view ?? []);
    press(unmasked, state.unmasked);
    show(unmasked, heads.some(({ at }) => payload.sides[at.side].causal));
    absent.forEach((place, i) => {
      const missing = heads[i] && !headOf(payload, heads[i].at).neuron;
      show(place, missing);
      if (missing) explain(store, heads[i].at, place);
    });
    const there = heads.filter(({ at }) => headOf(payload, at).neuron);
    const drawn = state.stage === "all" ? STAGES : [state.stage];
    const plots = there.flatMap((view) => drawn.map((which, i) => stagePlot(store, view, which, i > 0)));
    const most = (name: string) => Math.max(...plots.filter(({ values }) => values === name).map((plot) => plot.most));
    for (const plot of plots) plot.most = most(plot.values); // both sides in the same colours
    return { plots, columns: Math.max(2, drawn.length), least: drawn.length > 1 ? 240 : 300 };
  });
  panel.element.append(...absent);
  return panel;
}
