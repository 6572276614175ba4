/**
 * @module run/batch/merge
 * The manifests of the shards of a batch -> one, in the order of the jobs' numbers where each shard's is.
 */

import { join } from "node:path";
import { UsageError } from "../../errors.ts";
import { replaceFile } from "../../files/replace-file.ts";
import { shardManifests } from "./batch-folder.ts";
import { type ManifestEntry, readManifest } from "./manifest.ts";

export interface MergedManifest {
  readonly manifest: string;
  readonly drawn: number;
  readonly failed: number;
  /** Shards of which there is no manifest: `3/8`. */
  readonly missing: readonly string[];
}

/** @throws {UsageError} there is no shard, or there are shards of several divisions. */
export async function mergeManifests(folder: string): Promise<MergedManifest> {
  const shards = await shardManifests(folder);
  const counts = new Set(shards.map(({ shard }) => shard.count));
  const [count] = counts;
  if (count === undefined)
    throw new UsageError(`${folder} holds no shard's manifest (manifest-1-of-8.jsonl); nothing to merge.`);
  if (counts.size > 1) {
    throw new UsageError(
      `${folder} holds shards of ${[...counts].join(" and of ")}; keep those of one division there.`,
    );
  }
  const present = new Set(shards.map(({ shard }) => shard.number));
  const missing = Array.from({ length: count }, (_, index) => index + 1).filter((number) => !present.has(number));
  const manifest = join(folder, "manifest.jsonl");
  const tally = { drawn: 0, failed: 0 };
  await replaceFile(manifest, async (file) => {
    for await (const entry of inOrder(shards.map(({ path }) => path))) {
      tally[entry.status]++;
      await file.appendFile(`${JSON.stringify(entry)}\n`);
    }
  });
  return { manifest, ...tally, missing: missing.map((number) => `${number}/${count}`) };
}

/** Of several lines about one job the last counts. One shard is in memory at a time, and its entries by their numbers. */
async function* inOrder(paths: readonly string[]): AsyncGenerator<ManifestEntry, void> {
  for (const path of paths) {
    const last = new Map<number, ManifestEntry>();
    for await (const entry of readManifest(path)) last.set(entry.index, entry);
    yield* [...last.values()].toSorted((a, b) => a.index - b.index);
  }
}
