/**
 * @module plan/request
 * What a user asked for, checked, in the field's words; what was not said is absent. The command line and the library make
 * the same request.
 */

import { z } from "zod";
import {
  MAX_SEED,
  type StartKind,
  commandNames,
  longPromptWays,
  requestedProviders,
  safetyActions,
  variants,
} from "./choices.ts";
import { textEncoderDevices } from "../onnx/lower/provider-names.ts";
import { type SchedulerName, schedulerNames } from "../schedulers/names.ts";
import { type DiffusionName, type Side, diffusionNames, sides } from "./stages.ts";

const count = z.int().positive();
const share = z.number().min(0).max(1);
const strength = z.number().positive().max(1);

export const stageRequest = z.strictObject({
  /** Denoising steps, 1 to 1000. */
  steps: count.max(1000).exactOptional(),
  /** A preset's name (`smart100`) or timesteps, descending. */
  timesteps: z.union([z.string(), z.array(z.int().nonnegative()).min(1)]).exactOptional(),
  /** The original repository's `sample_timestep_respacing`: a preset, `N`, `ddimN`, or steps per section. */
  respacing: z.string().min(1).exactOptional(),
  /** Absent: the checkpoint's. */
  scheduler: z.enum(schedulerNames as [SchedulerName, ...SchedulerName[]]).exactOptional(),
  /** Classifier-free guidance; 1 and below: off. */
  guidance: z.number().nonnegative().max(1000).exactOptional(),
  /** Its own, in place of the request's. */
  negativePrompt: z.string().exactOptional(),
  /** The positive prompt's share in the guidance; absent: the original's, 0.25 in stage 1 and 0.5 in stage 2. */
  positiveMixer: share.exactOptional(),
  /** Brings the guided prediction back to the deviation of the text's; 0: not at all. */
  guidanceRescale: share.exactOptional(),
  /** The share of the steps, from and up to, that are guided. */
  guidanceInterval: z
    .tuple([share, share])
    .refine(([from, to]) => from < to, "it must begin before it ends")
    .exactOptional(),
  /** Dynamic thresholding: the quantile of |x_0|, and the largest value that it may take. Absent: the checkpoint's. */
  thresholdingP: z.number().positive().max(1).exactOptional(),
  thresholdingC: z.number().min(1).max(1000).exactOptional(),
  /** Of txt2img's stages 1 and 2: the sides of what they draw, in pixels; absent: they follow. */
  width: z.int().positive().max(4096).exactOptional(),
  height: z.int().positive().max(4096).exactOptional(),
  /** Of stages that enlarge an image: a timestep of their noising scheduler. */
  noiseLevel: z.int().nonnegative().exactOptional(),
  /** Of stages that start from an image: how much of the way from noise is run, above 0 to 1. */
  strength: strength.exactOptional(),
  /** And by how many timesteps less noise it gets than the first one calls for, as in the original repository. */
  supportNoiseLessQsampleSteps: z.int().nonnegative().max(999).exactOptional(),
});
export type StageRequest = z.infer<typeof stageRequest>;

const pixels = z.int().positive();

const boxSize = z.strictObject({ width: pixels, height: pixels });

/** A part of the image, in its pixels; it may reach over the edge. */
const maskShape = z.strictObject({
  kind: z.enum(["rectangle", "ellipse"]),
  x: z.int(),
  y: z.int(),
  width: pixels,
  height: pixels,
});
export type MaskShape = z.infer<typeof maskShape>;

/** What is repainted: the file's white and the shapes together, or, inverted, all the rest. */
export const maskRequest = z.strictObject({
  /** Path of an image: white is repainted. */
  file: z.string().exactOptional(),
  /** Take it from the file's alpha channel: what is transparent or what is opaque, or whichever seems meant. */
  fromAlpha: z.enum(["auto", "transparent", "opaque"]).exactOptional(),
  shapes: z.array(maskShape),
  invert: z.boolean(),
});
export type MaskRequest = z.infer<typeof maskRequest>;

/** How `upscale` enlarges. */
export const upscaleRequest = z.strictObject({
  /** In the order of the run; none: ESRGAN alone. */
  stages: z.array(z.enum(diffusionNames)),
  /** Side of the tiles of large images, in pixels of what a stage is given; 0: none. Absent: the stage's own size. */
  tile: z.int().nonnegative().max(16_384).exactOptional(),
  /** How far tiles reach into each other; absent: a quarter of a tile. */
  tileOverlap: z.int().nonnegative().max(16_384).exactOptional(),
});
export type UpscaleRequest = z.infer<typeof upscaleRequest>;

/** The image that img2img and inpaint start from; beside an upscale's low-resolution image, the original. */
export const startImage = z.strictObject({
  /** Its path. */
  image: z.string().min(1),
  mask: maskRequest.exactOptional(),
  /** Paths of images that single stages take as their mask instead. */
  stageMasks: z.partialRecord(z.enum(diffusionNames), z.string().min(1)).exactOptional(),
  /** Put the untouched pixels of the image back over the result. */
  pasteBack: z.boolean(),
});
export type StartImage = z.infer<typeof startImage>;

