/**
 * @module run/queue/submit
 * A file of jobs -> a queue, and what its workers say -> the manifest. A job is known by what it draws and where to: handed in
 * again, by a batch that is gone on with, it is the one that waits already.
 */

import { readHubContext } from "../../catalog/hub-context.ts";
import { type IfGenError, StageError } from "../../errors.ts";
import { sweepDrafts } from "../../files/draft.ts";
import type { BatchEvent, BatchSummary } from "../batch/batch-events.ts";
import type { BatchFolder } from "../batch/batch-folder.ts";
import { type BadJob, type BatchJob, type BatchOptions, chunksOf } from "../batch/batch-jobs.ts";
import { failedEntry } from "../batch/manifest-entries.ts";
import type { ReadJob } from "../batch/read-jobs.ts";
import { type ManifestEntry, manifestEntry } from "../batch/manifest.ts";
import { type JobQueue, listenToQueue, openQueue } from "./open-queue.ts";
import { pause } from "./pause.ts";
import { failureOf, jobId, toQueuedJob } from "./queued-job.ts";

export interface SubmitSettings {
  readonly url: string;
  readonly options: BatchOptions;
  readonly folder: BatchFolder;
  /** The address of a store that images go to. @default the folder */
  readonly uploadTo?: string | undefined;
  readonly overwrite: boolean;
  /** How often a job is tried in all; after each failure it waits twice as long. */
  readonly attempts: number;
  readonly modelsFile?: string | undefined;
  /** Until all jobs ended, and write the manifest. */
  readonly wait: boolean;
  readonly signal?: AbortSignal | undefined;
  readonly onEvent: (event: BatchEvent) => void;
}

/** Before the second attempt; then twice as long. */
const BACKOFF_MS = 5_000;
/** Who waits hands in no more than so many at a time: their numbers are kept here, they themselves in Redis. */
const MAX_OUTSTANDING = 10_000;
/** Events may be lost with a server: some of the jobs are asked for in turn, this often. */
const SWEEP_MS = 500;
const SWEPT_AT_ONCE = 100;

/** @throws {IfGenError} the queue cannot be used, the manifest not written, or a signal came. */
export async function submitBatch(lines: AsyncIterable<ReadJob>, settings: SubmitSettings): Promise<BatchSummary> {
  const { signal } = settings;
  const { queue, givenUp, close } = await openQueue(settings.url, signal);
  const count = { drawn: 0, failed: 0, skipped: 0 };
  const batch = new QueuedBatch(queue, settings, count);
  const listener = settings.wait ? await listenToQueue(settings.url, batch.hear, signal) : undefined;
  const submitAll = async (): Promise<void> => {
    const chunks = chunksOf(lines, settings.folder, settings.options, 1, (jobs) => {
      count.skipped += jobs;
      if (jobs > 0) settings.onEvent({ type: "skipped", jobs });
    });
    for await (const { jobs, bad } of chunks) {
      signal?.throwIfAborted();
      for (const job of bad) await batch.fail(job, job.error);
      await batch.add(jobs.filter(({ isDrawn }) => !isDrawn));
      while (batch.size > MAX_OUTSTANDING) await batch.sweep();
    }
    while (batch.size > 0) await batch.sweep();
    if (settings.wait) await sweepDrafts(settings.folder.path); // of workers that were killed, and none came after
  };
  try {
    await Promise.race([submitAll(), givenUp]);
  } catch (error) {
    signal?.throwIfAborted(); // which is why the queue was left, whatever failed then
    throw error;
  } finally {
    await listener?.close();
    await close();
  }
  return { ...count, ...(batch.firstError ? { firstError: batch.firstError } : {}) };
}

class QueuedBatch {
  readonly #queue: JobQueue;
  readonly #settings: SubmitSettings;
  readonly #count: { drawn: number; failed: number };
  /** Those that are waited for, by their numbers in the queue; who was looked at goes to the end. */
  readonly #outstanding = new Map<string, BatchJob>();
  readonly #heard = new Set<string>();
  readonly #isModelName: (name: string) => boolean;
  firstError: IfGenError | undefined;

