/** The parts of page.html that depend on what is shown: menus, words, and which of its parts have a meaning. */

import { kept } from "../attention/filter";
import { isFiltered } from "../attention/shown";
import type { Store } from "../contract";
import { change, describe, leading, nameOf } from "./actions";
import { byId, filler, h, option, type Option, slide, write } from "./dom";
import { listed, nulled } from "../heads/heads";
import { wordClassesOf, sameText } from "../payload/lookup";
import type { Payload, Side } from "../payload/payload";

/** Fills in what stays as it is. */
export function furnish({ title, sides, texts, statistics, classes, class_terms, notes, provenance }: Payload): void {
  write(byId("model"), sides[0].name === title ? "" : sides[0].name); // said once
  write(byId("reference"), sides[0].name);
  byId<HTMLDetailsElement>("folded").open = notes.length === 1 || notes.some((note) => note.startsWith("Left out"));
  byId("notes").append(...notes.map((note) => h("li", {}, note)));
  byId("provenance").append(...provenance.map(term));
  byId("classes").append(...class_terms.map(term));
  for (const { name, unit, about, without_null } of statistics) {
    const beside = without_null ? " It leaves the null out: read it beside the null mass." : "";
    byId("terms").append(term([`${name} (${unit})`, about + beside]));
  }
  const wordClasses = [...new Set(texts.flatMap(wordClassesOf))].sort();
  byId("word_class").append(option(["", "all"]), ...wordClasses.map((name) => option([name, name])));
  byId("pattern_class").append(...classes.map((name) => option([name, name])));
  for (const id of ["sort", "by"]) byId(id).append(...statistics.map(({ key, name }) => option([key, name])));
}

function term([name, about]: [string, string]): HTMLElement {
  return h("div", {}, h("dt", {}, name), h("dd", {}, about));
}

/** What is returned fills in what changes with the state, and says what holds. */
export function shell(store: Store): () => Set<string> {
  const { sides, texts } = store.payload;
  const [fillSink, fillLayer, fillHead] = ["sink", "layer", "head"].map((id) => filler(byId(id), option));
  const compared = (["a", "b"] as const).map((which) => side(store, which));
  return () => {
    const { state } = store;
    const { layers, text } = sides[leading(state)];
    for (const draw of compared) draw();
    fillSink(sinks(store));
    fillLayer(numbered(layers));
    fillHead(numbered(layers[state.layer].heads));
    const found = kept(texts[text], state);
    const count = (mask: Uint8Array) => `${mask.reduce((sum, one) => sum + one, 0)} of ${mask.length}`;
    const heads = store.drawn().flatMap((side) => listed(store.payload, state, side, store.value).flat());
    const few = heads.filter((head) => head.kept);
    write(byId("heads"), few.length < heads.length ? `${few.length} of ${heads.length}` : "All");
    const left = found.queries.includes(1) && found.keys.includes(1);
    const none = left ? "" : " So there is nothing to draw.";
    write(byId("kept"), `${count(found.queries)} queries, ${count(found.keys)} keys.${none}`);
    write(byId("pattern"), found.error ?? "");
    byId("text").ariaInvalid = String(found.error !== null);
    return holding(store, { left, fewer: few.length < heads.length });
  };
}

/** What `data-needs` can ask for: these, and every value of the state, such as "mode=side". */
function holding(store: Store, counted: Record<string, boolean>): Set<string> {
  const { payload: { sides, texts }, state } = store;
  const [a, b] = [sides[state.a], sides[state.b]];
  const layers = store.drawn().flatMap((side) => sides[side].layers);
  const facts = {
    ...counted,
    two: sides.length > 1,
    beside: store.drawn().length > 1,
    "same-text": sameText(store.payload, state.a, state.b),
    matched: (a.match ?? b.match) !== null,
    "one-run": a.run === b.run,
    "steps-a": stepsOf(sides, state.a).length > 1,
    "steps-b": stepsOf(sides, state.b).length > 1,
    "stand-in": state.sink !== null && layers.some((layer) => !layer.has_null),
    nulled: layers.some((layer) => layer.has_null),
    vectors: state.view === "neuron" || state.view === "scores",
    null: nulled(store, store.drawn()),
    "without-null": layers.some((layer) => !layer.has_null),
    classes: byId("word_class").children.length > 1,
    sentences: texts.some(({ split }) => split !== null),
    filters: isFiltered(state),
  };
  const values = Object.entries(state).map(([name, value]) => `${name}=${value}`);
  return new Set([...values, ...Object.entries(facts).flatMap(([name, holds]) => (holds ? name : []))]);
}

/** The menu of a side, the slider over the steps of its run, and the line of facts about its head. */
function side(store: Store, which: "a" | "b"): () => void {
  const { sides } = store.payload;
  const fill = filler(byId(which), option);
  const range = byId<HTMLInputElement>(`step-${which}`);
  range.addEventListener("input", () =>
    change(store, { [which]: stepsOf(sides, store.state[which])[range.valueAsNumber] }),
  );
  return () => {
    const now = store.state[which];
    const steps = stepsOf(sides, now);
    fill(runs(sides, sides[now].step));
    range.max = String(steps.length - 1);
    slide(range, byId(`steps-${which}`), steps.indexOf(now), `step ${sides[now].step?.toLocaleString("en")}`);
    const name = store.drawn().length > 1 ? `${which.toUpperCase()} ${sides[now].name}: ` : "";
    write(byId(`fact-${which}`), name + describe(store, now));
  };
}

/** What a menu of sides lists: each run once, by its step nearest to this one; sides that are no step by themselves. */
function runs(sides: readonly Side[], step: number | null): Option[] {
  const far = (side: number) => Math.abs((sides[side].step ?? 0) - (step ?? Infinity));
  return sides.flatMap(({ name, run }, i) => {
    const steps = stepsOf(sides, i);
    if (steps[0] !== i) return [];
    const nearest = steps.reduce((best, one) => (far(one) < far(best) ? one : best), steps[steps.length - 1]);
    return [[String(nearest), steps.length > 1 ? run : name] as const];
  });
}

/** Sides that are the steps of one run, in order; only itself if it has no others. */
function stepsOf(sides: readonly Side[], side: number): number[] {
  const { run, step } = sides[side];
  if (step === null) return [side];
  const all = [...sides.keys()].filter((i) => sides[i].run === run && sides[i].step !== null);
  return all.sort((i, j) => sides[i].step! - sides[j].step!);
}

/** Nothing, the first token, the locked key, and the one that is chosen now. */
function sinks(store: Store): Option[] {
  const { sink, key } = store.state;
  const others = [...new Set([sink, key])].filter((at): at is number => at !== null && at > 0);
  const known = others.map((at): Option => [String(at), `key ${nameOf(store, "key", at)}`]);
  return [["", "nothing"], ["0", "the first token"], ...known];
}

function numbered(list: readonly { number: number }[]): Option[] {
  return list.map(({ number }, i) => [String(i), String(number)]);
}
