/**
 * @module run/batch/run-batch
 * A stream of jobs -> images and a manifest: workers of several devices draw chunks of jobs. Prints nothing.
 */

import type { IfGenError } from "../../errors.ts";
import { KeptStages } from "../../executor/kept-stages.ts";
import { createSweeper } from "../../files/draft.ts";
import { readHardware } from "../../machine/hardware.ts";
import { CPU } from "../../onnx/lower/provider-names.ts";
import type { Request } from "../../plan/request.ts";
import type { DrawnJob } from "../draw.ts";
import { rememberProviders } from "../remember-providers.ts";
import type { RunSettings } from "../settings.ts";
import type { Store } from "../store/s3-store.ts";
import { sendImages } from "../store/send-images.ts";
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
import { type ChunkSettings, drawChunk } from "./draw-chunk.ts";
import { heldOn } from "./held-on.ts";
import { drawnEntry, failedEntry } from "./manifest-entries.ts";
import type { ManifestEntry } from "./manifest.ts";
import type { ReadJob } from "./read-jobs.ts";
import { type FailedAttempt, HandOver } from "./hand-over.ts";
import { createShares } from "./shares.ts";
import { sortOut } from "./sort-out.ts";
import { createTurns } from "./take-turns.ts";

export interface BatchSettings extends Omit<RunSettings, "onEvent" | "onFailed" | "chooseProvider" | "keptStages"> {
  readonly options: BatchOptions;
  readonly folder: BatchFolder;
  /** Where images go that the folder holds only until they are there. */
  readonly store?: Store | undefined;
  readonly overwrite: boolean;
  /** End at the first job that fails. */
  readonly failFast: boolean;
  /** One worker for each; they take chunks in turn. */
  readonly devices: readonly WorkerDevice[];
  /** Keep networks open from chunk to chunk, as memory allows? */
  readonly keepAlive: boolean;
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
  const handOver = new HandOver(devices.length);
  const failed = async (job: BatchJob | BadJob, error: IfGenError): Promise<void> => {
    count.failed++;
    firstError ??= error;
    if ("request" in job) handOver.settle(job);
    await folder.manifest.add(failedEntry(job, error));
    onEvent({ type: "failed", index: job.index, line: job.line, error });
    if (settings.failFast) throw error;
  };
  const drawn: Results["drawn"] = async (job, one, seconds, worker) => {
    const notes = [...one.notes, ...handOver.attemptsOf(job).map((attempt) => describeAttempt(attempt, devices))];
    const noted = { ...one, notes };
    const entry = await drawnEntry(job, noted, seconds, folder.path);
    if (settings.store) await sendImages(settings.store, job.files, folder.path);
    await folder.manifest.add(entry);
    count.drawn++;
    onEvent({ type: "drawn", index: job.index, line: job.line, files: job.files, seconds, drawn: noted });
    for (const retired of handOver.drew(worker, job)) onEvent({ type: "retired", worker: retired });
  };
  const found: Results["found"] = async (job, entry) => {
    handOver.settle(job);
    await folder.manifest.add(entry);
    count.drawn++;
    onEvent({ type: "drawn", index: job.index, line: job.line, files: job.files, seconds: {} });
  };
  const chunks = chunksOf(lines, folder, options, devices.length, (jobs) => {
    count.skipped += jobs;
    if (jobs > 0) onEvent({ type: "skipped", jobs });
  });
  const stop = new AbortController();
  const signal = settings.signal ? AbortSignal.any([settings.signal, stop.signal]) : stop.signal;
  const kept = settings.keepAlive ? devices.map(() => new KeptStages()) : [];
  const heldByWorkers = () => kept.map((stages, worker) => ({ device: devices[worker], held: stages.held() }));
  const shared = { ...settings, signal, handOver, sweep: createSweeper(), chooseProvider: choose };
  const takeTurns = createTurns(chunks, { handOver, chunkSize: options.chunkSize, signal });
  const workers = devices.map(async (device, worker) => {
    const budgets = { ...settings.budgets, held: () => heldOn(device, heldByWorkers()) };
    const workerSettings = { ...shared, budgets, keptStages: kept[worker] };
    try {
      await takeTurns(worker, (chunk) => runChunk(chunk, worker, device, workerSettings, { drawn, found, failed }));
    } finally {
      await kept[worker]?.close();
    }
  });
  try {
    await Promise.all(workers);
    for (const [job, error] of handOver.left()) await failed(job, error);
    await folder.dropChunks();
  } catch (error) {
    stop.abort(error); // the other workers' stages end too, and are waited for
    await Promise.allSettled(workers);
    throw error;
  }
  return { ...count, ...(firstError ? { firstError } : {}) };
}

