/** Jobs over a real Redis, with workers of the built program, on the tiny checkpoints. */

import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { isDraft, machineMark } from "../../../src/files/draft.ts";
import { openQueue } from "../../../src/run/queue/open-queue.ts";
import { drainQueue, readQueueStatus, retryFailed } from "../../../src/run/queue/queue-state.ts";
import { entriesOf } from "../batch/manifest-file.ts";
import { finish, runCli, startCli, temporaryFolder } from "../../cli/run-cli.ts";
import { storedVariant } from "../../golden.ts";
import { smallModel } from "../../small-model.ts";
import { type RedisServer, createRedis, hasRedis } from "./redis-server.ts";

vi.setConfig({ testTimeout: 300_000 });

const tiny = ["-m", smallModel(), "--variant", storedVariant, "--until", "64", "--stage-1-steps", "1"];
const drawing = [...tiny, "--safety", "off", "--execution-provider", "cpu"];

async function startRedis(folder: string): Promise<RedisServer> {
  const server = await createRedis(folder);
  onTestFinished(server.kill);
  return server;
}

/** Lines of prompts, the last ones no jobs. */
function writeJobs(folder: string, count: number, ...bad: string[]): string {
  const lines = Array.from({ length: count }, (_, seed) => JSON.stringify({ prompt: `a cat ${seed}`, seed }));
  const file = join(folder, "jobs.jsonl");
  writeFileSync(file, [...lines, ...bad].join("\n"));
  return file;
}

/** The processes that a worker has started. */
const childrenOf = (pid = 0): string[] =>
  readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ").filter(Boolean);
const isAlive = (pid: string): boolean => existsSync(`/proc/${pid}`);

const sha256 = (file: string): string => createHash("sha256").update(readFileSync(file)).digest("hex");

describe.skipIf(!hasRedis)("with a Redis", () => {
  test("a batch that waits ends when it is asked to, also if the server is gone", async () => {
    const folder = temporaryFolder();
    const redis = await startRedis(folder);
    const words = ["batch", writeJobs(folder, 1), "--output-dir", join(folder, "out"), ...drawing, "--wait"];
    const running = startCli([...words, "--json", "--queue", redis.url]);
    const ended = finish(running);
    onTestFinished(() => void running.kill("SIGKILL"));
    await new Promise<void>((resolve) => {
      running.stdout?.on("data", (text: Buffer) => text.includes('"type":"queued"') && resolve());
    });
    await redis.kill();
    running.kill("SIGTERM");
    expect(await ended).toMatchObject({ code: 143 });
  });

  test("a worker is killed with jobs in its hands and the server too: each job has one image, none is lost", async () => {
    const folder = temporaryFolder();
    const redis = await startRedis(folder);
    const out = join(folder, "out");
    const jobs = writeJobs(folder, 8, '{"prompt": "x", "sede": 1}');
    const { pid: gone } = spawnSync(process.execPath, ["-e", ""]);
    mkdirSync(out);
    writeFileSync(join(out, `.if-gen-${machineMark()}-${gone}-0123abcd.tmp`), "half an image");
    const queue = ["worker", "--queue", redis.url, "--chunk", "4", "--lost-after", "3"];
    const work = [...queue, "--keep-alive", "--ram-budget", "4GB"];
    const waiting = startCli(["batch", jobs, "--output-dir", out, ...drawing, "--queue", redis.url, "--wait"]);
    const batch = finish(waiting);
    const env = { TMPDIR: folder };
    const lost = startCli([...work, "--json"], { env });
    onTestFinished(() => void lost.kill("SIGKILL"));
    await new Promise<void>((resolve) =>
      lost.stdout?.on("data", (text: Buffer) => text.includes('"type":"stage"') && resolve()),
    );
    const stages = childrenOf(lost.pid);
    lost.kill("SIGKILL");
    await redis.kill();
    await redis.start();
    const other = startCli(work, { env });
    onTestFinished(() => void other.kill("SIGKILL"));
    const worker = finish(other);
    const { code, stderr } = await batch;
    expect([code, stderr]).toEqual([
      10,
      expect.stringContaining("job 9 (line 9) failed: there is no option sede. [USAGE]"),
    ]);
    const kept = childrenOf(other.pid);
    expect(kept).toHaveLength(2); // T5's and stage 1's wait for more jobs
    other.kill("SIGTERM");
    expect(await worker).toMatchObject({ code: 143, stderr: expect.stringContaining("its jobs go back to the queue") });
    await expect.poll(() => [...stages, ...kept].filter(isAlive)).toEqual([]);
    expect([folder, out].flatMap((path) => readdirSync(path).filter(isDraft))).toEqual([]);
    const drawn = (await entriesOf(out)).filter(({ status }) => status === "drawn");
    expect(drawn.map(({ index }) => index).toSorted((a, b) => a - b)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    const images = readdirSync(out).filter((name) => name.endsWith(".png"));
    expect(images).toHaveLength(8);
    for (const { path, sha256: hash } of drawn.flatMap(({ files }) => files))
      expect(sha256(join(out, path))).toBe(hash);
    expect(await readQueueStatus(redis.url, 10)).toMatchObject({ waiting: 0, active: 0, drawn: 0, failed: 0 });
  });

  test("what waits is taken out; what has failed is told, and waits again if it shall", async () => {
    const folder = temporaryFolder();
    const redis = await startRedis(folder);
    const jobs = writeJobs(folder, 3);
    const handIn = ["batch", jobs, "--output-dir", join(folder, "out"), ...drawing, "--queue", redis.url];
    const { code, stderr } = await runCli(handIn);
    expect([code, stderr]).toEqual([0, expect.stringContaining("3 jobs wait at redis://127.0.0.1:")]);
    const { queue, close } = await openQueue(redis.url);
    const [job] = await queue.getWaiting();
    await queue.remove(job!.id!);
    await queue.add("draw", { nothing: 1 }, { jobId: "job-x" });
    await runCli([...handIn, "--resume"]); // those that wait are not handed in twice
    await close();
    expect(await readQueueStatus(redis.url, 10)).toMatchObject({ waiting: 4, failed: 0 });
    const worker = startCli(["worker", "--queue", redis.url, "--ram-budget", "4GB", "--until-empty"]);
    expect(await finish(worker)).toMatchObject({ code: 0, stderr: expect.stringContaining("3 drawn, 0 failed") });
    expect(await readQueueStatus(redis.url, 10)).toMatchObject({
      waiting: 0,
      drawn: 3,
      failed: 1,
      failures: [{ file: "job-x", code: "USAGE", message: "it is no job of this version of if-gen." }],
    });
    expect(await retryFailed(redis.url)).toBe(1);
    await delay(100);
    expect(await drainQueue(redis.url)).toBe(1);
  });
});

test("no server, no address: one sentence each, without the password", async () => {
  await expect(openQueue("redis://u:secret@127.0.0.1:1")).rejects.toThrow(
    "no Redis can be used at redis://127.0.0.1:1: ECONNREFUSED.",
  );
  const { code, stderr } = await runCli(["queue", "status", "--queue", "localhost"]);
  expect([code, stderr]).toEqual([2, expect.stringContaining("such as redis://localhost:6379")]);
});
