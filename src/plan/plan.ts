/**
 * @module plan/plan
 * Every decision of a run, made before a byte of a network is loaded: the stages, which all jobs share, and the jobs. Plain
 * JSON: `--dry-run` prints it, each stage's process is sent its part, a bug report can carry it.
 */

import { z } from "zod";
import { startImage, variationRequest } from "./request.ts";
import { diffusionNames, imageNames, singlePassNames, stageNames } from "./stages.ts";
import { providerNames } from "../onnx/lower/provider-names.ts";
import { commandNames, requestedProviders, variants } from "./choices.ts";
import { schedulerClassNames } from "../schedulers/config.ts";
import type { CreateSchedulerOptions } from "../schedulers/create-scheduler.ts";

const pixels = z.int().positive();
const stageName = z.enum(stageNames);
const diffusionName = z.enum(diffusionNames);
const providerName = z.enum(providerNames);

/** Which timesteps: a number of them, evenly spaced, or a list. */
const selection = z.union([
  z.strictObject({ numInferenceSteps: z.int() }),
  z.strictObject({ timesteps: z.array(z.number()) }),
]);

/** Keys that win over those of the checkpoint's scheduler_config.json. */
const schedulerKeys = z.strictObject({
  algorithmType: z.enum(["dpmsolver++", "sde-dpmsolver++"]).exactOptional(),
  solverOrder: z.literal([1, 2]).exactOptional(),
  useClippedModelOutput: z.boolean().exactOptional(),
  timestepSpacing: z.enum(["leading", "linspace", "trailing"]).exactOptional(),
  thresholding: z.boolean().exactOptional(),
  dynamicThresholdingRatio: z.number().exactOptional(),
  sampleMaxValue: z.number().exactOptional(),
});

/** LoRAs that are merged into a stage's network. */
const loraMerge = z.strictObject({
  network: z.enum(["unet", "text_encoder"]),
  loras: z
    .array(
      z.strictObject({
        /** Absolute path, and the file's hash. */
        file: z.string(),
        sha256: z.string(),
        /** By which the change is multiplied. */
        weight: z.number(),
      }),
    )
    .min(1),
  /** Where merged weights are kept. */
  cache: z.string(),
});

/** A large image is drawn in tiles of one size, in pixels of what the stage draws. */
const stageTiles = z.strictObject({ width: pixels, height: pixels, overlap: z.int().nonnegative() });
export type StageTiles = z.infer<typeof stageTiles>;

const textStage = z.strictObject({
  kind: z.literal("text"),
  name: stageName,
  checkpoint: z.string(),
  cleanCaption: z.boolean(),
  /** The jobs bring their embeddings: no T5 is loaded, and the checkpoint is there for its watermark. */
  readsEmbeds: z.literal(true).exactOptional(),
  /** Into how many parts of 77 tokens each text is cut, laid end to end; absent: one, and the rest is left out. */
  textParts: pixels.exactOptional(),
  /** Negative prompts of single stages: rows of `negative_prompt_embeds` after the jobs' own. Absent: none. */
  stageNegativePrompts: z.array(z.string()).exactOptional(),
  lora: loraMerge.exactOptional(),
});
export type TextStage = z.infer<typeof textStage>;

const diffusionStage = z.strictObject({
  kind: z.literal("diffusion"),
  name: diffusionName,
  /** One of the checkpoints: a folder laid out as its Hub repository. */
  checkpoint: z.string(),
  selection,
  /** The preset, or the text of the respacing, that the selection came from. */
  preset: z.string().exactOptional(),
  /** The scheduler's class: the checkpoint's, or the one that was asked for. */
  scheduler: z.enum(schedulerClassNames),
  /** Absent: all as the checkpoint has them. */
  schedulerKeys: schedulerKeys.exactOptional(),
  /** The scheduler's name in an image's metadata: `DDPM`. */
  sampler: z.string(),
  /** How many times the network runs for a batch: the selection's length, at the strength, in the scheduler's order. */
  steps: z.int(),
  guidanceScale: z.number(),
  /** Of how many parts of 77 tokens T5's embeddings are; absent: one. */
  textParts: pixels.exactOptional(),
  /** The positive prompt's share in the guidance, 0 to 1; absent: there is none. */
  positiveMixer: z.number().exactOptional(),
  /** How far the guided prediction is brought back to the deviation of the text's, 0 to 1; absent: not at all. */
  guidanceRescale: z.number().exactOptional(),
  /** The share of the steps, from and up to, that are guided; absent: all. */
  guidanceInterval: z.tuple([z.number(), z.number()]).exactOptional(),
  /** Its own, in place of the jobs', and the row of `negative_prompt_embeds` where T5's embedding of it is. */
  negativePrompt: z.string().exactOptional(),
  negativeRow: z.int().positive().exactOptional(),
  /** Of a stage that enlarges an image. */
  noiseLevel: z.int().exactOptional(),
  /** Of the images it makes, in pixels: 64, 256, 1024 with the published checkpoints, the long side more. */
  width: pixels,
  height: pixels,
  /** Absent: drawn whole. */
  tiles: stageTiles.exactOptional(),
  /** It enlarges the job's own low-resolution image, not what the stage before has drawn. */
  enlargesInput: z.literal(true).exactOptional(),
  /** Of a stage that starts from the job's image: the last share of the timesteps that is run, above 0 to 1. */
  strength: z.number().exactOptional(),
  /** And the timestep whose noise the image gets, counted from the first one; absent: that one. */
  lessNoiseSteps: z.int().positive().exactOptional(),
  /** The jobs' style takes the prompt's place in the time embedding. */
  styled: z.literal(true).exactOptional(),
  lora: loraMerge.exactOptional(),
});
export type DiffusionStage = z.infer<typeof diffusionStage>;

