/** How strong a weight is drawn: 0 to 1 on the chosen scale, within the chosen range; and the ticks of its legend. */

import { rgb } from "./colours";
import type { Palette, RGB, Shown, State } from "./contract";

type Scaling = Pick<State, "scale" | "range">;

const DECADES = 4; // of the logarithmic scale
const largest = new WeakMap<Shown, number>();

/** The top of the colour range: 1, or the largest weight of the map with its null column. */
export function most(shown: Shown, state: Scaling): number {
  if (state.range === "fixed") return 1;
  let value = largest.get(shown);
  if (value === undefined) {
    value = 0;
    for (const w of shown.weights) value = Math.max(value, Math.abs(w));
    for (const w of shown.nulls ?? []) value = Math.max(value, Math.abs(w));
    largest.set(shown, value);
  }
  return value || 1;
}

/** Weight -> [0, 1], with its sign in a difference. */
export function tone(state: Scaling, top: number): (w: number) => number {
  const rise = {
    sqrt: (x: number) => Math.sqrt(x),
    linear: (x: number) => x,
    log: (x: number) => Math.max(0, 1 + Math.log10(Math.max(x, 1e-9)) / DECADES),
  }[state.scale];
  return (w) => Math.sign(w) * Math.min(1, rise(Math.abs(w) / top));
}

/** Weights worth a tick in a legend from 0 to `top`. */
export function ticks(state: Scaling, top: number): number[] {
  const shares = {
    sqrt: [0, 0.05, 0.25, 0.5, 1],
    linear: [0, 0.25, 0.5, 0.75, 1],
    log: [10 ** -DECADES, 0.01, 0.1, 1],
  };
  return shares[state.scale].map((share) => share * top);
}

/** Letters of what the filters leave out: half way to the paper. */
export function pale({ soft, paper }: Palette): string {
  const [ink, ground] = [rgb(soft), rgb(paper)];
  return css(ink.map((v, i) => Math.round((v + ground[i]) / 2)) as RGB);
}

/** A colour of a ramp as CSS, by default opaque. */
export function css([red, green, blue]: RGB, alpha = 1): string {
  return alpha === 1 ? `rgb(${red}, ${green}, ${blue})` : `rgba(${red}, ${green}, ${blue}, ${alpha.toFixed(3)})`;
}
