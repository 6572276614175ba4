import { expect, test } from "vitest";
import { divided } from "../../../src/run/batch/batch-jobs.ts";

async function* counting(count: number): AsyncGenerator<number> {
  for (let job = 1; job <= count; job++) yield await Promise.resolve(job);
}

async function sizes(jobs: number, size: number, workers: number): Promise<number[]> {
  const parts: number[][] = [];
  for await (const part of divided(counting(jobs), size, workers)) parts.push(part);
  expect(parts.flat()).toEqual(Array.from({ length: jobs }, (_, index) => index + 1)); // all, once, in order
  return parts.map((part) => part.length);
}

test("fewer jobs than chunks could hold are shared by all workers", async () => {
  expect(await sizes(32, 64, 2)).toEqual([16, 16]);
  expect(await sizes(7, 64, 4)).toEqual([2, 2, 1, 2]);
  expect(await sizes(1, 64, 4)).toEqual([1]);
  expect(await sizes(0, 64, 4)).toEqual([]);
});

test("full chunks as long as there are jobs for all workers, then equal ones", async () => {
  expect(await sizes(300, 64, 2)).toEqual([64, 64, 64, 64, 22, 22]);
  expect(await sizes(128, 64, 2)).toEqual([64, 64]);
});

test("one worker gets chunks as they come", async () => {
  expect(await sizes(10, 4, 1)).toEqual([4, 4, 2]);
});
