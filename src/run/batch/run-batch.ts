/**
 * @module run/batch/run-batch
 * A stream of jobs -> images and a manifest: chunks of jobs go to workers, one after the other, so that a slow device is no
 * brake. Prints nothing.
 */

import type { IfGenError } from "../../errors.ts";
import { readHardware } from "../../machine/hardware.ts";
import { CPU } from "../../onnx/lower/provider-names.ts";
import type { Request } from "../../plan/request.ts";
import { chooseProvider } from "../choose-provider.ts";
import type { DrawnJob } from "../draw.ts";
import type { RunSettings } from "../settings.ts";
import type { BatchEvent, BatchSummary } from "./batch-events.ts";
import type { BatchFolder } from "./batch-folder.ts";
import {
  type BadJob,
  type BatchJob,
  type BatchOptions,
  type Chunk,
  type WorkerDevice,
  sameName,
  chunksOf,
} from "./batch-jobs.ts";
import { drawChunk } from "./draw-chunk.ts";
import { drawnEntry, failedEntry } from "./manifest-entries.ts";
import type { ReadJob } from "./read-jobs.ts";
import { createShares } from "./shares.ts";

export interface BatchSettings extends Omit<RunSettings, "onEvent" | "onFailed" | "chooseProvider"> {
  readonly options: BatchOptions;
  readonly folder: BatchFolder;
  readonly overwrite: boolean;
  /** End at the first job that fails. */
  readonly failFast: boolean;
  /** One worker for each; they take chunks in turn. */
  readonly devices: readonly WorkerDevice[];
  readonly onEvent: (event: BatchEvent) => void;
}

/**
 * @throws {UsageError} the file is no list of jobs, or a device does not exist.
 * @throws {IfGenError} what keeps all jobs from being drawn; with `failFast` the first job's error.
 */
export async function runBatch(lines: AsyncIterable<ReadJob>, settings: BatchSettings): Promise<BatchSummary> {
  const { folder, options, onEvent, devices } = settings;
  const choose = rememberProviders();
  for (const device of new Set(devices)) {
    if (typeof device === "number") await choose(options.provider, device);
  }
  const count = { drawn: 0, failed: 0, skipped: 0 };
  let firstError: IfGenError | undefined;
  const failed = async (job: BatchJob | BadJob, error: IfGenError): Promise<void> => {
    count.failed++;
    firstError ??= error;
    await folder.manifest.add(failedEntry(job, error));
    onEvent({ type: "failed", index: job.index, line: job.line, error });
    if (settings.failFast) throw error;
  };
  const drawn = async (job: BatchJob, one: DrawnJob, seconds: Record<string, number>): Promise<void> => {
    await folder.manifest.add(await drawnEntry(job, one, seconds, folder.path));
    count.drawn++;
    onEvent({ type: "drawn", index: job.index, line: job.line, files: job.files, seconds, drawn: one });
  };
  const chunks = chunksOf(lines, folder, options, (jobs) => {
    count.skipped += jobs;
    if (jobs > 0) onEvent({ type: "skipped", jobs });
  });
  const stop = new AbortController();
  const signal = settings.signal ? AbortSignal.any([settings.signal, stop.signal]) : stop.signal;
  const shared = { ...settings, signal, chooseProvider: choose };
  const workers = devices.map(async (device, worker) => {
    for await (const chunk of { [Symbol.asyncIterator]: () => ({ next: () => chunks.next() }) }) {
      await runChunk(chunk, worker, device, shared, { drawn, failed });
    }
  });
  try {
    await Promise.all(workers);
  } catch (error) {
    stop.abort(error); // the other workers' stages end too, and are waited for
    await Promise.allSettled(workers);
    throw error;
  }
  return { ...count, ...(firstError ? { firstError } : {}) };
}

interface Results {
  readonly drawn: (job: BatchJob, one: DrawnJob, seconds: Record<string, number>) => Promise<void>;
  readonly failed: (job: BatchJob | BadJob, error: IfGenError) => Promise<void>;
}

async function runChunk(
  { number, jobs, bad }: Chunk,
  worker: number,
  device: WorkerDevice,
  settings: BatchSettings & Pick<RunSettings, "chooseProvider">,
  { drawn, failed }: Results,
): Promise<void> {
  const { folder, overwrite, onEvent, devices } = settings;
  for (const job of bad) await failed(job, job.error);
  const isResumed = await folder.takeChunk(
    number,
    jobs.map(({ key }) => key),
  );
  const known = isResumed ? jobs : jobs.filter(({ isDrawn }) => !isDrawn); // nothing is kept of the others
  const isFree = ({ isTaken, isDrawn }: BatchJob): boolean => isResumed || isDrawn || overwrite || !isTaken;
  for (const job of known.filter((one) => !isFree(one)))
    await failed(job, sameName(job.files[0] ?? "", "it exists", ", or add --overwrite"));
  const free = known.filter(isFree);
  if (free.length === 0) return folder.dropChunk(number);
  onEvent({ type: "chunk", worker, jobs: free.map(({ index }) => index) });
  const share = createShares();
  await drawChunk(free, {
    ...settings,
    budgets: { ...settings.budgets, shares: sharesOf(device, devices) },
    chunk: number,
    onDevice: onDevice(device, devices),
    onEvent: (event) => {
      share.hear(event);
      onEvent({ type: "run", worker, event });
    },
    onDrawn: (job, one) => drawn(job, one, share.of(one)),
    onFailed: failed,
    overwrite,
  });
  await folder.dropChunk(number);
}

function sharesOf(device: WorkerDevice, devices: readonly WorkerDevice[]): { ram: number; vram: number } {
  return { ram: devices.length, vram: devices.filter((one) => one === device).length };
}

/** Workers share the CPU's cores, unless the jobs say how many threads they take. */
function onDevice(device: WorkerDevice, devices: readonly WorkerDevice[]): (request: Request) => Request {
  const threads = Math.max(1, Math.floor(readHardware().cores / devices.length));
  return (request) => ({
    ...request,
    ...(device === CPU ? { executionProvider: CPU } : {}),
    ...(typeof device === "number" ? { deviceId: device } : {}),
    ...(devices.length > 1 && request.threads === undefined ? { threads } : {}),
  });
}

/** Whether a provider works is tried once a batch. */
function rememberProviders(): typeof chooseProvider {
  const known = new Map<string, ReturnType<typeof chooseProvider>>();
  return (requested, deviceId) => {
    const key = `${requested} ${deviceId}`;
    const chosen = known.get(key) ?? chooseProvider(requested, deviceId);
    known.set(key, chosen);
    return chosen;
  };
}
