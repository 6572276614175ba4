/** Style transfer from options to images, on the tiny checkpoints; its arithmetic is in test/pipelines/style.test.ts. */

import { expect, test, vi } from "vitest";
import type { PlannedRun } from "../../src/index.ts";
import { parsePngText } from "../../src/image/png-text.ts";
import { type DiffusionStage, diffusionStages } from "../../src/plan/plan.ts";
import type { Request } from "../../src/plan/request.ts";
import { requestFromOptions } from "../../src/run/job-options.ts";
import { describeTexts } from "../../src/run/metadata/image-made.ts";
import { respacedTimesteps } from "../../src/schedulers/respacing.ts";
import { goldenPath } from "../golden.ts";
import { draw } from "./draw-tiny.ts";
import { importBuilt, tinyRequest, tinySettings } from "./tiny-cascade.ts";

vi.setConfig({ testTimeout: 120_000 }); // each stage is a process

const built = await importBuilt<typeof import("../../src/run/complete-plans.ts")>("run/complete-plans");

const image = goldenPath("image", "inputs", "square_64x64.png");
const style = "in neon style";
const requestOf = (options: object): Request => ({
  ...tinyRequest,
  until: 256,
  ...pick(requestFromOptions("style", { image, style, seed: 1, ...options })),
});
const pick = ({
  command,
  prompt,
  positivePrompt,
  style: styleText,
  seed,
  start,
  stages,
}: Request): Partial<Request> => ({
  command,
  prompt,
  seed,
  stages,
  ...(styleText === undefined ? {} : { style: styleText }),
  ...(positivePrompt === undefined ? {} : { positivePrompt }),
  ...(start ? { start } : {}),
});

async function planOf(options: object): Promise<PlannedRun["plan"]> {
  const [only] = await built.completePlans([requestOf(options)], tinySettings);
  return only!.plan;
}
const failureOf = (options: object): Promise<string> => planOf(options).then(() => "it succeeded", String);
const sayings = (command: "style" | "img2img", options: object): string => {
  try {
    requestFromOptions(command, options);
    return "it succeeded";
  } catch (error) {
    return String(error);
  }
};

test("a style alone is the prompt and the positive prompt; stage 1 has the original's timesteps", async () => {
  const plan = await planOf({ supportNoiseLessQsampleSteps: 5, stage2Steps: 9, stage2PositiveMixer: 0.75 });
  expect(plan.jobs).toMatchObject([{ prompt: style, positivePrompt: style, style }]);
  const respacing = "20,20,20,20,10,0,0,0,0,0";
  expect(diffusionStages(plan)).toMatchObject([
    {
      selection: { timesteps: respacedTimesteps(respacing) },
      preset: respacing,
      steps: 90,
      strength: 1,
      lessNoiseSteps: 5,
      positiveMixer: 0.25,
      styled: true,
    },
    { steps: 9, strength: 1, lessNoiseSteps: 5, positiveMixer: 0.75, styled: true },
  ] satisfies Partial<DiffusionStage>[]);
});

test("what is said takes the place of both, and of the timesteps", async () => {
  const plan = await planOf({ prompt: "a cat", positivePrompt: "bright", stage1Steps: 4, strength: 0.5 });
  expect(plan.jobs).toMatchObject([{ prompt: "a cat", positivePrompt: "bright", style }]);
  const [first, second] = diffusionStages(plan);
  expect(first).toMatchObject({ selection: { numInferenceSteps: 4 }, steps: 2, strength: 0.5 });
  expect(first).not.toHaveProperty("lessNoiseSteps");
  expect(second).toMatchObject({ strength: 0.5 });
});

test("less noise than there are timesteps, or with a scheduler that scales its samples, is refused", async () => {
  const less = { stage1SupportNoiseLessQsampleSteps: 3 };
  expect(await failureOf({ ...less, stage1Steps: 4 })).toContain(
    "--stage-1-support-noise-less-qsample-steps 3 is too many for the 4 steps of stage 1: at most 2.",
  );
  expect(await failureOf({ ...less, stage1Steps: 5 })).toBe("it succeeded");
  expect(await failureOf({ ...less, stage1Steps: 9, stage1Scheduler: "euler" })).toContain("does not go with euler");
});

test("a style goes with its command, which needs one and an image, and has no mask", () => {
  expect(sayings("img2img", { prompt: "a", image, style })).toContain("style goes with the command style");
  expect(sayings("style", { prompt: "a", image })).toContain('no style is given; write it in quotes, e.g. --style "in');
  expect(sayings("style", { image, style: " " })).toContain("it is empty");
  expect(sayings("style", { style })).toContain("no image is given");
  expect(sayings("style", { image, style, mask: image })).toContain("style repaints the whole image: mask goes with");
});

test("given embeddings cannot hold a style", async () => {
  const [only] = await built
    .completePlans([{ ...requestOf({}), promptEmbeds: "embeds.safetensors" }], tinySettings)
    .catch((error: unknown) => [error]);
  expect(String(only)).toContain("--style is encoded by T5, which --prompt-embeds leaves out");
});

test("jobs with their own styles are drawn in one run, each as it would be alone, and their images say it", async () => {
  const options = { prompt: "a cat", stage1Steps: 2, stage2Steps: 2 };
  const requests = [requestOf(options), requestOf({ ...options, style: "in pencil style" })];
  const together = await draw(requests, { pixels: true });
  const [alone] = await draw(requests.slice(1), { pixels: true });
  const [first, second] = together.map(({ images }) => images[0]!);
  const differences = (a: Uint8Array, b: Uint8Array): number => Math.max(...a.map((x, i) => Math.abs(x - b[i]!)));
  expect(differences(second!.pixels!, alone!.images[0]!.pixels!)).toBeLessThanOrEqual(1);
  expect(differences(first!.pixels!, second!.pixels!)).toBeGreaterThan(1);
  const made = describeTexts(parsePngText(Buffer.from(first!.png!)), "a.png");
  expect(made).toMatchObject({ prompt: "a cat", settings: { request: { command: "style", style } } });
  expect(made?.more).toMatchObject({ Style: style, "Positive prompt": style });
});
