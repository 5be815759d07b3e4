/** Pictures on a canvas, sharp on every screen. The same calls write an SVG in svg.ts. */

import type { Lettering, Pixels, Surface } from "../contract";

export const SANS = 'system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif';
export const MONO = 'ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace';

/** Sizes the canvas for `ratio` device pixels per CSS pixel, clears it, and draws on it. */
export function canvasSurface(
  canvas: HTMLCanvasElement,
  width: number,
  height: number,
  ratio = window.devicePixelRatio || 1,
): Surface {
  const [w, h] = [width, height].map((size) => Math.max(1, Math.round(size * ratio)));
  if (canvas.width !== w) canvas.width = w;
  if (canvas.height !== h) canvas.height = h;
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  const context = canvas.getContext("2d")!;
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.clearRect(0, 0, w, h);
  context.scale(ratio, ratio);
  context.imageSmoothingEnabled = false;
  context.direction = "ltr";
  const trace: Trace = (paths, stroke, thick, alpha) => {
    context.strokeStyle = stroke;
    context.lineWidth = thick;
    context.globalAlpha = alpha;
    context.beginPath();
    for (const [start, ...rest] of paths) {
      context.moveTo(...start);
      if (rest.length > 1) context.bezierCurveTo(...rest[0], ...rest[1], ...rest[2]);
      else context.lineTo(...rest[0]);
    }
    context.stroke();
    context.globalAlpha = 1;
  };
  return {
    ...shared(trace),
    rect(x, y, width, height, fill) {
      context.fillStyle = fill;
      context.fillRect(x, y, width, height);
    },
    frame(x, y, width, height, stroke, thick) {
      context.strokeStyle = stroke;
      context.lineWidth = thick;
      context.strokeRect(x, y, width, height);
    },
    text(x, y, words, style) {
      context.font = font(style);
      context.fillStyle = style.fill;
      context.textAlign = style.align ?? "left";
      context.textBaseline = style.middle ? "middle" : "alphabetic";
      context.save();
      context.translate(x, y);
      context.rotate(((style.turn ?? 0) * Math.PI) / 180);
      context.fillText(words, 0, 0);
      context.restore();
    },
    image(x, y, width, height, pixels) {
      context.drawImage(load(pixels), 0, 0, pixels.width, pixels.height, x, y, width, height);
    },
  };
}

const ruler = document.createElement("canvas").getContext("2d")!;
const GAP = 6; // between the lines of a hatching, along x

export type Point = [number, number];

/** Strokes lines (of two points) and cubic curves (of four) in one go. */
export type Trace = (paths: Point[][], stroke: string, thick: number, alpha: number) => void;

/** What every surface does alike, given how it strokes. */
export function shared(trace: Trace): Pick<Surface, "line" | "curve" | "hatch" | "measure"> {
  return {
    line: (x1, y1, x2, y2, ...pen) => trace([[[x1, y1], [x2, y2]]], ...pen),
    curve: (points, ...pen) => trace([points], ...pen),
    /** Its lines are in step with the page and not with the box, so that neighbours join. */
    hatch(x, y, width, height, stroke) {
      const lines: Point[][] = [];
      for (let c = Math.ceil((x + y) / GAP) * GAP; c < x + y + width + height; c += GAP) {
        const [left, right] = [Math.max(x, c - y - height), Math.min(x + width, c - y)];
        lines.push([[left, c - left], [right, c - right]]);
      }
      trace(lines, stroke, 1, 1);
    },
    measure(words, style) {
      ruler.font = font(style);
      return ruler.measureText(words).width;
    },
  };
}

/** The CSS font of a style. */
function font(style: Lettering): string {
  return `${style.bold ? 600 : 400} ${style.size}px ${style.mono ? MONO : SANS}`;
}

/** Pixels pass through these on their way, to be scaled; the small one because a canvas is copied whole when drawn. */
const [small, large] = [document.createElement("canvas"), document.createElement("canvas")];
const SMALL = 128;

/** The pixels on a canvas of their own size or larger; only good until the next call. */
function load({ width, height, data }: Pixels): HTMLCanvasElement {
  const scratch = Math.max(width, height) <= SMALL ? small : large;
  if (scratch.width < width) scratch.width = width;
  if (scratch.height < height) scratch.height = height;
  const image = new ImageData(data as Uint8ClampedArray<ArrayBuffer>, width, height);
  scratch.getContext("2d", { willReadFrequently: true })!.putImageData(image, 0, 0);
  return scratch;
}
