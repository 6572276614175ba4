/** Limits of a process, as Linux prints them. */

import { expect, test } from "vitest";
import { checkLimits } from "../../src/cli/doctor/machine.ts";
import { readProcessLimits } from "../../src/machine/limits.ts";

const text = [
  "Limit                     Soft Limit           Hard Limit           Units     ",
  "Max open files            30                   1048576              files     ",
  "Max address space         4096000000           unlimited            bytes     ",
].join("\n");

test("of open files and addresses; none where they are unlimited or the system does not say", () => {
  expect(readProcessLimits(() => text)).toEqual({ openFiles: 30, addressBytes: 4_096_000_000 });
  expect(readProcessLimits(() => text.replace("4096000000", "unlimited "))).toEqual({ openFiles: 30 });
  const none = (): string => {
    throw new Error("ENOENT");
  };
  expect(readProcessLimits(none)).toEqual({});
});

test("doctor names those that are too low, with the line to type", () => {
  expect(checkLimits({}, true)).toEqual([]);
  expect(checkLimits({ openFiles: 1024, addressBytes: 2 ** 40 }, true)).toEqual([]);
  expect(checkLimits({ openFiles: 30 }, true)).toMatchObject([
    { state: "problem", next: expect.stringContaining("ulimit -n") },
  ]);
  expect(checkLimits({ addressBytes: 4e9 }, false)).toMatchObject([
    {
      state: "problem",
      text: expect.stringContaining("4.00 GB"),
      next: expect.stringContaining("ulimit -v unlimited"),
    },
  ]);
});
