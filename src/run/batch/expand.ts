/**
 * @module run/batch/expand
 * One line -> the jobs it stands for: `{red|blue} circle` is two prompts, `seeds` is a job for each.
 */

import { UsageError } from "../../errors.ts";
import type { GivenOptions } from "./read-jobs.ts";

/** More than that from one line is a slip of the pen. */
const MAX_JOBS = 1_000_000;

/**
 * @param seeds for lines that name neither `seed` nor `seeds`, as `seeds` is written.
 * @returns the options of each job, without `seeds`: prompt by prompt, and of each seed by seed.
 * @throws {UsageError} `seeds` is no list of seeds, goes with `seed`, or there are more than a million.
 */
export function* expandJob({ seeds, ...options }: GivenOptions, defaultSeeds?: string): Generator<GivenOptions, void> {
  if (seeds !== undefined && options["seed"] !== undefined)
    throw new UsageError("seed and seeds are both given; give one.");
  const seedList = seeds ?? (options["seed"] === undefined ? defaultSeeds : undefined);
  const ranges = seedList === undefined ? undefined : parseSeeds(seedList);
  const choices = ["prompt", "negativePrompt"].flatMap((name) => {
    const text = options[name];
    return typeof text === "string" ? [[name, parseWildcards(text)] as const] : [];
  });
  const count = choices.reduce((product, [, parts]) => product * countTexts(parts), countSeeds(ranges));
  if (count > MAX_JOBS) throw new UsageError(`it stands for ${count} jobs; at most ${MAX_JOBS} come from one line.`);
  for (const texts of combinations(choices)) {
    for (const seed of eachSeed(ranges)) yield { ...options, ...texts, ...(seed === undefined ? {} : { seed }) };
  }
}

/** What a text is made of: each part is one of its alternatives. */
type Wildcards = readonly (readonly string[])[];

/** A backslash before `{`, `}` or `|` takes its meaning away; braces without a bar mean themselves. */
function parseWildcards(text: string): Wildcards {
  const parts = text.split(/(?<!\\)(\{(?:\\.|[^{}\\])*(?<!\\)\})/);
  return parts.map((part) => {
    const inner = /^\{(.*)\}$/s.exec(part)?.[1];
    const alternatives = inner?.split(/(?<!\\)\|/) ?? [];
    return alternatives.length > 1 ? alternatives.map(plain) : [plain(part)];
  });
}

const plain = (text: string): string => text.replace(/\\([{}|])/g, "$1");

const countTexts = (parts: Wildcards): number => parts.reduce((product, { length }) => product * length, 1);

function* combinations(choices: readonly (readonly [string, Wildcards])[]): Generator<GivenOptions, void> {
  const [first, ...rest] = choices;
  if (!first) return yield {};
  const [name, parts] = first;
  for (const text of textsOf(parts)) for (const others of combinations(rest)) yield { [name]: text, ...others };
}

function* textsOf([first, ...rest]: Wildcards): Generator<string, void> {
  if (!first) return yield "";
  for (const start of first) for (const end of textsOf(rest)) yield start + end;
}

type Range = readonly [first: number, last: number];

/** `1..16`, `7`, `1,5,10-14`, or a list of numbers. */
export function parseSeeds(given: unknown): readonly Range[] {
  const parts = Array.isArray(given) ? given.map(String) : String(given as string | number).split(",");
  return parts.map((part) => {
    const [, first, last = first] = /^\s*(\d{1,10})(?:\s*(?:\.\.|-)\s*(\d{1,10}))?\s*$/.exec(part) ?? [];
    const range = [Number(first), Number(last)] as const;
    if (range[0] <= range[1]) return range;
    throw new UsageError(
      `seeds: ${part.trim() || "nothing"} is no seed and no range; write it as 7, 1..16 or 1,5,10-14.`,
    );
  });
}

const countSeeds = (ranges: readonly Range[] | undefined): number =>
  ranges?.reduce((sum, [first, last]) => sum + last - first + 1, 0) ?? 1;

function* eachSeed(ranges: readonly Range[] | undefined): Generator<number | undefined, void> {
  if (!ranges) return yield undefined;
  for (const [first, last] of ranges) for (let seed = first; seed <= last; seed++) yield seed;
}
