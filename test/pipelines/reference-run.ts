/** Runs one call of the reference's pipelines through ours. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { repeatInterleave } from "../../src/math/layout.ts";
import type { Generator } from "../../src/math/random.ts";
import type { Tensor } from "../../src/math/tensor.ts";
import type { StepEvent } from "../../src/pipelines/denoise.ts";
import { withStage1 } from "../../src/pipelines/stage-1.ts";
import { withStage2 } from "../../src/pipelines/stage-2.ts";
import { type EncodedText, type TextEncodingOptions, withTextEncoder } from "../../src/pipelines/text-encoding.ts";
import type { Start } from "../../src/pipelines/start.ts";
import { type Upscaled, runUpscale } from "../../src/pipelines/upscale.ts";
import type { CreateSchedulerOptions } from "../../src/schedulers/create-scheduler.ts";
import type { NetworkSettings } from "../../src/networks/open-network.ts";
import { listVariants } from "../../src/weights/variants.ts";
import { goldenPath } from "../golden.ts";
import { type CallArguments, listOf, loadImages } from "./reference-case.ts";

export interface ReferenceRun {
  /** Raw for the IF pipelines, the decoder's output for the upscaler. */
  readonly images: Tensor;
  readonly steps: readonly StepEvent[];
  readonly promptEmbeds: Tensor;
  readonly negativePromptEmbeds: Tensor | null;
  readonly inputIds: readonly (readonly number[])[];
}

export interface RunContext {
  readonly pipe: string;
  readonly args: CallArguments;
  readonly generator: Generator | readonly Generator[];
  /** What the stage before drew. */
  readonly previous?: Tensor;
  /** The embeddings of encode_prompt, in a chain. */
  readonly encoded?: EncodedText;
  readonly scheduler?: CreateSchedulerOptions;
}

/** The weights the reference ran with: fp32 files, or fp16 ones where the set holds only those. */
export async function settingsFor(network: string): Promise<NetworkSettings> {
  const variants = await listVariants(network);
  return { executionProvider: "cpu", threads: 1, variant: variants.includes("fp32") ? "fp32" : "fp16" };
}

/** The arguments' defaults, from the signatures of the reference's pipelines. */
const defaults: Record<string, { steps: number; guidance: number; strength: number; noiseLevel: number }> = {
  IFPipeline: { steps: 100, guidance: 7, strength: 1, noiseLevel: 0 },
  IFSuperResolutionPipeline: { steps: 50, guidance: 4, strength: 1, noiseLevel: 250 },
  IFImg2ImgPipeline: { steps: 80, guidance: 10, strength: 0.7, noiseLevel: 0 },
  IFImg2ImgSuperResolutionPipeline: { steps: 50, guidance: 4, strength: 0.8, noiseLevel: 250 },
  IFInpaintingPipeline: { steps: 50, guidance: 7, strength: 1, noiseLevel: 0 },
  IFInpaintingSuperResolutionPipeline: { steps: 100, guidance: 4, strength: 0.8, noiseLevel: 0 },
  StableDiffusionUpscalePipeline: { steps: 75, guidance: 9, strength: 1, noiseLevel: 20 },
};

export const checkpointOf = (pipe: string): string =>
  goldenPath(
    "checkpoints",
    pipe === "StableDiffusionUpscalePipeline" ? "x4-upscaler" : pipe.includes("SuperResolution") ? "if-ii" : "if-i",
  );

/** @returns the `sample_size` of a pipeline's UNet. */
export function sampleSizeOf(pipe: string): number {
  const config = readFileSync(join(checkpointOf(pipe), "unet", "config.json"), "utf8");
  return (JSON.parse(config) as { sample_size: number }).sample_size;
}

export async function runReferenceCall(context: RunContext): Promise<ReferenceRun> {
  if (context.pipe === "StableDiffusionUpscalePipeline") return upscale(context);
  const { pipe, args, generator, previous } = context;
  const pipelineDefaults = defaults[pipe];
  if (!pipelineDefaults) throw new Error(`${pipe} is not known here`);
  const sampleSize = sampleSizeOf(pipe);
  const encoded = context.encoded ?? (await encode(args));
  const steps: StepEvent[] = [];
  const imagesPerPrompt = args.num_images_per_prompt ?? 1;
  const start = await startOf(context, sampleSize, pipelineDefaults.strength);
  const [height = 0, width = 0] = start.kind === "noise" ? [start.height, start.width] : start.pixels.shape.slice(2);
  const shared = {
    checkpoint: checkpointOf(pipe),
    images: (encoded.promptEmbeds.shape[0] ?? 0) * imagesPerPrompt,
    width,
    height,
    selection: args.timesteps
      ? { timesteps: args.timesteps }
      : { numInferenceSteps: args.num_inference_steps ?? pipelineDefaults.steps },
    guidanceScale: args.guidance_scale ?? pipelineDefaults.guidance,
    eta: args.eta ?? 0,
    settings: await settingsFor(join(checkpointOf(pipe), "unet")),
    ...(context.scheduler ? { scheduler: context.scheduler } : {}),
  };
  const job = {
    promptEmbeds: encoded.promptEmbeds,
    negativePromptEmbeds: encoded.negativePromptEmbeds,
    imagesPerPrompt,
    start,
    generator,
    onStep: (event: StepEvent) => steps.push(event),
  };
  const enlarge = async (): Promise<Tensor> => {
    const image = await loadImages(args.image ?? [], "low-resolution", sampleSize, previous);
    return withStage2({ ...shared, noiseLevel: args.noise_level ?? pipelineDefaults.noiseLevel }, (draw) =>
      draw({ ...job, image }),
    );
  };
  const images = pipe.includes("SuperResolution") ? await enlarge() : await withStage1(shared, (draw) => draw(job));
  return {
    images,
    steps,
    promptEmbeds: repeatInterleave(encoded.promptEmbeds, imagesPerPrompt),
    negativePromptEmbeds: repeatInterleave(encoded.negativePromptEmbeds, imagesPerPrompt),
    inputIds: encoded.prompts.map(({ inputIds }) => inputIds),
  };
}

