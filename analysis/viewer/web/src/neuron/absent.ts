/** What stands in the place of a picture where the page does not hold a head's queries and keys: a sentence, and the
 * command that puts them there.
 */

import type { Store } from "../contract";
import { h, write } from "../controls/dom";
import { long, short } from "../heads/heads";
import { headOf } from "../payload/lookup";
import type { HeadAt } from "../payload/payload";

export function explain(store: Store, at: HeadAt, place: HTMLElement): void {
  const { payload } = store;
  const side = payload.sides[at.side];
  const has = (head: HeadAt) => headOf(payload, head).neuron !== null;
  const names = (heads: HeadAt[]) => [...new Set(heads.map((head) => short(payload, head)))];
  const all = side.layers.flatMap(({ heads }, layer) => heads.map((_, head) => ({ side: at.side, layer, head })));
  const there = names(all.filter(has)).join(", ");
  const wanted = names(store.drawn().flatMap((one) => store.selected(one) ?? []).filter((head) => !has(head)));
  if (!place.firstChild) place.append(h("p"), h("code", { class: "command" }));
  const [sentence, command] = place.children as Iterable<HTMLElement> as HTMLElement[];
  const lack = `The queries and keys of ${long(payload, at)} of ${side.name} are not on this page`;
  const how = payload.command ? "This command puts them there:" : "In Python, Attention takes them as vectors=.";
  write(sentence, `${lack}${there && `; those of ${there} are`}. ${how}`);
  write(command, payload.command.replace("{heads}", () => wanted.join(",")));
}
