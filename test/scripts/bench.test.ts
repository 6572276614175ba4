/** The arithmetic of `npm run bench`: medians, ratios, and what counts as slower. Nothing here is timed. */

import { describe, expect, test } from "vitest";
import { compare, cpuKind } from "../../scripts/bench/check.ts";
import { inTurn, median, pair } from "../../scripts/bench/pairs.ts";

test("a median, of an even and an odd number", () => {
  expect(median([3, 1, 100])).toBe(3);
  expect(median([4, 1, 2, 100])).toBe(3);
});

test("a ratio is the median of the rounds' ratios: a round in which the machine was busy does not move it", () => {
  const { ours, other, ratio } = pair("x", "ms", [10, 90, 12], [20, 180, 20]);
  expect([ours, other]).toEqual([12, 20]);
  expect(ratio).toBe(0.5);
});

test("without another side there is no ratio", () => {
  expect(pair("x", "ms", [1, 2, 3])).toEqual({ name: "x", unit: "ms", ours: 2 });
});

test("both sides take turns, and the first round only warms up", async () => {
  const calls: string[] = [];
  const way = (name: string) => async () => {
    calls.push(name);
    return calls.length;
  };
  expect(await inTurn(2, [way("a"), way("b")])).toEqual([
    [3, 5],
    [4, 6],
  ]);
  expect(calls.join("")).toBe("ababab");
});

describe("compared with what is recorded", () => {
  const before = { "a step": 0.5, "its memory": 0.5 };

  test("scatter is no news", () => {
    expect(compare([pair("a step", "ms", [60], [100]), pair("its memory", "MB", [54], [100])], before)).toEqual([]);
  });

  test("what got slower or larger is named, and what is not recorded", () => {
    const pairs = [pair("a step", "ms", [70], [100]), pair("its memory", "MB", [60], [100]), pair("b", "ms", [1], [2])];
    expect(compare(pairs, before).map((line) => line.split(" a ratio")[0])).toEqual([
      "a step: slower:",
      "its memory: larger:",
      "b: nothing is recorded; --record would do so",
    ]);
  });

  test("a row without a ratio cannot be compared", () => {
    expect(compare([pair("a step", "ms", [70])], before)).toEqual([]);
  });
});

test("CPUs are told apart by their vectors", () => {
  expect(cpuKind("model name: x\nflags\t\t: fpu avx avx2 avx512f\n")).toBe("AVX-512");
  expect(cpuKind("flags\t\t: fpu avx avx2\n")).toBe("AVX2");
  expect(cpuKind("")).toBe(process.arch);
});
