/** Every stored run of the reference, from the prompt to the image: ids, embeddings, draws, each step, the result. */

import { describe, expect, test } from "vitest";
import { join } from "node:path";
import { denormalize, imagesFromSample } from "../../src/image/to-bytes.ts";
import type { RgbImage } from "../../src/image/pixels.ts";
import { readImage } from "../../src/image/read-image.ts";
import { applyWatermark, watermarkFromTensor } from "../../src/image/watermark.ts";
import { createGenerator, type Generator } from "../../src/math/random.ts";
import type { Tensor } from "../../src/math/tensor.ts";
import { SCORE_LIMIT, hideImage, withSafetyChecker } from "../../src/pipelines/safety.ts";
import type { CreateSchedulerOptions } from "../../src/schedulers/create-scheduler.ts";
import { readSafetensorsHeader, readTensorAsFloat32 } from "../../src/weights/safetensors.ts";
import { goldenPath } from "../golden.ts";
import {
  type Call,
  type Limits,
  type ReferenceCase,
  expectNear,
  readCases,
  readResults,
  recordDraws,
  shareOfDifferent,
  stageLimits,
} from "./reference-case.ts";
import {
  type ReferenceRun,
  checkpointOf,
  encodeText,
  runReferenceCall,
  sampleSizeOf,
  settingsFor,
} from "./reference-run.ts";

const cases = readCases();
const isUpscaler = (pipe: string): boolean => pipe === "StableDiffusionUpscalePipeline";
const whole = cases.filter((stored) => !stored.error);

describe("single calls", () => {
  const calls = whole.filter((stored) => !stored.case.stages);
  test("there are some", () => expect(calls.length).toBeGreaterThan(5));

  test.each(calls.map((stored) => [stored.name, stored] as const))("%s", async (_, stored) => {
    const { pipe, args, seed, seeds, scheduler } = stored.case;
    const recorded = (seeds ?? [seed ?? 0]).map((one) => recordDraws(createGenerator(one)));
    const generators = recorded.map(({ generator }) => generator);
    const run = await runReferenceCall({
      pipe,
      args,
      generator: seeds ? generators : (generators[0] as Generator),
      ...(scheduler ? { scheduler: overrideOf(scheduler) } : {}),
    });
    const draws = seeds ? [] : (recorded[0]?.draws ?? []);
    await compare(stored.name, "", pipe, run, draws, stageLimits(stored)[0]);
    if (stored.pil) await compareImages(stored, stored.case, run.images);
  });
});

describe("chains with one generator", () => {
  const chains = whole.filter((stored) => stored.case.stages);
  test("there are some", () => expect(chains.length).toBeGreaterThan(0));

  test.each(chains.map((stored) => [stored.name, stored] as const))("%s", async (_, stored) => {
    const stages = stored.case.stages ?? [];
    const encoded = await encodeText({
      checkpoint: goldenPath("checkpoints", "if-i"),
      prompts: [stored.case.encode?.prompt ?? ""],
      negativePrompts: [stored.case.encode?.negative_prompt ?? ""],
      cleanCaption: false,
      settings: await settingsFor(goldenPath("checkpoints", "if-i", "text_encoder")),
    });
    const { generator, draws } = recordDraws(createGenerator(stored.case.seed ?? 0));
    const limits = stageLimits(stored);
    let previous: Tensor | undefined;
    for (const [index, { pipe, args }] of stages.entries()) {
      draws.length = 0;
      const run = await runReferenceCall({ pipe, args, generator, encoded, ...(previous ? { previous } : {}) });
      await compare(stored.name, `stage${index + 1}.`, pipe, run, draws, limits[index]);
      previous = run.images;
    }
    const next = await (await readResults(stored.name))("generator_next4");
    expect(Array.from(generator.randn([4]).data)).toEqual(Array.from(next?.data ?? []));
    const last = stages.at(-1);
    if (stored.pil && last && previous) await compareImages(stored, last, previous);
  });
});

function overrideOf({
  class: name,
  kwargs,
}: {
  class: string;
  kwargs: Record<string, unknown>;
}): CreateSchedulerOptions {
  const overrides = Object.fromEntries(
    Object.entries(kwargs).map(([key, value]) => [
      key.replace(/_(\w)/g, (__, letter: string) => letter.toUpperCase()),
      value,
    ]),
  );
  return { className: name, overrides } as CreateSchedulerOptions;
}

