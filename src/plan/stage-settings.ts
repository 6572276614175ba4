/**
 * @module plan/stage-settings
 * What a stage runs with: the command line's word, else the model's, else the reference pipelines' own.
 */

import { UsageError } from "../errors.ts";
import type { StageKey } from "../catalog/manifest.ts";
import type { StageDefaults } from "../catalog/manifest-schema.ts";
import type { Model } from "../catalog/find-model.ts";
import { type DiffusionStage, selectionLength } from "./plan.ts";
import type { CommandName, StageRequest } from "./request.ts";

/** Timesteps by preset name. */
export type Presets = Readonly<Record<string, readonly number[]>>;

/** `strength` of IFImg2ImgPipeline, IFInpaintingPipeline and their super-resolution twins. */
const usualStrengths = { img2img: { stage1: 0.7, stage2: 0.8 }, inpaint: { stage1: 1, stage2: 0.8 } } as const;

/** @returns the model's settings of a stage; those of txt2img where a command has none of its own. */
export function stageDefaults({ defaults }: Model, command: CommandName, key: StageKey): StageDefaults {
  return (command === "txt2img" ? undefined : defaults[command]?.[key]) ?? defaults[key];
}

/** @throws {UsageError} an unknown preset, or steps and timesteps together. */
export function selectTimesteps(
  stage: string,
  asked: StageRequest,
  usual: StageDefaults,
  presets: Presets,
): Pick<DiffusionStage, "selection" | "preset"> {
  if (asked.steps !== undefined && asked.timesteps !== undefined) {
    throw new UsageError(`--${stage}-steps and --${stage}-timesteps exclude each other; give one of them.`);
  }
  const wanted = asked.steps === undefined && asked.timesteps === undefined ? usual : asked;
  if (wanted.timesteps === undefined) return { selection: { numInferenceSteps: wanted.steps ?? 0 } };
  if (typeof wanted.timesteps !== "string") return { selection: { timesteps: wanted.timesteps } };
  const timesteps = presets[wanted.timesteps];
  if (!timesteps) {
    throw new UsageError(
      `--${stage}-timesteps: ${wanted.timesteps} is no list of numbers and none of ${Object.keys(presets).join(", ")}.`,
    );
  }
  return { selection: { timesteps }, preset: wanted.timesteps };
}

/** StableDiffusionUpscalePipeline's max_noise_level; the image_noising_scheduler of stage 2 has 1000 timesteps. */
const noiseLevelLimits = { "stage-2": 999, "stage-3": 350 } as const;

/** @throws {UsageError} the stage takes no such noise level. */
export function noiseLevelOf(
  name: DiffusionStage["name"],
  asked: StageRequest,
  usual: StageDefaults,
): { noiseLevel?: number } {
  if (name === "stage-1") return {};
  const noiseLevel = asked.noiseLevel ?? usual.noiseLevel ?? 0;
  const limit = noiseLevelLimits[name];
  if (noiseLevel > limit) throw new UsageError(`--${name}-noise-level is at most ${limit}, not ${noiseLevel}.`);
  return { noiseLevel };
}

/**
 * @param selection what the stage would run at strength 1.
 * @throws {UsageError} not one step would be left.
 */
export function strengthOf(
  command: "img2img" | "inpaint",
  key: "stage1" | "stage2",
  asked: StageRequest,
  usual: StageDefaults,
  selection: DiffusionStage["selection"],
): number {
  const strength = asked.strength ?? usual.strength ?? usualStrengths[command][key];
  const steps = selectionLength(selection);
  if (Math.trunc(steps * strength) < 1) {
    throw new UsageError(
      `a strength of ${strength} leaves none of the ${steps} steps of ${key.replace("stage", "stage ")}; ` +
        "raise the strength or the steps.",
    );
  }
  return strength;
}
