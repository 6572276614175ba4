import { spawn, spawnSync } from "node:child_process";
import { existsSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { utimes } from "node:fs/promises";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { isLocked, withLock, type LockOptions, sweepLocks } from "../../src/hub/lock.ts";
import { hubErrorOf, temporaryFolder } from "./cache.ts";

const flock = "flock"; // of util-linux
const hasFlock = existsSync("/proc/locks") && spawnSync(flock, ["--version"]).status === 0;

async function newLock(text?: string): Promise<{ path: string; options: LockOptions }> {
  const folder = await temporaryFolder();
  const path = join(folder, "x.lock");
  if (text !== undefined) writeFileSync(path, text);
  return { path, options: { watchedPath: join(folder, "x.incomplete"), lockMs: 300 } };
}

async function age(path: string, seconds: number): Promise<void> {
  const then = Date.now() / 1000 - seconds;
  await utimes(path, then, then);
}

/** The lock of this process as another one with `pid` would have written it. */
async function lockOf(pid: number, place?: string): Promise<string> {
  const { path, options } = await newLock();
  const lock = await withLock(path, options, async () => JSON.parse(readFileSync(path, "utf8")) as object);
  return JSON.stringify({ ...lock, nonce: "other", pid, ...(place !== undefined && { place }) });
}

const deadPid = spawnSync(process.execPath, ["--version"]).pid;

test("one after the other, also within a process; the file is gone afterwards", async () => {
  const { path, options } = await newLock();
  let [inside, most, waits] = [0, 0, 0];
  const run = async (): Promise<void> => {
    most = Math.max(most, ++inside);
    await sleep(20);
    inside--;
  };
  const onWait = (): void => void waits++;
  await Promise.all(Array.from({ length: 4 }, () => withLock(path, { ...options, lockMs: 5_000, onWait }, run)));
  expect([most, waits]).toEqual([1, 3]);
  expect(existsSync(path)).toBe(false);
});

test("what fails inside lets go", async () => {
  const { path, options } = await newLock();
  const failing = withLock(path, options, async () => {
    expect(await isLocked(path)).toBe(true);
    throw new Error("inside");
  });
  await expect(failing).rejects.toThrow("inside");
  expect(existsSync(path)).toBe(false);
  expect(await isLocked(path)).toBe(false);
});

describe("an abandoned lock is taken over", () => {
  test.each([
    ["of a process that is gone", async () => lockOf(deadPid), 0],
    ["of an earlier process with our own id", async () => lockOf(process.pid), 0],
    ["of a machine not heard of for two minutes", async () => lockOf(1, "elsewhere"), 120],
    ["that hangs since two minutes", async () => lockOf(process.ppid), 120],
    ["of another program, long ago", async () => "12345\nhost\n", 120],
    ["that Python left behind", async () => "", 10],
  ])("%s", async (_, text, seconds) => {
    const { path, options } = await newLock(await text());
    await age(path, seconds);
    expect(await isLocked(path)).toBe(false);
    const onWait = (): never => expect.fail("waited");
    expect(await withLock(path, { ...options, onWait }, async () => 5)).toBe(5);
    expect(existsSync(path)).toBe(false);
  });

  test("by one of many", async () => {
    const { path, options } = await newLock(await lockOf(deadPid));
    let [inside, most] = [0, 0];
    const run = async (): Promise<void> => {
      most = Math.max(most, ++inside);
      await sleep(30);
      inside--;
    };
    await Promise.all(Array.from({ length: 5 }, () => withLock(path, { ...options, lockMs: 3000 }, run)));
    expect(most).toBe(1);
  });
});

describe("a lock that is held is waited for", () => {
  test.each([
    ["by a living process", async () => lockOf(process.ppid)],
    ["on another machine", async () => lockOf(deadPid, "elsewhere")],
    ["by another program", async () => "12345\nhost\n"],
  ])("%s, until patience ends", async (_, text) => {
    const { path, options } = await newLock(await text());
    expect(await isLocked(path)).toBe(true);
    const error = await hubErrorOf(() => withLock(path, options, () => expect.fail("not alone")));
    expect(error).toMatchObject({ reason: "locked", message: expect.stringContaining(path) as string });
    expect(existsSync(path)).toBe(true);
  });

  test("as long as its download grows", async () => {
    const { path, options } = await newLock(await lockOf(process.ppid));
    const growth = (async () => {
      for (let i = 1; i < 7; i++) {
        writeFileSync(options.watchedPath, "x".repeat(i));
        await sleep(100);
      }
      writeFileSync(path, await lockOf(deadPid));
    })();
    expect(await withLock(path, options, async () => "mine")).toBe("mine");
    await growth;
  });

  test("or until the caller ends it", async () => {
    const { path, options } = await newLock(await lockOf(process.ppid));
    const signal = AbortSignal.timeout(50);
    await expect(withLock(path, { ...options, signal }, () => expect.fail("not alone"))).rejects.toThrow("timeout");
  });

  test.skipIf(!hasFlock)("by Python's flock, which leaves the file empty", async () => {
    const { path, options } = await newLock("");
    await age(path, 10);
    const holder = spawn(flock, [path, "sleep", "0.5"]);
    while (!(await isLocked(path))) await sleep(5);
    const startMs = Date.now();
    await withLock(path, { ...options, lockMs: 3000 }, async () => undefined);
    expect(Date.now() - startMs).toBeGreaterThan(200);
    expect(holder.exitCode ?? 0).toBe(0);
  });
});

test("locks of dead owners are swept; a living one's, another machine's and Python's stay", async () => {
  const folder = dirname((await newLock()).path);
  const texts = {
    "dead.lock": await lockOf(deadPid),
    "alive.lock": await lockOf(process.ppid),
    "elsewhere.lock": await lockOf(deadPid, "elsewhere"),
    "python.lock": "",
    "dead.checked": await lockOf(deadPid),
  };
  for (const [name, text] of Object.entries(texts)) writeFileSync(join(folder, name), text);
  await sweepLocks(folder);
  expect(readdirSync(folder).toSorted()).toEqual(["alive.lock", "dead.checked", "elsewhere.lock", "python.lock"]);
  await sweepLocks(join(folder, "none"));
});
