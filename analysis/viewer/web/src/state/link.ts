/** The state in the address: what is shown is always one copy away. In a sandboxed frame the address cannot be written
 * (its document has none, and `history` throws); the state then lives in memory, and a copied link is its fragment.
 */

import type { State } from "../contract";
import type { Payload } from "../payload/payload";
import { fromFragment, toFragment } from "./state";

const PAUSE = 120; // milliseconds: browsers refuse to be written to at every step of a slider

/** What to copy: the address of this view, or its fragment where the page has no address of its own. */
export function link(state: State, payload: Payload): string {
  const words = toFragment(state, payload);
  return location.protocol === "about:" ? words || "#" : location.href.replace(/#.*$/, "") + words;
}

export function readLink(payload: Payload): State {
  return fromFragment(location.hash, payload);
}

/** Keeps the address up to date; returns what to call when the state has changed. */
export function writer(payload: Payload): (state: State) => void {
  let timer = 0;
  return (state) => {
    clearTimeout(timer);
    timer = window.setTimeout(() => write(toFragment(state, payload)), PAUSE);
  };
}

function write(words: string): void {
  if (location.hash === words) return;
  try {
    history.replaceState(null, "", words || location.pathname + location.search);
  } catch (error) {
    if (!(error instanceof DOMException)) throw error; // a SecurityError: sandboxed, see above
  }
}
