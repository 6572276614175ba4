/**
 * @module run/batch/sort-out
 * Which jobs of a chunk are to be drawn, where files lie under their names already. A batch that is gone on with may find its
 * own: it can have been killed between placing an image and saying so, and its finished stages are lost if another worker took
 * the job over, or there were other workers then.
 */

import { rm } from "node:fs/promises";
import { join } from "node:path";
import { lookForResult } from "../queue/earlier-result.ts";
import type { Store } from "../store/s3-store.ts";
import type { BatchFolder } from "./batch-folder.ts";
import type { BatchJob } from "./batch-jobs.ts";
import { foundEntry } from "./manifest-entries.ts";
import type { ManifestEntry } from "./manifest.ts";

export interface SortedJobs {
  readonly toDraw: readonly BatchJob[];
  /** Are the files in their way their own, from an attempt before? */
  readonly mayReplace: boolean;
  /** All their images are there. */
  readonly found: readonly (readonly [BatchJob, ManifestEntry])[];
  /** Other files have their names. */
  readonly taken: readonly BatchJob[];
}

export interface SortSettings {
  readonly folder: Pick<BatchFolder, "path" | "isResumed">;
  readonly store?: Store | undefined;
  readonly overwrite: boolean;
  /** Is the chunk one that an earlier process was at? All its jobs are gone on with, since their finished stages are there. */
  readonly isChunkResumed: boolean;
}

export async function sortOut(jobs: readonly BatchJob[], settings: SortSettings): Promise<SortedJobs> {
  const { folder, store, overwrite, isChunkResumed } = settings;
  if (isChunkResumed && store) return { toDraw: jobs, mayReplace: true, found: [], taken: [] };
  const toDraw: BatchJob[] = [];
  const [parts, foreign]: [BatchJob[], BatchJob[]] = [[], []];
  const found: [BatchJob, ManifestEntry][] = [];
  for (const job of jobs) {
    if (job.isDrawn || overwrite || !(await isTaken(job, store))) toDraw.push(job);
    else {
      const result = folder.isResumed ? await resultOf(job, folder.path, store) : "foreign";
      if (result === "foreign") foreign.push(job);
      else if (result === "part") parts.push(job);
      else found.push([job, result]);
    }
  }
  if (!isChunkResumed)
    return { toDraw: [...toDraw, ...parts], mayReplace: overwrite || parts.length > 0, found, taken: foreign };
  const isOwn = parts.length + found.length > 0 && foreign.length === 0;
  return { toDraw: jobs, mayReplace: overwrite || isOwn, found: [], taken: [] }; // what is foreign stays, and is said when it is drawn
}

async function isTaken(job: BatchJob, store: Store | undefined): Promise<boolean> {
  if (!store) return job.isTaken;
  for (const name of job.files) if (await store.has(name)) return true;
  return false;
}

/** @returns the manifest's line of a job all of whose images are there; else whose they are. */
async function resultOf(
  job: BatchJob,
  folder: string,
  store: Store | undefined,
): Promise<ManifestEntry | "part" | "foreign"> {
  const paths = job.files.map((name) => join(folder, name));
  try {
    for (const [at, name] of job.files.entries()) await store?.fetch(name, paths[at]!);
    const found = await lookForResult(job, folder);
    if (found === "complete") return await foundEntry(job, folder, UNTOLD);
    return found === "foreign" ? found : "part";
  } finally {
    if (store) for (const path of paths) await rm(path, { force: true });
  }
}

const UNTOLD = "It was drawn by a process that ended before it could tell of it.";
