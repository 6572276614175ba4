/**
 * @module math/exp
 * `fround(Math.exp(x))`, the same number sooner: what is needed to 24 bits need not be computed to 53.
 *
 * e^x = 2^k · 2^(j/512) · e^r with x = (k + j/512) · ln 2 + r and |r| < 0.00136; e^r is its series up to r³. A number that may
 * be rounded either way after that, one in tens of thousands, is left to Math.exp.
 */

const fround = Math.fround;

const bits = 9;
const parts = 2 ** bits;
const perPart = Math.LN2 / parts;
const largest = 44; // |x|; 2^k then lies within 2^-64 and 2^64
const powers = Float64Array.from({ length: 128 }, (_, at) => 2 ** (at - 64));
const roots = Float64Array.from({ length: parts }, (_, at) => 2 ** (at / parts));

/** Above the relative error: r⁴/24 is less than 1.5e-13, and r is off by less than 44 · 2^-51. */
const uncertainty = 2 ** -40;

/** @returns e^x, rounded to float32. */
export function expToFloat32(x: number): number {
  if (!(Math.abs(x) < largest)) return fround(Math.exp(x));
  const n = (x * (1 / perPart)) | 0;
  const r = x - n * perPart;
  const value = powers[(n >> bits) + 64]! * roots[n & (parts - 1)]! * (1 + r * (1 + r * (1 / 2 + r * (1 / 6))));
  const rounded = fround(value - value * uncertainty);
  return rounded === fround(value + value * uncertainty) ? rounded : fround(Math.exp(x));
}
