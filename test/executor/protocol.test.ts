import { describe, expect, test } from "vitest";
import { type StageTask, safetyReport, stageMessage, stageTask } from "../../src/executor/protocol.ts";
import { planOf } from "../plan/plan-of.ts";

const plan = planOf({ image: { width: 96, height: 64 }, mask: true });
const tasks = plan.stages.map((stage): StageTask => ({
  stage,
  numImages: 1,
  eta: 0,
  lowMemory: {},
  jobsAtOnce: 1,
  isAhead: false,
  jobs: plan.jobs.map((job, index) => ({ ...job, index, folder: "f" })),
}));

describe("tasks", () => {
  test("every stage of a plan is one, and comes through JSON unchanged", () => {
    expect(tasks).toHaveLength(4);
    for (const task of tasks) expect(stageTask.parse(JSON.parse(JSON.stringify(task)))).toEqual(task);
  });

  const drawing = tasks[1]!;
  const job = drawing.jobs[0]!;
  const { seed: _, ...seedless } = job;
  const star = { kind: "star", x: 0, y: 0, width: 1, height: 1 };
  test.each([
    ["a field that is not known", { ...drawing, colour: 1 }],
    ["a field of a job that is not known", { ...drawing, jobs: [{ ...job, colour: 1 }] }],
    ["a stage that is not known", { ...drawing, stage: { ...drawing.stage, name: "stage-4" } }],
    ["a size of 0", { ...drawing, stage: { ...drawing.stage, width: 0 } }],
    ["no seed", { ...drawing, jobs: [seedless] }],
    ["no image", { ...drawing, numImages: 0 }],
    ["no job", { ...drawing, jobs: [] }],
    [
      "a shape that is not known",
      {
        ...drawing,
        jobs: [{ ...job, start: { image: "i", mask: { invert: false, shapes: [star] }, pasteBack: true } }],
      },
    ],
    ["nothing", undefined],
  ])("refuses %s", (_what, task) => {
    expect(stageTask.safeParse(task).success).toBe(false);
  });
});

test("messages", () => {
  for (const message of [
    { type: "loaded" },
    { type: "done" },
    { type: "finished", job: 1, generatorState: "as it is" },
    { type: "error", code: null, message: "" },
  ]) {
    expect(stageMessage.parse(message)).toEqual(message);
  }
  for (const message of [
    {},
    { type: "ready" },
    { type: "progress", job: 0, step: 0.5, steps: 1, what: "" },
    { type: "progress", step: 1, steps: 1, what: "" },
    { type: "note", job: 0 },
    { type: "finished" },
  ]) {
    expect(stageMessage.safeParse(message).success).toBe(false);
  }
});

test("a safety report without a verdict is none", () => {
  expect(safetyReport.safeParse([{ unsafe: 0.1, watermark: 0.2 }]).success).toBe(false);
  expect(safetyReport.safeParse([{ unsafe: 0.1, watermark: 0.2, flagged: false }]).success).toBe(true);
});