async function compare(
  name: string,
  prefix: string,
  pipe: string,
  run: ReferenceRun,
  draws: readonly Tensor[],
  limits: Limits | undefined,
): Promise<void> {
  if (!limits) throw new Error(`${name}: a stage of its results is not stored`);
  const stored = await readResults(name);
  const compareStored = async (key: string, actual: Tensor | null | undefined, near: Limits): Promise<void> => {
    const expected = await stored(key);
    if (expected === undefined) return;
    if (!actual) throw new Error(`${name}: ${key} is stored but was not made`);
    expectNear(actual, expected, near, `${name}: ${key}`);
  };
  const ids = (await stored(`${prefix}prompt_input_ids`)) ?? (await stored("prompt_input_ids"));
  expect(run.inputIds.flat()).toEqual(Array.from(ids?.data ?? []));
  await compareStored(`${prefix}prompt_embeds`, run.promptEmbeds, EMBEDDING_LIMITS);
  await compareStored(`${prefix}negative_embeds`, run.negativePromptEmbeds, EMBEDDING_LIMITS);
  for (const [index, draw] of draws.entries()) await compareStored(`${prefix}draw${index}`, draw, NOISE_LIMITS);
  for (const [index, { sample }] of run.steps.entries())
    await compareStored(`${prefix}step${index}.latents`, sample, scaledBy(rootMeanSquare(sample), limits));
  await compareStored(`${prefix}vae_output`, run.images, limits);
  const images = await stored(`${prefix}images`);
  if (!images) throw new Error(`${name}: ${prefix}images is not stored`);
  const made = isUpscaler(pipe) ? denormalize(run.images) : run.images;
  expectNear(made, images, limits, `${name}: ${prefix}images`);
}

/** The upscaler's latents reach 15, where its images lie in [0, 1]: a limit for images counts in latents' own size, if above 1. */
function scaledBy(size: number, { max, mean }: Limits): Limits {
  const factor = Math.max(1, size);
  return { max: max * factor, mean: mean * factor };
}

const rootMeanSquare = ({ data }: Tensor): number =>
  Math.sqrt(data.reduce((sum, value) => sum + value * value, 0) / data.length);

const EMBEDDING_LIMITS: Limits = { max: 5e-5, mean: 5e-5 };
const NOISE_LIMITS: Limits = { max: 4e-6, mean: 4e-6 };

/** The images as the reference draws them: checked, hidden, signed. 1 level, on at least 99.5 % of the values. */
async function compareImages(stored: ReferenceCase, call: Call, images: Tensor): Promise<void> {
  const decodedImages = imagesFromSample(images);
  const shown = call.safety ? await checkImages(stored, decodedImages) : decodedImages;
  const isSigned = !isUpscaler(call.pipe) || call.watermark_after || call.safety;
  const mark = isSigned ? await readWatermark() : undefined;
  // the upscaler, when it signs by itself, takes the image's height
  const sampleSize = isUpscaler(call.pipe) && call.safety ? undefined : sampleSizeOf(call.pipe);
  for (const [index, image] of shown.entries()) {
    const drawn = mark ? applyWatermark(image, mark, sampleSize) : image;
    const expected = await readImage(goldenPath("e2e", stored.pil?.files[index] ?? ""));
    expect(shareOfDifferent(drawn, expected), `${stored.name}.${index}.png`).toBeLessThanOrEqual(0.005);
  }
}

/** @returns the images after the safety checker, whose scores and verdicts must be the stored ones. */
async function checkImages({ pil }: ReferenceCase, images: readonly RgbImage[]): Promise<RgbImage[]> {
  const checkpoint = checkpointOf("IFPipeline");
  const settings = await settingsFor(join(checkpoint, "safety_checker"));
  const scores = await withSafetyChecker({ checkpoint, settings }, (score) => score(images));
  const unsafe = (pil?.nsfw_detected ?? pil?.nsfw_content_detected ?? []) as boolean[];
  expect(scores.map((score) => score.unsafe > SCORE_LIMIT)).toEqual(unsafe);
  for (const [index, score] of scores.entries()) {
    expect(Math.abs(score.unsafe - (pil?.p_scores?.[index] ?? Number.NaN))).toBeLessThan(SCORE_TOLERANCE);
    expect(Math.abs(score.watermark - (pil?.w_scores?.[index] ?? Number.NaN))).toBeLessThan(SCORE_TOLERANCE);
  }
  return images.map((image, index) => (scores[index]?.flagged ? hideImage(image, "black") : image));
}

/** The checker sees bytes: a value that is rounded the other way moves a score by about 1e-4. */
const SCORE_TOLERANCE = 1e-3;

async function readWatermark(): ReturnType<typeof watermarkOf> {
  return watermarkOf(join(checkpointOf("IFPipeline"), "watermarker", "diffusion_pytorch_model.safetensors"));
}

async function watermarkOf(path: string): Promise<ReturnType<typeof watermarkFromTensor>> {
  const entry = (await readSafetensorsHeader(path)).tensors.get("watermark_image");
  if (!entry) throw new Error(`${path} holds no watermark`);
  return watermarkFromTensor(await readTensorAsFloat32(path, entry));
}
