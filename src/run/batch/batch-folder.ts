/**
 * @module run/batch/batch-folder
 * The output folder of a batch: images, manifests and, hidden in `.if-gen`, what a batch needs to go on after any end: its
 * random seed and date, and for the jobs at work a folder of finished stages.
 */

import { createHash, randomInt } from "node:crypto";
import { readFile, readdir, rm, stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import { z } from "zod";
import { OutputError, UsageError, whyNotWritten } from "../../errors.ts";
import { sweepDrafts } from "../../files/draft.ts";
import { createFile } from "../../files/place-file.ts";
import { makeFolder } from "../../files/make-folder.ts";
import { replaceFile } from "../../files/replace-file.ts";
import { writing } from "../../files/writing.ts";
import { type RunLock, takeLock } from "../../executor/run-lock.ts";
import type { Shard } from "../../machine/cluster-shard.ts";
import { MAX_SEED } from "../../plan/choices.ts";
import { DrawnJobs, Manifest, readEndings } from "./manifest.ts";

const state = z.strictObject({ format: z.literal(1), seed: z.int().nonnegative(), date: z.string() });

export class BatchFolder {
  readonly path: string;
  /** YYYY-MM-DD of the batch's start. */
  readonly date: string;
  readonly manifest: Manifest;
  readonly drawn: DrawnJobs;
  /** May what lies there be this batch's own? */
  readonly isResumed: boolean;
  readonly #seed: number;
  readonly #work: string;
  readonly #lock: RunLock;

  private constructor(
    path: string,
    { seed, date }: z.infer<typeof state>,
    work: string,
    manifest: Manifest,
    drawn: DrawnJobs,
    isResumed: boolean,
    lock: RunLock,
  ) {
    this.path = path;
    this.date = date;
    this.manifest = manifest;
    this.drawn = drawn;
    this.isResumed = isResumed;
    this.#seed = seed;
    this.#work = work;
    this.#lock = lock;
  }

  /**
   * Starts a batch in `folder`, or goes on with the one that is there.
   * @throws {UsageError} there is a batch and no `resume`, or another process is at it.
   * @throws {OutputError} the folder cannot be made, read or written to.
   */
  static async open(folder: string, shard: Shard, { resume }: { resume: boolean }): Promise<BatchFolder> {
    const path = resolve(folder);
    const work = join(path, ".if-gen", shardName("work", shard));
    if (!resume && (await hasBegun(work, manifestPath(path, shard)))) {
      throw new UsageError(
        `${folder} holds a batch already; add --resume to go on with it, or give another --output-dir.`,
      );
    }
    await writing(path, () => makeFolder(work));
    const lock = await takeLock(work, "--output-dir");
    try {
      await sweepDrafts(join(path, ".if-gen"));
      const found = await readState(join(path, ".if-gen", "batch.json"));
      const drawn = new DrawnJobs();
      for await (const entry of readEndings(manifestPath(path, shard))) drawn.set(entry);
      const manifest = await Manifest.open(manifestPath(path, shard));
      return new BatchFolder(path, found, work, manifest, drawn, resume, lock);
    } catch (error) {
      await lock.release();
      throw error;
    }
  }

  /** @returns the seed of a job that names none: any, but the same whenever the batch goes on. */
  seedOf(index: number): number {
    return createHash("sha256").update(`${this.#seed} ${index}`).digest().readUInt32LE() % (MAX_SEED + 1);
  }

  /**
   * The folder of finished stages of the jobs that are at work together.
   * @returns whether an earlier process was at just these jobs.
   */
  async takeChunk(chunk: number, keys: readonly string[]): Promise<boolean> {
    const mark = join(this.#chunkFolder(chunk), "jobs.json");
    const content = JSON.stringify(keys);
    if ((await readFile(mark, "utf8").catch(() => undefined)) === content) return true;
    await this.dropChunk(chunk);
    await writing(this.path, async () => {
      await makeFolder(this.#chunkFolder(chunk));
      await replaceFile(mark, content);
    });
    return false;
  }

  /** @param keys of the jobs of one plan. */
  workFolder(chunk: number, keys: readonly string[]): string {
    const name = createHash("sha256").update(keys.join()).digest("hex").slice(0, 16);
    return join(this.#chunkFolder(chunk), name);
  }

  /** The jobs are done: nothing of them need be kept. */
  dropChunk(chunk: number): Promise<void> {
    return rm(this.#chunkFolder(chunk), { recursive: true, force: true });
  }

  /** All jobs are done: also what earlier processes have left, with chunks of another size or of jobs that were handed over. */
  async dropChunks(): Promise<void> {
    for (const chunk of await chunksIn(this.#work)) await this.dropChunk(chunk);
  }

  async close(): Promise<void> {
    await this.manifest.close();
    await this.#lock.release();
  }

  #chunkFolder(chunk: number): string {
    return join(this.#work, String(chunk));
  }
}

/** A batch that ended at its file of jobs or a wrong option is no batch to go on with: nothing is in its way. */
async function hasBegun(work: string, manifest: string): Promise<boolean> {
  const { size } = await stat(manifest).catch(() => ({ size: 0 }));
  return size > 0 || (await chunksIn(work)).length > 0;
}

const chunksIn = async (work: string): Promise<number[]> =>
  (await readdir(work).catch(() => [])).filter((name) => /^-?\d+$/.test(name)).map(Number);

const shardName = (name: string, { number, count }: Shard): string =>
  count === 1 ? name : `${name}-${number}-of-${count}`;

export const manifestPath = (folder: string, shard: Shard): string =>
  join(folder, `${shardName("manifest", shard)}.jsonl`);

/** @returns the manifests of the shards in a folder, with the shard that each is of. */
export async function shardManifests(folder: string): Promise<{ path: string; shard: Shard }[]> {
  const names = await readdir(folder).catch((cause: unknown) => {
    throw new OutputError(`${folder} cannot be read: ${whyNotWritten(cause)}.`, { cause });
  });
  return names.toSorted().flatMap((name) => {
    const [, number, count] = /^manifest-(\d+)-of-(\d+)\.jsonl$/.exec(name) ?? [];
    if (number === undefined) return [];
    return [{ path: join(folder, name), shard: { number: Number(number), count: Number(count) } }];
  });
}

/** Several processes may begin at once: the first one's is everybody's. */
async function readState(file: string): Promise<z.infer<typeof state>> {
  const found = await parseState(file);
  if (found) return found;
  const fresh = { format: 1, seed: randomInt(2 ** 32), date: new Date().toISOString().slice(0, 10) } as const;
  await writing(file, () => createFile(file, JSON.stringify(fresh)));
  return (await parseState(file)) ?? fresh;
}

async function parseState(file: string): Promise<z.infer<typeof state> | undefined> {
  const text = await readFile(file, "utf8").catch(() => undefined);
  if (text === undefined) return undefined;
  try {
    return state.parse(JSON.parse(text));
  } catch (cause) {
    throw new UsageError(`${file} is not of this version of if-gen; give another --output-dir.`, { cause });
  }
}