/** Enlarges images in one pass: no scheduler, no steps, no guidance. */
const singlePassStage = z.strictObject({
  kind: z.literal("single-pass"),
  name: z.enum(singlePassNames),
  /** The network's file, by its absolute path, and the file's hash. */
  checkpoint: z.string(),
  sha256: z.string(),
  /** Of the images it makes, in pixels. */
  width: pixels,
  height: pixels,
  /** Absent: drawn whole. */
  tiles: stageTiles.exactOptional(),
  /** Whose images it enlarges; absent: the job's own low-resolution image. */
  of: diffusionName.exactOptional(),
});
export type SinglePassStage = z.infer<typeof singlePassStage>;

/** A stage that draws images. */
export type ImageStage = DiffusionStage | SinglePassStage;

/** Looks at the finished images and draws them. */
const safetyStage = z.strictObject({
  kind: z.literal("safety"),
  name: stageName,
  /** The one that holds `safety_checker/` and `feature_extractor/`. */
  checkpoint: z.string(),
  action: z.enum(["black", "blur"]),
  /** Whose images. */
  of: z.strictObject({ name: z.enum(imageNames), checkpoint: z.string() }),
});
export type SafetyStage = z.infer<typeof safetyStage>;

export const stageSchema = z.discriminatedUnion("kind", [textStage, diffusionStage, singlePassStage, safetyStage]);
export type Stage = z.infer<typeof stageSchema>;

/** One prompt, or several that share a generator, and their images. */
export const jobSchema = z.strictObject({
  prompt: z.string(),
  negativePrompt: z.string(),
  /** Further prompts that share the job's generator: rows of `prompt_embeds` after the first. All jobs of a plan have as many. */
  morePrompts: z.array(z.string()).exactOptional(),
  /** Negative ones for them; absent: they have the first one's. All jobs of a plan have them, or none. */
  moreNegativePrompts: z.array(z.string()).exactOptional(),
  /** Mixed into the guidance: the row of `prompt_embeds` after the prompts. All jobs of a plan have one, or none. */
  positivePrompt: z.string().exactOptional(),
  /** The last row of `prompt_embeds`. All jobs of a plan have one, or none. */
  style: z.string().exactOptional(),
  seed: z.int(),
  /** Of the first stage's noise. */
  variation: variationRequest.exactOptional(),
  /** img2img, inpaint, and upscale beside an original; the path is absolute. */
  start: startImage.exactOptional(),
  /** upscale: absolute path of the image, or of the tensor, that is enlarged. */
  lowResolution: z.string().exactOptional(),
  /** Absolute path of T5's embeddings, in place of T5. */
  promptEmbeds: z.string().exactOptional(),
});
export type Job = z.infer<typeof jobSchema>;

/** Ways of doing with less memory; tiles cost no time, micro-batches do. */
export const lowMemorySchema = z.strictObject({
  /** Samples (images, guidance halves) that a network takes at once; absent: the whole batch. */
  microBatch: pixels.exactOptional(),
  /** The VAE decoder's feature maps are computed in tiles of about so many bytes. */
  tileBytes: pixels.exactOptional(),
});
export type LowMemory = z.infer<typeof lowMemorySchema>;

/** The execution provider of a run, and why it. */
const providerChoice = z.strictObject({
  requested: z.enum(requestedProviders),
  name: providerName,
  /** Those that would have come first, in their order, and what keeps each from working here. */
  passedOver: z.array(z.strictObject({ name: providerName, problem: z.string() })),
  /** Which NVIDIA GPU, as CUDA counts them; absent: the first. */
  deviceId: z.int().exactOptional(),
});
export type ProviderChoice = z.infer<typeof providerChoice>;

