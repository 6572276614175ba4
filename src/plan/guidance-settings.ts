/**
 * @module plan/guidance-settings
 * What steers a stage towards the prompt: guidance and what is mixed into it, and thresholding.
 */

import { UsageError } from "../errors.ts";
import type { StageDefaults } from "./model.ts";
import { type DiffusionStage, isGuided } from "./plan.ts";
import { positivePromptOf } from "./prompts.ts";
import type { Request, StageRequest } from "./request.ts";
import type { DiffusionDescription } from "./stages.ts";

type GuidanceSettings = Pick<
  DiffusionStage,
  "guidanceScale" | "positiveMixer" | "guidanceRescale" | "guidanceInterval" | "negativePrompt"
>;

/** @throws {UsageError} the stage does not take a setting. */
export function guidanceOf(
  { name, pixels }: DiffusionDescription,
  request: Request,
  defaults: StageDefaults,
): GuidanceSettings {
  const requested = request.stages[name] ?? {};
  const positivePrompt = positivePromptOf(request);
  const { guidance = defaults.guidance, guidanceRescale = 0, guidanceInterval, negativePrompt } = requested;
  if (requested.positiveMixer !== undefined && !pixels) {
    throw new UsageError(`${name} mixes no positive prompt in: leave --${name}-positive-mixer out.`);
  }
  if (requested.positiveMixer !== undefined && positivePrompt === undefined) {
    throw new UsageError(`--${name}-positive-mixer needs --positive-prompt, what is to be mixed in.`);
  }
  const mixes = pixels && positivePrompt !== undefined && isGuided(guidance);
  return {
    guidanceScale: guidance,
    ...(mixes ? { positiveMixer: requested.positiveMixer ?? pixels.positiveMixer } : {}),
    ...(guidanceRescale > 0 ? { guidanceRescale } : {}),
    ...(guidanceInterval ? { guidanceInterval } : {}),
    ...(negativePrompt === undefined ? {} : { negativePrompt }),
  };
}

/**
 * @returns the scheduler's keys for dynamic thresholding as it is asked for; nothing where it is not.
 * @throws {UsageError} the stage draws latents, whose range nobody knows.
 */
export function thresholdingOf(
  { name, pixels }: DiffusionDescription,
  { thresholdingP, thresholdingC }: StageRequest,
): NonNullable<DiffusionStage["schedulerKeys"]> {
  if (thresholdingP === undefined && thresholdingC === undefined) return {};
  if (!pixels) {
    throw new UsageError(
      `${name} draws latents, which are not thresholded: leave --${name}-thresholding-p and -c out.`,
    );
  }
  return {
    thresholding: true,
    useClippedModelOutput: true, // else Euler, Heun and their like would ignore it
    ...(thresholdingP === undefined ? {} : { dynamicThresholdingRatio: thresholdingP }),
    ...(thresholdingC === undefined ? {} : { sampleMaxValue: thresholdingC }),
  };
}
