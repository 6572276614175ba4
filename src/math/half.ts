/**
 * @module math/half
 * 16-bit floats as the bits they are stored in: float16 (IEEE 754 binary16) and bfloat16, both ways.
 * Rounding is to nearest, ties to even, as in torch; overflow becomes infinity, every NaN stays a NaN.
 */

import type { Numbers } from "./tensor.ts";

const scratch = new Float32Array(1);
const scratchBits = new Uint32Array(scratch.buffer);

/** float32 bits of each of the 65,536 float16 values: a look-up is the fastest way, and this fits a core's cache. */
let float32BitsOfHalf: Uint32Array | undefined;

/** @returns `out`: the float32 numbers. Converting into one buffer again and again is four times as fast. */
export function float16ToFloat32(
  halves: Uint16Array,
  out: Float32Array = new Float32Array(halves.length),
): Float32Array {
  float32BitsOfHalf ??= buildTable();
  const table = float32BitsOfHalf;
  const bits = bitsOf(out);
  for (let i = 0; i < halves.length; i++) bits[i] = table[halves[i]!]!;
  return out;
}

/** @returns `out`: the nearest float16 numbers as bits. */
export function float32ToFloat16(values: Float32Array, out: Uint16Array = new Uint16Array(values.length)): Uint16Array {
  const bits = bitsOf(values);
  for (let i = 0; i < values.length; i++) out[i] = halfOfBits(bits[i]!);
  return out;
}

/** @returns `out`: the float32 numbers. A bfloat16 is the upper half of a float32. */
export function bfloat16ToFloat32(
  halves: Uint16Array,
  out: Float32Array = new Float32Array(halves.length),
): Float32Array {
  const bits = bitsOf(out);
  for (let i = 0; i < halves.length; i++) bits[i] = halves[i]! << 16;
  return out;
}

/** @returns the nearest bfloat16 numbers as bits. */
export function float32ToBfloat16(values: Float32Array): Uint16Array {
  const bits = bitsOf(values);
  const out = new Uint16Array(values.length);
  for (let i = 0; i < bits.length; i++) {
    const one = bits[i]!;
    const isNan = (one & 0x7fffffff) > 0x7f800000;
    out[i] = isNan ? (one >>> 16) | 0x40 : (one + 0x7fff + ((one >>> 16) & 1)) >>> 16;
  }
  return out;
}

/** Copies numbers to `out`, in the type that it has. */
export function copyNumbers(values: Numbers, out: Numbers): void {
  if (values instanceof Float32Array && out instanceof Uint16Array) float32ToFloat16(values, out);
  else if (values instanceof Uint16Array && out instanceof Float32Array) float16ToFloat32(values, out);
  else out.set(values);
}

/** Rounds each number to the nearest float16, in place. */
export function roundToFloat16(values: Float32Array): void {
  float16ToFloat32(float32ToFloat16(values), values);
}

function bitsOf(values: Float32Array): Uint32Array {
  return new Uint32Array(values.buffer, values.byteOffset, values.length);
}

function halfOfBits(bits: number): number {
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00; // NaN
  if (magnitude >= 0x47800000) return sign | 0x7c00; // 65536 and more
  if (magnitude >= 0x38800000) {
    // Normal: 8 bits of exponent become 5, 23 of fraction become 10. A carry may run up to infinity, which is right.
    const tieToEven = (magnitude >>> 13) & 1;
    return sign | ((magnitude - 0x38000000 + 0xfff + tieToEven) >>> 13);
  }
  // Subnormal: next to 0.5 a float32's last bit is worth 2^-24, the step of these halves, so the sum rounds as wanted.
  scratchBits[0] = magnitude;
  scratch[0] = scratch[0]! + 0.5;
  return sign | (scratchBits[0] - 0x3f000000);
}

function buildTable(): Uint32Array {
  const table = new Float32Array(65536);
  const bits = new Uint32Array(table.buffer);
  for (let half = 0; half < 32768; half++) {
    const exponent = half >>> 10;
    const fraction = half & 0x3ff;
    if (exponent === 0) table[half] = fraction * 2 ** -24;
    else if (exponent === 31) bits[half] = 0x7f800000 | (fraction << 13);
    else table[half] = (1 + fraction / 1024) * 2 ** (exponent - 15);
    bits[half + 32768] = bits[half]! | 0x80000000;
  }
  return bits;
}
