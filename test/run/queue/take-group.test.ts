/** How workers share what waits; with a real Redis, without drawing anything. */

import { Redis } from "ioredis";
import { describe, expect, onTestFinished, test } from "vitest";
import { openWorker } from "../../../src/run/queue/open-queue.ts";
import { readQueueStatus } from "../../../src/run/queue/queue-state.ts";
import { type QueueLoad, type Taking, fairPart, takeGroup } from "../../../src/run/queue/take-group.ts";
import { temporaryFolder } from "../../cli/run-cli.ts";
import { createRedis, hasRedis } from "./redis-server.ts";

const part = (waiting: number, active: number, workers: number): number => {
  const load: QueueLoad = { waiting, active, workers };
  return fairPart(load, 16);
};

test("few jobs are shared equally, those that are taken counted; of many a worker takes all that it can hold", () => {
  expect([part(8, 0, 4), part(6, 2, 4), part(4, 4, 4), part(2, 6, 4)]).toEqual([2, 2, 2, 2]);
  expect([part(1000, 0, 4), part(36, 64, 1)]).toEqual([16, 16]);
  expect([part(5, 0, 1), part(1, 0, 4), part(1, 60, 4)]).toEqual([5, 1, 1]);
});

test("the end of a long queue is left to those that are still at work too", () => {
  expect(part(36, 48, 4)).toBe(9);
  expect(part(7, 29, 4)).toBe(7);
});

async function forbidList(url: string): Promise<void> {
  const redis = new Redis(url);
  await redis.call("ACL", "SETUSER", "default", "-client|list");
  redis.disconnect();
}

describe.skipIf(!hasRedis)("with a Redis", () => {
  let redisUrl: string | undefined;

  async function openWorkers(count: number, jobs: number, mayList = true): Promise<Taking[]> {
    const redis = await createRedis(temporaryFolder());
    onTestFinished(redis.kill);
    redisUrl = redis.url;
    if (!mayList) await forbidList(redis.url);
    const workers: Taking[] = [];
    for (let token = 0; token < count; token++) {
      const open = await openWorker(redis.url, { lostAfterMs: 30_000 });
      onTestFinished(open.close);
      workers.push({ ...open, token: String(token) });
    }
    await workers[0]!.queue.addBulk(Array.from({ length: jobs }, (_, index) => ({ name: "draw", data: { index } })));
    return workers;
  }

  test("four workers that begin at once have two of eight jobs each", async () => {
    const workers = await openWorkers(4, 8);
    const groups = await Promise.all(workers.map((worker) => takeGroup(worker, 16)));
    expect(groups.map((group) => group.length)).toEqual([2, 2, 2, 2]);
    expect(new Set(groups.flat().map(({ id }) => id)).size).toBe(8);
    expect(await takeGroup(workers[0]!, 16)).toEqual([]);
  });

  test("when one has left, the others' parts are larger; one alone takes what it can hold", async () => {
    const [one, two, three] = (await openWorkers(3, 20)) as [Taking, Taking, Taking];
    expect(await takeGroup(one, 16)).toHaveLength(7);
    await three.close();
    expect(await takeGroup(two, 16)).toHaveLength(10);
    await two.close();
    expect(await takeGroup(one, 2)).toHaveLength(2);
    expect(await takeGroup(one, 16)).toHaveLength(1);
  });

  test("who may not list the server's clients takes what it can hold", async () => {
    const [one, two] = (await openWorkers(2, 6, false)) as [Taking, Taking];
    await expect(one.queue.getWorkers()).rejects.toThrow("client|list");
    expect(await readQueueStatus(redisUrl!, 1)).toMatchObject({ waiting: 6, workers: null });
    expect(await takeGroup(one, 4)).toHaveLength(4);
    expect(await takeGroup(two, 4)).toHaveLength(2);
  });
});
