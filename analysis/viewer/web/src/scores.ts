/** Scores: the raw product of queries and keys as a heat map, and its way to the weights: scaled, masked, softmax. One
 * stage at a time, or all four in a row as textbooks show them where there is room.
 */

import type { Panel, Store } from "./contract";
import { button, h, press, segmented, show } from "./dom";
import { headOf } from "./heads";
import { unit } from "./labels";
import { cellSize, part } from "./scoreslayout";
import { STAGES, stageName, type Which } from "./scoremaps";
import { scoresPane, type ScoresPane } from "./scorespane";
import { paneled } from "./vectorpane";
import { views, type View } from "./views";

const ROOMY = { width: 640, cell: 7 }; // least sizes with which four maps stand in a row, in 1/16 rem
const BESIDE = 400; // least width of a side that stands beside another

export function scores(store: Store): Panel {
  let all: boolean | null = null; // null: until one is picked, if there is room
  let last = store.state.stage;
  let drawn: readonly Which[] = [last];
  const pick = (value: Which | "all") => {
    all = value === "all";
    if (value === "all") draw();
    else store.set({ stage: (last = value) });
    draw();
  };
  const stages = segmented<Which | "all">("stage", [], "softmax", pick);
  const unmasked = button("without mask", () => store.set({ unmasked: !store.state.unmasked }), {
    title: "also where a query may not look",
  });
  const turned = button("transpose", () => store.set({ transposed: !store.state.transposed }), {
    title: "keys down, queries across (t)",
  });
  const bar = h("div", { class: "bar" }, stages.element, unmasked, turned);
  const panes = [0, 1].map(() => scoresPane(store, () => drawn));
  const panel = paneled(store, bar, panes);

  const draw = () => {
    const width = panel.width();
    if (!width) return;
    const { state, payload } = store;
    const heads = views(store).flatMap(([view]) => view ?? []);
    const neuron = heads.flatMap(({ at }) => headOf(payload, at).neuron ?? [])[0];
    const fits = (view: View) => cellSize(view, state, width, STAGES.length) >= ROOMY.cell * unit();
    const roomy = width >= ROOMY.width * unit() && heads.every(fits);
    if (state.stage !== last) all = false; // changed from outside: a link
    last = state.stage;
    const row = roomy && (all ?? state.stage === "softmax");
    drawn = row ? STAGES : [state.stage];
    show(bar, neuron !== undefined);
    if (neuron) {
      const options = STAGES.map((which) => [which, stageName(which, neuron)[0]] as const);
      stages.options(roomy ? [["all", "all four"], ...options] : options);
      stages.set(row ? "all" : state.stage);
    }
    press(unmasked, state.unmasked);
    press(turned, state.transposed);
    show(unmasked, heads.some(({ at }) => payload.sides[at.side].causal));
    const tokens = heads.flatMap(({ queries, keys }) => [queries, keys]);
    const longest = Math.max(...tokens.map(({ text }) => part(state, text.length).count));
    panel.draw(row ? Infinity : Math.max(BESIDE, longest + 120));
  };

  return {
    element: panel.element,
    draw,
    pictures: panel.pictures,
    rows: () => panes.flatMap((pane, i) => table(store, i, pane.maps())),
  };
}

/** Every stage that is drawn as a table: a row for each query, the null before the keys. */
function table(store: Store, i: number, shown: ReturnType<ScoresPane["maps"]>): (string | number)[][] {
  if (!shown) return [];
  const { view, maps } = shown;
  const name = store.payload.sides[store.drawn()[i]].name;
  const keys = view.keys.text.map((word, s) => `${s} ${word}`);
  const rows: (string | number)[][] = [["side", "stage", "query", "token", "null", ...keys]];
  for (const { which, shown } of maps) {
    for (let t = 0; t < shown.T; t++) {
      const cells = shown.weights.subarray(t * shown.S, (t + 1) * shown.S);
      rows.push([name, which, t, view.queries.text[t], shown.nulls?.[t] ?? "", ...cells]);
    }
  }
  return rows;
}
