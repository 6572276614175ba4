/** That a provider works is kept for a day, and only for what was tried. */

import { existsSync, readdirSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { gpuVariables } from "../../src/machine/environment.ts";
import { keyOfProvider, tryOnceADay } from "../../src/run/worked-before.ts";
import { temporaryFolder } from "../weights/files.ts";

/** @returns what an attempt gives, and how many there were. */
function attempts(problem: string | null): {
  readonly attempt: () => Promise<string | null>;
  readonly count: () => number;
} {
  let count = 0;
  return { attempt: () => Promise.resolve((count++, problem)), count: () => count };
}

test("what worked is not tried again, what did not is", async () => {
  const folder = join(await temporaryFolder(), "providers");
  const [works, fails] = [attempts(null), attempts("no")];
  for (const _ of [1, 2]) expect(await tryOnceADay("a", works.attempt, () => folder)).toBe(null);
  expect(works.count()).toBe(1);
  for (const _ of [1, 2]) expect(await tryOnceADay("b", fails.attempt, () => folder)).toBe("no");
  expect(fails.count()).toBe(2);
});

test("it is tried again where anything differs, after a day, and where the clock was wrong", async () => {
  const folder = await temporaryFolder();
  const { attempt, count } = attempts(null);
  await tryOnceADay("as it was", attempt, () => folder);
  await tryOnceADay("with another driver", attempt, () => folder);
  expect(count()).toBe(2);
  for (const days of [-1.01, 1]) {
    const written = new Date(Date.now() + days * 24 * 60 * 60 * 1000);
    for (const file of readdirSync(folder)) utimesSync(join(folder, file), written, written);
    await tryOnceADay("as it was", attempt, () => folder);
  }
  expect(count()).toBe(4);
});

test("what was kept longer ago than a day goes when something is kept", async () => {
  const folder = await temporaryFolder();
  const { attempt } = attempts(null);
  for (const key of ["an old driver", "this one"]) await tryOnceADay(key, attempt, () => folder);
  const [first = ""] = readdirSync(folder);
  const written = new Date(Date.now() - 1.01 * 24 * 60 * 60 * 1000);
  utimesSync(join(folder, first), written, written);
  await tryOnceADay("with another GPU", attempt, () => folder);
  expect(readdirSync(folder)).toHaveLength(2);
  expect(readdirSync(folder)).not.toContain(first);
});

test("without a key, and where nothing can be written, each time", async () => {
  const folder = await temporaryFolder();
  const { attempt, count } = attempts(null);
  for (const _ of [1, 2]) await tryOnceADay(undefined, attempt, () => folder);
  expect(readdirSync(folder)).toEqual([]);
  writeFileSync(join(folder, "file"), "");
  for (const _ of [1, 2]) expect(await tryOnceADay("a", attempt, () => join(folder, "file", "below"))).toBe(null);
  const lost = (): string => {
    throw new Error("no home folder");
  };
  for (const _ of [1, 2]) expect(await tryOnceADay("a", attempt, lost)).toBe(null);
  expect(count()).toBe(6);
});

test.skipIf(!existsSync("/proc/sys/kernel/random/boot_id"))("the key tells which GPU and what is shown of them", () => {
  const key = (deviceId?: number, env = {}) => keyOfProvider("cuda", deviceId, gpuVariables(env));
  expect(key()).toBe(key());
  const keys = [
    key(),
    key(1),
    key(undefined, { CUDA_VISIBLE_DEVICES: "1" }),
    key(undefined, { LD_LIBRARY_PATH: "/cuda" }),
  ];
  expect(new Set(keys).size).toBe(4);
  expect(keys).not.toContain(undefined);
});
