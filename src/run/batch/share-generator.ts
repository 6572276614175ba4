/**
 * @module run/batch/share-generator
 * `--shared-generator N`: jobs that differ in nothing but their prompts become one, of up to N prompts that are drawn in one
 * batch from one generator, as diffusers draws a list.
 */

import type { IfGenError } from "../../errors.ts";
import type { LowMemoryModes } from "../settings.ts";
import type { GivenOptions } from "./read-jobs.ts";

/** One job of a line. */
export interface ExpandedJob {
  readonly line: number;
  readonly options: GivenOptions;
  readonly lowMemory?: LowMemoryModes | undefined;
}

/** A line that is no job. */
export interface BadLine {
  readonly line: number;
  readonly error: IfGenError;
}

/** Lists that wait for more prompts at the same time; the oldest goes first. */
const MOST_OPEN = 256;

/**
 * @param count prompts of a list; 1: every job stays by itself.
 * @returns errors at once; lists in the order in which they are full, then those that are not, in the order of their first jobs.
 */
export async function* sharingGenerators(
  jobs: AsyncIterable<ExpandedJob | BadLine>,
  count: number,
): AsyncGenerator<ExpandedJob | BadLine, void> {
  const open = new Map<string, ExpandedJob[]>();
  for await (const one of jobs) {
    const key = "error" in one || count === 1 ? undefined : keyOf(one);
    if (key === undefined || "error" in one) {
      yield one;
      continue;
    }
    const list = [...(open.get(key) ?? []), one];
    open.set(key, list);
    const full = list.length === count ? key : open.size > MOST_OPEN ? open.keys().next().value : undefined;
    if (full !== undefined) {
      yield joined(open.get(full)!);
      open.delete(full);
    }
  }
  for (const list of open.values()) yield joined(list);
}

const texts: readonly string[] = ["prompt", "negativePrompt"];

/** @returns the same for jobs that may share a generator; undefined: it is a list already, has a file of its own, or has no prompt. */
function keyOf({ options, lowMemory }: ExpandedJob): string | undefined {
  const isAlone = ["output", "morePrompts", "promptEmbeds"].some((name) => options[name] !== undefined);
  const { prompt } = options;
  if (isAlone || typeof prompt !== "string" || prompt.trim() === "") return undefined;
  const others = Object.entries(options).filter(([name]) => !texts.includes(name));
  return JSON.stringify([others.toSorted(([a], [b]) => (a < b ? -1 : 1)), lowMemory]);
}

function joined(list: readonly ExpandedJob[]): ExpandedJob {
  const [first, ...more] = list as readonly [ExpandedJob, ...ExpandedJob[]];
  if (more.length === 0) return first;
  const negatives = list.map(({ options }) => options["negativePrompt"] ?? "");
  const options = {
    ...first.options,
    morePrompts: more.map((job) => job.options["prompt"]),
    ...(new Set(negatives).size > 1 ? { moreNegativePrompts: negatives.slice(1) } : {}),
  };
  return { ...first, options };
}
