/** A small generator (Lehmer's, modulus 2^31 - 1), so that every case can be made again from its seed. */

export type Random = (below: number) => number;

export function createRandom(seed: number): Random {
  let state = (seed % 2147483646) + 1;
  return (below) => {
    state = (state * 48271) % 2147483647; // exact: below 2^47
    return state % Math.max(1, below);
  };
}
