/** A heat map as data. The map tab makes one for each head, the scores tab one for each stage; how it is laid out,
 * drawn, pointed at, zoomed and written as a table is the same for all (panel.ts).
 */

import type { RGB, Shown } from "../contract";
import type { View } from "../heads/views";

/** `pinned`: has the null's column; `nulled`: has the bars of null mass. Both known before the numbers are. */
export interface Plot extends Omit<View, "shown"> {
  title: string;
  about: string; // below the title
  values: string; // what the numbers are: "weight", "scaled", ...
  shown: Shown | null;
  why: string; // what stands there as long as there are no numbers
  hidden: string; // what the cells hold that a query may not see; "": nothing, they are hatched
  most: number; // the number with the full colour
  rise(share: number): number; // of `most`, -1 to 1 -> how strong its colour is
  real(strength: number): RGB;
  nulls(strength: number): RGB;
  ramps: Ramp[]; // for the legend
  number(t: number, s: number, least: number): string; // s = -1: of the null; `least`: no finer than this
  facts(t: number, s: number): string[]; // the lines of the tooltip
  row?(t: number): string; // the same of a whole query
}

export type Ramp = [before: string, after: string, colour: (strength: number) => RGB];

/** Lengths of both axes. */
export function sizesOf({ queries, keys }: Pick<Plot, "queries" | "keys">): { query: number; key: number } {
  return { query: queries.text.length, key: keys.text.length };
}
