/** A style in place of the prompt in the time embedding, against the original's own loop and diffusers' second stage. */

import { join } from "node:path";
import { expect, test } from "vitest";
import { sliceBatch } from "../../src/math/layout.ts";
import { createGenerator } from "../../src/math/random.ts";
import type { Tensor } from "../../src/math/tensor.ts";
import { ShapeError } from "../../src/errors.ts";
import type { IfJob, IfStageOptions } from "../../src/pipelines/if-stage.ts";
import { joinIfJobs, splitBatch } from "../../src/pipelines/join-jobs.ts";
import { withStage1 } from "../../src/pipelines/stage-1.ts";
import { withStage2 } from "../../src/pipelines/stage-2.ts";
import { respacedTimesteps } from "../../src/schedulers/respacing.ts";
import { bundledPath } from "../golden.ts";
import { maxDifference } from "../math/golden-tensors.ts";
import { settingsFor } from "./reference-run.ts";

/** scripts/golden/make-style.py prints them: the sum, the sum of squares, and eight of the numbers. */
const reference = {
  "stage-1": [
    81.06036, 498.6496, -0.3496025, -0.1893459, 0.1877052, -0.3747539, 0.06991818, -0.2122787, 0.6479655, 0.312556,
  ],
  "stage-2": [
    -119.2283, 2091.954, -0.4032278, 0.9741865, -0.6242313, -0.9351406, 0.6140036, -0.287333, -1.0, -0.9785026,
  ],
};

const rows = createGenerator(5).randn([4, 77, 16]);
const text = (row: number): Tensor => sliceBatch(rows, row, row + 1);
const [negative, positive, prompt, style] = [0, 1, 2, 3].map(text) as [Tensor, Tensor, Tensor, Tensor];
const images = createGenerator(6);
const [pixels, low, large] = [24, 24, 32].map((side) => {
  const { data, shape } = images.randn([1, 3, side, side]);
  return { data: data.map((value) => Math.min(1, Math.max(-1, value))), shape };
}) as [Tensor, Tensor, Tensor];

function short({ data }: Tensor): number[] {
  const sum = data.reduce((total, value) => total + value, 0);
  const squares = data.reduce((total, value) => total + value * value, 0);
  const every = Math.floor(data.length / 8);
  return [sum, squares, ...Array.from({ length: 8 }, (_, index) => data[index * every]!)];
}

/** As whole runs elsewhere; sums of thousands of numbers by their mean. */
function expectNear(drawn: Tensor, [sum = 0, squares = 0, ...picked]: readonly number[]): void {
  const [drawnSum = 0, drawnSquares = 0, ...drawnPicked] = short(drawn);
  expect(Math.abs(drawnSum - sum) / drawn.data.length).toBeLessThan(3e-5);
  expect(Math.abs(drawnSquares - squares) / drawn.data.length).toBeLessThan(3e-5);
  expect(maxDifference(Float32Array.from(drawnPicked), Float32Array.from(picked))).toBeLessThan(2e-4);
}

async function optionsOf(stage: "if-i" | "if-ii", side: number): Promise<IfStageOptions> {
  const checkpoint = bundledPath("checkpoints", stage);
  return {
    checkpoint,
    images: 1,
    width: side,
    height: side,
    styled: true,
    guidanceScale: 5,
    eta: 0,
    selection: { timesteps: respacedTimesteps("4,3,2,1,0") },
    settings: await settingsFor(join(checkpoint, "unet")),
  };
}

const jobOf = (styleEmbeds: Tensor | undefined): IfJob => ({
  promptEmbeds: prompt,
  negativePromptEmbeds: negative,
  positivePromptEmbeds: positive,
  ...(styleEmbeds ? { styleEmbeds } : {}),
  imagesPerPrompt: 1,
  start: { kind: "image", pixels, strength: 1, lessNoiseSteps: 3 },
  generator: createGenerator(7),
});

test("stage 1: the original's support_noise, less noise, positive prompt and style", async () => {
  const options = { ...(await optionsOf("if-i", 24)), positiveMixer: 0.25 };
  expectNear(await withStage1(options, (draw) => draw(jobOf(style))), reference["stage-1"]);
});

test("stage 2, as diffusers with the style in place of the text that its time embedding takes", async () => {
  const drawn = await withStage2(
    { ...(await optionsOf("if-ii", 32)), selection: { numInferenceSteps: 4 }, guidanceScale: 4, noiseLevel: 250 },
    (draw) => draw({ ...jobOf(style), start: { kind: "image", pixels: large, strength: 1 }, image: low }),
  );
  const clipped = { ...drawn, data: drawn.data.map((value) => Math.min(1, Math.max(-1, value))) };
  expectNear(clipped, reference["stage-2"]);
});

test("a style that is the prompt changes nothing; without one a styled stage is refused", async () => {
  const { styled, ...plain } = { ...(await optionsOf("if-i", 24)), positiveMixer: 0.25 };
  const same = await withStage1({ ...plain, styled }, (draw) => draw(jobOf(prompt)));
  expect(maxDifference(same.data, (await withStage1(plain, (draw) => draw(jobOf(undefined)))).data)).toBeLessThan(1e-5);
  await expect(withStage1({ ...plain, styled }, (draw) => draw(jobOf(undefined)))).rejects.toThrow(ShapeError);
});

test("jobs that are drawn at once keep their styles", async () => {
  const options = { ...(await optionsOf("if-i", 24)), positiveMixer: 0.25 };
  const together = await withStage1({ ...options, images: 2 }, (draw) =>
    draw(joinIfJobs([jobOf(style), jobOf(prompt)])),
  );
  const alone = await withStage1(options, (draw) => draw(jobOf(style)));
  const [first, second] = splitBatch(together, 2) as [Tensor, Tensor];
  expect(maxDifference(first.data, alone.data)).toBeLessThan(1e-5);
  expect(maxDifference(second.data, alone.data)).toBeGreaterThan(0.1);
});
