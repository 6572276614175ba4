/**
 * @module weights/variants
 * Which weight files a component folder has: their names are explained in weights/variant-files.
 */

import { readdir, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { CheckpointError } from "../errors.ts";
import { reasonOf } from "../files/regular-file.ts";
import { readShardIndex, shardFiles } from "./shard-index.ts";
import { adapterError, findVariantFiles, noWeightsError, type Variant } from "./variant-files.ts";

export type { Variant } from "./variant-files.ts";

/** Where a variant starts: its only file, or the index of its shards. */
export interface WeightSource {
  readonly variant: Variant;
  readonly kind: "single" | "sharded";
  readonly path: string;
}

/**
 * @returns the variants whose files are all there, the smallest first: 8bit, fp16, fp32.
 * @throws {CheckpointError} the folder is missing or cannot be read.
 */
export async function listVariants(folder: string): Promise<Variant[]> {
  const sources = await findSources(folder);
  const complete = await Promise.all(sources.map(isComplete));
  return sources.filter((_, i) => complete[i]).map(({ variant }) => variant);
}

/**
 * Which variant of one network to use, when one is wished for a whole cascade whose networks do not all have it:
 *
 * 1. No wish: the smallest that is complete.
 * 2. The wish, where the folder has it; should one of its files be missing, opening it says which.
 * 3. Where this kind of network is never published in it, the wish was not about this network: the smallest.
 *    So `8bit` is about the T5 text encoder, and `fp16` not about the watermarker.
 * 4. Otherwise an error: other, perhaps larger, weights are not quietly taken instead.
 *
 * @param published the variants this kind of network comes in: pass all three for T5, fp32 alone for the watermarker.
 * @throws {CheckpointError} rule 4, naming what is there; or the folder has no weights at all.
 */
export async function resolveVariant(
  folder: string,
  requested?: Variant,
  published: readonly Variant[] = ["fp16", "fp32"],
): Promise<Variant> {
  const sources = await findSources(folder);
  if (requested !== undefined && sources.some(({ variant }) => variant === requested)) return requested;
  const mustHave = requested !== undefined && published.includes(requested);
  return (await chooseSource(folder, mustHave ? requested : undefined)).variant;
}

/**
 * @returns the source of the requested variant. Without a request the smallest complete one or, if none is complete, the
 *          smallest: opening it says what is missing.
 * @throws {CheckpointError} there is none: names what is there.
 */
export async function chooseSource(folder: string, requested?: Variant): Promise<WeightSource> {
  const sources = await findSources(folder);
  const complete = await listVariants(folder);
  const variant = requested ?? complete[0] ?? sources[0]?.variant;
  const source = sources.find((candidate) => candidate.variant === variant);
  if (source !== undefined) return source;
  if (sources.length === 0) throw noWeightsError(folder, await readFolder(folder));
  const variants = sources.map((other) =>
    complete.includes(other.variant) ? other.variant : `${other.variant} (incomplete)`,
  );
  throw new CheckpointError(
    `${folder} has no ${requested} weights, only ${variants.join(" and ")}; ask for one of these.`,
  );
}

/**
 * @returns at most one source per variant, the smallest variant first, whether or not all its files are there.
 * @throws {CheckpointError} the folder is missing or cannot be read.
 */
async function findSources(folder: string): Promise<WeightSource[]> {
  const found = findVariantFiles(new Set(await readFolder(folder)));
  return found.map(({ variant, kind, name }) => ({ variant, kind, path: join(folder, name) }));
}

/** Are all its files there? Does not open weights. */
async function isComplete({ kind, path }: WeightSource): Promise<boolean> {
  try {
    const files = kind === "single" ? [path] : shardFiles(await readShardIndex(path));
    const stats = await Promise.all(files.map((file) => stat(file)));
    return stats.every((entry) => entry.isFile());
  } catch {
    return false; // a shard is missing or the index is broken: openWeights says which, when this variant is opened
  }
}

async function readFolder(folder: string): Promise<string[]> {
  try {
    return (await readdir(folder)).sort();
  } catch (cause) {
    const adapter = adapterError(dirname(folder), await readdir(dirname(folder)).catch(() => []));
    if (adapter !== undefined) throw adapter;
    throw new CheckpointError(`The folder ${folder} cannot be read (${reasonOf(cause)}).`, { cause });
  }
}
