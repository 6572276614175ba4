/**
 * @module run/queue/work
 * A worker: takes jobs from a queue in groups, draws each group at once, says what became of each job. Whatever ends it, its
 * jobs are drawn: it hands them back if it can; if it cannot, others take them up once it was not heard of for a while.
 */

import { randomUUID } from "node:crypto";
import type { IfGenError } from "../../errors.ts";
import { KeptStages } from "../../executor/kept-stages.ts";
import { createSweeper, sweepDrafts } from "../../files/draft.ts";
import { temporaryFolder } from "../../machine/folders.ts";
import type { Request } from "../../plan/request.ts";
import type { BatchEvent } from "../batch/batch-events.ts";
import type { RunEvent } from "../events.ts";
import { rememberProviders } from "../remember-providers.ts";
import type { RunSettings } from "../settings.ts";
import { type GroupSettings, type TakenJob, drawGroup } from "./draw-group.ts";
import { pause } from "./pause.ts";
import { type QueueJob, type WorkerTimes, openWorker } from "./open-queue.ts";
import { failureText, parseQueuedJob } from "./queued-job.ts";
import { type Taking, takeGroup } from "./take-group.ts";

export interface WorkSettings
  extends Omit<RunSettings, "onEvent" | "onFailed" | "resumedLowMemory" | "keptStages">, WorkerTimes {
  readonly url: string;
  /** Jobs of one group, at most. */
  readonly chunkSize: number;
  readonly outputDir?: string | undefined;
  /** End when nothing waits and nobody is at work. */
  readonly untilEmpty: boolean;
  /** Keep networks open from group to group, as memory allows? */
  readonly keepAlive: boolean;
  readonly onDevice: (request: Request) => Request;
  readonly onEvent: (event: BatchEvent) => void;
}

type DrawSettings = WorkSettings & Pick<RunSettings, "keptStages"> & Pick<GroupSettings, "sweep">;

export interface WorkSummary {
  readonly drawn: number;
  /** Attempts, of which the queue may make more. */
  readonly failed: number;
}

/** How often an empty queue is asked. */
const POLL_MS = 500;

/** @throws {IfGenError} the queue cannot be used; what ends the worker: a signal, a full disk. */
export async function work(settings: WorkSettings): Promise<WorkSummary> {
  const { url, signal, untilEmpty } = settings;
  await sweepDrafts(temporaryFolder()); // what workers that were killed have left there
  const open = await openWorker(url, settings, signal);
  const worker = { ...open, token: randomUUID(), lostAfterMs: settings.lostAfterMs };
  const count = { drawn: 0, failed: 0 };
  const kept = settings.keepAlive ? new KeptStages() : undefined;
  const sweep = createSweeper();
  const drawing = { ...(kept ? keepingStages(settings, kept) : settings), sweep };
  const drawAll = async (): Promise<WorkSummary> => {
    for (;;) {
      signal?.throwIfAborted();
      const group = await takeGroup(worker, settings.chunkSize);
      if (group.length > 0) await runGroup(group, worker, drawing, count);
      else if (untilEmpty && (await isEmpty(worker))) return count;
      else await pause(POLL_MS, signal);
    }
  };
  try {
    return await Promise.race([drawAll(), open.givenUp]);
  } catch (error) {
    signal?.throwIfAborted(); // which is why the queue was left, whatever failed then
    throw error;
  } finally {
    await kept?.close();
    await open.close();
  }
}

const keepingStages = (
  settings: WorkSettings,
  keptStages: KeptStages,
): WorkSettings & Pick<RunSettings, "keptStages"> => ({
  ...settings,
  keptStages,
  chooseProvider: rememberProviders(),
  budgets: { ...settings.budgets, held: () => keptStages.held() },
});

/** A worker that is open, and after which time others take it for lost. */
interface Working extends Taking {
  readonly lostAfterMs: number;
}

async function isEmpty({ queue }: Working): Promise<boolean> {
  const counts = await queue.getJobCounts("waiting", "delayed", "active", "prioritized");
  return Object.values(counts).every((count) => count === 0);
}

