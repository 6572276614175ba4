/** A stored run of the reference: its call as ours, and the tensors it left. */

import { readFileSync } from "node:fs";
import { expect } from "vitest";
import { preprocessImage, preprocessLowResolution, preprocessMaskImage } from "../../src/image/preprocess.ts";
import { preprocessUpscalerImage } from "../../src/image/preprocess-upscaler.ts";
import { decodeImage } from "../../src/image/decode.ts";
import { type RgbImage, rgbFromPixels } from "../../src/image/pixels.ts";
import { readImage, readMask } from "../../src/image/read-image.ts";
import { resizePil } from "../../src/image/resize-pil.ts";
import { concatBatch } from "../../src/math/layout.ts";
import { createGenerator, type Generator } from "../../src/math/random.ts";
import type { Tensor } from "../../src/math/tensor.ts";
import { elementCount } from "../../src/math/tensor.ts";
import { readSafetensorsHeader, readTensor } from "../../src/weights/safetensors.ts";
import { goldenNames, goldenPath } from "../golden.ts";

/** An image argument, as the profile writes it. */
export type ImageSource =
  | { $picture: string; convert?: string; resize?: [number, number] }
  | { $result: string }
  | { $prev: true }
  | { $randn: number[]; seed: number; scale: number };

export interface CallArguments {
  prompt?: string | string[];
  negative_prompt?: string | string[];
  num_inference_steps?: number;
  timesteps?: number[];
  guidance_scale?: number;
  num_images_per_prompt?: number;
  height?: number;
  width?: number;
  noise_level?: number;
  strength?: number;
  eta?: number;
  clean_caption?: boolean;
  image?: ImageSource | ImageSource[];
  original_image?: ImageSource;
  mask_image?: ImageSource;
}

export interface Call {
  pipe: string;
  args: CallArguments;
  watermark_after?: boolean;
  safety?: boolean;
}

export interface ReferenceCase {
  readonly name: string;
  readonly case: Call & {
    seed?: number;
    seeds?: number[];
    scheduler?: { class: string; kwargs: Record<string, unknown> };
    encode?: { prompt: string; negative_prompt?: string };
    stages?: Call[];
  };
  readonly error?: string;
  readonly text?: { preprocessed_prompt: string[] };
  readonly images?: Record<string, number>;
  readonly stages?: { images: Record<string, number> }[];
  readonly pil?: {
    files: string[];
    nsfw_detected?: boolean[] | null;
    nsfw_content_detected?: boolean[] | null;
    p_scores?: number[];
    w_scores?: number[];
  };
}

export function readCases(): ReferenceCase[] {
  const cases = goldenNames("e2e", ".json").map(
    (name) => JSON.parse(readFileSync(goldenPath("e2e", `${name}.json`), "utf8")) as ReferenceCase,
  );
  if (cases.length === 0) throw new Error("there are no stored runs");
  return cases;
}

/** The tensors a case left; asking for one that is not stored gives undefined. */
export async function readResults(name: string): Promise<(key: string) => Promise<Tensor | undefined>> {
  const file = await readSafetensorsHeader(goldenPath("e2e", `${name}.safetensors`));
  return async (key) => {
    const entry = file.tensors.get(key);
    return entry && { data: Float32Array.from(await readTensor(file.path, entry), Number), shape: entry.shape };
  };
}

/** How far results may be from the stored ones. */
export interface Limits {
  readonly max: number;
  readonly mean: number;
}

const otherRuns = ["diff_2_threads", "diff_no_onednn", "diff_fp64"] as const;

/**
 * The golden README's rule: 10 times what the reference's other runs (two threads, without oneDNN, in double) differ by,
 * the largest of the three, but at least 2e-4 at most and 3e-5 on average.
 * @param images what is stored of the results of one stage.
 */
export function limitsOf(images: Record<string, number>): Limits {
  const spread = (prefix: string): number => Math.max(...otherRuns.map((key) => images[prefix + key] ?? 0));
  return { max: Math.max(2e-4, 10 * spread("")), mean: Math.max(3e-5, 10 * spread("mean_")) };
}

/**
 * @returns the limits of each stage of a stored run, by the stage's own spread. Sets made by older scripts have only that
 *          of the last stage, which then holds for all.
 */
export function stageLimits({ images, stages }: ReferenceCase): Limits[] {
  const results = stages?.map((stage) => stage.images) ?? [images ?? {}];
  const last = results.at(-1) ?? {};
  return results.map((stored) => limitsOf("diff_fp64" in stored ? stored : last));
}

