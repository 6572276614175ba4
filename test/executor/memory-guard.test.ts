import { setTimeout as wait } from "node:timers/promises";
import { expect, test } from "vitest";
import { guardMemory } from "../../src/executor/memory-guard.ts";

const status = (anon: number, file: number, peak: number): string =>
  `Name:\tnode\nVmHWM:\t${peak} kB\nVmRSS:\t${anon + file} kB\nRssAnon:\t   ${anon} kB\nRssFile:\t ${file} kB\n`;

test("keeps the highest of each kind; the process's own end changes nothing", () => {
  const samples = [status(10, 500, 510), status(300, 600, 905), status(20, 700, 905), ""];
  const guard = guardMemory(1, { readStatus: () => samples.shift() ?? "" });
  guard.sample();
  guard.sample();
  expect(guard.stop()).toEqual({
    privateBytes: 300 * 1024,
    mappedBytes: 700 * 1024,
    residentBytes: 905 * 1024,
  });
});

test("says once that there is too much private memory; mapped files are not held against it", async () => {
  const exceeded: number[] = [];
  let anon = 10;
  const guard = guardMemory(1, {
    budgetBytes: 100 * 1024,
    readStatus: () => status((anon += 60), 10_000, 20_000),
    onExceeded: (bytes) => exceeded.push(bytes),
  });
  await wait(250);
  guard.stop();
  expect(exceeded).toEqual([130 * 1024]);
});

test.skipIf(process.platform !== "linux")("reads the real thing", () => {
  const { privateBytes, mappedBytes, residentBytes } = guardMemory(process.pid).stop();
  expect(privateBytes).toBeGreaterThan(10e6);
  expect(mappedBytes).toBeGreaterThan(10e6);
  expect(residentBytes).toBeGreaterThan(0.8 * (privateBytes + mappedBytes));
});
