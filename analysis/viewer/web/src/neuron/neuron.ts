/** Neuron view: how one query comes to its weights, dimension by dimension: query and keys, their product per
 * dimension, its sum, the score, the weight; the null in a row of its own. What is under the pointer is marked on every
 * side.
 */

import { products } from "../attention/stages";
import type { Panel, Store } from "../contract";
import { h, slider } from "../controls/dom";
import { unit } from "../drawing/labels";
import { quoted } from "../heads/facts";
import { views } from "../heads/views";
import { neuronPane, type Shared } from "./pane";
import { queryOf, type Reading } from "./reading";

export function neuron(store: Store): Panel {
  const { texts } = store.payload;
  const heads = () => views(store, false).map(([view]) => view);
  const tokens = () => heads()[0].queries;
  const now = () => queryOf(store, tokens().text.length);
  const most = Math.max(...texts.map(({ queries }) => queries.text.length)) - 1;
  const words = (t: number) => (t in tokens().text ? `${t} ${quoted(tokens(), t)}` : String(t));
  const query = slider("query", [0, most, 1], now(), words, (t) => store.set({ query: t }));
  const shared: Shared = { dimension: null, changed: () => draw() };
  const panes = [0, 1].map(() => neuronPane(store, shared));
  const both = h("div", { class: "panes" }, ...panes.map((pane) => pane.element));
  const element = h("div", { class: "panel" }, h("div", { class: "row" }, query.element), both);
  const draw = () => {
    const shown = heads();
    const tall = Math.max(320, (0.8 * window.innerHeight) / unit() / shown.length);
    query.set(now());
    panes.forEach((pane, i) => pane.draw(shown[i] ?? null, tall));
  };
  return {
    element,
    draw,
    pictures: () => panes.flatMap((pane) => pane.picture() ?? []),
    rows() {
      const read = panes.flatMap((pane) => pane.reading() ?? []);
      const H = Math.max(0, ...read.map(({ vectors }) => vectors.H));
      const names = ["side", "query", "query token", "key", "key token", "q.k", "score", "weight"];
      const dimensions = Array.from({ length: H }, (_, d) => `q*k ${d}`);
      return [[...names, ...dimensions], ...read.flatMap((reading) => table(store, reading))];
    },
  };
}

/** A row for the null and for each key. */
function table({ payload }: Store, reading: Reading): (string | number)[][] {
  const { view, t, vectors, product, scaled, weight, null_score, null_weight } = reading;
  const first = [payload.sides[view.at.side].name, t, view.queries.text[t]];
  const numbers = (s: number) => [product[s], scaled[s], weight[s], ...products(vectors, t, s)];
  const rows = reading.rows.map((s) => [...first, s, view.keys.text[s], ...numbers(s)]);
  if (null_score === null) return rows;
  return [[...first, "null", "", "", null_score, null_weight!, ...Array<string>(vectors.H).fill("")], ...rows];
}
