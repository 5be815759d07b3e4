/** From the packed payload to numbers: base64, zlib, then the codec of maps, of thumbnails, of queries and keys.
 *
 * The other half is codec.py. A map of another length than its shape needs is an error: a truncated page must not
 * look like a head that attends to nothing.
 */

import type { Coding } from "./payload";

export async function inflate(base64: string): Promise<Uint8Array> {
  const packed = atob(base64);
  const bytes = new Uint8Array(packed.length);
  for (let i = 0; i < packed.length; i++) bytes[i] = packed.charCodeAt(i);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** The weights [T, S] of one head; 0 where the packed shape has no cell. `window` is the layer's, for bands. */
export function unpackMap(
  bytes: Uint8Array,
  coding: Coding,
  T: number,
  S: number,
  window: number | null,
): Float32Array {
  const out = new Float32Array(T * S);
  const wide = coding.bits === 16;
  const codes = wide ? new Uint16Array(own(bytes)) : bytes;
  let i = 0;
  for (let t = 0; t < T; t++) {
    const end = coding.shape === "full" ? S : Math.min(t + 1, S);
    const start = coding.shape === "band" ? Math.min(end, Math.max(0, t + 1 - (window ?? S))) : 0;
    for (let at = t * S + start; at < t * S + end; at++, i++) out[at] = wide ? codes[i] / 65535 : SQUARES[codes[i]];
  }
  const found = codes.length;
  if (found !== i) throw new Error(`a ${coding.shape} map of ${T} x ${S} has ${i} weights, the page ${found}`);
  return out;
}

/** Floating point numbers of 16 or 32 bits, little-endian. */
export function floats(bytes: Uint8Array, bits: 16 | 32): Float32Array {
  return bits === 32 ? new Float32Array(own(bytes)) : Float32Array.from(new Uint16Array(own(bytes)), half);
}

/** The bytes alone, from an address at which wider numbers may begin; it is an error if these are not whole. */
function own(bytes: Uint8Array): ArrayBuffer {
  return bytes.slice().buffer as ArrayBuffer;
}

/** A half float (IEEE 754 binary16) from its bits; not every browser has DataView.getFloat16. */
function half(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (exponent ? (1024 + fraction) * POWERS[exponent] : fraction * POWERS[1]);
}

export function unpackThumbs(bytes: Uint8Array): Float32Array {
  return Float32Array.from(bytes, (u) => SQUARES[u]);
}

/** How far a decoded weight w may lie from the true one, or a true one from what is decoded.
 *
 * 8 bits: |sqrt w - u / 255| <= d = 1 / 510, so |w - (u / 255)^2| <= d (2 sqrt w + d).
 */
export function bound(coding: Coding, w: number): number {
  const d = 1 / 510;
  return coding.bits === 16 ? 1 / 131070 : d * (2 * Math.sqrt(Math.max(0, w)) + d);
}

const SQUARES = Float32Array.from({ length: 256 }, (_, u) => (u / 255) ** 2);
const POWERS = Float64Array.from({ length: 31 }, (_, e) => 2 ** (e - 25));