/** A change of a network's weights: a file or the folder it was saved in, and how much of it. */
const loraRequest = z.strictObject({
  file: z.string().min(1),
  weight: z.number(),
  stage: z.enum(diffusionNames).exactOptional(),
});
export type LoraRequest = z.infer<typeof loraRequest>;

/** Another seed, towards which all noise of the first stage is turned: 0 leaves it, 1 makes it the other one's. */
export const variationRequest = z.strictObject({
  seed: z.int().nonnegative().max(MAX_SEED),
  strength: z.number().min(0).max(1),
});

export const requestSchema = z.strictObject({
  command: z.enum(commandNames),
  prompt: z.string(),
  negativePrompt: z.string(),
  /** Further prompts, drawn in one batch with the first, all from one generator, as diffusers draws a list. */
  morePrompts: z.array(z.string()).min(1).max(63).exactOptional(),
  /** A negative prompt for each of them; absent: they have the first one's. */
  moreNegativePrompts: z.array(z.string()).min(1).max(63).exactOptional(),
  /** Mixed into the guidance of stages 1 and 2. */
  positivePrompt: z.string().min(1).exactOptional(),
  /** style: pooled into the time embedding of stages 1 and 2; where no other is given, it is the positive prompt and the prompt. */
  style: z.string().min(1).exactOptional(),
  /** 0 to 2^32 - 1. */
  seed: z.int().nonnegative().max(MAX_SEED),
  variation: variationRequest.exactOptional(),
  /** Images of each prompt, drawn in one batch. */
  numImages: count.max(64),
  /** A name of models.json, or a directory with if-i, if-ii and x4-upscaler. */
  model: z.string().min(1),
  /** Other checkpoints for single stages: a folder, or `organisation/name[@revision]` of the Hub. */
  stageModels: z.partialRecord(z.enum(diffusionNames), z.string()),
  /** A checkpoint, as `stageModels` has them, whose T5 encodes prompts. */
  textEncoderModel: z.string().exactOptional(),
  /** LoRAs, each for the networks that it fits, or for one stage's UNet alone. */
  loras: z.array(loraRequest).exactOptional(),
  variant: z.enum(variants).exactOptional(),
  until: z.literal(sides as [Side, ...Side[]]),
  start: startImage.exactOptional(),
  /** upscale: path of the image, or of a tensor in a safetensors file, that is enlarged. */
  lowResolution: z.string().min(1).exactOptional(),
  upscale: upscaleRequest.exactOptional(),
  /** Path of an ESRGAN's weights: it enlarges what the last stage has drawn. */
  upscalerModel: z.string().min(1).exactOptional(),
  /** Path of T5's embeddings of the prompt and the negative prompt, in place of T5. */
  promptEmbeds: z.string().min(1).exactOptional(),
  /** txt2img: the shape of what is drawn, as W:H; absent: square. */
  aspectRatio: boxSize.exactOptional(),
  /** txt2img and upscale: the same as pixels of the last stage, of which txt2img's short side is the network's own. */
  size: boxSize.exactOptional(),
  stages: z.partialRecord(z.enum(diffusionNames), stageRequest),
  cleanCaption: z.boolean(),
  /** Absent: "truncate". */
  longPrompt: z.enum(longPromptWays).exactOptional(),
  watermark: z.boolean(),
  /** Absent: "black" if the checkpoint has a checker. */
  safety: z.enum(safetyActions).exactOptional(),
  eta: z.number().min(0).max(1),
  threads: count.max(1024).exactOptional(),
  executionProvider: z.enum(requestedProviders),
  /** Which NVIDIA GPU, as CUDA counts them; absent: the first. */
  deviceId: z.int().nonnegative().max(255).exactOptional(),
  /** T5 in 8 or 4 bits a weight; absent: as the checkpoint has it. */
  textEncoderBits: z.literal([8, 4]).exactOptional(),
  /** int8: faster, at a loss; goes with 8-bit weights. */
  textEncoderActivations: z.enum(["float32", "int8"]).exactOptional(),
  /** Where T5 runs; absent: on the CPU. */
  textEncoderDevice: z.enum(textEncoderDevices).exactOptional(),
  /** UNets in 8 bits a weight; absent: as the checkpoints have them. */
  unetBits: z.literal(8).exactOptional(),
});
export type Request = z.infer<typeof requestSchema>;

/** @returns the command whose settings the stages have: an upscale beside an original has img2img's, with a mask inpaint's. */
export function startKind({ command, start }: Pick<Request, "command" | "start">): StartKind {
  if (command !== "upscale") return command;
  return start === undefined ? "txt2img" : start.mask ? "inpaint" : "img2img";
}

/** @returns what a stage repaints: its own file, read as the common one is but without its shapes, or the common mask. */
export function stageMask({ mask, stageMasks }: StartImage, stage: DiffusionName): MaskRequest | undefined {
  const file = stageMasks?.[stage];
  return mask && file !== undefined ? { ...mask, file, shapes: [] } : mask;
}
