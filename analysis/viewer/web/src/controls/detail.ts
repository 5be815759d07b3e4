/** The detail beside the model view: one of four panels under tabs, each made when it is first looked at. */

import type { Panel, State, Store } from "../contract";
import { byId } from "./dom";

type View = State["view"];

/** What is returned is the panel of the chosen tab. */
export function detail(store: Store, make: Record<View, (store: Store) => Panel>): () => Panel {
  const made = new Map<View, Panel>();
  return () => {
    const { view } = store.state;
    if (!made.has(view)) {
      const panel = make[view](store);
      byId(`panel-${view}`).append(panel.element);
      made.set(view, panel);
    }
    return made.get(view)!;
  };
}
