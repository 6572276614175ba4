/**
 * The regression net: ratios of this run beside those of scripts/bench/recorded.json. Times of another machine say nothing,
 * ratios within one run on one machine say most of what there is to say, on one kind of CPU: both sides have kernels
 * for each, and not the same ones.
 */

import { existsSync, readFileSync, writeFileSync } from "node:fs";
import type { Pair } from "./pairs.ts";
import { recorded } from "./settings.ts";

type Ratios = Readonly<Record<string, number>>;
type Recorded = Readonly<Record<string, Ratios>>;

/** A ratio may be so many times the recorded one before it counts as slower; short kernels scatter the most. */
const TOLERANCE = { ms: 1.25, MB: 1.1 };

const ratiosOf = (pairs: readonly Pair[]): [Pair, number][] =>
  pairs.flatMap((one): [Pair, number][] => (one.ratio === undefined ? [] : [[one, one.ratio]]));

/** Which vectors a CPU has, as far as kernels differ by it; off Linux the architecture. */
export function cpuKind(cpuinfo = existsSync(CPUINFO) ? readFileSync(CPUINFO, "utf8") : ""): string {
  const flags = /^flags\s*:(.*)$/m.exec(cpuinfo)?.[1]?.split(" ") ?? [];
  if (flags.includes("avx512f")) return "AVX-512";
  return flags.includes("avx2") ? "AVX2" : process.arch;
}

const CPUINFO = "/proc/cpuinfo";

/** Writes the ratios of `pairs` over the recorded ones of the same names, for this kind of CPU. */
export function record(pairs: readonly Pair[]): void {
  const ratios = ratiosOf(pairs).map(([{ name }, ratio]): [string, number] => [name, Number(ratio.toPrecision(3))]);
  const [before, kind] = [readRecorded(), cpuKind()];
  const all: Recorded = { ...before, [kind]: { ...before[kind], ...Object.fromEntries(ratios) } };
  writeFileSync(recorded, `${JSON.stringify(all, null, 2)}\n`);
}

/** @returns a sentence for each row that got slower or larger, and for each that cannot be compared. */
export function compare(pairs: readonly Pair[], before: Ratios = readRecorded()[cpuKind()] ?? {}): string[] {
  return ratiosOf(pairs).flatMap(([{ name, unit }, ratio]) => {
    const recorded = before[name];
    if (recorded === undefined) return [`${name}: nothing is recorded; --record would do so`];
    if (ratio <= recorded * TOLERANCE[unit]) return [];
    const word = unit === "ms" ? "slower" : "larger";
    return [`${name}: ${word}: a ratio of ${ratio.toFixed(3)}, recorded was ${recorded.toFixed(3)}`];
  });
}

function readRecorded(): Recorded {
  return JSON.parse(readFileSync(recorded, "utf8")) as Recorded;
}
