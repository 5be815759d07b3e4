/** Where every thumbnail of the model view stands, and which one a key leads to. Lengths in CSS pixels.
 *
 * Unsorted and sorted within layers: a row per layer. Sorted across layers: as many in a row as fit, in reading order.
 * A thumbnail is a box: inside its frame a narrow strip for the null, then the picture of the map.
 */

import type { State } from "../contract";
import { type Entry, listed, short, type Value } from "../heads/heads";
import { headOf, sameHead } from "../payload/lookup";
import type { HeadAt, Payload, Side } from "../payload/payload";

export interface Slot extends Entry {
  row: number;
  column: number;
  x: number;
  y: number;
  label: string; // above the thumbnail; "" where row and column say it
}

export interface Layout {
  width: number;
  height: number;
  unit: number;
  box: { width: number; height: number; frame: number; strip: number }; // frame: of the pattern class, inside the box
  left: number; // of the first column
  top: number; // of the first row
  across: number; // from one column to the next
  down: number; // from one row to the next
  layers: number[]; // the numbers beside the rows; none if sorted across
  heads: number[]; // the numbers above the columns; none if thumbnails have labels
  slots: Slot[]; // as seen, row by row
}

const [LEAST, MOST] = [18, 72]; // sides of a thumbnail
const ROOMY = 40; // where each has its full name

/** What a layout depends on beside the heads. */
export interface Room {
  width: number;
  unit: number; // CSS pixels of 1/16 rem
  strip: boolean; // room for the null
  value: Value;
}

/** The widest thumbnails with which the longest layer fits into the width. */
export function layout(payload: Payload, state: State, side: number, { width, unit, strip, value }: Room): Layout {
  const { layers, thumb } = payload.sides[side];
  const lists = listed(payload, state, side, value);
  const flows = state.sort !== "" && state.across;
  const most = Math.max(1, ...layers.map(({ heads }) => heads.length));
  const left = (flows ? 4 : 40) * unit;
  const fit = Math.min(MOST * unit, ((width - left) / most - 4) / 1.1);
  const box = Math.floor(Math.max((flows ? ROOMY : LEAST) * unit, fit));
  const across = box + 4 + Math.round(box / 12);
  const frame = box < 30 * unit ? 1 : 2;
  const narrow = strip ? Math.max(2, Math.round(box * 0.08)) + 1 : 0; // a line of paper stands behind it
  const height = Math.round(box * Math.min(2, Math.max(0.6, thumb[0] / thumb[1])));
  const perRow = flows ? Math.max(1, Math.floor((width - left) / across)) : most;
  const heads = state.sort ? [] : shared(payload.sides[side], most);
  const down = height + across - box + (heads.length ? 0 : 16 * unit);
  const top = 40 * unit;
  const label = (at: HeadAt) =>
    flows || box >= ROOMY * unit ? short(payload, at) : String(headOf(payload, at).number);
  const slots = lists.flatMap((entries, layer) =>
    entries.map((entry, i) => {
      const [row, column] = [layer + Math.floor(i / perRow), i % perRow];
      const place = { row, column, x: left + column * across, y: top + row * down };
      return { ...entry, ...place, label: heads.length ? "" : label(entry.at) };
    }),
  );
  return {
    width: left + perRow * across,
    height: top + down * (flows ? Math.ceil(slots.length / perRow) : layers.length),
    unit,
    box: { width: box, height, frame, strip: narrow },
    left,
    top,
    across,
    down,
    layers: flows ? [] : layers.map(({ number }) => number),
    heads,
    slots,
  };
}

/** The head at a point; the gaps belong to their neighbours, so that the pointer never falls between two. */
export function hit({ slots, box, across, down }: Layout, x: number, y: number): Slot | null {
  const near = (slot: Slot) =>
    Math.abs(x - slot.x - box.width / 2) < across / 2 && Math.abs(y - slot.y - box.height / 2) < down / 2;
  return slots.find(near) ?? null;
}

/** Where a key leads from a head, by what is seen; null if it means nothing here. */
export function step({ slots, layers }: Layout, from: HeadAt | null, key: string): Slot | null {
  const here = slots.find((slot) => sameHead(slot.at, from)) ?? slots[0];
  if (!here) return null;
  const line = (row: number) => slots.filter((slot) => slot.row === row);
  const down = (by: number) => line(here.row + by)[Math.min(here.column, line(here.row + by).length - 1)];
  const row = layers.length ? line(here.row) : slots; // sorted across, rows are only line breaks
  const place = row.indexOf(here);
  const leads: Record<string, Slot | undefined> = {
    ArrowLeft: row[place - 1],
    ArrowRight: row[place + 1],
    ArrowUp: down(-1),
    ArrowDown: down(1),
    Home: row[0],
    End: row[row.length - 1],
  };
  return key in leads ? (leads[key] ?? here) : null;
}

/** The numbers of the heads in each column if the layers agree on them; none if not. */
function shared({ layers }: Side, most: number): number[] {
  const numbers = layers.map(({ heads }) => heads.map(({ number }) => number));
  const longest = numbers.find((list) => list.length === most) ?? [];
  return numbers.every((list) => list.every((number, i) => number === longest[i])) ? longest : [];
}
