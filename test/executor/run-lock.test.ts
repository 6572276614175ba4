import { spawnSync } from "node:child_process";
import { readFileSync, readdirSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { takeLock } from "../../src/executor/run-lock.ts";
import { machineMark } from "../../src/files/draft.ts";
import { temporaryFolder } from "../cli/run-cli.ts";

const times = { touchMs: 100, lostMs: 600 };

test("of another machine nobody here can tell: a lock that is touched is held, one that is not is taken", async () => {
  const folder = temporaryFolder();
  const lock = join(folder, "run.lock");
  writeFileSync(lock, "elsewhere 7\n");
  const owner = setInterval(() => utimesSync(lock, new Date(), new Date()), 50);
  await expect(takeLock(folder, "--run-dir", times)).rejects.toThrow(
    /another process \(7\) is running.*or remove .*run\.lock/,
  );
  clearInterval(owner);
  await (await takeLock(folder, "--run-dir", times)).release();
});

test("its owner touches it until it is released", async () => {
  const folder = temporaryFolder();
  const first = await takeLock(folder, "--run-dir", times);
  writeFileSync(join(folder, "run.lock"), "elsewhere 7\n"); // as another machine sees it
  await expect(takeLock(folder, "--run-dir", times)).rejects.toThrow(/another process \(7\)/);
  await first.release();
  await (await takeLock(folder, "--run-dir", times)).release();
});

/** A process that has ended. */
const dead = (): string => `${machineMark()} ${spawnSync(process.execPath, ["-e", ""]).pid}`;

test("of those that read a dead owner's lock, one takes it, even if others act on what they read much later", async () => {
  const folder = temporaryFolder();
  const lock = join(folder, "run.lock");
  writeFileSync(lock, `${dead()} abc\n`);
  const claim = `${lock}.abc`;
  writeFileSync(claim, `${machineMark()} ${process.pid} 1\n`); // somebody is at it: this process
  await expect(takeLock(folder, "--run-dir", times)).rejects.toThrow(/another process \(\d+\)/);
  expect(readFileSync(lock, "utf8")).toMatch(/ abc\n$/);
  writeFileSync(claim, `${dead()} def\n`); // it was killed in the middle
  const taken = await takeLock(folder, "--run-dir", times);
  expect(readdirSync(folder)).toEqual(["run.lock"]);
  expect(readFileSync(lock, "utf8")).not.toMatch(/ abc\n$/);
  await expect(takeLock(folder, "--run-dir", times)).rejects.toThrow(/another process/);
  await taken.release();
  expect(readdirSync(folder)).toEqual([]);
});

test("many that find it dead at once, in one process: exactly one has it", async () => {
  for (let round = 0; round < 20; round++) {
    const folder = temporaryFolder();
    writeFileSync(join(folder, "run.lock"), `${dead()} abc\n`);
    const tries = await Promise.allSettled(Array.from({ length: 8 }, () => takeLock(folder, "--run-dir", times)));
    expect(tries.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
  }
});

test("a lock that another one has taken over is not removed by its first owner; left claims are swept", async () => {
  const folder = temporaryFolder();
  const lock = join(folder, "run.lock");
  writeFileSync(`${lock}.abc`, `${dead()} 1\n`);
  const first = await takeLock(folder, "--run-dir", times);
  expect(readdirSync(folder)).toEqual(["run.lock"]);
  writeFileSync(lock, `${machineMark()} ${process.pid} def\n`);
  await first.release();
  expect(readFileSync(lock, "utf8")).toMatch(/ def\n$/);
});
