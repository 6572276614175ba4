/** Checkpoints of DreamBooth: the scheduler's variance is fixed, whether the UNet still predicts one or not. */

import { readFileSync } from "node:fs";
import { cp, mkdir, readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { createGenerator } from "../../src/math/random.ts";
import type { Tensor } from "../../src/math/tensor.ts";
import { withStage1 } from "../../src/pipelines/stage-1.ts";
import { drawNoise } from "../../src/schedulers/noise.ts";
import { openWeights } from "../../src/weights/checkpoint.ts";
import { type TensorSource, readTensor, writeSafetensors } from "../../src/weights/safetensors.ts";
import { bundledPath } from "../golden.ts";
import { maxDifference } from "../math/golden-tensors.ts";
import { temporaryFolder } from "../weights/files.ts";

interface Golden {
  readonly embedsSeed: number;
  readonly seed: number;
  readonly steps: number;
  readonly guidance: number;
  readonly shape: [number, number, number, number];
  readonly images: number[];
}
const golden = JSON.parse(readFileSync(bundledPath("lora", "fixed-small.json"), "utf8")) as Golden;
const original = bundledPath("checkpoints", "if-i");

/** The tiny checkpoint as DreamBooth's training saves it: no T5, no safety checker, another scheduler. */
async function dreamBooth(): Promise<string> {
  const folder = await temporaryFolder();
  await symlink(join(original, "unet"), join(folder, "unet"));
  await mkdir(join(folder, "scheduler"));
  const config = JSON.parse(await readFile(join(original, "scheduler", "scheduler_config.json"), "utf8")) as object;
  const changed = JSON.stringify({ ...config, variance_type: "fixed_small" });
  await writeFile(join(folder, "scheduler", "scheduler_config.json"), changed);
  return folder;
}

/** The same with a UNet that predicts noise alone: the first half of the last convolution's outputs. */
async function withoutVariance(): Promise<string> {
  const folder = await dreamBooth();
  const target = await temporaryFolder();
  await cp(join(folder, "scheduler"), join(target, "scheduler"), { recursive: true });
  await mkdir(join(target, "unet"));
  const config = JSON.parse(await readFile(join(original, "unet", "config.json"), "utf8")) as object;
  await writeFile(join(target, "unet", "config.json"), JSON.stringify({ ...config, out_channels: 3 }));
  const { tensors } = await openWeights(join(original, "unet"), "fp16");
  const kept = [...tensors.values()].map(async (entry): Promise<[string, TensorSource]> => {
    const { name, dtype, shape } = entry;
    const data = await readTensor(entry.file, entry);
    if (!name.startsWith("conv_out.")) return [name, { dtype, shape, data }];
    return [name, { dtype, shape: [3, ...shape.slice(1)], data: data.slice(0, data.length / 2) }];
  });
  const file = join(target, "unet", "diffusion_pytorch_model.fp16.safetensors");
  await writeSafetensors(file, new Map(await Promise.all(kept)));
  return target;
}

async function drawFrom(checkpoint: string): Promise<Tensor> {
  const [, , height, width] = golden.shape;
  const random = createGenerator(golden.embedsSeed);
  const [promptEmbeds, negativePromptEmbeds] = [drawNoise([1, 77, 16], random), drawNoise([1, 77, 16], random)];
  const options = {
    checkpoint,
    images: 1,
    width,
    height,
    selection: { numInferenceSteps: golden.steps },
    guidanceScale: golden.guidance,
    eta: 0,
    settings: { executionProvider: "cpu", variant: "fp16" } as const,
  };
  const start = { kind: "noise", height, width } as const;
  const generator = createGenerator(golden.seed);
  return withStage1(options, (draw) =>
    draw({ promptEmbeds, negativePromptEmbeds, imagesPerPrompt: 1, start, generator }),
  );
}

test("variance_type fixed_small, as diffusers draws with it", async () => {
  const drawn = await drawFrom(await dreamBooth());
  expect(drawn.shape).toEqual(golden.shape);
  expect(maxDifference(drawn.data, Float32Array.from(golden.images))).toBeLessThan(2e-4); // as whole runs elsewhere
  const learned = await drawFrom(original);
  expect(maxDifference(drawn.data, learned.data)).toBeGreaterThan(0.01);
});

test("a UNet of 3 channels draws what one draws whose variance is dropped", async () => {
  const drawn = await drawFrom(await withoutVariance());
  expect(maxDifference(drawn.data, Float32Array.from(golden.images))).toBeLessThan(2e-4);
});