function describeAttempt({ worker, error }: FailedAttempt, devices: readonly WorkerDevice[]): string {
  const device = devices[worker];
  const where = typeof device === "number" ? `GPU ${device}` : (device ?? "its device");
  return `Worker ${worker + 1}, on ${where}, could not draw it: ${error.message} Another worker did.`;
}

type WorkerSettings = BatchSettings &
  Pick<RunSettings, "chooseProvider" | "keptStages"> &
  Pick<ChunkSettings, "sweep"> & { readonly handOver: HandOver };

interface Results {
  readonly drawn: (job: BatchJob, one: DrawnJob, seconds: Record<string, number>, worker: number) => Promise<void>;
  /** Its images are there already. */
  readonly found: (job: BatchJob, entry: ManifestEntry) => Promise<void>;
  readonly failed: (job: BatchJob | BadJob, error: IfGenError) => Promise<void>;
}

async function runChunk(
  { number, jobs, bad }: Chunk,
  worker: number,
  device: WorkerDevice,
  settings: WorkerSettings,
  results: Results,
): Promise<void> {
  const { folder, onEvent } = settings;
  const { failed, found } = results;
  for (const job of bad) await failed(job, job.error);
  const isResumed = await folder.takeChunk(
    number,
    jobs.map(({ key }) => key),
  );
  const openJobs = isResumed ? jobs : jobs.filter(({ isDrawn }) => !isDrawn); // nothing is kept of the others
  const { store, overwrite } = settings;
  const sorted = await sortOut(openJobs, { folder, store, overwrite, isChunkResumed: isResumed });
  for (const job of sorted.taken) await failed(job, sameName(job.files[0] ?? "", "it exists", ", or add --overwrite"));
  for (const [job, entry] of sorted.found) await found(job, entry);
  if (sorted.toDraw.length > 0) {
    onEvent({ type: "chunk", worker, jobs: sorted.toDraw.map(({ index }) => index) });
    const mayReplace = sorted.mayReplace || store !== undefined; // in the folder an image only waits to be sent
    await drawSorted(sorted.toDraw, number, worker, device, { ...settings, overwrite: mayReplace }, results);
  }
  await folder.dropChunk(number);
}

async function drawSorted(
  jobs: readonly BatchJob[],
  chunk: number,
  worker: number,
  device: WorkerDevice,
  settings: WorkerSettings,
  { drawn, failed }: Results,
): Promise<void> {
  const { onEvent, devices, handOver } = settings;
  const share = createShares();
  await drawChunk(jobs, {
    ...settings,
    budgets: { ...settings.budgets, shares: sharesOf(device, devices) },
    chunk,
    onDevice: onDevice(device, devices),
    onEvent: (event) => {
      share.hear(event);
      onEvent({ type: "run", worker, event });
    },
    onDrawn: (job, one) => drawn(job, one, share.secondsOf(one), worker),
    onFailed: async (job, error) => {
      if (handOver.offer(worker, job, error)) onEvent({ type: "handed-over", worker, index: job.index, error });
      else await failed(job, error);
    },
  });
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
