/** What a page carries, out of its base64 blocks: maps, vectors, thumbnails and null masses, each decoded when first
 * asked for. The maps of two models of 12 x 12 heads at 512 tokens are 300 MB as numbers, so most stay packed.
 */

import { cache } from "./cache";
import { floats, inflate, unpackMap, unpackThumbs } from "./decode";
import { headOf, keyOf, layerOf, sizeOf } from "./lookup";
import type { Blob, HeadAt, Payload } from "./payload";

/** Queries and keys of a head, and the scores of its null. */
export interface Vectors {
  T: number;
  S: number;
  H: number;
  q: Float32Array; // [T, H]
  k: Float32Array; // [S, H]
  s_null: Float32Array | null; // [T]
}

/** The small images of a side, and where its null mass is. */
export interface Small {
  h: number;
  w: number;
  thumbs: Float32Array; // [heads, h, w], all heads of all layers in order
  without: Float32Array;
  mass: Float32Array | null; // [heads, T]
}

export interface Packed {
  map(at: HeadAt, urgent: boolean): Float32Array | undefined; // [T, S]; undefined: being decoded
  vectors(at: HeadAt): Vectors | undefined;
  small(side: number): Small | undefined;
  mass(at: HeadAt): Float32Array | null | undefined; // [T]; null: the layer has no null
  position(at: HeadAt): number; // of the head among all heads of its side
  forgetWaiting(): void;
}

const MAPS_BYTES = 256 * 2 ** 20;
const VECTORS_BYTES = 32 * 2 ** 20;

export function unpacked(payload: Payload, blobText: (side: number) => string, listener: () => void): Packed {
  const maps = cache<Float32Array>((map) => map.byteLength, MAPS_BYTES, listener);
  const vectors = cache<Vectors>((v) => v.q.byteLength + v.k.byteLength, VECTORS_BYTES, listener);
  const smalls = cache<Small>(() => 0, Infinity, listener); // less than the block they came from
  const texts: string[] = [];
  const bytes = (side: number, [offset, length]: Blob) => {
    texts[side] ??= blobText(side);
    return inflate(texts[side].slice(offset, offset + length));
  };
  const position = (at: HeadAt) =>
    payload.sides[at.side].layers.slice(0, at.layer).reduce((sum, { heads }) => sum + heads.length, at.head);

  const makeMap = async (at: HeadAt) => {
    const { coding, window } = layerOf(payload, at);
    return unpackMap(await bytes(at.side, headOf(payload, at).map!), coding, ...sizeOf(payload, at.side), window);
  };
  const makeVectors = async (at: HeadAt): Promise<Vectors> => {
    const { size: H, bits, q, k, s_null } = headOf(payload, at).neuron!;
    const [T, S] = sizeOf(payload, at.side);
    const read = async (blob: Blob, width: 16 | 32) => floats(await bytes(at.side, blob), width);
    return { T, S, H, q: await read(q, bits), k: await read(k, bits), s_null: s_null && (await read(s_null, 32)) };
  };
  const makeSmall = async (side: number): Promise<Small> => {
    const { thumbs, thumbs_without, thumb, null_mass } = payload.sides[side];
    const [h, w] = thumb;
    const read = async (blob: Blob) => unpackThumbs(await bytes(side, blob));
    const mass = null_mass && floats(await bytes(side, null_mass), 32);
    return { h, w, thumbs: await read(thumbs), without: await read(thumbs_without), mass };
  };
  const small = (side: number) => smalls.get(String(side), () => makeSmall(side), true);

  return {
    map: (at, urgent) => maps.get(keyOf(at), () => makeMap(at), urgent),
    vectors: (at) => vectors.get(keyOf(at), () => makeVectors(at), true),
    small,
    mass(at) {
      if (!layerOf(payload, at).has_null) return null;
      const ready = small(at.side);
      if (!ready) return undefined;
      const [T] = sizeOf(payload, at.side);
      return ready.mass && ready.mass.subarray(position(at) * T, (position(at) + 1) * T);
    },
    position,
    forgetWaiting: maps.clear,
  };
}
