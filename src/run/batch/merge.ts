/**
 * @module run/batch/merge
 * The manifests of the shards of a batch -> one: shard after shard, each job where it ended.
 */

import { join } from "node:path";
import { UsageError } from "../../errors.ts";
import { replaceFile } from "../../files/replace-file.ts";
import { shardManifests } from "./batch-folder.ts";
import { type ManifestEntry, readEndings, readManifest } from "./manifest.ts";

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

/** Of several lines about one job the last counts: a first reading finds it. In memory are 4 bytes a job, of one shard. */
async function* inOrder(paths: readonly string[]): AsyncGenerator<ManifestEntry, void> {
  for (const path of paths) {
    const lasts = new LastLines();
    let line = 0;
    for await (const { index } of readEndings(path)) lasts.set(index, ++line);
    line = 0;
    for await (const entry of readManifest(path)) if (lasts.get(entry.index) === ++line) yield entry;
  }
}

/** Of each job, which of its shard's lines counts; from 1. */
class LastLines {
  #lines = new Uint32Array(1024);

  set(index: number, line: number): void {
    if (index >= this.#lines.length) {
      const larger = new Uint32Array(Math.max(index + 1, 2 * this.#lines.length));
      larger.set(this.#lines);
      this.#lines = larger;
    }
    this.#lines[index] = line;
  }

  get(index: number): number | undefined {
    return this.#lines[index];
  }
}