  constructor(queue: JobQueue, settings: SubmitSettings, count: { drawn: number; failed: number }) {
    this.#queue = queue;
    this.#settings = settings;
    this.#count = count;
    const { cascades } = readHubContext(settings.modelsFile).manifest;
    this.#isModelName = (name) => cascades.has(name);
  }

  get size(): number {
    return this.#outstanding.size;
  }

  async add(jobs: readonly BatchJob[]): Promise<void> {
    const { folder, uploadTo = folder.path, overwrite, wait, onEvent } = this.#settings;
    const entries = jobs.map((job) => {
      const data = toQueuedJob(job, { folder: uploadTo, overwrite, isModelName: this.#isModelName });
      return { job, data, id: jobId(data) };
    });
    await this.#queue.addBulk(entries.map(({ data, id }) => ({ name: "draw", data, opts: this.#optionsOf(id) })));
    for (const { id, job } of entries) {
      if (await this.#queue.getJobState(id).then((state) => state === "failed")) await this.#retry(id);
      if (wait) this.#outstanding.set(id, job);
    }
    if (jobs.length > 0) onEvent({ type: "queued", jobs: jobs.length });
  }

  /** An event of any job of the queue. */
  readonly hear = (id: string, progress?: unknown): void => {
    if (progress === undefined && this.#outstanding.has(id)) this.#heard.add(id);
  };

  /** Looks at those of which something was heard, and at some others. */
  async sweep(): Promise<void> {
    const { signal } = this.#settings;
    signal?.throwIfAborted();
    const heard = [...this.#heard];
    this.#heard.clear();
    const others = [...this.#outstanding.keys()].slice(0, SWEPT_AT_ONCE);
    for (const id of new Set([...heard, ...others])) await this.#look(id);
    if (this.#heard.size === 0 && this.size > 0) await pause(SWEEP_MS, signal);
  }

  async fail(job: BatchJob | BadJob, error: IfGenError): Promise<void> {
    this.firstError ??= error;
    await this.#settings.folder.manifest.add(failedEntry(job, error));
    this.#count.failed++;
    this.#settings.onEvent({ type: "failed", index: job.index, line: job.line, error });
  }

  async #look(id: string): Promise<void> {
    const job = this.#outstanding.get(id);
    if (!job) return;
    this.#outstanding.delete(id);
    const state = await this.#queue.getJobState(id); // before the job: what is completed then has its result
    const found = await this.#queue.getJob(id);
    if (found && state === "failed") return this.fail(job, failureOf(found.failedReason));
    if (found && state === "completed") return this.#collect(id, job, found.returnvalue);
    if (!found) return this.add([job]); // a server that was killed has forgotten it
    this.#outstanding.set(id, job);
  }

  /** Once it stands in the manifest, the queue need not keep it. */
  async #collect(id: string, job: BatchJob, answer: string): Promise<void> {
    const entry = parseEntry(answer);
    if (!entry) return this.fail(job, new StageError("its worker is of another version of if-gen."));
    await this.#settings.folder.manifest.add({ ...entry, index: job.index, line: job.line, key: job.key });
    this.#count.drawn++;
    const { index, line, files } = job;
    this.#settings.onEvent({ type: "drawn", index, line, files, seconds: entry.seconds ?? {} });
    await this.#queue.remove(id);
  }

  async #retry(id: string): Promise<void> {
    const job = await this.#queue.getJob(id);
    await job?.retry("failed", { resetAttemptsMade: true, resetAttemptsStarted: true });
  }

  #optionsOf(id: string) {
    const { attempts } = this.#settings;
    return { jobId: id, attempts, backoff: { type: "exponential", delay: BACKOFF_MS } };
  }
}

function parseEntry(answer: unknown): ManifestEntry | undefined {
  try {
    return manifestEntry.safeParse(JSON.parse(String(answer))).data;
  } catch {
    return undefined;
  }
}
