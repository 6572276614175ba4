/**
 * @module math/statistics
 * Sums, and of many numbers quantiles without sorting them, and clipping.
 */

export function sum(numbers: Iterable<number>): number {
  let total = 0;
  for (const number of numbers) total += number;
  return total;
}

const fround = Math.fround;
const infinityBits = 0x7f800000;

/**
 * The q-quantile of the magnitudes |values|, interpolated linearly between neighbours, in float32 as torch.quantile.
 * @param values at least one number; not written to.
 * @param q      in [0, 1].
 * @returns NaN if any value is NaN.
 */
export function quantileOfMagnitudes(values: Float32Array, q: number): number {
  const bits = magnitudeBits(values);
  const rank = fround(fround(q) * (values.length - 1));
  const below = Math.floor(rank);
  const weight = fround(rank - below);

  const upperHalves = countHalves(bits);
  if (hasNaN(values)) return Number.NaN;
  const lower = kthSmallest(bits, upperHalves, below);
  const upper = kthSmallest(bits, upperHalves, Math.ceil(rank));
  const distance = fround(upper - lower);
  return weight < 0.5
    ? fround(lower + fround(weight * distance))
    : fround(upper - fround(distance * fround(1 - weight)));
}

/** Without their sign bit, float32 numbers sort as the integers that their bits are. */
function magnitudeBits(values: Float32Array): Uint32Array {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length).slice();
  for (let i = 0; i < bits.length; i++) bits[i] = bits[i]! & 0x7fffffff;
  return bits;
}

export function hasNaN(values: Float32Array): boolean {
  const bits = new Int32Array(values.buffer, values.byteOffset, values.length);
  let signs = 0; // negative once a magnitude's bits are above infinity's
  for (let i = 0; i < bits.length; i++) signs |= infinityBits - (bits[i]! & 0x7fffffff);
  return signs < 0;
}

/**
 * Clips to ±limit, in place. Without branches: which numbers of an image are clipped cannot be predicted.
 * @param values none is NaN.
 * @param limit  0 or more, exact in float32.
 */
export function clipMagnitudes(values: Float32Array, limit: number): void {
  const bits = new Int32Array(values.buffer, values.byteOffset, values.length);
  const limitBits = new Int32Array(Float32Array.of(limit).buffer)[0]!;
  for (let i = 0; i < bits.length; i++) {
    const excess = (bits[i]! & 0x7fffffff) - limitBits;
    bits[i] = bits[i]! - (excess & ~(excess >> 31)); // the sign bit stays
  }
}

/** How many numbers have which upper 16 bits. */
function countHalves(bits: Uint32Array): Uint32Array {
  const counts = new Uint32Array(65536);
  for (let i = 0; i < bits.length; i++) counts[bits[i]! >>> 16]!++;
  return counts;
}

/** Radix selection: the counts tell the k-th number's upper half; then the lower halves that go with it are counted. */
function kthSmallest(bits: Uint32Array, upperHalves: Uint32Array, k: number): number {
  const upper = findRank(upperHalves, k);
  const lowerHalves = new Uint32Array(65536);
  for (let i = 0; i < bits.length; i++) if (bits[i]! >>> 16 === upper.bin) lowerHalves[bits[i]! & 0xffff]!++;
  const lower = findRank(lowerHalves, upper.rest);
  return new Float32Array(Uint32Array.of(upper.bin * 65536 + lower.bin).buffer)[0]!;
}

function findRank(counts: Uint32Array, k: number): { bin: number; rest: number } {
  let bin = 0;
  let rest = k;
  while (rest >= counts[bin]!) rest -= counts[bin++]!;
  return { bin, rest };
}
