/** Pictures as SVG, for papers. Images become PNGs of at least twice the size they are shown in, so that their cells
 * are sharp also in programs that smooth what they enlarge.
 */

import type { Surface } from "../contract";
import { canvasSurface, MONO, type Point, SANS, shared, type Trace } from "./surface";

const NAMESPACE = "http://www.w3.org/2000/svg";
const DENSITY = 2; // least pixels of an image per CSS pixel

export function svgSurface(width: number, height: number): Surface & { svg(): string } {
  const root = element("svg", { width, height, viewBox: `0 0 ${width} ${height}`, "font-family": SANS });
  const add = (...parts: Parameters<typeof element>) => root.append("\n", element(...parts));
  const words = (points: Point[]) => points.flat().map(rounded).join(" ");
  const trace: Trace = (paths, stroke, thick, alpha) => {
    const path = ([start, ...rest]: Point[]) => `M${words([start])}${rest.length > 1 ? "C" : "L"}${words(rest)}`;
    const pen = { ...paint("stroke", stroke), "stroke-width": thick, opacity: alpha < 1 ? alpha : null };
    add("path", { d: paths.map(path).join(""), fill: "none", ...pen });
  };
  return {
    ...shared(trace),
    rect: (x, y, width, height, fill) => add("rect", { x, y, width, height, ...paint("fill", fill) }),
    frame: (x, y, width, height, stroke, thick) =>
      add("rect", { x, y, width, height, fill: "none", ...paint("stroke", stroke), "stroke-width": thick }),
    text(x, y, words, { size, fill, align = "left", middle, turn, mono, bold }) {
      const place = {
        "text-anchor": { left: null, center: "middle", right: "end" }[align],
        "dominant-baseline": middle ? "central" : null,
        transform: turn ? `rotate(${turn} ${rounded(x)} ${rounded(y)})` : null,
      };
      const face = { "font-size": size, "font-family": mono ? MONO : null, "font-weight": bold ? 600 : null };
      add("text", { x, y, ...place, ...face, ...paint("fill", fill), "xml:space": "preserve" }, legal(words));
    },
    image(x, y, width, height, pixels) {
      const canvas = document.createElement("canvas");
      const across = pixels.width * Math.ceil((DENSITY * width) / pixels.width);
      const down = pixels.height * Math.ceil((DENSITY * height) / pixels.height);
      canvasSurface(canvas, across, down, 1).image(0, 0, across, down, pixels);
      add("image", { x, y, width, height, preserveAspectRatio: "none", href: canvas.toDataURL() });
    },
    svg: () => new XMLSerializer().serializeToString(root),
  };
}

/** An element; attributes that are null are left out. */
function element(name: string, attributes: Record<string, string | number | null>, words = ""): Element {
  const made = document.createElementNS(NAMESPACE, name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== null) made.setAttribute(key, typeof value === "number" ? rounded(value) : value);
  }
  made.textContent = words;
  return made;
}

/** Text as XML may hold it: controls and lone surrogates, which it forbids, replaced. */
function legal(words: string): string {
  return words.replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]|\p{Cs}/gu, "\ufffd");
}

/** A colour as SVG 1.1 knows it: its alpha apart, since drawing programs do not read `rgba(r, g, b, a)`. */
function paint(what: "fill" | "stroke", colour: string): Record<string, string> {
  const [, channels, alpha] = /^rgba\((.*),(.*)\)$/.exec(colour) ?? [];
  return channels ? { [what]: `rgb(${channels})`, [`${what}-opacity`]: alpha.trim() } : { [what]: colour };
}

/** A number to three digits behind the point. */
function rounded(value: number): string {
  return String(Math.round(value * 1000) / 1000);
}
