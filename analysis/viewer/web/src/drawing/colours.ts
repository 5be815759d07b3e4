/** The colours of the pictures, as the stylesheet has them for light and dark (colours.css). */

import type { Palette, RGB } from "../contract";

const STEPS = 512; // entries of a ramp's table

/** Puts the page into light or dark, and reads its colours. A class that has no colour of its own gets a head's. */
export function palette(dark: boolean, classes: readonly string[] = []): Palette {
  const root = document.documentElement;
  root.dataset.theme = dark ? "dark" : "light";
  const style = getComputedStyle(root);
  const of = (name: string) => style.getPropertyValue(`--${name}`).trim();
  const list = (name: string) => of(name).split(/\s+/);
  const [real, nulls, more, less] = ["real", "nulls", "more", "less"].map((name) => ramp(list(name)));
  const heads = list("heads");
  const head = (index: number) => heads[index % heads.length];
  const inks = new Map(classes.map((name, i) => [name, of(`class-${name.replaceAll(" ", "-")}`) || head(i)]));
  return {
    dark,
    paper: of("paper"),
    wash: of("wash"),
    line: of("line"),
    soft: of("soft"),
    ink: of("ink"),
    accent: of("accent"),
    focus: of("focus"),
    null_ink: of("null"),
    positive: of("positive"),
    negative: of("negative"),
    real,
    nulls,
    difference: (x) => (x < 0 ? less(-x) : more(x)),
    pattern: (name) => inks.get(name)!,
    head,
  };
}

/** Colours between the stops, mixed in linear light; looked up, because a map asks for a quarter of a million. */
function ramp(stops: string[]): (x: number) => RGB {
  const linear = stops.map((stop) => rgb(stop).map((v) => (v / 255) ** 2.2));
  const table = Array.from({ length: STEPS + 1 }, (_, i) => {
    const at = (i / STEPS) * (stops.length - 1);
    const low = Math.min(Math.floor(at), stops.length - 2);
    return linear[low].map((v, c) => Math.round(255 * (v + (at - low) * (linear[low + 1][c] - v)) ** (1 / 2.2))) as RGB;
  });
  return (x) => table[Math.round(Math.max(0, Math.min(1, x || 0)) * STEPS)];
}

/** "#rrggbb" as three numbers. */
export function rgb(hex: string): RGB {
  return [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16)) as RGB;
}
