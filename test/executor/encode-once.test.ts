/** The text stage over several jobs, in this process: texts that are the same are encoded once. */

import { readFileSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import type { StageMessage, StageTask } from "../../src/executor/protocol.ts";
import { runStageTask } from "../../src/executor/run-stage.ts";
import { temporaryFolder } from "../cli/run-cli.ts";
import { goldenPath, storedVariant } from "../golden.ts";

const encoded = vi.hoisted(() => [] as [readonly string[], readonly string[]][]);

/** The real encoder, which says what it is asked for. */
vi.mock("../../src/pipelines/text-encoding.ts", async (original) => {
  const real = await original<typeof import("../../src/pipelines/text-encoding.ts")>();
  const withTextEncoder: typeof real.withTextEncoder = (options, use) =>
    real.withTextEncoder(options, (encode) =>
      use((prompts, negativePrompts) => {
        encoded.push([prompts, negativePrompts]);
        return encode(prompts, negativePrompts);
      }),
    );
  return { ...real, withTextEncoder };
});

const names = ["prompt_embeds", "negative_prompt_embeds"] as const;

/** @returns jobs of these prompts and negative prompts in folders of their own, and the text stage over them. */
async function stageOf(
  texts: readonly (readonly [string, string])[],
  { microBatch, ...further }: { readonly textParts?: number; readonly microBatch?: number } = {},
) {
  const folder = temporaryFolder();
  const jobs = texts.map(([prompt, negativePrompt], index) => ({
    index,
    prompt,
    negativePrompt,
    seed: index,
    folder: join(folder, String(index)),
  }));
  for (const job of jobs) await mkdir(job.folder);
  const task: StageTask = {
    stage: {
      kind: "text",
      name: "text-encoding",
      checkpoint: goldenPath("checkpoints", "if-i"),
      cleanCaption: false,
      ...further,
    },
    numImages: 1,
    eta: 0,
    variant: storedVariant,
    lowMemory: microBatch === undefined ? {} : { microBatch },
    jobsAtOnce: 1,
    isAhead: false,
    jobs,
  };
  const said: StageMessage[] = [];
  encoded.length = 0;
  await runStageTask(task, { jobs: () => Promise.resolve(jobs), report: (message) => said.push(message) });
  const read = (job: number, name: (typeof names)[number]): string =>
    readFileSync(join(folder, String(job), `${name}.safetensors`)).toString("latin1");
  return { jobs, said, read };
}

test("each text once, all in one call where they are few; every job has its files, and is told what was cut off of its own", async () => {
  const long = "a cat ".repeat(100);
  const texts: [string, string][] = [
    ["a cat", ""],
    ["a dog", ""],
    ["a cat", ""],
    ["a cat", "a dog"],
    [long, ""],
    [long, ""],
  ];
  const { jobs, said, read } = await stageOf(texts);
  expect(encoded).toEqual([[["a cat"], ["a dog", long, ""]]]);
  expect(said.flatMap((message) => (message.type === "finished" ? [message] : []))).toEqual(
    jobs.map(({ index: job }) => ({ type: "finished", job })),
  );
  expect(said.flatMap((message) => (message.type === "note" ? [message.job] : []))).toEqual([4, 5]);
  for (const name of names) {
    expect(read(2, name)).toBe(read(0, name));
    expect(read(5, name)).toBe(read(4, name));
  }
  expect(read(3, "prompt_embeds")).toBe(read(0, "prompt_embeds"));
  expect(read(3, "negative_prompt_embeds")).not.toBe(read(0, "negative_prompt_embeds"));
  expect(read(1, "prompt_embeds")).not.toBe(read(0, "prompt_embeds"));
});

test("of many texts eight a call; an embedding is the same whatever is encoded with it", async () => {
  const many = Array.from({ length: 9 }, (_, index): [string, string] => [`a cat number ${index}`, ""]);
  const together = await stageOf(many);
  expect(encoded.map(([prompts, others]) => prompts.length + others.length)).toEqual([9, 8]); // 9 texts, filled up, and the empty one
  const alone = await stageOf([["a cat number 7", ""]]);
  expect(encoded).toEqual([[["a cat number 7"], [""]]]);
  expect(alone.read(0, "prompt_embeds")).toBe(together.read(7, "prompt_embeds"));
});

test("an empty text has the same embedding beside others as in full, in one part, in several, and in micro-batches", async () => {
  const inFull = await stageOf([["", ""]]);
  const beside = await stageOf([["a cat", ""]]);
  expect(encoded).toEqual([[["a cat"], [""]]]);
  expect(beside.read(0, "negative_prompt_embeds")).toBe(inFull.read(0, "negative_prompt_embeds"));
  expect(beside.read(0, "prompt_embeds")).not.toBe(inFull.read(0, "prompt_embeds"));
  const twoParts = { textParts: 2 };
  const [inFullTwice, besideTwice] = [await stageOf([["", ""]], twoParts), await stageOf([["a cat", ""]], twoParts)];
  expect(besideTwice.read(0, "negative_prompt_embeds")).toBe(inFullTwice.read(0, "negative_prompt_embeds"));
  const oneByOne = await stageOf(
    [
      ["a cat", ""],
      ["a dog", ""],
    ],
    { microBatch: 1 },
  );
  expect(oneByOne.read(1, "negative_prompt_embeds")).toBe(inFull.read(0, "negative_prompt_embeds"));
  expect(oneByOne.read(0, "prompt_embeds")).toBe(beside.read(0, "prompt_embeds"));
});
