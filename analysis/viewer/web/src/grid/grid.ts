/** The model view: every head of the drawn sides as a thumbnail, a canvas per side. The pointer shows and chooses
 * heads, the keys walk over them as they are seen. What the pointer does not change is drawn once, then only copied.
 */

import type { Panel, Picture, Store, Thumb } from "../contract";
import { leading } from "../controls/actions";
import { h, show } from "../controls/dom";
import { tooltip } from "../controls/tooltip";
import { unit } from "../drawing/labels";
import { canvasSurface } from "../drawing/surface";
import { paintHeads, paintLegend, paintMarks } from "./draw";
import { hit, layout, type Layout, type Slot, step } from "./layout";
import { everyHead } from "./table";
import { facts, listed, long, nulled } from "../heads/heads";
import type { HeadAt } from "../payload/payload";

const BESIDE = 32; // least room for a thumbnail with which two grids stand beside each other
const EDGE = 48; // what a grid needs beside them
const GAP = 20;

interface Pane {
  element: HTMLElement;
  draw(side: number, width: number): void;
  picture(): Picture;
}

export function grid(store: Store): Panel {
  const { payload } = store;
  const panes = [pane(store), pane(store)];
  const element = h("div", { class: "grid" }, ...panes.map((one) => one.element));
  const sidesNow = () => (store.state.mode === "difference" ? [store.state.a] : store.drawn());
  const draw = () => {
    const [width, sides] = [element.clientWidth, sidesNow()];
    if (!width) return; // not on the page yet
    const half = Math.floor((width - GAP * unit()) / 2);
    const layers = sides.flatMap((side) => payload.sides[side].layers);
    const beside = sides.length > 1 && layers.every(({ heads }) => (heads.length * BESIDE + EDGE) * unit() < half);
    panes.forEach((one, i) => {
      show(one.element, i < sides.length);
      if (i < sides.length) one.draw(sides[i], beside ? half : width);
    });
  };
  const pictures = () => sidesNow().map((_, i) => panes[i].picture());
  return { element, draw, pictures, rows: () => everyHead(payload) };
}

function pane(store: Store): Pane {
  const canvas = h("canvas", { tabindex: 0, role: "application", "aria-roledescription": "grid of heads" });
  const here = h("span", { class: "here" }); // where the keys are: what is scrolled to, what the tooltip stands at
  const element = h("div", { class: "grid-side" }, canvas, here);
  const still = document.createElement("canvas"); // all but the outlines
  const tip = tooltip(store);
  let [side, known, marked, width, height] = [0, "", "", 0, 0];
  let grid: Layout;
  let thumbs: (Thumb | null)[] = []; // of the slots

  const paint = (surface = canvasSurface(still, width, height), ratio = window.devicePixelRatio) => {
    paintHeads(surface, store, grid, thumbs, [titleOf(store, side), width], ratio);
    paintLegend(store, side, grid, width, surface);
    return surface;
  };
  const draw = (now: number, room: number) => {
    side = now;
    const { payload, state, palette, hover } = store;
    const { layer, head, more, query: _, key: __, top, least, ...looks } = state;
    const key = JSON.stringify([side, room, unit(), window.devicePixelRatio, palette.dark, looks]);
    const fresh = listed(payload, state, side, store.value).flatMap((row) => row.map(({ at }) => store.thumb(at)));
    if (key !== known || fresh.some((thumb, i) => thumb !== thumbs[i])) {
      [known, thumbs, marked] = [key, fresh, ""];
      const [strip, { value }] = [nulled(store, store.drawn()), store];
      grid = layout(payload, state, side, { width: room, unit: unit(), strip, value });
      width = Math.max(grid.width, Math.min(room, 340 * unit()));
      height = grid.height + paintLegend(store, side, grid, width);
      paint();
    }
    const marks = JSON.stringify([layer, head, more, hover.at]);
    if (marks === marked) return;
    marked = marks;
    const surface = canvasSurface(canvas, width, height);
    canvas.getContext("2d")!.drawImage(still, 0, 0, width, height);
    paintMarks(surface, store, grid, side);
    const at = store.selected(side);
    const selected = at ? ` Selected: ${facts(store, at).join(", ")}.` : "";
    const label = `Model view of ${titleOf(store, side)}: ${thumbs.length} heads.${selected}`;
    canvas.setAttribute("aria-label", `${label} Arrow keys move, Enter selects, space adds.`);
  };

  const point = (slot: Slot | null, x = 0, y = 0) => {
    store.point({ at: slot?.at ?? null });
    canvas.style.cursor = slot ? "pointer" : "";
    if (slot) tip.show(x, y, facts(store, slot.at));
    else tip.hide();
  };
  const under = (event: MouseEvent) => hit(grid, event.offsetX, event.offsetY);
  canvas.addEventListener("pointermove", (event) => point(under(event), event.clientX, event.clientY));
  for (const leave of ["pointerleave", "blur", "wheel"]) {
    canvas.addEventListener(leave, () => point(null), { passive: true });
  }
  canvas.addEventListener("click", (event) => {
    const slot = under(event);
    if (slot) choose(store, slot.at, event.shiftKey);
  });
  canvas.addEventListener("keydown", (event) => {
    const { at } = store.hover;
    const from = at?.side === side ? at : store.selected(side);
    if (event.altKey || event.metaKey || event.ctrlKey) return;
    if (event.key === "Escape") return point(null); // and on to the page, which unlocks
    const slot = step(grid, from, event.key);
    if (slot) {
      const { width, height } = grid.box;
      const place = { left: slot.x, top: slot.y, width, height };
      for (const [name, length] of Object.entries(place)) here.style.setProperty(name, `${length}px`);
      here.scrollIntoView({ block: "nearest", inline: "nearest" });
      const { right, bottom } = here.getBoundingClientRect();
      point(slot, right, bottom);
      store.say(facts(store, slot.at).join(", "));
    } else if (from && (event.key === "Enter" || event.key === " ")) choose(store, from, event.key === " ");
    else return;
    event.preventDefault();
    event.stopPropagation();
  });

  const picture = (): Picture => ({
    name: `model view ${titleOf(store, side)}`,
    width,
    height,
    paint: (surface) => paintMarks(paint(surface, 2), store, grid, side),
  });
  return { element, draw, picture };
}

/** Selects the head that stands in this place for the side that leads, or adds it to the further ones. */
function choose(store: Store, at: HeadAt, add: boolean): void {
  const { payload, state } = store;
  const target = store.partner(at, leading(state));
  if (!target) return store.say(`${long(payload, at)} stands beside no head of A`);
  const one: [number, number] = [target.layer, target.head];
  const all: [number, number][] = [[state.layer, state.head], ...state.more];
  const others = all.filter((other) => other.join() !== one.join());
  const chosen = !add ? [one] : others.length && others.length < all.length ? others : [...others, one];
  const [[layer, head], ...more] = chosen;
  store.set({ layer, head, more });
  store.say(`${facts(store, at).join(", ")}; heads selected: ${chosen.length}`);
}

/** A difference is one picture, of A's heads. */
function titleOf({ payload, state }: Store, side: number): string {
  const { sides } = payload;
  const alone = sides[state.a].run === sides[state.b].run; // two steps of one run, which the menus name
  const named = ({ name, run }: (typeof sides)[0]) => (alone ? name.replace(`${run}, `, "") : name);
  const [name, other] = [side, state.b].map((at) => named(sides[at]));
  if (state.mode === "difference") return `A − B · ${name} − ${other}`;
  return state.mode === "side" ? `${side === state.a ? "A" : "B"} · ${name}` : name;
}
