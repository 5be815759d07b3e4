/** What a page shows, as a link: defaults, the URL fragment, and the check that every state passes.
 *
 * The fragment holds only what differs from the default: `#view=map&head=3.5&b=1&nulls=hide`. A link is written by
 * anyone, so each value is held against the payload, and what does not fit falls back to the default.
 */

import type { State } from "../contract";
import { wordClassesOf, sizeOf } from "../payload/lookup";
import type { Payload, Side } from "../payload/payload";

/** What may be chosen of some fields, the default first. */
const CHOICES = {
  view: ["lines", "map", "neuron", "scores"],
  mode: ["a", "b", "side", "difference"],
  match: ["index", "best"],
  nulls: ["show", "hide", "renormalise"],
  on: ["both", "query", "key"],
  block: ["", "AA", "AB", "BA", "BB"],
  filtered: ["hide", "renormalise"],
  pool: ["max", "mean"],
  scale: ["sqrt", "linear", "log"],
  range: ["fixed", "head"],
  stage: ["softmax", "all", "product", "scaled", "masked"],
  theme: ["auto", "light", "dark"],
} as const satisfies { [Name in keyof State]?: readonly State[Name][] };

const FIRST = Object.fromEntries(Object.entries(CHOICES).map(([name, words]) => [name, words[0]])) as {
  [Name in keyof typeof CHOICES]: State[Name];
};

const LONGEST = 200; // characters of a filter
const FEW = 24; // tokens, of which all four stages of the scores are shown to begin with

export function defaults(payload: Payload): State {
  const { sides } = payload;
  const nulled = sides.findIndex((side) => side.layers.some((layer) => layer.has_null));
  const steps = sides.every(({ run, step }) => run === sides[0].run && step !== null); // of one run: the first beside the last
  const b = nulled > 0 && !steps ? nulled : Math.min(steps ? sides.length : 1, sides.length - 1);
  const [layer, head] = telling(sides[0]);
  const tokens = Math.max(...sizeOf(payload, 0));
  return {
    a: 0,
    b,
    head,
    layer,
    more: [],
    sink: null,
    query: null,
    key: null,
    text: "",
    word_class: "",
    from: 0,
    to: null,
    least: 0,
    top: 0.9,
    sort: "",
    across: false,
    pattern_class: "",
    by: "",
    above: null,
    transposed: false,
    horizontal: false,
    unmasked: false,
    ...FIRST,
    view: tokens <= 40 ? "lines" : "map",
    stage: tokens <= FEW ? "all" : "softmax",
    mode: b > 0 ? "side" : "a",
  };
}

/** With its "#"; empty where everything is as by default. */
export function toFragment(state: State, payload: Payload): string {
  const base = written(defaults(payload));
  const differing = Object.entries(written(state)).filter(([name, words]) => words !== base[name]);
  const words = new URLSearchParams(differing).toString();
  return words && `#${words}`;
}

/** Every field as a link has it: a head as "3.5", several as "3.5_4.0", yes and no as 1 and 0. */
function written({ layer, ...state }: State): Record<string, string> {
  const words = (value: unknown) => String(typeof value === "boolean" ? Number(value) : value);
  const plain = Object.entries(state).map(([name, value]) => [name, words(value)]);
  const more = state.more.map((at) => at.join(".")).join("_");
  return { ...Object.fromEntries(plain), head: `${layer}.${state.head}`, more };
}

export function fromFragment(fragment: string, payload: Payload): State {
  const base = defaults(payload);
  const given = new URLSearchParams(fragment.replace(/^#/, ""));
  const read: Record<string, unknown> = { ...base };
  for (const [name, value] of Object.entries(base)) {
    const words = given.get(name);
    if (words === null || name === "layer") continue;
    if (name === "head") [read.layer, read.head] = pair(words);
    else if (name === "more") read.more = words.split("_").map(pair);
    else if (typeof value === "string") read[name] = words;
    else if (typeof value === "boolean") read[name] = words === "1";
    else read[name] = words.trim() ? Number(words) : NaN;
  }
  return check(read as unknown as State, payload);
}

/** The state with every value that the payload has no place for put back to its default. */
export function check(state: State, payload: Payload): State {
  const base = defaults(payload);
  const { sides, texts, statistics, classes } = payload;
  const out: State = { ...base, ...state };
  const keep = (fits: Partial<Record<keyof State, boolean>>) => {
    for (const [name, good] of Object.entries(fits)) {
      if (!good) Object.assign(out, { [name]: base[name as keyof State] });
    }
  };
  for (const [name, words] of Object.entries(CHOICES)) {
    keep({ [name]: (words as readonly unknown[]).includes(out[name as keyof State]) });
  }
  keep({ a: index(out.a, sides.length), b: index(out.b, sides.length) });
  const matched = sides.some(({ match }) => match);
  keep({ mode: sides.length > 1 || out.mode === "a", match: matched || out.match === "index" });

  const side = sides[out.mode === "b" ? out.b : out.a];
  const here = ([layer, head]: number[]) => head in (side.layers[layer]?.heads ?? []);
  const wanted = [[out.layer, out.head], [base.layer, base.head]];
  [out.layer, out.head] = wanted.find(here) ?? telling(side);
  const heads: State["more"] = [[out.layer, out.head], ...out.more];
  out.more = [...new Map(heads.filter(here).map((head) => [head.join(), head])).values()].slice(1); // none twice

  const [T, S] = [0, 1].map((i) => Math.max(sizeOf(payload, out.a)[i], sizeOf(payload, out.b)[i]));
  const position = (value: number | null, count: number) => value === null || index(value, count);
  keep({ from: index(out.from, Math.max(T, S)) });
  const named = (key: string) => key === "" || statistics.some((statistic) => statistic.key === key);
  keep({
    sink: position(out.sink, S),
    query: position(out.query, T),
    key: out.key === -1 || position(out.key, S), // -1: the null
    to: position(out.to, Math.max(T, S)),
    block: out.block === "" || texts.some(({ split }) => split !== null),
    word_class: ["", ...texts.flatMap(wordClassesOf)].includes(out.word_class),
    sort: named(out.sort),
    by: named(out.by),
    above: out.above === null || Number.isFinite(out.above),
    pattern_class: ["", ...classes].includes(out.pattern_class),
    least: out.least >= 0 && out.least <= 1,
    top: out.top > 0 && out.top <= 1,
  });
  out.text = out.text.slice(0, LONGEST).replace(/\p{Cs}/gu, "\ufffd"); // half a character has no place in a URL
  return out;
}

function index(value: number, count: number): boolean {
  return Number.isInteger(value) && value >= 0 && value < count;
}

/** The first head with a pattern of its own; without any, the first. */
function telling(side: Side): [number, number] {
  const heads = side.layers.flatMap(({ heads }, layer) => heads.map((of, head) => ({ ...of, layer, head })));
  const named = heads.filter(({ pattern_class }) => !["sink", "unclassified"].includes(pattern_class));
  const { layer, head } = named.find(({ neuron }) => neuron) ?? named[0] ?? heads[0] ?? NOWHERE;
  return [layer, head];
}

const NOWHERE = { layer: 0, head: 0 };

/** "3.5" -> [3, 5]; anything else -> a pair that no side has. */
function pair(words: string): [number, number] {
  const found = /^(\d+)\.(\d+)$/.exec(words);
  return found ? [Number(found[1]), Number(found[2])] : [-1, -1];
}
