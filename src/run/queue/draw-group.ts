/**
 * @module run/queue/draw-group
 * Jobs that were taken from a queue together -> images in their folder, each told of as soon as it ended.
 */

import { createHash } from "node:crypto";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { type IfGenError, UsageError } from "../../errors.ts";
import { draftFolderIn } from "../../files/draft.ts";
import { temporaryFolder } from "../../machine/folders.ts";
import { type BatchJob, sameName } from "../batch/batch-jobs.ts";
import { type ChunkSettings, drawChunk } from "../batch/draw-chunk.ts";
import { drawnEntry, foundEntry } from "../batch/manifest-entries.ts";
import type { ManifestEntry } from "../batch/manifest.ts";
import { createShares } from "../batch/shares.ts";
import type { RunEvent } from "../events.ts";
import { groupBy } from "../group-requests.ts";
import { lookForResult } from "./own-result.ts";
import { type QueuedJob, toBatchJob } from "./queued-job.ts";

export interface TakenJob {
  readonly id: string;
  readonly data: QueuedJob;
}

type Drawing = Omit<ChunkSettings, "folder" | "chunk" | "overwrite" | "onDrawn" | "onFailed" | "onEvent">;

export interface GroupSettings extends Drawing {
  /** In place of the folders that the jobs name. */
  readonly outputDir?: string | undefined;
  readonly onEvent: (event: RunEvent) => void;
  readonly onDrawn: (job: TakenJob, entry: ManifestEntry) => Promise<void>;
  readonly onFailed: (job: TakenJob, error: IfGenError) => Promise<void>;
}

/** @throws {IfGenError} as drawChunk: jobs that were not told of are not drawn. */
export async function drawGroup(jobs: readonly TakenJob[], settings: GroupSettings): Promise<void> {
  const folderOf = ({ data }: TakenJob): string => settings.outputDir ?? data.folder;
  for (const group of groupBy(jobs, folderOf)) await drawIn(folderOf(group[0]), group, settings);
}

async function drawIn(folder: string, jobs: readonly TakenJob[], settings: GroupSettings): Promise<void> {
  const taken = new Map(jobs.map((job) => [toBatchJob(job.data), job] as const));
  const waiting: BatchJob[] = [];
  for (const [job, one] of taken) {
    const found = await lookForResult(job, folder);
    if (found === "own") await settings.onDrawn(one, await foundEntry(job, folder, UNTOLD));
    else if (found === "foreign" && !one.data.overwrite) await settings.onFailed(one, existing(job));
    else waiting.push(job);
  }
  if (waiting.length === 0) return;
  const work = draftFolderIn(temporaryFolder());
  const share = createShares();
  try {
    await drawChunk(waiting, {
      ...settings,
      folder: { path: folder, workFolder: (_, keys) => join(work, nameOf(keys)) },
      chunk: 1,
      overwrite: true, // what is there is another attempt's of the same job
      onEvent: (event) => {
        share.hear(event);
        settings.onEvent(event);
      },
      onDrawn: async (job, drawn) =>
        settings.onDrawn(taken.get(job)!, await drawnEntry(job, drawn, share.of(drawn), folder)),
      onFailed: (job, error) => settings.onFailed(taken.get(job)!, error),
    });
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

const existing = ({ files }: BatchJob): UsageError => sameName(files[0] ?? "", "it exists", ", or add --overwrite");

const nameOf = (keys: readonly string[]): string => createHash("sha256").update(keys.join()).digest("hex").slice(0, 16);

const UNTOLD = "It was drawn by a worker that ended before it could tell of it.";
