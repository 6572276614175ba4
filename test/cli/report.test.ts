import { expect, test } from "vitest";
import { describePlan, describeResult, planJson } from "../../src/cli/report.ts";
import { diffusionStages } from "../../src/plan/plan.ts";
import { imageParameters } from "../../src/run/parameters.ts";
import { planOf } from "../plan/plan-of.ts";
import { plainRequest } from "../plan/plain-request.ts";

const inpaint = planOf({ image: { width: 96, height: 64 }, mask: true });
const limits = { ramBytes: 13e9, ramSource: "test", vramBytes: 15e9 };

test("a plan for people", () => {
  const text = describePlan({ ...inpaint, ahead: ["stage-2"] }, [], limits);
  expect(text).toBe(`command  inpaint
model    tiny
prompt   a cat
without  a dog
image    /images/car.png
seed     5
images   2
provider cpu (named)
text-encoding  T5, prompt cleaned, /tiny/if-i
stage-1        96x64 px, 3 steps, DDPM, guidance 7, strength 0.5, /tiny/if-i
stage-2        384x256 px, 2 steps, DDPM, guidance 4, noise level 250, strength 0.5, /tiny/if-ii, loaded while the stage before runs
safety         flagged images: black, /tiny/if-i
the original's untouched pixels are put back
note: this is a note

budget in GB (10^9 bytes): RAM 13.00 (test), GPU 15.00
stage  network  weights  mapped  activations  other  peak RAM
`);
  expect(planJson(inpaint, [], limits)).toEqual({ ...inpaint, memory: { limits, needs: [] } });
});

test("all prompts of a list, a style, and less noise", () => {
  const [job] = inpaint.jobs;
  const jobs = [{ ...job!, morePrompts: ["a bird"], moreNegativePrompts: [""], style: "in neon style" }];
  const stages = inpaint.stages.map((stage) => (stage.kind === "diffusion" ? { ...stage, lessNoiseSteps: 5 } : stage));
  const text = describePlan({ ...inpaint, jobs, stages }, [], limits);
  expect(text).toContain("prompt   a cat\nprompt   a bird\nwithout  a dog\nwithout  \nstyle    in neon style\n");
  expect(text).toContain("strength 0.5, less noise by 5 timesteps, /tiny/if-i");
});

test("a result for people", () => {
  const images = [
    { path: "a.png", width: 384, height: 256 },
    { png: new Uint8Array(), width: 384, height: 256 },
  ];
  const job = { request: { ...plainRequest, seed: 5 }, plan: inpaint, images, stageMs: new Map(), notes: [] };
  expect(describeResult(job, 12.34567)).toBe("wrote a.png, standard output (384x256, seed 5) in 12.3 s\n");
});

test("an image's settings are those of its stage and the ones before", () => {
  const [first, second] = diffusionStages(inpaint);
  if (!first || !second) throw new Error("two stages were planned");
  expect(imageParameters(inpaint, 0, first, 0)).toBe(`a cat
Negative prompt: a dog
Steps: 3, Sampler: DDPM, CFG scale: 7, Seed: 5, Size: 96x64, Model: tiny, Denoising strength: 0.5, Batch size: 2, \
Batch pos: 0, Version: if-gen 1.2.3`);
  expect(imageParameters(inpaint, 0, second, 1)).toMatch(
    /Size: 384x256, .*Stage 2 steps: 2, Stage 2 CFG scale: 4, Stage 2 noise level: 250, Stage 2 denoising strength: 0\.5/,
  );
});

test("the first stage's sampler is told; a later stage's is told where it differs", () => {
  const stages = inpaint.stages.map((stage) =>
    stage.kind !== "diffusion" ? stage : { ...stage, sampler: stage.name === "stage-1" ? "DDIM" : stage.sampler },
  );
  const mixed = { ...inpaint, stages };
  const [first, second] = diffusionStages(mixed);
  if (!first || !second) throw new Error("two stages were planned");
  expect(imageParameters(mixed, 0, first, 0)).toMatch(/Sampler: DDIM, CFG/);
  expect(imageParameters(mixed, 0, second, 0)).toMatch(/Sampler: DDIM, .*Stage 2 sampler: DDPM, /);
});
