import { expect, test } from "vitest";
import { expandJob } from "../../../src/run/batch/expand.ts";
import type { GivenOptions } from "../../../src/run/batch/read-jobs.ts";

const all = (options: GivenOptions, seeds?: string): GivenOptions[] => [...expandJob(options, seeds)];

test("alternatives in braces, each with each", () => {
  expect(all({ prompt: "a {small|large} {red|blue} circle" }).map(({ prompt }) => prompt)).toEqual([
    "a small red circle",
    "a small blue circle",
    "a large red circle",
    "a large blue circle",
  ]);
  expect(all({ prompt: "a{| red} cat", negativePrompt: "{x|y}" })).toEqual([
    { prompt: "a cat", negativePrompt: "x" },
    { prompt: "a cat", negativePrompt: "y" },
    { prompt: "a red cat", negativePrompt: "x" },
    { prompt: "a red cat", negativePrompt: "y" },
  ]);
});

test("braces that are meant as braces", () => {
  expect(all({ prompt: "{index} \\{a|b\\} {a\\|b}" })).toEqual([{ prompt: "{index} {a|b} {a|b}" }]);
});

test("seeds: the line's own before those of the command line", () => {
  expect(all({ prompt: "a", seeds: "1..2,3-3,7" }, "5").map(({ seed }) => seed)).toEqual([1, 2, 3, 7]);
  expect(all({ prompt: "a", seeds: [4, 5] }).map(({ seed }) => seed)).toEqual([4, 5]);
  expect(all({ prompt: "a" }, "8..9").map(({ seed }) => seed)).toEqual([8, 9]);
  expect(all({ prompt: "a", seed: 1 }, "8..9")).toEqual([{ prompt: "a", seed: 1 }]);
  expect(all({ prompt: "a" })).toEqual([{ prompt: "a" }]);
});

test("what cannot be meant is said", () => {
  expect(() => all({ prompt: "a", seed: 1, seeds: "2" })).toThrow(/seed and seeds are both given/);
  for (const seeds of ["", "1--3", "5..1", "-1", "a"]) {
    expect(() => all({ prompt: "a", seeds }), seeds).toThrow(/is no seed and no range/);
  }
  expect(() => all({ prompt: "{a|b|c|d}".repeat(11) })).toThrow(/it stands for 4194304 jobs; at most 1000000/);
});
