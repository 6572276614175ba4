/** Workers take turns until all jobs are drawn, whoever of them cannot draw. */

import { setImmediate as macrotask, setTimeout as delay } from "node:timers/promises";
import { expect, test } from "vitest";
import { StageError } from "../../../src/errors.ts";
import type { BatchJob, Chunk } from "../../../src/run/batch/batch-jobs.ts";
import { HandOver } from "../../../src/run/batch/hand-over.ts";
import { createTurns } from "../../../src/run/batch/take-turns.ts";
import { plainJob } from "./plain-job.ts";

async function* chunksOf(sizes: readonly number[]): AsyncGenerator<Chunk, void> {
  let index = 0;
  for (const [at, size] of sizes.entries()) {
    await macrotask(); // as lines are read
    yield { number: at + 1, jobs: Array.from({ length: size }, () => plainJob(++index)), bad: [] };
  }
}

interface Drawing {
  /** Of each chunk, in the order in which they were begun. */
  readonly log: readonly { readonly worker: number; readonly jobs: number }[];
  readonly retired: readonly number[];
  readonly left: number;
  /** How often each job was drawn. */
  readonly drawn: readonly number[];
}

interface Behaviour {
  /** Workers that cannot draw any job. */
  readonly cannot?: readonly number[];
  readonly msOf?: (worker: number, chunk: Chunk) => number;
  /** A job that no device can draw. */
  readonly isBad?: (job: BatchJob) => boolean;
}

async function drawAll(
  sizes: readonly number[],
  workers: number,
  { cannot = [], msOf = () => 5, isBad = () => false }: Behaviour,
): Promise<Drawing> {
  const handOver = new HandOver(workers);
  const signal = AbortSignal.timeout(10_000);
  const turns = createTurns(chunksOf(sizes), { handOver, chunkSize: 16, signal });
  const [log, retired, drawn]: [{ worker: number; jobs: number }[], number[], number[]] = [[], [], []];
  const runOn = (worker: number) => async (chunk: Chunk) => {
    log.push({ worker, jobs: chunk.jobs.length });
    if (!cannot.includes(worker)) await delay(msOf(worker, chunk));
    for (const job of chunk.jobs) {
      await Promise.resolve();
      if (cannot.includes(worker)) expect(handOver.offer(worker, job, new StageError("full"))).toBe(true);
      else if (isBad(job)) handOver.settle(job);
      else {
        drawn[job.index - 1] = (drawn[job.index - 1] ?? 0) + 1;
        retired.push(...handOver.drew(worker, job));
      }
    }
  };
  await Promise.all(Array.from({ length: workers }, (_, worker) => turns(worker, runOn(worker))));
  return { log, retired, left: handOver.left().length, drawn };
}

const allOnce = (jobs: number): number[] => Array.from({ length: jobs }, () => 1);

test("those that have nothing left wait for one that is at work, and let it work", async () => {
  const { drawn } = await drawAll([1, 1, 1], 3, { msOf: (worker) => (worker === 2 ? 100 : 1) });
  expect(drawn).toEqual(allOnce(3)); // two that wake each other would leave the third no time
});

test("what one cannot draw is shared by all others in equal parts", async () => {
  const { log, retired, drawn } = await drawAll([12], 4, { cannot: [0] });
  expect(log[0]).toEqual({ worker: 0, jobs: 12 });
  expect(log.slice(1).map(({ jobs }) => jobs)).toEqual([4, 4, 4]);
  expect(new Set(log.slice(1).map(({ worker }) => worker))).toEqual(new Set([1, 2, 3]));
  expect(retired).toEqual([0]);
  expect(drawn).toEqual(allOnce(12));
});

test("one that is still at work finds its part; who is there before it does not wait for it", async () => {
  const slow = (worker: number, { number }: Chunk): number => (worker === 2 && number > 0 ? 60 : 5);
  const { log, drawn } = await drawAll([8, 1, 1], 3, { cannot: [0], msOf: slow });
  const parts = log.filter(({ worker, jobs }) => worker > 0 && jobs > 1);
  expect(parts[0]).toEqual({ worker: 1, jobs: 4 });
  expect(drawn).toEqual(allOnce(10));
});

test("one that fails at once goes through no more of a long list than it takes to know that it is its own fault", async () => {
  const sizes = Array.from({ length: 50 }, () => 4);
  const { log, retired, left, drawn } = await drawAll(sizes, 3, { cannot: [1], msOf: () => 10 });
  expect(log.filter(({ worker }) => worker === 1)).toEqual([{ worker: 1, jobs: 4 }]);
  expect([retired, left]).toEqual([[1], 0]);
  expect(drawn).toEqual(allOnce(200));
});

test("jobs that fail for reasons of their own leave nobody waiting", async () => {
  const { log, drawn } = await drawAll([4, 4, 4], 2, { cannot: [0], isBad: ({ index }) => index <= 8 });
  expect(log.length).toBeGreaterThan(3);
  expect(drawn.slice(8)).toEqual(allOnce(4));
});

test("two that cannot draw leave each other's jobs to the third", async () => {
  const sizes = Array.from({ length: 20 }, () => 5);
  const { retired, left, drawn } = await drawAll(sizes, 3, { cannot: [0, 2] });
  expect([retired.toSorted((a, b) => a - b), left]).toEqual([[0, 2], 0]);
  expect(drawn).toEqual(allOnce(100));
});
