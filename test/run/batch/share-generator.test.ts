import { expect, test } from "vitest";
import { UsageError } from "../../../src/errors.ts";
import { type BadLine, type ExpandedJob, sharingGenerators } from "../../../src/run/batch/share-generator.ts";
import type { GivenOptions } from "../../../src/run/batch/read-jobs.ts";

type Given = GivenOptions | UsageError;

async function join(count: number, ...given: readonly Given[]): Promise<unknown[]> {
  const jobs = async function* (): AsyncGenerator<ExpandedJob | BadLine, void> {
    for (const [index, one] of given.entries()) {
      const line = index + 1;
      yield one instanceof UsageError ? { line, error: one } : { line, options: one };
    }
  };
  const made: unknown[] = [];
  for await (const one of sharingGenerators(jobs(), count))
    made.push("error" in one ? "error" : [one.line, one.options]);
  return made;
}

test("jobs that differ in their prompts alone become lists of so many", async () => {
  expect(await join(2, { prompt: "a" }, { prompt: "b" }, { prompt: "c" })).toEqual([
    [1, { prompt: "a", morePrompts: ["b"] }],
    [3, { prompt: "c" }],
  ]);
  const one = [{ prompt: "a" }, { prompt: "b" }];
  expect(await join(1, ...one)).toEqual(one.map((options, index) => [index + 1, options]));
});

test("also where others stand between them; what differs otherwise is another list", async () => {
  expect(
    await join(
      3,
      { prompt: "a", seed: 1 },
      { prompt: "a", seed: 2 },
      { seed: 1, prompt: "b" },
      new UsageError("a line"),
      { prompt: "b", seed: 2 },
      { prompt: "c", seed: 1 },
    ),
  ).toEqual([
    "error",
    [1, { prompt: "a", seed: 1, morePrompts: ["b", "c"] }],
    [2, { prompt: "a", seed: 2, morePrompts: ["b"] }],
  ]);
});

test("negative prompts that are not all one go along", async () => {
  const red = { negativePrompt: "red" };
  expect(
    await join(2, { prompt: "a", ...red }, { prompt: "b" }, { prompt: "c", ...red }, { prompt: "d", ...red }),
  ).toEqual([
    [1, { prompt: "a", ...red, morePrompts: ["b"], moreNegativePrompts: [""] }],
    [3, { prompt: "c", ...red, morePrompts: ["d"] }],
  ]);
});

test("what has a file of its own, is a list, or has no words stays alone", async () => {
  const alone = [
    { prompt: "a", output: "a.png" },
    { prompt: "a", morePrompts: ["b"] },
    { prompt: " " },
    { promptEmbeds: "e.safetensors" },
  ];
  expect(await join(4, ...alone, ...alone)).toEqual([...alone, ...alone].map((options, at) => [at + 1, options]));
});

test("many lists that are never full do not all wait", async () => {
  const given = Array.from({ length: 600 }, (_, seed) => ({ prompt: "a", seed }));
  expect(await join(4, ...given, { prompt: "b", seed: 599 }, { prompt: "b", seed: 0 })).toHaveLength(601);
});
