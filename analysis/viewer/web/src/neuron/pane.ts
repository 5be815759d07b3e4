/** One side of the neuron view: a box that scrolls, a canvas that draws what can be seen, the pointer and the keys. */

import type { Hover, Picture, Store } from "../contract";
import { h, show, write } from "../controls/dom";
import { pointing, stepping } from "../controls/pointing";
import { scroller } from "../controls/scroller";
import { remSurface } from "../drawing/labels";
import type { View } from "../heads/views";
import { explain } from "./absent";
import { type Look, paint } from "./draw";
import { FOOT, hit, layout, type Layout, ROW } from "./layout";
import { read, type Reading } from "./reading";
import { caption, facts, label } from "./words";
import { headOf } from "../payload/lookup";

/** What the panes of the panel have in common. */
export interface Shared {
  dimension: number | null; // under the pointer, in any pane
  changed(): void;
}

export interface NeuronPane {
  element: HTMLElement;
  draw(view: View | null, tall: number): void; // `tall`: how high it may be, in 1/16 rem
  picture(): Picture | null;
  reading(): Reading | null;
}

const WHOLE = 200; // rows that an exported picture holds; of more, those in view

export function neuronPane(store: Store, shared: Shared): NeuronPane {
  const canvas = h("canvas", { tabindex: 0, role: "application" });
  const box = scroller(canvas, shared.changed);
  const said = h("p", { class: "caption" });
  const there = h("div", {}, box.box, said);
  const absent = h("div");
  const element = h("div", {}, there, absent);

  let view: View | null = null;
  let reading: Reading | null = null;
  let p: Layout;
  let locked: number | null = null;

  const update = () => {
    const vectors = view && store.vectors(view.at);
    reading = view && vectors && typeof vectors !== "string" ? read(store, view, vectors) : null;
  };
  const look = (): Look => ({
    palette: store.palette,
    width: Math.max(p.width, box.size()[0]),
    height: box.size()[1],
    scroll: box.at()[1],
    key: store.hover.at && store.hover.key,
    locked: store.state.key,
    dimension: store.hover.at && shared.dimension,
  });

  pointing<Hover & { dimension: number | null }>(
    store,
    canvas,
    (x, y) => {
      const found = reading && hit(reading, p, box.size()[1], box.at()[1], x, y);
      return found && { query: null, at: view!.at, ...found };
    },
    ({ key, dimension }) => {
      shared.dimension = dimension;
      shared.changed();
      return facts(reading!, key, dimension);
    },
  );
  stepping(store, canvas, (down) => (down ? "key" : "query"), () => {
    update();
    return reading ? facts(reading, store.state.key, null).join(", ") : "";
  });

  return {
    element,
    draw(shown, tall) {
      view = shown;
      update();
      const neuron = view && headOf(store.payload, view.at).neuron;
      show(element, view !== null);
      show(there, neuron !== null);
      show(absent, neuron === null);
      if (!view) return;
      if (!neuron) return explain(store, view.at, absent);
      const { key, nulls } = store.state;
      p = layout(box.size()[0], neuron.size, neuron.s_null !== null && nulls === "show");
      box.span(p.width, p.head + view.keys.text.length * ROW + FOOT, tall);
      write(said, reading ? caption(reading) : "");
      canvas.setAttribute("aria-label", label(view, reading));
      const now = look();
      const surface = remSurface(canvas, now.width, now.height);
      if (!reading) return surface.text(0, 17, "decoding …", { size: 13, fill: store.palette.soft });
      paint(surface, reading, p, now);
      const top = reading.rows.indexOf(key ?? NaN) * ROW;
      const room = now.height - p.head - FOOT - ROW;
      if (key !== locked && top >= 0) box.to(box.at()[0], Math.max(top - room, Math.min(now.scroll, top)));
      locked = key;
    },
    picture() {
      if (!reading) return null;
      const [what, columns] = [reading, p];
      const still = { ...look(), width: p.width, key: null, dimension: null };
      const { length } = reading.rows;
      if (length <= WHOLE) Object.assign(still, { scroll: 0, height: p.head + length * ROW + FOOT });
      const { width, height } = still;
      const name = `neuron-${reading.view.short}`;
      return { name, width, height, paint: (surface) => paint(surface, what, columns, still) };
    },
    reading: () => reading,
  };
}
