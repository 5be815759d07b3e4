/** The keyboard. The keys are those of the help (`<kbd data-act="...">` in page.html), so what it lists is what they
 * do; what is hidden there, because it has no meaning on this page, does nothing. Panels that use a key themselves (a
 * canvas with the focus, a row of tabs) keep it from coming here with `preventDefault`.
 */

import { byId } from "./dom";

/** Calls `act` with the words of each key that is pressed. */
export function listen(act: (words: string) => void): void {
  const table = [...byId("help").querySelectorAll<HTMLElement>("kbd")];
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (document.querySelector("dialog[open], :popover-open") || taken(event)) return;
    const found = table.find(({ dataset, textContent }) => (dataset.key ?? textContent) === event.key);
    if (!found || found.closest("[hidden]")) return;
    event.preventDefault();
    act(found.dataset.act!);
  });
}

/** Whether the focused control needs the key itself: a text field needs all, others their arrows. */
function taken({ target, key }: KeyboardEvent): boolean {
  if (!(target instanceof HTMLElement)) return false;
  if (target.matches("input:not([type=radio], [type=checkbox], [type=range])")) {
    if (key === "Escape") target.blur();
    return true;
  }
  const arrows = target.matches("input, [role=tab], [role=slider], [tabindex='0']:not(canvas)");
  return (arrows && key.startsWith("Arrow")) || target.matches("select, textarea, [contenteditable]");
}
