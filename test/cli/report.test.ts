import { expect, test } from "vitest";
import { pictureParameters } from "../../src/run/parameters.ts";
import { describePlan, describeResult, resultJson } from "../../src/cli/report.ts";
import { diffusionStages } from "../../src/plan/plan.ts";
import { planOf } from "../plan/plan-of.ts";

const inpaint = planOf({ picture: { width: 96, height: 64 }, mask: true });

test("a plan for people", () => {
  expect(describePlan(inpaint)).toBe(`command  inpaint
model    tiny
prompt   a cat
without  a dog
image    /pictures/car.png
seed     5
pictures 2
text-encoding  T5, prompt cleaned, /tiny/if-i
stage-1        96x64 px, 3 steps, guidance 7, strength 0.5, /tiny/if-i
stage-2        384x256 px, 2 steps, guidance 4, noise level 250, strength 0.5, /tiny/if-ii
safety         flagged pictures: black, /tiny/if-i
the original's untouched pixels are put back
note: this is a note
`);
});

test("a result for people, and as JSON", () => {
  const times = new Map([["stage-1", 1234.5678]] as const);
  const safety = [{ unsafe: 0.1, watermark: 0.2, flagged: false }];
  const result = { plan: inpaint, paths: ["a.png", "-"], times, seconds: 12.34567, safety, notes: ["n"] };
  expect(describeResult(result)).toBe("wrote a.png, standard output (384x256, seed 5) in 12.3 s\n");
  expect(resultJson(result)).toEqual({
    outputs: ["a.png", "-"],
    seed: 5,
    width: 384,
    height: 256,
    seconds: 12.346,
    stages: [{ name: "stage-1", seconds: 1.235 }],
    safety,
    notes: ["n"],
    plan: inpaint,
  });
});

test("a picture's settings are those of its stage and the ones before", () => {
  const [first, second] = diffusionStages(inpaint);
  if (!first || !second) throw new Error("two stages were planned");
  expect(pictureParameters(inpaint, first, 0)).toBe(`a cat
Negative prompt: a dog
Steps: 3, Sampler: DDPM, CFG scale: 7, Seed: 5, Size: 96x64, Model: tiny, Denoising strength: 0.5, Batch size: 2, \
Batch pos: 0, Version: if-gen 1.2.3`);
  expect(pictureParameters(inpaint, second, 1)).toMatch(
    /Size: 384x256, .*Stage 2 steps: 2, Stage 2 CFG scale: 4, Stage 2 noise level: 250, Stage 2 denoising strength: 0\.5/,
  );
});
