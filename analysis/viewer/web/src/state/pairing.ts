/** Which head of another model stands beside a head. By index: the one in the same place. By best match: heads are
 * trained in any order, so each side says which head of side 0 each of its heads is most like; two others meet there.
 */

import type { State } from "../contract";
import { has } from "../payload/lookup";
import type { HeadAt, Payload } from "../payload/payload";

export function pairing(payload: Payload, match: State["match"], at: HeadAt, side: number): HeadAt | null {
  if (at.side === side) return at;
  const pairs = (one: number) => (match === "best" ? payload.sides[one].match : null); // none: by index
  const like = pairs(at.side) ? pairs(at.side)![at.layer]?.[at.head] : ([at.layer, at.head] as const);
  if (!like) return null;
  for (const [layer, heads] of pairs(side)?.entries() ?? []) {
    const head = heads.findIndex((found) => found[0] === like[0] && found[1] === like[1]);
    if (head >= 0) return { side, layer, head };
  }
  const place = { side, layer: like[0], head: like[1] };
  return !pairs(side) && has(payload, place) ? place : null;
}
