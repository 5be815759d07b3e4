/** The head view: tokens and the lines between them, in a box that scrolls. */

import type { Panel, Picture, State, Store, Surface } from "../contract";
import { button, h, press, slider, write } from "../controls/dom";
import { pointing, stepping } from "../controls/pointing";
import { scroller } from "../controls/scroller";
import { remSurface, unit } from "../drawing/labels";
import { largestOf, plain, quoted } from "../heads/facts";
import { spoken, views } from "../heads/views";
import { paintLines } from "./draw";
import { type Hit, hit, type Layout, layout, scrollTo } from "./layout";
import { pick } from "./pick";

const LONGEST = 4000; // of a picture that is exported whole

export function lines(store: Store): Panel {
  const canvas = h("canvas", { tabindex: 0, role: "application" });
  const box = scroller(canvas, () => draw());
  const digits = (value: number) => value.toFixed(2);
  const top = slider("top-p", [0.05, 1, 0.05], 1, digits, (value) => store.set({ top: value }));
  const least = slider("least weight", [0, 0.5, 0.01], 0, digits, (value) => store.set({ least: value }));
  const inRows = button("in rows", () => store.set({ horizontal: !store.state.horizontal }), { title: "h" });
  const count = h("span", { class: "hint" });
  const bar = h("div", { class: "row" }, top.element, least.element, inRows, count);

  let now: Layout | null = null;
  let last: Partial<State> = {};

  const draw = () => {
    const { state } = store;
    const sides = views(store);
    const [width] = box.size();
    top.set(state.top);
    least.set(state.least);
    press(inRows, state.horizontal);
    if (!sides.length || !width) return;
    const tall = (window.innerHeight * 0.72) / unit();
    now = layout(sides, state, width, tall, box.at()[state.horizontal ? 0 : 1]);
    const { horizontal, span, height } = now;
    box.span(horizontal ? span : 0, horizontal ? height : span, horizontal ? Infinity : height);
    const [drawn, found] = paintLines(remSurface(canvas, now.width, height), store, now);
    const few = drawn < found ? `the ${drawn.toLocaleString("en")} strongest of ` : "";
    write(count, `${few}${found.toLocaleString("en")} line${found === 1 ? "" : "s"}`);
    const hint = "Arrow keys along the tokens lock a query, with Shift a key.";
    canvas.setAttribute("aria-label", `Head view of ${spoken(sides)}: ${count.textContent}. ${hint}`);
    for (const lane of now.plots[0].lanes) {
      const to = state[lane.end] === last[lane.end] ? null : scrollTo(now, lane, state[lane.end]);
      if (to !== null) box.to(horizontal ? to : 0, horizontal ? 0 : to); // to what was just locked
    }
    last = state;
  };

  pointing<Hit>(store, canvas, (x, y) => now && hit(now, x, y), (found) => tip(store, found));
  const way = (down: boolean, shift: boolean) => {
    const along = down !== store.state.horizontal;
    return along ? (shift ? "key" : "query") : null;
  };
  stepping(store, canvas, way, (end) => {
    const { query } = store.state;
    if (end === "key" || query === null || !now) return "";
    const [view] = now.plots[0].views;
    return `query ${query} ${quoted(view.queries, query)}: ${largestOf(store, view, query, 4)}`;
  });

  const pictures = (): Picture[] => {
    const sides = views(store);
    if (!now || !sides.length) return [];
    const { horizontal, span } = now;
    // Everything where it makes a figure, else what is in sight.
    const drawn = span > LONGEST ? now : layout(sides, store.state, horizontal ? span : now.width, Infinity, 0);
    const { width, height } = drawn;
    const paint = (on: Surface) => void paintLines(on, store, drawn);
    return [{ name: `head-view-${sides[0][0].short}`, width, height, paint }];
  };
  return { element: h("div", { class: "panel" }, bar, box.box), draw, pictures, rows: () => table(store) };
}

/** What the picture itself may not say: number and whole of a token, and of several heads all. */
function tip(store: Store, { plot: { views }, query, key }: Hit): string[] {
  const [view] = views;
  if (query === null) return key! < 0 ? [] : [`key ${key} ${quoted(view.keys, key!)}`];
  const heads = views.length > 1 ? views.map((one) => `${one.name}: ${largestOf(store, one, query, 1)}`) : [];
  return [`query ${query} ${quoted(view.queries, query)}`, ...heads];
}

/** The lines of all queries as a table. */
function table(store: Store): (string | number)[][] {
  const out: (string | number)[][] = [["side", "layer", "head", "query", "query token", "key", "key token", "weight"]];
  for (const view of views(store).flat()) {
    const { shown, side, short, queries, keys } = view;
    if (typeof shown === "string") continue;
    const [found] = pick([shown], [0, shown.T - 1], null, store.state);
    for (const { t, s } of found.sort((one, other) => one.t - other.t || one.s - other.s)) {
      const key = s < 0 ? ["null", ""] : [s, keys.text[s]];
      out.push([side, ...short.split("."), t, queries.text[t], ...key, plain(store, view, shown, t, s)]);
    }
  }
  return out;
}
