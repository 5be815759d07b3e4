/** Elements and form controls. Children that are strings become text nodes, so nothing a text says becomes markup. */

type Attribute = string | number | boolean | null | ((event: Event) => void);
export type Attributes = Record<string, Attribute>;
export type Child = Node | string | null;
export type Option = readonly [value: string, words: string];

/** An element of page.html. */
export function byId<E extends HTMLElement = HTMLElement>(id: string): E {
  return document.getElementById(id) as E;
}

/** An element: attributes starting with "on" are listeners; true, false and null set, omit and omit an attribute. */
export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name.slice(2), value);
    else if (value !== false && value !== null) element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

/** Writes text only if it differs: a screen reader is not told the same twice, and no layout is spent. */
export function write(element: HTMLElement, words: string): void {
  if (element.textContent !== words) element.textContent = words;
}

/** Fills an element with one child for each item of a list, again only when the list has changed. */
export function filler<T>(element: HTMLElement, make: (item: T) => HTMLElement): (list: readonly T[]) => void {
  let known = "";
  return (list) => {
    const now = JSON.stringify(list);
    if (now !== known) element.replaceChildren(...list.map(make));
    known = now;
  };
}

export function option([value, words]: Option): HTMLOptionElement {
  return h("option", { value }, words);
}

/** A range with its value in words behind it. */
export function slider(
  label: string,
  [low, high, step]: readonly [number, number, number],
  value: number,
  words: (value: number) => string,
  onchange: (value: number) => void,
): { element: HTMLElement; set(value: number): void } {
  const id = `slider-${label}`;
  const oninput = () => onchange(field.valueAsNumber);
  const field = h("input", { id, type: "range", min: low, max: high, step, oninput });
  const output = h("output", { for: id });
  const set = (now: number) => slide(field, output, now, words(now));
  set(value);
  return { element: h("div", { class: "control" }, h("label", { for: id }, label), field, output), set };
}

/** Shows a value on a range, and its words behind it. */
export function slide(field: HTMLInputElement, output: HTMLElement, value: number, words: string): void {
  if (field.valueAsNumber !== value) field.valueAsNumber = value;
  field.setAttribute("aria-valuetext", words);
  write(output, words);
}

/** A button; `pressed` makes it a toggle, brought up to date with `press`. */
export function button(words: string, onclick: () => void, attributes: Attributes = {}): HTMLButtonElement {
  return h("button", { type: "button", ...attributes, onclick }, words);
}

export function press(toggle: HTMLButtonElement, pressed: boolean): void {
  toggle.setAttribute("aria-pressed", String(pressed));
}

export function show(element: HTMLElement, visible: boolean): void {
  element.hidden = !visible;
}
