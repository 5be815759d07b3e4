/** The head view: a scrolling box in which one canvas, as large as what is in sight, stays while its tokens move. */

import { step } from "./actions";
import type { Panel, Picture, Store, Surface } from "./contract";
import { button, h, press, slider, write } from "./dom";
import { largestOf, plain, quoted } from "./facts";
import { remSurface, unit, widthOf } from "./labels";
import { paintLines } from "./linesdraw";
import { type Hit, type Layout, hit, layout, scrollTo } from "./lineslayout";
import { pick } from "./linespick";
import { pointing } from "./pointing";
import { type View, spoken, views } from "./views";

const LONGEST = 4000; // of a picture that is exported whole

export function lines(store: Store): Panel {
  const canvas = h("canvas", { tabindex: 0, role: "application", "aria-roledescription": "head view" });
  const spacer = h("div", {}, canvas);
  const box = h("div", { class: "scroller" }, spacer);
  const share = (value: number) => (value < 1 ? `${Math.round(100 * value)} %` : "all");
  const top = slider("top-p", [0.05, 1, 0.05], 1, share, (value) => store.set({ top: value }));
  const digits = (value: number) => value.toFixed(2);
  const least = slider("least weight", [0, 0.5, 0.01], 0, digits, (value) => store.set({ least: value }));
  const turn = () => store.set({ horizontal: !store.state.horizontal });
  const inRows = button("in rows", turn, { title: "tokens in rows (h)" });
  const count = h("span", { class: "hint" });
  const bar = h("div", { class: "row" }, top.element, least.element, inRows, count);
  const element = h("div", { class: "lines" }, bar, box);
  Object.assign(element.style, { display: "grid", gap: "0.75rem", contain: "inline-size" });
  Object.assign(box.style, { overflow: "auto" });
  Object.assign(canvas.style, { position: "sticky", top: "0", left: "0", outlineOffset: "-2px" });

  let now: Layout | null = null;
  let locks = "";

  const arrange = (sides: View[][]): Layout => {
    const most = Math.max(240, Math.min(700, (window.innerHeight * 0.72) / unit()));
    const scroll = store.state.horizontal ? box.scrollLeft : box.scrollTop;
    return layout(sides, store.state, box.clientWidth / unit(), most, scroll / unit());
  };

  const draw = () => {
    const { state } = store;
    const sides = views(store);
    top.set(state.top);
    least.set(state.least);
    press(inRows, state.horizontal);
    if (!sides.length || !box.clientWidth) return;
    now = arrange(sides);
    const { horizontal, span, height } = now;
    const width = box.clientWidth;
    spacer.style.width = horizontal ? `${span / 16}rem` : "";
    spacer.style.height = `${(horizontal ? height : span) / 16}rem`;
    box.style.height = horizontal ? "" : `${height / 16}rem`;
    if (follow(now) || box.clientWidth !== width) now = arrange(sides); // scrolled; its scroll bar came or went
    const [drawn, found] = paintLines(remSurface(canvas, now.width, now.height), store, now);
    const all = `${found.toLocaleString("en")} ${found === 1 ? "line" : "lines"}`;
    write(count, drawn < found ? `the ${drawn.toLocaleString("en")} strongest of ${all}` : all);
    const hint = "Arrow keys along the tokens lock a query, with Shift a key.";
    canvas.setAttribute("aria-label", `Head view of ${spoken(sides)}: ${count.textContent}. ${hint}`);
  };

  /** Brings a token that was just locked into sight; true if it was not. */
  const follow = (arranged: Layout): boolean => {
    const { query, key, horizontal } = store.state;
    const before = locks;
    locks = `${query} ${key}`;
    if (before === locks) return false;
    const [plot] = arranged.plots;
    const moved = query !== null && !before.startsWith(`${query} `);
    const to = moved ? scrollTo(arranged, plot.queries, query) : scrollTo(arranged, plot.keys, key ?? -1);
    if (to !== null) box[horizontal ? "scrollLeft" : "scrollTop"] = to * unit();
    return to !== null;
  };

  pointing<Hit>(store, canvas, (x, y) => now && hit(now, x, y), (found) => tip(store, now!, found));
  canvas.addEventListener("keydown", (event) => {
    const by = store.state.horizontal ? { ArrowLeft: -1, ArrowRight: 1 } : { ArrowUp: -1, ArrowDown: 1 };
    const to = by[event.key as keyof typeof by] as 1 | -1 | undefined;
    if (!to || !now || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    step(store, event.shiftKey ? "key" : "query", to);
    const { query } = store.state;
    const [view] = now.plots[0].views;
    if (event.shiftKey || query === null) return;
    store.say(`query ${query} ${quoted(view.queries, query)}: ${largestOf(store, view, query, 4)}`);
  });
  box.addEventListener("scroll", draw);

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
  return { element, draw, pictures, rows: () => table(store) };
}

/** What the picture itself cannot say: the whole of a cut token, the character of a piece, numbers of many heads. */
function tip(store: Store, { size }: Layout, { plot, query, key }: Hit): string[] {
  const [view] = plot.views;
  const tokens = query !== null ? view.queries : view.keys;
  const i = query ?? key!;
  if (i < 0) return [];
  const name = `${query !== null ? "query" : "key"} ${i} ${quoted(tokens, i)}`;
  if (plot.count < plot.views.length && query !== null) {
    return [name, ...plot.views.map((one) => `${one.name}: ${largestOf(store, one, i, 1)}`)];
  }
  return widthOf(tokens.text[i], size) > plot.room || tokens.joined[i] || tokens.text.length > 48 ? [name] : [];
}

/** The lines of all queries as a table. */
function table(store: Store): (string | number)[][] {
  const out: (string | number)[][] = [["side", "layer", "head", "query", "query token", "key", "key token", "weight"]];
  for (const heads of views(store)) {
    for (const view of heads) {
      const { shown, side, short, queries, keys } = view;
      if (typeof shown === "string") continue;
      const [found] = pick([shown], [0, shown.T - 1], [], store.state);
      for (const { t, s } of found.sort((one, other) => one.t - other.t || one.s - other.s)) {
        const key = s < 0 ? ["null", ""] : [s, keys.text[s]];
        out.push([side, ...short.split("."), t, queries.text[t], ...key, plain(store, view, shown, t, s)]);
      }
    }
  }
  return out;
}
