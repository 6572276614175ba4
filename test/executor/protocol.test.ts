import { describe, expect, test } from "vitest";
import { type StageJob, filesOf, safetyReport, stageJob, stageMessage } from "../../src/executor/protocol.ts";
import { planOf } from "../plan/plan-of.ts";

const jobs = planOf({ picture: { width: 96, height: 64 }, mask: true }).stages.map((stage): StageJob => ({
  stage,
  prompt: "p",
  negativePrompt: "",
  numImages: 1,
  eta: 0,
  seed: 1,
  folder: "f",
}));

describe("jobs", () => {
  test("every stage of a plan is one, and comes through JSON unchanged", () => {
    expect(jobs).toHaveLength(4);
    for (const job of jobs) expect(stageJob.parse(JSON.parse(JSON.stringify(job)))).toEqual(job);
  });

  const [, drawing] = jobs;
  const { seed: _, ...seedless } = drawing ?? {};
  test.each([
    ["a field that is not known", { ...drawing, colour: 1 }],
    ["a stage that is not known", { ...drawing, stage: { ...drawing?.stage, name: "stage-4" } }],
    ["a size of 0", { ...drawing, stage: { ...drawing?.stage, width: 0 } }],
    ["no seed", seedless],
    ["no picture", { ...drawing, numImages: 0 }],
    [
      "a shape that is not known",
      {
        ...drawing,
        pictures: {
          files: [],
          pasteBack: {
            image: "i",
            mask: { invert: false, shapes: [{ kind: "star", x: 0, y: 0, width: 1, height: 1 }] },
          },
        },
      },
    ],
    ["nothing", undefined],
  ])("refuses %s", (_what, job) => {
    expect(stageJob.safeParse(job).success).toBe(false);
  });
});

test("messages", () => {
  expect(stageMessage.parse({ type: "result" })).toEqual({ type: "result" });
  for (const message of [
    {},
    { type: "ready" },
    { type: "progress", step: 0.5, steps: 1, what: "" },
    { type: "note" },
  ]) {
    expect(stageMessage.safeParse(message).success).toBe(false);
  }
});

test("files: two of the text, one of each stage that draws, none of the safety checker", () => {
  expect(jobs.flatMap(({ stage }) => filesOf(stage.name))).toEqual([
    "prompt_embeds",
    "negative_prompt_embeds",
    "stage-1",
    "stage-2",
  ]);
  expect(safetyReport.safeParse([{ unsafe: 0.1, watermark: 0.2 }]).success).toBe(false);
});
