import { expect, test } from "vitest";
import { CheckpointError, GpuMemoryError, IfGenError, StageError } from "../../src/errors.ts";
import { runOrFallBack } from "../../src/executor/fall-back.ts";
import type { StageTask } from "../../src/executor/protocol.ts";

const jobs = [0, 1].map((index) => ({
  index,
  prompt: "",
  negativePrompt: "",
  seed: 3 + index,
  folder: "",
  generatorState: `as it was for ${index}`,
}));
const task: StageTask = {
  stage: { kind: "text", name: "text-encoding", checkpoint: "", cleanCaption: true },
  numImages: 1,
  eta: 0,
  lowMemory: {},
  jobsAtOnce: 1,
  isAhead: false,
  jobs,
};
const onGpu: StageTask = { ...task, executionProvider: "cuda", deviceId: 1 };
const none = (): boolean => false;

/** Fails on a GPU. */
const failing =
  (error: Error, seen: StageTask[]) =>
  (current: StageTask): Promise<string> => {
    seen.push(current);
    return current.executionProvider ? Promise.reject(error) : Promise.resolve("done");
  };

test("a stage that a GPU fails is run again on the CPU, with the same generators, and it is said", async () => {
  const [seen, notes]: [StageTask[], string[]] = [[], []];
  const run = failing(new StageError("out of memory."), seen);
  expect(await runOrFallBack(onGpu, true, run, none, (note) => notes.push(note))).toBe("done");
  expect(seen).toEqual([onGpu, task]);
  expect(notes).toEqual(["text-encoding failed on cuda and is run again on the CPU: out of memory."]);
});

test("jobs that the GPU has finished are not run again", async () => {
  const seen: StageTask[] = [];
  await runOrFallBack(onGpu, true, failing(new StageError("x"), seen), (job) => job === 0);
  expect(seen.map((each) => each.jobs.map(({ index }) => index))).toEqual([[0, 1], [1]]);
});

test("too much of the GPU's memory is a GPU's failure, too much of the machine's is not", async () => {
  const error = new GpuMemoryError("too large.");
  expect(await runOrFallBack(onGpu, true, failing(error, []), none)).toBe("done");
});

test.each([
  ["the machine's memory is too small", new IfGenError("MEMORY_BUDGET", "x"), onGpu, true],
  ["the provider was named", new StageError("x"), onGpu, false],
  ["the checkpoint is at fault", new CheckpointError("x"), onGpu, true],
  ["the user ended it", new IfGenError("INTERRUPTED", "x"), onGpu, true],
])("not when %s", async (_, error, current, mayFallBack) => {
  const seen: StageTask[] = [];
  await expect(runOrFallBack(current, mayFallBack, failing(error, seen), none)).rejects.toBe(error);
  expect(seen).toHaveLength(1);
});

test("what fails on the CPU fails", async () => {
  const error = new StageError("x");
  await expect(runOrFallBack(task, true, () => Promise.reject(error), none)).rejects.toBe(error);
});
