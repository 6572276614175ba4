/**
 * @module math/variation
 * Noise that lies between two seeds': what a generator draws is turned towards what another one draws.
 */

import type { Generator } from "./random.ts";
import { elementCount, type Tensor } from "./tensor.ts";

/** Where the directions are so alike that the formula divides by next to nothing, a straight line is as good. */
const ALIKE = 0.9995;

/**
 * Spherical interpolation of each sample: noise stays as long as noise is, where a straight mix would be shorter.
 * Source: Shoemake 1985, "Animating rotation with quaternion curves".
 * @param a (B, ...), for `share` 0. @param b of the same shape, for `share` 1.
 */
export function slerp(a: Tensor, b: Tensor, share: number): Tensor {
  const size = elementCount(a.shape.slice(1));
  const data = new Float32Array(a.data.length);
  for (let start = 0; start < data.length; start += size) {
    const [from, to] = [a.data.subarray(start, start + size), b.data.subarray(start, start + size)];
    const [ofA, ofB] = sharesOf(cosine(from, to), share);
    for (let i = 0; i < size; i++) data[start + i] = ofA * from[i]! + ofB * to[i]!;
  }
  return { data, shape: a.shape };
}

function sharesOf(dot: number, share: number): readonly [number, number] {
  if (share === 1) return [0, 1]; // to the bit
  if (Math.abs(dot) > ALIKE) return [1 - share, share];
  const angle = Math.acos(dot);
  return [Math.sin((1 - share) * angle) / Math.sin(angle), Math.sin(share * angle) / Math.sin(angle)];
}

function cosine(a: Float32Array, b: Float32Array): number {
  let [dot, ofA, ofB] = [0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    dot += a[i]! * b[i]!;
    ofA += a[i]! * a[i]!;
    ofB += b[i]! * b[i]!;
  }
  return dot / Math.sqrt(ofA * ofB);
}

/**
 * @param strength 0: `base` as it is, to the bit; 1: what `other` draws.
 * @returns every draw is turned: a sampler that adds noise in each step would else come back to its seed's own image. Its state
 *          is `base`'s.
 */
export function variedGenerator(base: Generator, other: Generator, strength: number): Generator {
  return {
    randn(shape, dtype) {
      const drawn = base.randn(shape, dtype);
      return strength === 0 ? drawn : slerp(drawn, other.randn(shape, dtype), strength);
    },
    randn64: (shape) => base.randn64(shape),
    saveState: () => base.saveState(),
  };
}
