/** The bar above the model view: how heads are sorted, which are kept, how thumbnails are pooled. */

import type { State, Store } from "./contract";
import { h, segmented, select, show, unique, write, type Bar, type Option } from "./dom";
import { listed } from "./heads";

const ACROSS: Option<"" | "1">[] = [["", "in each layer"], ["1", "across layers"]];
const POOLS: Option<State["pool"]>[] = [["max", "largest"], ["mean", "mean"]];

export function gridHead(store: Store): Bar {
  const { statistics, classes } = store.payload;
  const all = statistics.map(({ key, name }): Option => [key, name]);
  const names = classes.map((name): Option => [name, name]);
  const sort = select("sort by", [["", "number"], ...all], "", (value) => store.set({ sort: value }));
  const across = segmented("sorted", ACROSS, "", (value) => store.set({ across: value !== "" }));
  const kind = select("class", [["", "all"], ...names], "", (value) => store.set({ headkind: value }));
  const by = select("only heads with", [["", "any value"], ...all], "", (value) => store.set({ by: value }));
  const pool = segmented("cells pooled by", POOLS, "max", (value) => store.set({ pool: value }));
  const id = unique("least");
  const input = h("input", { id, type: "number", step: "any", placeholder: "any" });
  input.addEventListener("input", () => store.set({ above: input.value === "" ? null : input.valueAsNumber }));
  const least = h("div", { class: "control" }, h("label", { for: id }, "at least"), input);
  const count = h("p", { class: "hint", role: "status" });
  const row = [sort, across, kind, by].map(({ element }) => element);
  const element = h("div", { class: "gridhead" }, h("div", { class: "row" }, ...row, least, pool.element), count);
  const draw = () => {
    const { state } = store;
    sort.set(state.sort);
    across.set(state.across ? "1" : "");
    across.show(state.sort !== "");
    kind.set(state.headkind);
    by.set(state.by);
    show(least, state.by !== "");
    if (document.activeElement !== input) input.value = `${state.above ?? ""}`;
    pool.set(state.pool);
    write(count, sentence(store));
  };
  return { element, draw };
}

/** How many of the heads that are drawn the filters keep. */
function sentence(store: Store): string {
  const heads = store.drawn().flatMap((side) => listed(store.payload, store.state, side).flat());
  const kept = heads.filter((head) => head.kept).length;
  if (kept === heads.length) return "All heads are kept.";
  return `${kept} of ${heads.length} heads are kept; the others are faded.`;
}