/** How T5 is made smaller or faster, where that is asked for. */
export const textEncoderChoice = z.strictObject({
  /** Of each weight. */
  bits: z.literal([8, 4]),
  /** Where weights of so many bits are kept, when they have to be made. */
  cache: z.string(),
  /** int8: faster, at a loss; with 8 bits only. */
  activations: z.enum(["float32", "int8"]),
});
export type TextEncoderChoice = z.infer<typeof textEncoderChoice>;

/** UNets in fewer bits than their checkpoints have. */
export const unetChoice = z.strictObject({ bits: z.literal(8), cache: z.string() });
export type UnetChoice = z.infer<typeof unetChoice>;

/** What every stage's process is told beside its stage and its jobs. */
export const sharedSettings = {
  /** Images of one job, drawn in one batch. */
  numImages: pixels,
  eta: z.number(),
  variant: z.enum(variants).exactOptional(),
  threads: pixels.exactOptional(),
  /** Absent: T5's weights are used as the checkpoint has them. */
  textEncoder: textEncoderChoice.exactOptional(),
  /** Absent: the UNets' weights are used as the checkpoints have them. */
  unet: unetChoice.exactOptional(),
};

export const planSchema = z.strictObject({
  version: z.string(),
  command: z.enum(commandNames),
  /** As it was asked for. */
  model: z.string(),
  jobs: z.array(jobSchema).min(1),
  ...sharedSettings,
  watermark: z.boolean(),
  stages: z.array(stageSchema),
  provider: providerChoice,
  /** Stages that do not run on the CPU. */
  gpuStages: z.partialRecord(stageName, providerName),
  /** Stages on a GPU whose process is started, loaded and warmed up while the stage before still runs: both fit. */
  ahead: z.array(stageName),
  /** Those of them that are loaded but not warmed up: for that they do not fit. */
  loadedAhead: z.array(stageName).exactOptional(),
  /** How many jobs a stage's UNet takes at once, where it is more than one. */
  jobsAtOnce: z.partialRecord(stageName, pixels),
  /** In how many processes a stage draws its jobs side by side, where it is more than one. */
  processes: z.partialRecord(stageName, pixels).exactOptional(),
  /** What stages do to need less memory, where they have to. */
  lowMemory: z.partialRecord(stageName, lowMemorySchema),
  /** Sentences for the user about what was decided. */
  notes: z.array(z.string()),
});
export type Plan = z.infer<typeof planSchema>;

/** A plan before it is known where its stages run and how they fit. */
export type PlannedRun = Omit<Plan, "provider" | "gpuStages" | "lowMemory" | "jobsAtOnce" | "ahead">;

/** What memory is predicted from: the stages at their places; `jobsAtOnce` absent: one. */
export type PlacedRun = Pick<
  Plan,
  "jobs" | "numImages" | "variant" | "textEncoder" | "unet" | "stages" | "gpuStages" | "threads"
> &
  Partial<Pick<Plan, "jobsAtOnce">>;

/** Guidance above 1 runs the network on (unconditional, text) at once; at 1 and below only on the text. */
export const isGuided = (guidanceScale: number): boolean => guidanceScale > 1;

/** @returns how many samples a network takes per image: of the text or, guided, of no text, a positive one and the text. */
export const textsPerImage = ({
  guidanceScale,
  positiveMixer,
}: {
  readonly guidanceScale: number;
  readonly positiveMixer?: number | undefined;
}): 1 | 2 | 3 => (!isGuided(guidanceScale) ? 1 : positiveMixer === undefined ? 2 : 3);

/** @returns what `createScheduler` takes beside the checkpoint's file. */
export const schedulerOptionsOf = ({
  scheduler,
  schedulerKeys = {},
}: Pick<DiffusionStage, "scheduler" | "schedulerKeys">): CreateSchedulerOptions => ({
  className: scheduler,
  overrides: schedulerKeys,
});

/** @returns the stages that denoise, in the order of the run. */
export function diffusionStages({ stages }: Pick<Plan, "stages">): DiffusionStage[] {
  return stages.filter((stage) => stage.kind === "diffusion");
}

/** @returns the stages that draw, in the order of the run. */
export function imageStages({ stages }: Pick<Plan, "stages">): ImageStage[] {
  return stages.filter((stage) => stage.kind === "diffusion" || stage.kind === "single-pass");
}

/** @returns the stage whose images are the result. */
export function lastImageStage(plan: Pick<Plan, "stages">): ImageStage {
  const last = imageStages(plan).at(-1);
  if (!last) throw new Error("a plan draws something");
  return last;
}

/** @returns the checkpoint that signs images: IF's watermark belongs to its first one. */
export function watermarkCheckpoint({ watermark, stages }: Pick<Plan, "watermark" | "stages">): string | undefined {
  return watermark ? stages.find(({ kind }) => kind === "text")?.checkpoint : undefined;
}
