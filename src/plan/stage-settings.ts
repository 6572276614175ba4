/**
 * @module plan/stage-settings
 * What a stage runs with: the request's word, else the model's, else the reference pipelines' own.
 */

import { UsageError } from "../errors.ts";
import type { SchedulerFile } from "../schedulers/config.ts";
import { createScheduler } from "../schedulers/create-scheduler.ts";
import { presetTimesteps, timestepPresets } from "../schedulers/timesteps.ts";
import type { StageDefaults } from "./model.ts";
import { type DiffusionStage, type Selection, selectionLength } from "./plan.ts";
import type { StageRequest } from "./request.ts";
import type { DiffusionDescription } from "./stages.ts";
import type { CommandName } from "./choices.ts";

/** @throws {UsageError} an unknown preset, or steps and timesteps together. */
export function selectTimesteps(
  { name }: DiffusionDescription,
  requested: StageRequest,
  defaults: StageDefaults,
): Pick<DiffusionStage, "selection" | "preset"> {
  if (requested.steps !== undefined && requested.timesteps !== undefined) {
    throw new UsageError(`--${name}-steps and --${name}-timesteps exclude each other; give one of them.`);
  }
  const { steps, timesteps } = (requested.steps ?? requested.timesteps) ? requested : defaults;
  if (timesteps === undefined) return { selection: { numInferenceSteps: steps ?? 0 } };
  if (typeof timesteps !== "string") return { selection: { timesteps } };
  const preset = timestepPresets.find((one) => one === timesteps);
  if (preset === undefined) {
    throw new UsageError(
      `--${name}-timesteps: ${timesteps} is no list of numbers and none of ${timestepPresets.join(", ")}.`,
    );
  }
  return { selection: { timesteps: [...presetTimesteps(preset)] }, preset };
}

/** @throws {UsageError} the stage takes no such noise level. */
export function noiseLevelOf(
  { name, maxNoiseLevel }: DiffusionDescription,
  requested: StageRequest,
  defaults: StageDefaults,
): { noiseLevel?: number } {
  if (maxNoiseLevel === undefined) {
    if (requested.noiseLevel === undefined) return {};
    throw new UsageError(`${name} enlarges no image: it takes no noise level.`);
  }
  const noiseLevel = requested.noiseLevel ?? defaults.noiseLevel ?? 0;
  if (noiseLevel <= maxNoiseLevel) return { noiseLevel };
  throw new UsageError(`--${name}-noise-level is at most ${maxNoiseLevel}, not ${noiseLevel}.`);
}

/** @returns how far a stage leaves the image it starts from; nothing if it starts from noise. */
export function strengthOf(
  { startStrengths }: DiffusionDescription,
  command: CommandName,
  requested: StageRequest,
  defaults: StageDefaults,
): { strength?: number } {
  if (command === "txt2img" || startStrengths === undefined) return {};
  return { strength: requested.strength ?? defaults.strength ?? startStrengths[command] };
}

/**
 * @returns how many times the network runs for a batch, counted by the scheduler itself.
 * @throws {UsageError} not one step would be left, or the scheduler does not take the selection.
 */
export function countSteps(
  { label }: DiffusionDescription,
  file: SchedulerFile,
  selection: Selection,
  strength = 1,
): number {
  const scheduler = createScheduler(file);
  scheduler.setTimesteps(selection);
  const chosen = selectionLength(selection);
  const kept = Math.min(Math.trunc(chosen * strength), chosen);
  if (kept < 1) {
    throw new UsageError(
      `a strength of ${strength} leaves none of the ${chosen} steps of ${label}; raise the strength or the steps.`,
    );
  }
  return scheduler.timesteps.length - (chosen - kept) * scheduler.order;
}
