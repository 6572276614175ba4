/**
 * Two ways of doing the same work, in turn, round after round, so that whatever else the machine does meets both alike.
 */

export interface Pair {
  readonly name: string;
  readonly unit: "ms" | "MB";
  /** Medians over all rounds. */
  readonly ours: number;
  /** Absent: there was nothing to compare with. */
  readonly other?: number;
  /** The median of each round's ratio, ours to the other. */
  readonly ratio?: number;
  /** What `other` is. */
  readonly against?: string;
}

export function median(numbers: readonly number[]): number {
  const sorted = numbers.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const [low = Number.NaN, high = Number.NaN] = [sorted[sorted.length % 2 === 1 ? middle : middle - 1], sorted[middle]];
  return (low + high) / 2;
}

/** @param ours one number per round; `other` has as many. */
export function pair(
  name: string,
  unit: Pair["unit"],
  ours: readonly number[],
  other: readonly number[] = [],
  against = "diffusers",
): Pair {
  if (other.length === 0) return { name, unit, ours: median(ours) };
  const ratios = ours.map((value, round) => value / (other[round] ?? Number.NaN));
  return { name, unit, ours: median(ours), other: median(other), ratio: median(ratios), against };
}

/** @returns what each of the ways measured, round by round; the first round warms up and is not counted. */
export async function inTurn<T>(
  rounds: number,
  ways: readonly (() => Promise<T>)[],
  { warmUp = true }: { warmUp?: boolean } = {},
): Promise<T[][]> {
  const results = ways.map((): T[] => []);
  for (let round = warmUp ? -1 : 0; round < rounds; round++) {
    for (const [index, way] of ways.entries()) {
      const result = await way();
      if (round >= 0) results[index]?.push(result);
    }
  }
  return results;
}