/** Opens T5 for one call. */
export function encodeText({
  prompts,
  negativePrompts,
  ...options
}: Omit<TextEncodingOptions, "texts"> & {
  readonly prompts: readonly string[];
  readonly negativePrompts: readonly string[];
}): Promise<EncodedText> {
  return withTextEncoder({ ...options, texts: prompts.length + negativePrompts.length }, (encode) =>
    encode(prompts, negativePrompts),
  );
}

/** Embeddings as a pipeline's own call makes them: captions cleaned unless told otherwise. */
async function encode(args: CallArguments): Promise<EncodedText> {
  const prompts = listOf(args.prompt);
  const negative = listOf(args.negative_prompt);
  return encodeText({
    checkpoint: goldenPath("checkpoints", "if-i"),
    prompts,
    negativePrompts: prompts.map((_, index) => negative[index] ?? negative[0] ?? ""),
    cleanCaption: args.clean_caption ?? true,
    settings: await settingsFor(goldenPath("checkpoints", "if-i", "text_encoder")),
  });
}

async function startOf(
  { pipe, args, previous }: RunContext,
  sampleSize: number,
  defaultStrength: number,
): Promise<Start> {
  const pixels = pipe.includes("SuperResolution") ? args.original_image : args.image;
  if (pipe === "IFPipeline" || pipe === "IFSuperResolutionPipeline") {
    return { kind: "noise", height: args.height ?? sampleSize, width: args.width ?? sampleSize };
  }
  return {
    kind: "image",
    pixels: await loadImages(pixels ?? [], "start", sampleSize, previous),
    strength: args.strength ?? defaultStrength,
    ...(args.mask_image ? { mask: await loadImages(args.mask_image, "mask", sampleSize, undefined) } : {}),
  };
}

async function upscale({ pipe, args, generator, previous }: RunContext): Promise<ReferenceRun> {
  const pipelineDefaults = defaults[pipe];
  if (!pipelineDefaults || Array.isArray(generator)) throw new Error("the upscaler runs with one generator here");
  const prompts = listOf(args.prompt);
  const negative = listOf(args.negative_prompt);
  const steps: StepEvent[] = [];
  const imagesPerPrompt = args.num_images_per_prompt ?? 1;
  const image = await loadImages(args.image ?? [], "upscale", 0, previous);
  const [, , height = 0, width = 0] = image.shape;
  const results: Upscaled[] = [];
  await runUpscale(
    {
      checkpoint: checkpointOf(pipe),
      images: prompts.length * imagesPerPrompt,
      width: 4 * width,
      height: 4 * height,
      selection: { numInferenceSteps: args.num_inference_steps ?? pipelineDefaults.steps },
      guidanceScale: args.guidance_scale ?? pipelineDefaults.guidance,
      eta: args.eta ?? 0,
      noiseLevel: args.noise_level ?? pipelineDefaults.noiseLevel,
      settings: await settingsFor(join(checkpointOf(pipe), "unet")),
    },
    [{ prompts, negativePrompts: prompts.map((_, index) => negative[index] ?? negative[0] ?? "") }],
    () =>
      Promise.resolve([
        [
          {
            imagesPerPrompt,
            image: () => Promise.resolve(image),
            generator: generator as Generator,
            onStep: (event: StepEvent) => steps.push(event),
          },
        ],
      ]),
    (_, upscaled) => Promise.resolve(void results.push(upscaled)),
  );
  const [result] = results;
  if (!result) throw new Error(`${pipe} made nothing`);
  return {
    images: result.images,
    steps,
    promptEmbeds: repeatInterleave(result.promptEmbeds, imagesPerPrompt),
    negativePromptEmbeds: result.negativePromptEmbeds && repeatInterleave(result.negativePromptEmbeds, imagesPerPrompt),
    inputIds: result.tokens.prompts.map(({ inputIds }) => inputIds),
  };
}
