/** Neuron view: how one query comes to its weights, dimension by dimension: query and keys, their product per
 * dimension, its sum, the score, the weight; the null in a row of its own. A dimension under the pointer is marked on
 * every side.
 */

import type { Panel, Store } from "./contract";
import { h, segmented, slider } from "./dom";
import { quoted } from "./facts";
import { neuronPane, type Shared } from "./neuronpane";
import { queryOf, type Order, type Reading } from "./reading";
import { products } from "./stages";
import { paneled } from "./vectorpane";

const BESIDE = 620; // least width of a side that stands beside another, in 1/16 rem

export function neuron(store: Store): Panel {
  const { payload } = store;
  const shared: Shared = { order: "position", dimension: null, changed: () => draw() };
  const tokens = () => payload.texts[payload.sides[store.drawn()[0]].text].queries;
  const count = () => tokens().text.length;
  const longest = Math.max(...payload.texts.map(({ queries }) => queries.text.length));
  const query = slider(
    "query",
    [0, longest - 1, 1],
    queryOf(store, count()),
    (t) => (t < count() ? `${t} ${quoted(tokens(), t)}` : String(t)),
    (t) => store.set({ query: Math.min(t, count() - 1) }),
  );
  const orders = [
    ["position", "by position"],
    ["weight", "largest first"],
  ] as const;
  const order = segmented<Order>("keys", orders, shared.order, (value) => {
    shared.order = value;
    draw();
  });
  const panes = [0, 1].map(() => neuronPane(store, shared));
  const panel = paneled(store, h("div", { class: "bar" }, query.element, order.element), panes);
  const draw = () => {
    if (!panel.width()) return;
    query.set(queryOf(store, count()));
    panel.draw(BESIDE);
  };
  return {
    element: panel.element,
    draw,
    pictures: panel.pictures,
    rows() {
      const read = panes.map((pane) => pane.reading());
      const H = Math.max(0, ...read.map((reading) => reading?.vectors.H ?? 0));
      const names = ["side", "query", "query token", "key", "key token", "q.k", "score", "weight"];
      const head = [...names, ...Array.from({ length: H }, (_, d) => `q*k ${d}`)];
      const name = (i: number) => payload.sides[store.drawn()[i]].name;
      return [head, ...read.flatMap((reading, i) => (reading ? table(reading, name(i)) : []))];
    },
  };
}

/** A row for the null and for each key. */
function table(reading: Reading, side: string): (string | number)[][] {
  const { t, vectors, queries, keys, product, scaled, weight, null_score, null_weight } = reading;
  const first = [side, t, queries.text[t]];
  const numbers = (s: number) => [product[s], scaled[s], weight[s], ...products(vectors, t, s)];
  const rows = reading.rows.map((s) => [...first, s, keys.text[s], ...numbers(s)]);
  return null_score === null ? rows : [[...first, "null", "", "", null_score, null_weight!], ...rows];
}
