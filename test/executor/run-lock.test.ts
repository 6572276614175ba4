import { utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { takeLock } from "../../src/executor/run-lock.ts";
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
