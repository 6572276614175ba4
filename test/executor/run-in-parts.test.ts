/** A stage's jobs in several processes side by side. The children here are a few lines each. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { type RunOptions, runPlan } from "../../src/executor/executor.ts";
import type { StageTask } from "../../src/executor/protocol.ts";
import type { Plan } from "../../src/plan/plan.ts";
import { planOf } from "../plan/plan-of.ts";
import { childThat } from "./child-that.ts";

const made = planOf({});
const [job] = made.jobs;
const plan: Plan = {
  ...made,
  jobs: Array.from({ length: 9 }, (_, seed) => ({ ...job!, seed })),
  processes: { "stage-1": 2 },
};

const optionsWith = (body: string, more: Partial<RunOptions> = {}): RunOptions => ({
  ...childThat(body),
  imagesOf: () => undefined,
  ...more,
});

const tasksIn = (folder: string): StageTask[] =>
  readFileSync(join(folder, "tasks.jsonl"), "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as StageTask);

const drawAll = `
  for (const { index: job } of task.jobs) await say({ type: "finished", job, generatorState: task.stage.name + " " + job });
  await say({ type: "done" });
  done();`;

test("each process has a part of the jobs and of the threads; the next stage goes on with all", async () => {
  const options = optionsWith(drawAll);
  await runPlan({ ...plan, threads: 4 }, options);
  const tasks = tasksIn(options.folder);
  const ofStage1 = tasks.filter(({ stage }) => stage.name === "stage-1");
  const parts = ofStage1.map(({ jobs }) => jobs.map(({ index }) => index));
  expect(parts.toSorted(([a = 0], [b = 0]) => a - b)).toEqual([
    [0, 1, 2, 3, 4],
    [5, 6, 7, 8],
  ]);
  expect(ofStage1.map(({ threads }) => threads)).toEqual([2, 2]);
  const others = tasks.filter(({ stage }) => stage.name !== "stage-1");
  expect(others.map(({ stage, threads, jobs }) => [stage.name, threads, jobs.length])).toEqual([
    ["text-encoding", 4, 9],
    ["stage-2", 4, 9],
    ["safety", 4, 9],
  ]);
  expect(others[1]?.jobs.map(({ generatorState }) => generatorState)).toEqual(
    plan.jobs.map((_, at) => `stage-1 ${at}`),
  );
});

test("a process that fails ends the others, and its error is the run's", async () => {
  const options = optionsWith(`
    const isSecond = task.stage.name === "stage-1" && task.jobs[0].index > 0;
    if (isSecond) await say({ type: "error", code: "CHECKPOINT", message: "no weights" });
    if (task.stage.name === "stage-1" && !isSecond) setInterval(() => undefined, 1000); // it would never end
    else { ${drawAll} }`);
  await expect(runPlan(plan, options)).rejects.toMatchObject({ code: "CHECKPOINT", message: "no weights" });
});

test("an interrupt ends all of them", async () => {
  const interrupt = new AbortController();
  const options = optionsWith(
    `if (task.stage.name === "stage-1") {
      await say({ type: "progress", job: task.jobs[0].index, step: 1, steps: 9, what: "denoising" });
      setInterval(() => undefined, 1000);
    } else { ${drawAll} }`,
    {
      signal: interrupt.signal,
      onProgress: () => interrupt.abort(new Error("interrupted")),
    },
  );
  await expect(runPlan(plan, options)).rejects.toThrow("interrupted");
});

test("where fewer jobs are left than would gain, they are drawn in one process", async () => {
  const options = optionsWith(drawAll);
  await runPlan({ ...plan, jobs: plan.jobs.slice(0, 7) }, options);
  expect(tasksIn(options.folder).map(({ stage, jobs }) => [stage.name, jobs.length])).toContainEqual(["stage-1", 7]);
});
