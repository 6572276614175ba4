import { setImmediate as shared } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { StageError, UsageError } from "../../../src/errors.ts";
import { HandOver } from "../../../src/run/batch/hand-over.ts";
import { plainJob } from "./plain-job.ts";

const killed = new StageError("killed");
const signal = new AbortController().signal;

test("a job goes to each other worker once, and then nowhere", async () => {
  const handOver = new HandOver(3);
  const job = plainJob(1);
  expect(handOver.offer(0, job, killed)).toBe(true);
  await shared();
  expect(handOver.take(0, 9)).toEqual([]);
  expect(handOver.take(1, 9)).toEqual([job]);
  expect(handOver.take(2, 9)).toEqual([]); // the second has it
  expect(handOver.offer(1, job, killed)).toBe(true);
  await shared();
  expect(handOver.take(2, 9)).toEqual([job]);
  expect(handOver.attemptsOf(job).map(({ worker }) => worker)).toEqual([0, 1]);
  expect(handOver.offer(2, job, killed)).toBe(false);
});

test("what is wrong with the job itself is handed to nobody; neither does one worker alone hand over", () => {
  expect(new HandOver(2).offer(0, plainJob(1), new UsageError("x"))).toBe(false);
  expect(new HandOver(1).offer(0, plainJob(1), killed)).toBe(false);
});

describe("who waits", () => {
  test("waits while another one is at work, and gets what that one cannot draw", async () => {
    const handOver = new HandOver(2);
    handOver.begin(1);
    const more = handOver.mayGetMore(0, signal);
    const job = plainJob(1);
    handOver.offer(1, job, killed);
    handOver.end(1);
    expect(await more).toBe(true);
    expect(await handOver.mayGetMore(0, signal)).toBe(true); // nobody is at work, but something is on its way
    expect(handOver.take(0, 9)).toEqual([job]);
    handOver.end(0);
    expect(await handOver.mayGetMore(1, signal)).toBe(false);
  });

  test("a signal wakes it", async () => {
    const handOver = new HandOver(2);
    handOver.begin(1);
    const stop = new AbortController();
    const more = handOver.mayGetMore(0, stop.signal);
    stop.abort();
    expect(await more).toBe(true);
  });

  test("nobody hands over to one that is gone; what is left is told at the end", () => {
    const handOver = new HandOver(2);
    expect(handOver.offer(0, plainJob(1), killed)).toBe(true);
    expect(handOver.left()).toEqual([[plainJob(1), killed]]);
    handOver.leave(1);
    expect(handOver.offer(0, plainJob(2), killed)).toBe(false);
  });
});

test("whose jobs others draw again and again takes no more, unless it draws one itself", async () => {
  const handOver = new HandOver(2);
  const fail = async (): Promise<number[]> => {
    const job = plainJob(1);
    handOver.offer(0, job, killed);
    await shared();
    handOver.take(1, 1);
    return handOver.drew(1, job);
  };
  expect([await fail(), await fail()]).toEqual([[], []]);
  handOver.drew(0, plainJob(2));
  expect([await fail(), await fail(), await fail()]).toEqual([[], [], [0]]);
  expect(handOver.isRetired(0)).toBe(true);
  expect(handOver.isRetired(1)).toBe(false);
});

test("who fails at so many that it may retire begins nothing new until others have tried them", async () => {
  const handOver = new HandOver(2);
  const jobs = [plainJob(1), plainJob(2), plainJob(3)] as const;
  for (const job of jobs) handOver.offer(0, job, killed);
  expect(handOver.isInDoubt(0)).toBe(true);
  await shared();
  expect(handOver.isInDoubt(0)).toBe(true);
  expect(handOver.take(1, 9)).toEqual(jobs);
  expect(handOver.isInDoubt(0)).toBe(true);
  handOver.offer(1, jobs[0], killed); // it is the job's fault
  expect(handOver.isInDoubt(0)).toBe(false);
  handOver.offer(0, plainJob(4), killed);
  expect(handOver.isInDoubt(0)).toBe(true);
  handOver.settle(jobs[1]); // it failed for a reason of its own
  expect(handOver.isInDoubt(0)).toBe(false);
  handOver.offer(0, plainJob(5), killed);
  expect(handOver.isInDoubt(0)).toBe(true);
  handOver.drew(0, plainJob(6));
  expect(handOver.isInDoubt(0)).toBe(false);
});

test("nor is it in doubt for jobs that nobody will try", async () => {
  const [one, two] = [new HandOver(2), new HandOver(2)];
  for (const index of [1, 2, 3]) for (const handOver of [one, two]) handOver.offer(0, plainJob(index), killed);
  await shared();
  one.leave(1);
  expect(one.isInDoubt(0)).toBe(false);
  two.take(1, 9);
  two.end(1); // and said nothing of them
  expect(two.isInDoubt(0)).toBe(false);
  expect(await two.mayGetMore(0, signal)).toBe(false);
});
