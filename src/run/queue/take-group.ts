/**
 * @module run/queue/take-group
 * How many of the jobs that wait a worker takes: as many as it can draw together, but where there are few no more than its part.
 */

import type { OpenWorker, QueueJob } from "./open-queue.ts";

/** What there is to do, and who does it. */
export interface QueueLoad {
  readonly waiting: number;
  /** Jobs that workers have taken. */
  readonly active: number;
  /** That are connected, the one that asks too. */
  readonly workers: number;
}

/**
 * Jobs that one group each can hold are shared equally, those that are taken counted, so that nobody takes what another will want
 * at once; of more, what waits is: who is at work comes back for its part.
 * @returns a part of what waits, at most `most`.
 */
export function fairPart({ waiting, active, workers }: QueueLoad, most: number): number {
  const isOneRound = waiting + active <= most * workers;
  const part = Math.ceil((isOneRound ? waiting + active : waiting) / workers);
  return Math.min(part, waiting, most);
}

export interface Taking extends OpenWorker {
  /** By which the queue knows whose the jobs are. */
  readonly token: string;
}

/** @returns jobs that are this worker's now, at most `most`; none wait: none. */
export async function takeGroup({ queue, worker, token }: Taking, most: number): Promise<QueueJob[]> {
  const takeOne = (): Promise<QueueJob | undefined> =>
    worker.getNextJob(token, { block: false }) as Promise<QueueJob | undefined>;
  const first = await takeOne();
  if (!first) return [];
  const jobs = [first];
  const part = most === 1 ? 1 : fairPart(await readLoad(queue), most);
  while (jobs.length < part) {
    const job = await takeOne();
    if (!job) break;
    jobs.push(job);
  }
  return jobs;
}

/** As it was before the worker took its first job. A server that lists no clients knows of one worker. */
async function readLoad(queue: OpenWorker["queue"]): Promise<QueueLoad> {
  const [counts, workers] = await Promise.all([
    queue.getJobCounts("waiting", "prioritized", "active"),
    queue.getWorkers().catch(() => []), // users that may not administrate the server may not list its clients
  ]);
  const { waiting = 0, prioritized = 0, active = 0 } = counts;
  return { waiting: waiting + prioritized + 1, active: Math.max(0, active - 1), workers: Math.max(1, workers.length) };
}
