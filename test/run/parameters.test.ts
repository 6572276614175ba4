import { expect, test } from "vitest";
import { type Plan, diffusionStages } from "../../src/plan/plan.ts";
import { imageParameters } from "../../src/run/parameters.ts";
import { planOf } from "../plan/plan-of.ts";

const inpaint = planOf({ image: { width: 96, height: 64 }, mask: true });

/** @returns the text of the plan's first job, after the stage of that name. */
function parametersOf(plan: Plan, name: string, index = 0, job = 0): string {
  const stage = diffusionStages(plan).find((one) => one.name === name);
  if (!stage) throw new Error(`${name} is not planned`);
  return imageParameters(plan, job, stage, index);
}

test("an image's settings are those of its stage and the ones before", () => {
  expect(parametersOf(inpaint, "stage-1")).toBe(`a cat
Negative prompt: a dog
Steps: 3, Sampler: DDPM, CFG scale: 7, Seed: 5, Size: 96x64, Model: tiny, Denoising strength: 0.5, Batch size: 2, \
Batch pos: 0, Version: if-gen 1.2.3`);
  expect(parametersOf(inpaint, "stage-2", 1)).toMatch(
    /Size: 384x256, .*Stage 2 steps: 2, Stage 2 CFG scale: 4, Stage 2 noise level: 250, Stage 2 denoising strength: 0\.5/,
  );
});

test("the sampler is named as the web UI names it, and a later stage's is told where it is another", () => {
  const plan = planOf({});
  const withSampler = (name: string, sampler: string): Plan => ({
    ...plan,
    stages: plan.stages.map((stage) =>
      stage.name === name && stage.kind === "diffusion" ? { ...stage, sampler } : stage,
    ),
  });
  const heun = withSampler("stage-1", "Heun");
  expect(parametersOf(heun, "stage-1")).toContain("Steps: 6, Sampler: Heun, CFG scale: 7");
  expect(parametersOf(heun, "stage-2")).toMatch(/Sampler: Heun, .*Stage 2 steps: 4, Stage 2 sampler: DDPM,/);
  const multistep = withSampler("stage-2", "DPM++ 2M");
  expect(parametersOf(multistep, "stage-1")).not.toContain("DPM++");
  expect(parametersOf(multistep, "stage-2")).toMatch(/Sampler: DDPM, .*Stage 2 sampler: DPM\+\+ 2M,/);
  expect(parametersOf(plan, "stage-2")).not.toContain("Stage 2 sampler");
});

test("what steers a stage is told with its name", () => {
  const plan = planOf({});
  const steered: Plan = {
    ...plan,
    jobs: plan.jobs.map((job) => ({ ...job, positivePrompt: "sharp, bright" })),
    stages: plan.stages.map((stage) =>
      stage.name === "stage-2" && stage.kind === "diffusion"
        ? { ...stage, guidanceInterval: [0.2, 0.8], positiveMixer: 0.5, schedulerKeys: { sampleMaxValue: 2 } }
        : stage,
    ),
  };
  expect(parametersOf(steered, "stage-1")).toContain('Positive prompt: "sharp, bright"');
  expect(parametersOf(steered, "stage-2")).toContain(
    "Stage 2 positive mixer: 0.5, Stage 2 guidance interval: 0.2-0.8, Stage 2 thresholding c: 2",
  );
});

test("each job has its own words and seed", () => {
  const plan = planOf({});
  const two = { ...plan, jobs: [...plan.jobs, { prompt: "a bird", negativePrompt: "", seed: 77 }] };
  expect(parametersOf(two, "stage-1", 0, 1)).toMatch(/^a bird\nSteps: 6, .*Seed: 77/);
  expect(parametersOf(two, "stage-1", 0, 0)).toMatch(/^a cat\nNegative prompt: a dog\n.*Seed: 5/);
});
