/**
 * @module run/batch/run-batch
 * A stream of jobs -> images and a manifest: chunks of jobs go to workers, one after the other, so that a slow device is no
 * brake. Prints nothing.
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
import type { ReadJob } from "./read-jobs.ts";
import { type FailedAttempt, HandOver } from "./hand-over.ts";
import { createShares } from "./shares.ts";

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
  const chunks = chunksOf(lines, folder, options, devices.length, (jobs) => {
    count.skipped += jobs;
    if (jobs > 0) onEvent({ type: "skipped", jobs });
  });
  const stop = new AbortController();
  const signal = settings.signal ? AbortSignal.any([settings.signal, stop.signal]) : stop.signal;
  const kept = settings.keepAlive ? devices.map(() => new KeptStages()) : [];
  const heldByWorkers = () => kept.map((stages, worker) => ({ device: devices[worker], held: stages.held() }));
  const shared = { ...settings, signal, handOver, sweep: createSweeper(), chooseProvider: choose };
  const nextChunk = createHandedChunks(handOver, chunks, options.chunkSize);
  const workers = devices.map(async (device, worker) => {
    try {
      while (!handOver.isRetired(worker)) {
        signal.throwIfAborted();
        const chunk = await nextChunk(worker);
        const budgets = { ...settings.budgets, held: () => heldOn(device, heldByWorkers()) };
        const workerSettings = { ...shared, budgets, keptStages: kept[worker] };
        if (chunk) await runChunk(chunk, worker, device, workerSettings, { drawn, failed });
        handOver.end(worker);
        if (!chunk && !(await handOver.mayGetMore(worker, signal))) return;
      }
    } finally {
      handOver.leave(worker);
      await kept[worker]?.close();
    }
  });
  try {
    await Promise.all(workers);
    for (const [job, error] of handOver.left()) await failed(job, error);
  } catch (error) {
    stop.abort(error); // the other workers' stages end too, and are waited for
    await Promise.allSettled(workers);
    throw error;
  }
  return { ...count, ...(firstError ? { firstError } : {}) };
}

/** What others could not draw comes first. Its chunks are counted downwards from -1. @returns undefined: nothing is left now. */
function createHandedChunks(handOver: HandOver, chunks: AsyncGenerator<Chunk, void>, chunkSize: number) {
  let number = 0;
  let isDone = false;
  return async (worker: number): Promise<Chunk | undefined> => {
    const jobs = handOver.take(worker, chunkSize);
    if (jobs.length > 0) return { number: --number, jobs, bad: [] };
    if (isDone) return undefined;
    handOver.begin(worker); // what it gets may fail: who waits has to wait for that
    const { value, done } = await chunks.next();
    isDone ||= done === true;
    return value ?? undefined;
  };
}

function describeAttempt({ worker, error }: FailedAttempt, devices: readonly WorkerDevice[]): string {
  const device = devices[worker];
  const where = typeof device === "number" ? `GPU ${device}` : (device ?? "its device");
  return `Worker ${worker + 1}, on ${where}, could not draw it: ${error.message} Another worker did.`;
}

interface Results {
  readonly drawn: (job: BatchJob, one: DrawnJob, seconds: Record<string, number>, worker: number) => Promise<void>;
  readonly failed: (job: BatchJob | BadJob, error: IfGenError) => Promise<void>;
}

async function runChunk(
  { number, jobs, bad }: Chunk,
  worker: number,
  device: WorkerDevice,
  settings: BatchSettings &
    Pick<RunSettings, "chooseProvider" | "keptStages"> &
    Pick<ChunkSettings, "sweep"> & { readonly handOver: HandOver },
  { drawn, failed }: Results,
): Promise<void> {
  const { folder, overwrite, onEvent, devices, handOver } = settings;
  for (const job of bad) await failed(job, job.error);
  const isResumed = await folder.takeChunk(
    number,
    jobs.map(({ key }) => key),
  );
  const openJobs = isResumed ? jobs : jobs.filter(({ isDrawn }) => !isDrawn); // nothing is kept of the others
  const free: BatchJob[] = [];
  for (const job of openJobs) {
    if (isResumed || job.isDrawn || overwrite || !(await isTaken(job, settings.store))) free.push(job);
    else await failed(job, sameName(job.files[0] ?? "", "it exists", ", or add --overwrite"));
  }
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
    onDrawn: (job, one) => drawn(job, one, share.secondsOf(one), worker),
    onFailed: async (job, error) => {
      if (handOver.offer(worker, job, error)) onEvent({ type: "handed-over", worker, index: job.index, error });
      else await failed(job, error);
    },
    overwrite: overwrite || settings.store !== undefined, // in the folder an image only waits to be sent
  });
  await folder.dropChunk(number);
}

async function isTaken(job: BatchJob, store: Store | undefined): Promise<boolean> {
  if (!store) return job.isTaken;
  for (const name of job.files) if (await store.has(name)) return true;
  return false;
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
