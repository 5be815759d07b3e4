/** The page: ties its parts together, and draws what is visible once per frame in which anything changed. */

import type { Shown, State, Store } from "./contract";
import { ACTS } from "./controls/actions";
import { bind, walk } from "./controls/bind";
import { detail } from "./controls/detail";
import { byId, write } from "./controls/dom";
import { listen } from "./controls/keys";
import { furnish, shell } from "./controls/shell";
import { copyLink, exportMenu } from "./export/export";
import { grid } from "./grid/grid";
import { table } from "./grid/table";
import { lines } from "./lines/lines";
import { map } from "./map/map";
import { neuron } from "./neuron/neuron";
import type { Payload } from "./payload/payload";
import { scores } from "./scores/scores";
import { createStore } from "./state/store";

declare global {
  interface Window {
    jattn: {
      state(): State;
      set(change: Partial<State>): void;
      shown(side: number, layer: number, head: number): Promise<Shown | "absent">;
      difference(layer: number, head: number): Promise<Shown | "absent" | "unlike">;
    };
  }
}

function start(): void {
  window.addEventListener("error", (event) => fail(event.message));
  window.addEventListener("unhandledrejection", (event) => fail(String(event.reason)));
  const app = byId("app");
  app.hidden = false;
  const payload = JSON.parse(byId("payload").textContent!) as Payload;
  const blobText = (side: number) => byId(`blobs-${side}`).textContent!.trim();
  const store = createStore(payload, blobText, (words) => write(byId("live"), words));
  const act = (words: string) => {
    const [name, ...rest] = words.split(" ");
    if (name === "copy") copyLink(store, flash);
    else ACTS[name](store, ...rest);
  };

  furnish(payload);
  const [fill, show] = [shell(store), bind(store, app, act)];
  const [model, statistics] = [grid(store), table(store)];
  const chosen = detail(store, { lines, map, neuron, scores });
  byId("grid").append(model.element);
  exportMenu(store, () => [
    ["Model view", model],
    [byId(`tab-${store.state.view}`).textContent!, chosen()],
    ["Statistics", statistics],
  ]);
  listen(act);
  walk(byId("tabs"));

  const draw = () => {
    show(fill());
    for (const panel of [model, chosen(), statistics]) panel.draw();
    if (!("ready" in document.documentElement.dataset) && settled(store)) announce();
  };
  store.subscribe(draw);
  new ResizeObserver(store.redraw).observe(app);
  expose(store);
  draw();
}

/** Whether the selected heads are there to be drawn. */
function settled(store: Store): boolean {
  const { mode, view, a } = store.state;
  const vectors = view === "neuron" || view === "scores";
  return store.drawn().every((side) => {
    const at = store.selected(side);
    const unlike = mode === "difference" && side === a && at !== null && store.difference(at) === "unlike";
    if (!at || unlike) return true; // there is nothing to draw
    return store.thumb(at) !== null && store.shown(at) !== "waiting" && !(vectors && store.vectors(at) === "waiting");
  });
}

/** Says that the page can be used, once what was drawn is on the screen. */
function announce(): void {
  document.documentElement.dataset.ready = "1";
  requestAnimationFrame(() => setTimeout(() => performance.mark("jattn-ready")));
}

function flash(words: string): void {
  const toast = byId("toast");
  write(toast, words);
  toast.classList.add("on");
  setTimeout(() => toast.classList.remove("on"), 2500);
}

/** What went wrong, where it can be read; the first time only, for the rest follows from it. */
function fail(message: string): void {
  const banner = byId("failure");
  if (!banner.textContent) write(banner, `Something went wrong on this page: ${message}`);
}

/** For tests, notebooks and the console. */
function expose(store: Store): void {
  window.jattn = {
    state: () => store.state,
    set: (change) => store.set(change),
    shown: (side, layer, head) => settle(() => store.shown({ side, layer, head })),
    difference: (layer, head) => settle(() => store.difference({ side: store.state.a, layer, head })),
  };
}

/** What a store gives once it has been decoded. */
async function settle<T>(look: () => T | "waiting"): Promise<T> {
  for (;;) {
    const found = look();
    if (found !== "waiting") return found;
    await new Promise(requestAnimationFrame);
  }
}

start();