async function runGroup(
  jobs: readonly QueueJob[],
  worker: Working,
  settings: DrawSettings,
  count: { drawn: number; failed: number },
): Promise<void> {
  const held = new Map(jobs.map((job) => [job.id ?? "", job]));
  const keeping = keepLocks(worker, held);
  try {
    const taken = await readJobs(held, worker);
    settings.onEvent({ type: "chunk", worker: 0, jobs: taken.map(({ data }) => data.index) });
    await drawGroup(taken, groupSettings(held, worker, settings, count));
  } finally {
    clearInterval(keeping);
    for (const job of held.values()) await told(() => job.moveToWait(worker.token)); // what ended the worker ends none of them
  }
}

/** Says now and then that the jobs are still being worked at. */
function keepLocks({ worker, token, lostAfterMs }: Working, held: ReadonlyMap<string, QueueJob>): NodeJS.Timeout {
  const extend = (): void => {
    const ids = [...held.keys()];
    if (ids.length === 0) return;
    const tokens = ids.map(() => token);
    worker.extendJobLocks(ids, tokens, lostAfterMs).catch(() => undefined); // a server that is started again knows them
  };
  return setInterval(extend, lostAfterMs / 3);
}

/** What is no job of this version fails for good. */
async function readJobs(held: Map<string, QueueJob>, { token }: Working): Promise<TakenJob[]> {
  const taken: TakenJob[] = [];
  for (const [id, job] of held) {
    const data = parseQueuedJob(job.data);
    if (data) taken.push({ id, data });
    else {
      held.delete(id);
      await told(() => job.moveToFailed(unrecoverable("it is no job of this version of if-gen. [USAGE]"), token));
    }
  }
  return taken;
}

function groupSettings(
  held: Map<string, QueueJob>,
  { token }: Working,
  settings: DrawSettings,
  count: { drawn: number; failed: number },
): GroupSettings {
  const { onEvent } = settings;
  const progress = createProgress(held);
  const release = (id: string): QueueJob => {
    const job = held.get(id)!;
    held.delete(id);
    return job;
  };
  return {
    ...settings,
    onEvent: (event) => {
      progress(event);
      onEvent({ type: "run", worker: 0, event });
    },
    onDrawn: async ({ id, data: { index, line, files } }, entry) => {
      const job = release(id);
      await told(() => job.moveToCompleted(JSON.stringify(entry), token, false));
      count.drawn++;
      onEvent({ type: "drawn", index, line, files, seconds: entry.seconds ?? {} });
    },
    onFailed: async ({ id, data: { index, line } }, error) => {
      const job = release(id);
      const failure = isFinal(error) ? unrecoverable(failureText(error)) : new Error(failureText(error));
      await told(() => job.moveToFailed(failure, token));
      count.failed++;
      onEvent({ type: "failed", index, line, error });
    },
  };
}

/** What is wrong with the job itself is wrong on every machine. */
const isFinal = ({ code }: IfGenError): boolean => code === "USAGE" || code === "INPUT_IMAGE";

const unrecoverable = (message: string): Error => Object.assign(new Error(message), { name: "UnrecoverableError" });

/** A job that others have taken up meanwhile is theirs: what they say of it holds. */
async function told(tell: () => Promise<unknown>): Promise<void> {
  try {
    await tell();
  } catch (error) {
    if (!/missing (lock|key)|lock mismatch|not in the|could not/i.test((error as Error).message)) throw error;
  }
}

const PROGRESS_MS = 2_000;

/** Tells who waits for a group how far it is, by its first job. */
function createProgress(held: ReadonlyMap<string, QueueJob>): (event: RunEvent) => void {
  let last = 0;
  return (event) => {
    const [job] = held.values();
    if (event.type !== "step" || !job || performance.now() - last < PROGRESS_MS) return;
    last = performance.now();
    const { stage, step, steps } = event;
    job.updateProgress({ stage, step, steps }).catch(() => undefined); // it is only for the eye
  };
}
