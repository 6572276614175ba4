/**
 * @module math/weighted-sum
 * What the steps of schedulers are made of.
 */

const { fround } = Math;

/** @returns a · x + b · y in float32 steps: both products are rounded, then their sum. */
export function weightedSum(a: number, x: Float32Array, b: number, y: Float32Array): Float32Array {
  const sum = new Float32Array(x.length);
  for (let i = 0; i < sum.length; i++) sum[i] = fround(a * x[i]!) + fround(b * y[i]!);
  return sum;
}
