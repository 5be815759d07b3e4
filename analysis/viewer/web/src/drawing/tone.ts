/** How strong a weight is drawn: 0 to 1 on the chosen scale, within the chosen range; and the ticks of its legend. */

import type { Palette, RGB, Shown, State } from "../contract";
import { rgb } from "./colours";

const DECADES = 4; // of the logarithmic scale
const largest = new WeakMap<Shown, number>();

/** The top of the colour range: 1, or the largest weight of the map with its null column. */
export function most(shown: Shown, { range }: Pick<State, "range">): number {
  if (range === "fixed") return 1;
  let value = largest.get(shown);
  if (value === undefined) {
    const top = (least: number, list: Float32Array | null) =>
      list ? list.reduce((most, w) => Math.max(most, Math.abs(w)), least) : least;
    value = top(top(0, shown.weights), shown.nulls);
    largest.set(shown, value);
  }
  return value || 1;
}

/** Weight -> [0, 1], with its sign in a difference. */
export function tone({ scale }: Pick<State, "scale">, top: number): (w: number) => number {
  const rise = {
    sqrt: Math.sqrt,
    linear: (x: number) => x,
    log: (x: number) => Math.max(0, 1 + Math.log10(x) / DECADES), // of 0: -inf, so 0
  }[scale];
  return (w) => Math.sign(w) * Math.min(1, rise(Math.abs(w) / top));
}

/** Weights worth a tick in a legend from 0 to `top`. */
export function ticks({ scale }: Pick<State, "scale">, top: number): number[] {
  const shares = {
    sqrt: [0, 0.05, 0.25, 0.5, 1],
    linear: [0, 0.25, 0.5, 0.75, 1],
    log: [10 ** -DECADES, 0.01, 0.1, 1],
  };
  return shares[scale].map((share) => share * top);
}

/** Letters of what the filters leave out: half way to the paper. */
export function pale({ soft }: Palette): string {
  return css(rgb(soft), 0.5);
}

/** A colour of a ramp as CSS, by default opaque. */
export function css(colour: RGB, alpha = 1): string {
  return `rgba(${colour}, ${alpha})`;
}
