/** What leaves the page: pictures as PNG and SVG, the numbers under them as CSV, and a link to this view. */

import type { Panel, Picture, Store, Surface } from "../contract";
import { button, byId, h } from "../controls/dom";
import { canvasSurface } from "../drawing/surface";
import { svgSurface } from "../drawing/svg";
import { csv, fileName } from "./files";
import { link } from "../state/link";

const SCALE = 2; // pixels of a PNG per CSS pixel
const WIDEST = 16000; // pixels that every browser's canvas takes

/** The menu; what it lists is looked up when it opens. */
export function exportMenu(store: Store, panels: () => [string, Panel][]): void {
  const menu = byId("export");
  menu.addEventListener("click", ({ target }) => target instanceof HTMLButtonElement && menu.hidePopover());
  menu.addEventListener("beforetoggle", (event) => {
    if ((event as ToggleEvent).newState !== "open") return; // its items hold the focus, which goes back from them
    const items = panels().flatMap(([name, panel]) => {
      const pictures = panel.pictures();
      return [
        h("h3", {}, name),
        ...pictures.map((picture) =>
          row(pictures.length > 1 ? picture.name : "picture", {
            PNG: () => savePng(store, picture),
            SVG: () => saveSvg(store, picture),
          }),
        ),
        row("numbers", { CSV: () => save(name, "csv", "text/csv", csv(panel.rows())) }),
      ];
    });
    menu.replaceChildren(...items);
  });
}

function row(words: string, actions: Record<string, () => void>): HTMLElement {
  const label = (name: string) => ({ "aria-label": `${words}: ${name}` });
  const buttons = Object.entries(actions).map(([name, act]) => button(name, act, label(name)));
  return h("div", { class: "menu-row" }, h("span", {}, words), ...buttons);
}

function savePng(store: Store, picture: Picture): void {
  const canvas = document.createElement("canvas");
  const ratio = Math.min(SCALE, WIDEST / Math.max(picture.width, picture.height));
  paint(store, picture, canvasSurface(canvas, picture.width, picture.height, ratio));
  canvas.toBlob((blob) => blob && save(picture.name, "png", blob.type, blob));
}

function saveSvg(store: Store, picture: Picture): void {
  const surface = svgSurface(picture.width, picture.height);
  paint(store, picture, surface);
  save(picture.name, "svg", "image/svg+xml", surface.svg());
}

function paint({ palette }: Store, { width, height, paint }: Picture, surface: Surface): void {
  surface.rect(0, 0, width, height, palette.paper);
  paint(surface);
}

function save(name: string, ending: string, type: string, content: BlobPart): void {
  const url = URL.createObjectURL(new Blob([content], { type: `${type};charset=utf-8` }));
  h("a", { href: url, download: fileName(name, ending) }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000); // the browser reads it after the click
}

/** Copies the link to this view; where the page may not, shows it for copying by hand. The clipboard's own interface is
 * closed to sandboxed frames, which is where notebooks show the page; a selection can be copied there too.
 */
export function copyLink(store: Store, tell: (words: string) => void): void {
  const words = link(store.state, store.payload);
  const before = document.activeElement;
  const field = document.body.appendChild(h("textarea", { class: "hidden", "aria-label": "link" }));
  field.value = words;
  field.select();
  const copied = words.startsWith("#") ? "Copied: what to add to the address of the page on its own." : "Link copied.";
  tell(document.execCommand("copy") ? copied : words);
  field.remove();
  if (before instanceof HTMLElement) before.focus();
}
