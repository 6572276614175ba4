/**
 * @module run/queue/queue-state
 * What is in a queue, for people: how many wait, who works, what failed; and what they may do about it.
 */

import { type JobQueue, openQueue } from "./open-queue.ts";
import { failureOf, parseQueuedJob } from "./queued-job.ts";

export interface QueueStatus {
  /** Jobs that wait for a worker, or for their next attempt. */
  readonly waiting: number;
  readonly active: number;
  /** Drawn, and not yet fetched by who waits for them. */
  readonly drawn: number;
  readonly failed: number;
  /** null: this Redis user may not list the server's clients. */
  readonly workers: number | null;
  /** The last ones that failed for good. */
  readonly failures: readonly QueueFailure[];
}

export interface QueueFailure {
  readonly file: string;
  readonly attempts: number;
  readonly code: string;
  readonly message: string;
}

/** @param most failures. @throws {IfGenError} the queue cannot be used. */
export async function readQueueStatus(url: string, most: number): Promise<QueueStatus> {
  const { queue, close } = await openQueue(url);
  try {
    const counts = await queue.getJobCounts("waiting", "delayed", "prioritized", "active", "completed", "failed");
    const countOf = (...states: readonly string[]): number =>
      states.reduce((sum, state) => sum + (counts[state] ?? 0), 0);
    const failed = await queue.getFailed(0, most - 1);
    return {
      waiting: countOf("waiting", "delayed", "prioritized"),
      active: countOf("active"),
      drawn: countOf("completed"),
      failed: countOf("failed"),
      workers: await countWorkers(queue),
      failures: failed.map((job) => {
        const { code, message } = failureOf(job.failedReason);
        const file = parseQueuedJob(job.data)?.files[0] ?? job.id ?? "";
        return { file, attempts: job.attemptsMade, code, message };
      }),
    };
  } finally {
    await close();
  }
}

/** Redis's words for what its access list does not let a user do. */
const NOT_PERMITTED = /NOPERM|no permissions/i;

async function countWorkers(queue: JobQueue): Promise<number | null> {
  try {
    return (await queue.getWorkers()).length;
  } catch (error) {
    if (error instanceof Error && NOT_PERMITTED.test(error.message)) return null;
    throw error;
  }
}

/** Everything that failed waits again. @returns how many. */
export async function retryFailed(url: string): Promise<number> {
  const { queue, close } = await openQueue(url);
  try {
    const { failed = 0 } = await queue.getJobCounts("failed");
    await queue.retryJobs({ state: "failed" });
    return failed;
  } finally {
    await close();
  }
}

/** Takes out what waits; what workers are at is drawn to its end. @returns how many. */
export async function drainQueue(url: string): Promise<number> {
  const { queue, close } = await openQueue(url);
  try {
    const counts = await queue.getJobCounts("waiting", "delayed", "prioritized");
    await queue.drain(true);
    return Object.values(counts).reduce((sum, count) => sum + count, 0);
  } finally {
    await close();
  }
}
