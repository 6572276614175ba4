/**
 * @module run/queue/draw-group
 * Jobs that were taken from a queue together -> images in their folder, each told of as soon as it ended.
 */

import { createHash } from "node:crypto";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { IfGenError, UsageError } from "../../errors.ts";
import { draftFolderIn } from "../../files/draft.ts";
import { temporaryFolder } from "../../machine/folders.ts";
import { type BatchJob, sameName } from "../batch/batch-jobs.ts";
import { type ChunkSettings, drawChunk } from "../batch/draw-chunk.ts";
import { drawnEntry, foundEntry } from "../batch/manifest-entries.ts";
import type { ManifestEntry } from "../batch/manifest.ts";
import { createShares } from "../batch/shares.ts";
import type { RunEvent } from "../events.ts";
import { groupBy } from "../group-requests.ts";
import { type Store, openStore } from "../store/s3-store.ts";
import { sendImages } from "../store/send-images.ts";
import { isStoreAddress } from "../store/store-address.ts";
import { lookForResult } from "./earlier-result.ts";
import { type QueuedJob, toBatchJob } from "./queued-job.ts";

export interface TakenJob {
  readonly id: string;
  readonly data: QueuedJob;
}

type Drawing = Omit<ChunkSettings, "folder" | "chunk" | "overwrite" | "onDrawn" | "onFailed" | "onEvent">;

export interface GroupSettings extends Drawing {
  /** In place of the folders, or addresses of stores, that the jobs name. */
  readonly outputDir?: string | undefined;
  readonly onEvent: (event: RunEvent) => void;
  readonly onDrawn: (job: TakenJob, entry: ManifestEntry) => Promise<void>;
  readonly onFailed: (job: TakenJob, error: IfGenError) => Promise<void>;
}

/** @throws {IfGenError} as drawChunk: jobs that were not told of are not drawn. */
export async function drawGroup(jobs: readonly TakenJob[], settings: GroupSettings): Promise<void> {
  const placeOf = ({ data }: TakenJob): string => settings.outputDir ?? data.folder;
  for (const group of groupBy(jobs, placeOf)) {
    const place = placeOf(group[0]);
    if (isStoreAddress(place)) await drawIntoStore(place, group, settings);
    else await drawIn(place, group, settings, async () => undefined);
  }
}

/** In a folder of its own, out of which new images go to the store. Jobs fail if the store cannot be used. */
async function drawIntoStore(address: string, jobs: readonly TakenJob[], settings: GroupSettings): Promise<void> {
  const folder = draftFolderIn(temporaryFolder());
  try {
    const store = await openFilled(address, jobs, folder, settings);
    if (!store) return;
    await drawIn(folder, jobs, settings, ({ files }) => sendImages(store, files, folder)).finally(store.close);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** @returns the store, what it has of the jobs already brought to the folder; undefined: it cannot be used, and the jobs were told so. */
async function openFilled(
  address: string,
  jobs: readonly TakenJob[],
  folder: string,
  { signal, onFailed }: GroupSettings,
): Promise<Store | undefined> {
  let store: Store | undefined;
  try {
    store = await openStore(address, signal);
    for (const name of jobs.flatMap(({ data }) => data.files)) await store.fetch(name, join(folder, name));
    return store;
  } catch (error) {
    store?.close();
    if (!(error instanceof IfGenError) || signal?.aborted) throw error;
    for (const job of jobs) await onFailed(job, error);
    return undefined;
  }
}

/** @param placed is told of a job whose new images lie in the folder, before it counts as drawn. */
async function drawIn(
  folder: string,
  jobs: readonly TakenJob[],
  settings: GroupSettings,
  placed: (job: BatchJob) => Promise<void>,
): Promise<void> {
  const taken = new Map(jobs.map((job) => [toBatchJob(job.data), job] as const));
  const waiting: BatchJob[] = [];
  for (const [job, one] of taken) {
    const found = await lookForResult(job, folder);
    if (found === "complete") await settings.onDrawn(one, await foundEntry(job, folder, UNTOLD));
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
      onDrawn: async (job, drawn) => {
        const entry = await drawnEntry(job, drawn, share.secondsOf(drawn), folder);
        await placed(job);
        await settings.onDrawn(taken.get(job)!, entry);
      },
      onFailed: (job, error) => settings.onFailed(taken.get(job)!, error),
    });
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

const existing = ({ files }: BatchJob): UsageError => sameName(files[0] ?? "", "it exists", ", or add --overwrite");

const nameOf = (keys: readonly string[]): string => createHash("sha256").update(keys.join()).digest("hex").slice(0, 16);

const UNTOLD = "It was drawn by a worker that ended before it could tell of it.";
