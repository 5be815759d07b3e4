/** Ties the markup of page.html to the state. A control whose `name` is one of the state shows that value and sets it;
 * a button with `data-act` acts; and an element with `data-needs` is hidden (a button disabled) unless all that it asks
 * for holds.
 */

import type { State, Store } from "../contract";
import { put } from "./actions";

type Field = HTMLInputElement | HTMLSelectElement | HTMLButtonElement;

/** Listens to the controls; what is returned brings them up to date. */
export function bind(store: Store, app: HTMLElement, act: (words: string) => void): (holds: Set<string>) => void {
  const fields = [...app.querySelectorAll<Field>("[name]")];
  const needy = [...app.querySelectorAll<HTMLElement>("[data-needs]")];
  const use = ({ name, value }: Field) => name in store.state && put(store, name, value);
  app.addEventListener("input", ({ target }) => use(target as Field));
  app.addEventListener("click", ({ target }) => {
    const button = (target as Element).closest("button");
    if (button) use(button);
    if (button?.dataset.act) act(button.dataset.act);
  });
  return (holds) => {
    for (const field of fields) show(field, String(store.state[field.name as keyof State] ?? ""));
    for (const element of needy) {
      const needs = element.dataset.needs!.split(" ");
      const met = needs.every((need) => (need[0] === "!" ? !holds.has(need.slice(1)) : holds.has(need)));
      if (element instanceof HTMLButtonElement) element.disabled = !met;
      else element.hidden = !met;
    }
  };
}

/** What is being typed is left alone; a field whose value is its placeholder stays empty, ready for another. */
function show(field: Field, value: string): void {
  const chosen = field.value === value;
  if (field instanceof HTMLButtonElement) {
    field.ariaSelected = String(chosen);
    field.tabIndex = chosen ? 0 : -1;
  } else if (field.type === "radio") (field as HTMLInputElement).checked = chosen;
  else if (field instanceof HTMLSelectElement) field.value = value;
  else if (!chosen && field !== document.activeElement) field.value = value === field.placeholder ? "" : value;
}

/** Arrow keys walk the tabs, Home and End go to the ends. */
export function walk(list: HTMLElement): void {
  const tabs = [...list.children] as HTMLElement[];
  list.addEventListener("keydown", (event) => {
    const at = tabs.indexOf(event.target as HTMLElement);
    const to = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: -1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    const tab = tabs.at(to % tabs.length)!;
    tab.click();
    tab.focus();
  });
}
