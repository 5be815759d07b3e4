/** The statistics of heads as a real table: those of the selected layer, or the first of all where they are sorted
 * across layers; A and B beside each other with their difference. Numbers are Python's, whatever the pictures show.
 */

import type { Panel, Store } from "../contract";
import { leading } from "../controls/actions";
import { button, byId, h, write } from "../controls/dom";
import { figure, listed, paired, passes, short } from "../heads/heads";
import { headOf, statistic } from "../payload/lookup";
import type { HeadAt, Payload } from "../payload/payload";

const ROWS = 24; // at a time, and fewer where there are many columns
const CELLS = 900;

type Row = (HeadAt | null)[]; // a head, and the one beside it

export function table(store: Store): Panel {
  const { payload } = store;
  const element = byId("statistics");
  const body = byId<HTMLTableSectionElement>("rows");
  let known = "";
  const draw = () => {
    const { state, palette } = store;
    const two = paired(state);
    const { heads, title } = contents(store);
    const count = Math.min(ROWS, Math.floor(CELLS / (2 + payload.statistics.length * (two ? 3 : 1))));
    const isSelected = ({ layer, head }: HeadAt) => layer === state.layer && head === state.head;
    const at = state.sort ? 0 : Math.max(0, heads.findIndex(isSelected)); // unsorted, those around the selected one
    const few = heads.slice(at - (at % count)).slice(0, count);
    const rows = few.map((at): Row => (two ? [at, store.partner(at, state.b)] : [at]));
    const means = rows.map((row) => row.map((at) => at && store.mean(at)));
    const key = JSON.stringify([title, heads.length, rows, means, state.sort, palette.dark]);
    if (key !== known) {
      known = key;
      const id = document.activeElement?.id;
      byId("columns").replaceChildren(...header(store));
      body.replaceChildren(...rows.map((row) => line(store, row)));
      if (id) document.getElementById(id)?.focus(); // a header that was pressed is a new one now
      const part = few.length < heads.length ? `; ${few.length} of ${heads.length} heads, the CSV has all` : "";
      write(byId("caption"), few.length ? title + part : "No head passes the filters.");
    }
    few.forEach((at, i) => (body.rows[i].ariaCurrent = isSelected(at) ? "true" : null));
  };
  return { element, draw, pictures: () => [], rows: () => everyHead(payload) };
}

/** The heads that pass the filters, or beside which one does: all if they are sorted across layers, else those of the
 * selected layer; whose they are, in words.
 */
function contents(store: Store): { heads: HeadAt[]; title: string } {
  const { payload, state, value } = store;
  const { sides, statistics } = payload;
  const side = leading(state);
  const lists = listed(payload, state, side, value);
  const list = state.sort && state.across ? lists[0] : lists[state.layer];
  const by = statistics.find(({ key }) => key === state.sort);
  const who = paired(state) ? `A ${sides[state.a].name}, B ${sides[state.b].name}` : sides[side].name;
  const where = by && state.across ? "all layers" : `layer ${sides[side].layers[state.layer].number}`;
  const title = `${who}: ${where}${by ? `, by ${by.name}, largest first` : ""}`;
  const beside = (at: HeadAt) => (paired(state) ? store.partner(at, state.b) : null);
  const kept = (at: HeadAt | null) => at !== null && passes(payload, state, at, value);
  return { heads: list.map(({ at }) => at).filter((at) => kept(at) || kept(beside(at))), title };
}

/** A row of names; below it, where there are two sides, one that tells them apart. */
function header(store: Store): HTMLElement[] {
  const { payload, state } = store;
  const two = paired(state);
  const over = (span: number) => ({ scope: two ? "colgroup" : "col", colspan: two ? span : 1 });
  const groups = payload.statistics.map(({ key, name, unit, about, without_null }) => {
    const sorts = state.sort === key;
    const words = name + (unit === "share" ? "" : `, ${unit}`) + (without_null ? ", without ∅" : "");
    const press = { title: about, class: "sorter", id: `sort-${key}` };
    const sorter = button(words, () => store.set({ sort: store.state.sort === key ? "" : key }), press);
    return h("th", { ...over(3), "aria-sort": sorts ? "descending" : "none" }, sorter);
  });
  const first = h("th", { scope: "col", rowspan: two ? 2 : 1, class: "first" }, "head");
  const top = h("tr", {}, first, h("th", { ...over(2), class: "pattern" }, "class"), ...groups);
  const under = (names: string[]) => names.map((name) => h("th", { scope: "col" }, name));
  const each = payload.statistics.flatMap(() => under(["A", "B", "A − B"]));
  return two ? [top, h("tr", {}, ...under(["A", "B"]), ...each)] : [top];
}

function line(store: Store, row: Row): HTMLElement {
  const { payload, state, palette } = store;
  const at = row[0]!;
  const name = button(short(payload, at), () => store.set({ layer: at.layer, head: at.head }));
  const data = h("tr", {}, h("th", { scope: "row" }, name));
  for (const one of row) {
    const pattern = one ? headOf(payload, one).pattern_class : "–";
    const named = one && one !== at && state.match === "best" ? `${short(payload, one)} ${pattern}` : pattern;
    data.append(cell(named, one ? "pattern" : "", palette.pattern(pattern)));
  }
  for (const { key, unit, without_null } of payload.statistics) {
    const values = row.map((one) => one && store.value(one, key));
    row.forEach((one, i) => {
      const mass = one && without_null && values[i] !== null ? statistic(payload, one, "null_share") : null;
      data.append(cell(figure(values[i], unit), mass === null ? "" : "without", String(mass)));
    });
    const [a, b] = values;
    if (row.length > 1) data.append(cell(figure(a === null || b === null ? null : a - b, unit, true), "less"));
  }
  return data;
}

/** "pattern": beside a mark in the colour `of`; "without": leaves the null out, over a bar of its mass `of`. */
function cell(words: string, look: string, of = ""): HTMLElement {
  const made = h("td", { class: look || null }, words);
  made.style.setProperty("--of", of);
  return made;
}

/** For CSV: every head of every side, every statistic as Python gave it. */
export function everyHead(payload: Payload): (string | number)[][] {
  const columns = payload.statistics.map(({ name, unit }) => `${name} (${unit})`);
  const heads = payload.sides.flatMap((side) =>
    side.layers.flatMap((layer, l) =>
      layer.heads.map((head, n) => {
        const alike = side.match?.[l]?.[n];
        const like = alike ? short(payload, { side: 0, layer: alike[0], head: alike[1] }) : "";
        const values = head.stats.map((value) => value ?? "");
        return [side.name, side.run, side.step ?? "", layer.number, head.number, head.pattern_class, like, ...values];
      }),
    ),
  );
  const alike = `most alike in ${payload.sides[0].name}`;
  return [["side", "run", "step", "layer", "head", "class", alike, ...columns], ...heads];
}
