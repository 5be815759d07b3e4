/** One side of the neuron view: a box that scrolls, a canvas that stays in it and draws what can be seen, the pointer
 * and the keys. The panel around it says in which order the keys stand, and which dimension is marked everywhere.
 */

import type { HeadAt, Store } from "./contract";
import { h, write } from "./dom";
import { quoted } from "./facts";
import { headOf, short } from "./heads";
import { unit } from "./labels";
import { paint } from "./neurondraw";
import { hit, plan, type Look, type Plan } from "./neuronplan";
import { caption, facts, label } from "./neuronwords";
import { keysOf } from "./payload";
import { read, type Order, type Reading } from "./reading";
import { canvasSurface } from "./surface";
import { tooltip } from "./tooltip";
import { treatment } from "./treated";
import { heading, vectorsOf, type Pane } from "./vectorpane";

/** What the panes of the panel have in common. */
export interface Shared {
  order: Order;
  dimension: number | null; // under the pointer, in any pane
  changed(): void;
}

export interface NeuronPane extends Pane {
  reading(): Reading | null;
}

const WHOLE = 200; // rows that an exported picture holds; of more, those in view
const SHARES = { alone: 0.75, stacked: 0.45 }; // of the window's height
const LEAST = 320; // height of a pane, in 1/16 rem

export function neuronPane(store: Store, shared: Shared): NeuronPane {
  const canvas = h("canvas", { tabindex: 0, role: "application" });
  const sheet = h("div", {}, canvas); // as large as all rows
  const box = h("div", {}, sheet);
  const said = h("p", { class: "caption" });
  const there = h("div", {}, box, said);
  const words = h("div");
  Object.assign(canvas.style, { position: "sticky", left: "0", top: "0", outlineOffset: "-2px" });
  Object.assign(box.style, { overflow: "auto", overscrollBehavior: "contain" });

  let at: HeadAt | null = null;
  let reading: Reading | null = null;
  let p: Plan | null = null;
  let made = "";
  let hovered: number | null = null;

  const look = (): Look => ({
    palette: store.palette,
    title: heading(store, at!),
    width: box.clientWidth,
    height: box.clientHeight,
    x: box.scrollLeft,
    y: box.scrollTop,
    key: hovered,
    locked: store.state.key,
    dimension: shared.dimension,
  });
  const render = () => {
    if (!p) return;
    const now = look();
    const surface = canvasSurface(canvas, now.width, now.height);
    if (reading) paint(surface, reading, p, now);
    else surface.text(0, 17 * p.u, "decoding …", { size: 13 * p.u, fill: now.palette.soft });
  };
  const point = (key: number | null, dimension: number | null) => {
    if (key === hovered && dimension === shared.dimension) return;
    [hovered, shared.dimension] = [key, dimension];
    shared.changed();
  };
  const find = (event: MouseEvent) => {
    const { left, top } = canvas.getBoundingClientRect();
    return reading && p && hit(reading, p, look(), event.clientX - left, event.clientY - top);
  };

  box.addEventListener("scroll", render, { passive: true });
  canvas.addEventListener("pointermove", (event) => {
    const found = find(event);
    point(found?.key ?? null, found?.dimension ?? null);
    if (found) tooltip(store).show(event.clientX, event.clientY, facts(reading!, found.key, found.dimension));
    else tooltip(store).hide();
  });
  canvas.addEventListener("pointerleave", () => {
    point(null, null);
    tooltip(store).hide();
  });
  canvas.addEventListener("click", (event) => {
    const key = find(event)?.key ?? null;
    if (key !== null) store.set({ key: key === store.state.key ? null : key });
  });
  canvas.addEventListener("keydown", (event) => {
    if (!reading || event.ctrlKey || event.metaKey || event.altKey) return;
    const last = reading.vectors.T - 1;
    const step = { ArrowLeft: -1, ArrowRight: 1, Home: -last, End: last }[event.key];
    if (event.key === "ArrowUp" || event.key === "ArrowDown") choose(reading, event.key === "ArrowUp" ? -1 : 1);
    else if (step !== undefined) {
      const query = Math.max(0, Math.min(last, reading.t + step));
      store.set({ query });
      store.say(`query ${query} ${quoted(reading.queries, query)}`);
    } else return;
    event.preventDefault();
  });

  /** Locks the row above or below, and scrolls to it; the null stands above the first. */
  const choose = (now: Reading, by: number) => {
    const rows = now.null_score === null ? now.rows : [-1, ...now.rows];
    const from = rows.indexOf(store.state.key ?? NaN);
    const key = rows[from < 0 ? 0 : Math.max(0, Math.min(rows.length - 1, from + by))];
    const top = now.rows.indexOf(key) * p!.row;
    const room = box.clientHeight - p!.head - p!.foot - p!.row;
    if (top >= 0) box.scrollTop = Math.max(top - room, Math.min(box.scrollTop, top));
    store.set({ key });
    store.say(facts(now, key, null).join(", "));
  };

  return {
    element: h("div", {}, there, words),
    draw(to, width, stacked) {
      at = to;
      const vectors = at && vectorsOf(store, at, there, words);
      const neuron = at && headOf(store.payload, at).neuron;
      if (!at || !neuron) return void (reading = p = null);
      const { state, payload, hover } = store;
      const now = JSON.stringify([at, state.query ?? hover.query, shared.order, treatment(state)]);
      if (!vectors) reading = null;
      else if (!reading || now !== made) reading = read(store, at, vectors, shared.order);
      made = now;
      const keys = keysOf(payload.texts[payload.sides[at.side].text]).text;
      p = plan(width, neuron.size, keys, neuron.s_null !== null && state.nulls === "show");
      const tall = Math.max(LEAST * unit(), window.innerHeight * (stacked ? SHARES.stacked : SHARES.alone));
      const size = (rows: number) => p!.head + rows * p!.row + p!.foot;
      const bar = p.width > width ? 16 : 0; // of scrolling
      box.style.height = `${Math.min(tall, size(keys.length) + bar)}px`;
      sheet.style.width = `${p.width}px`;
      sheet.style.height = `${size(reading?.rows.length ?? 0)}px`;
      write(said, reading ? caption(reading) : "");
      canvas.setAttribute("aria-label", label(heading(store, at), reading));
      render();
    },
    picture() {
      if (!reading || !p || !at) return null;
      const [rows, columns] = [reading, p];
      const still = { ...look(), x: 0, width: p.width, key: null, dimension: null };
      if (rows.rows.length <= WHOLE) Object.assign(still, { y: 0, height: p.head + rows.rows.length * p.row + p.foot });
      const name = `neuron-${short(store.payload, at)}`;
      const { width, height } = still;
      return { name, width, height, paint: (surface) => paint(surface, rows, columns, still) };
    },
    reading: () => reading,
  };
}
