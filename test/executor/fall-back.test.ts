import { expect, test } from "vitest";
import { CardMemoryError, CheckpointError, IfGenError, StageError } from "../../src/errors.ts";
import { runOrFallBack } from "../../src/executor/fall-back.ts";
import type { StageJob } from "../../src/executor/protocol.ts";

const job: StageJob = {
  stage: { name: "text-encoding", checkpoint: "", cleanCaption: true },
  prompt: "",
  negativePrompt: "",
  numImages: 1,
  eta: 0,
  seed: 3,
  folder: "",
  generatorState: "as it was",
};
const onCard: StageJob = { ...job, executionProvider: "cuda", deviceId: 1 };

/** Fails on a card. */
const failing =
  (error: Error, seen: StageJob[]) =>
  (own: StageJob): Promise<string> => {
    seen.push(own);
    return own.executionProvider ? Promise.reject(error) : Promise.resolve("done");
  };

test("a stage that a card fails is run again on the processor, with the same generator, and it is said", async () => {
  const [seen, notes]: [StageJob[], string[]] = [[], []];
  const run = failing(new StageError("out of memory."), seen);
  expect(await runOrFallBack(onCard, true, run, (note) => notes.push(note))).toBe("done");
  expect(seen).toEqual([onCard, job]);
  expect(notes).toEqual(["text-encoding failed on cuda and is run again on the processor: out of memory."]);
});

test("too much of the card's memory is a card's failure, too much of the machine's is not", async () => {
  const error = new CardMemoryError("too large.");
  expect(await runOrFallBack(onCard, true, failing(error, []))).toBe("done");
});

test.each([
  ["the machine's memory is too small", new IfGenError("MEMORY_BUDGET", "x"), onCard, true],
  ["the provider was named", new StageError("x"), onCard, false],
  ["the checkpoint is at fault", new CheckpointError("x"), onCard, true],
  ["the user ended it", new IfGenError("INTERRUPTED", "x"), onCard, true],
])("not when %s", async (_, error, own, mayFallBack) => {
  const seen: StageJob[] = [];
  await expect(runOrFallBack(own, mayFallBack, failing(error, seen))).rejects.toBe(error);
  expect(seen).toHaveLength(1);
});

test("what fails on the processor fails", async () => {
  const error = new StageError("x");
  await expect(runOrFallBack(job, true, () => Promise.reject(error))).rejects.toBe(error);
});