export const listOf = <T>(value: T | T[] | undefined): T[] =>
  value === undefined ? [] : Array.isArray(value) ? value : [value];

export type ImageUse = "start" | "mask" | "low-resolution" | "upscale";

/** @returns the tensor the reference's own preprocessing makes of an image argument, (B, C, H, W). */
export async function loadImages(
  sources: ImageSource | ImageSource[],
  use: ImageUse,
  sampleSize: number,
  previous: Tensor | undefined,
): Promise<Tensor> {
  const parts = await Promise.all(listOf(sources).map((source) => loadImage(source, use, sampleSize, previous)));
  return concatBatch(parts);
}

async function loadImage(
  source: ImageSource,
  use: ImageUse,
  sampleSize: number,
  previous: Tensor | undefined,
): Promise<Tensor> {
  if ("$prev" in source) return previous ?? missing("the stage before");
  if ("$result" in source) {
    return (await (await readResults(source.$result))("images")) ?? missing(source.$result);
  }
  if ("$randn" in source) {
    const noise = createGenerator(source.seed).randn(source.$randn);
    const clamped = noise.data.map((value) => Math.min(1, Math.max(-1, Math.fround(value * source.scale))));
    return { data: clamped, shape: noise.shape };
  }
  const path = goldenPath("image", "inputs", source.$picture);
  if (use === "mask") {
    const mask = await readMask(path);
    return preprocessMaskImage(source.resize ? resizePil(mask, ...source.resize, "bicubic") : mask, sampleSize);
  }
  const resized = await resizedAsStored(path, source);
  if (use === "start") return preprocessImage(resized, sampleSize);
  return use === "upscale" ? preprocessUpscalerImage(resized) : preprocessLowResolution(resized);
}

/** Pillow resizes an image in its own mode: one with alpha, premultiplied, before the pipeline makes it RGB. */
export async function resizedAsStored(
  path: string,
  { convert, resize }: { convert?: string; resize?: [number, number] },
): Promise<RgbImage> {
  const rgb = await readImage(path);
  if (!resize) return rgb;
  const stored = await decodeImage(path, true);
  if (convert !== undefined || stored.kind !== "bytes" || stored.channels !== 4) return resizePil(rgb, ...resize);
  return rgbFromPixels(resizePil({ ...stored, channels: 4 }, ...resize));
}

function missing(what: string): never {
  throw new Error(`${what} is not stored`);
}

/** Keeps what a generator drew, in order, beside handing it on. */
export function recordDraws(generator: Generator): { generator: Generator; draws: Tensor[] } {
  const draws: Tensor[] = [];
  return {
    draws,
    generator: {
      ...generator,
      randn: (shape, dtype) => {
        const drawn = generator.randn(shape, dtype);
        draws.push(drawn);
        return drawn;
      },
      randn64: (shape) => generator.randn64(shape),
      saveState: () => generator.saveState(),
    },
  };
}

/** @returns the largest difference and the mean one; throws where the numbers of values differ. */
export function differences(actual: Tensor, expected: Tensor): Limits {
  if (elementCount(actual.shape) !== elementCount(expected.shape)) {
    throw new Error(`[${actual.shape.join()}] is not [${expected.shape.join()}]`);
  }
  let [max, sum] = [0, 0];
  actual.data.forEach((value, at) => {
    const difference = Math.abs(value - (expected.data[at] ?? Number.NaN));
    max = difference <= max ? max : difference; // NaN wins
    sum += difference;
  });
  return { max, mean: sum / actual.data.length };
}

/** Expects a tensor to be near the stored one. */
export function expectNear(actual: Tensor, expected: Tensor, limits: Limits, what: string): void {
  const { max, mean } = differences(actual, expected);
  expect(max, `${what}, largest difference`).toBeLessThanOrEqual(limits.max);
  expect(mean, `${what}, mean difference`).toBeLessThanOrEqual(limits.mean);
}

/** @returns the share of the values that differ by more than one level, 0 to 1; throws where the sizes differ. */
export function shareOfDifferent(actual: RgbImage, expected: RgbImage): number {
  if (actual.width !== expected.width || actual.height !== expected.height) {
    throw new Error(`${actual.width}x${actual.height} is not ${expected.width}x${expected.height}`);
  }
  const far = actual.data.filter((value, at) => Math.abs(value - (expected.data[at] ?? 999)) > 1).length;
  return far / actual.data.length;
}
