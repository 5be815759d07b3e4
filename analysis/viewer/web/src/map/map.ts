/** The map: the selected heads as heat maps, with the null's column apart. */

import type { Panel, Store } from "../contract";
import { byId } from "../controls/dom";
import { most, tone } from "../drawing/tone";
import { cellFacts, largestOf, weight } from "../heads/facts";
import { factsOf } from "../heads/heading";
import { missing, type View, views } from "../heads/views";
import { mapPanel } from "./panel";
import type { Plot, Ramp } from "./plot";

const COLUMNS = 3; // heads beside each other

export function map(store: Store): Panel {
  return mapPanel(store, "Heat map", byId("bar-map"), () => {
    const sides = views(store);
    const heads = Math.max(0, ...sides.map(({ length }) => length));
    const rows = Array.from({ length: heads }, (_, i) => sides.flatMap((side) => side[i] ?? []));
    const plots = rows.flat().map((view) => plotOf(store, view));
    return { plots, columns: sides[1] ? 2 : Math.min(heads, COLUMNS), least: 300 };
  });
}

function plotOf(store: Store, view: View): Plot {
  const { palette, state } = store;
  const { signed, pinned, nulled } = view;
  const shown = typeof view.shown === "string" ? null : view.shown;
  const real = signed ? palette.difference : palette.real;
  const nulls = signed ? palette.difference : palette.nulls;
  const ramps: Ramp[] = signed ? [["B more", "A more", real]] : [["weight", "", real]];
  if (pinned && !signed) ramps.push(["∅", "", nulls]);
  return {
    ...view,
    shown,
    pinned: pinned && nulled,
    title: view.side,
    about: factsOf(store, view),
    values: signed ? "difference" : "weight",
    why: missing(view) || "decoding …",
    hidden: "",
    most: shown ? most(shown, state) : 1,
    rise: tone(state, 1),
    real,
    nulls,
    ramps,
    number: (t, s, least) => weight(store, view, shown!, t, s, least),
    facts: (t, s) => cellFacts(store, view, t, s),
    row: (t) => largestOf(store, view, t, 3),
  };
}
