/**
 * @module plan/stage-settings
 * What a stage runs with: the request's word, else the model's, else the reference pipelines' own.
 */

import { UsageError } from "../errors.ts";
import type { SchedulerFile } from "../schedulers/config.ts";
import { createScheduler } from "../schedulers/create-scheduler.ts";
import { samplerName, takesPresets } from "../schedulers/names.ts";
import { schedulerOptions } from "../schedulers/scheduler-options.ts";
import { respacedTimesteps } from "../schedulers/respacing.ts";
import { lastHeunStart, networkCalls, selectedSteps, startIndex } from "../schedulers/start-index.ts";
import { presetTimesteps, timestepPresets } from "../schedulers/timesteps.ts";
import { thresholdingOf } from "./guidance-settings.ts";
import type { StageDefaults } from "./model.ts";
import { type DiffusionStage, schedulerOptionsOf } from "./plan.ts";
import { type Request, type StageRequest, startKind } from "./request.ts";
import type { DiffusionDescription } from "./stages.ts";

/** Ways to say which timesteps; they exclude each other. */
const selections = ["steps", "timesteps", "respacing"] as const satisfies readonly (keyof StageRequest)[];

/** @throws {UsageError} an unknown preset or respacing, or two ways to say which timesteps. */
export function selectTimesteps(
  { name }: DiffusionDescription,
  requested: StageRequest,
  defaults: StageDefaults,
): Pick<DiffusionStage, "selection" | "preset"> {
  const given = selections.filter((key) => requested[key] !== undefined);
  if (given.length > 1) {
    const options = given.map((key) => `--${name}-${key}`);
    throw new UsageError(`${options.join(" and ")} exclude each other; give one of them.`);
  }
  if (requested.respacing !== undefined) return respacingOf(name, requested.respacing);
  const { steps, timesteps } = given.length > 0 ? requested : defaultSelection(requested, defaults);
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

/** A model's preset is for the schedulers it was chosen for; others take as many steps, in their own spacing. */
function defaultSelection(
  { scheduler }: StageRequest,
  { steps, timesteps }: StageDefaults,
): Pick<StageDefaults, "steps" | "timesteps"> {
  if (scheduler === undefined || takesPresets(scheduler) || timesteps === undefined) return { steps, timesteps };
  const preset = timestepPresets.find((one) => one === timesteps);
  return { steps: preset ? presetTimesteps(preset).length : timesteps.length };
}

function respacingOf(name: string, text: string): Pick<DiffusionStage, "selection" | "preset"> {
  try {
    return { selection: { timesteps: respacedTimesteps(text) }, preset: text };
  } catch (cause) {
    if (!(cause instanceof UsageError)) throw cause;
    throw new UsageError(`--${name}-respacing: ${cause.message}`, { cause });
  }
}

/** @returns the scheduler that was asked for, on the checkpoint's noise schedule; or the checkpoint's own. */
export function schedulerOf(
  stage: DiffusionDescription,
  file: SchedulerFile,
  requested: StageRequest,
): Pick<DiffusionStage, "scheduler" | "schedulerKeys" | "sampler"> {
  const { scheduler: name } = requested;
  const named = name ? schedulerOptions(name, file) : { className: file.className, overrides: {} };
  const { className } = named;
  const overrides = { ...named.overrides, ...thresholdingOf(stage, requested) };
  const { config } = createScheduler(file, { className, overrides });
  return {
    scheduler: className,
    ...(Object.keys(overrides).length > 0 ? { schedulerKeys: overrides } : {}),
    sampler: samplerName(className, config),
  };
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
  request: Pick<Request, "command" | "start">,
  requested: StageRequest,
  defaults: StageDefaults,
): { strength?: number } {
  const kind = startKind(request);
  if (kind === "txt2img" || startStrengths === undefined) return {};
  return { strength: requested.strength ?? defaults.strength ?? startStrengths[kind] };
}

type Scheduled = Pick<DiffusionStage, "scheduler" | "schedulerKeys" | "selection" | "strength">;

/**
 * @returns how many times the network runs for a batch, counted by the scheduler itself.
 * @throws {UsageError} not one step would be left, or the scheduler does not take the selection.
 */
export function countSteps({ label }: DiffusionDescription, file: SchedulerFile, planned: Scheduled): number {
  const { selection, strength = 1 } = planned;
  const calls = networkCalls(file, { ...schedulerOptionsOf(planned), selection, strength });
  if (calls > 0) return calls;
  throw new UsageError(
    `a strength of ${strength} leaves none of the ${selectedSteps(selection)} steps of ${label}; raise the strength or the steps.`,
  );
}

/** @throws {UsageError} Heun's method, asked for, would start where it cannot. */
export function checkHeunStart(
  { label }: DiffusionDescription,
  file: SchedulerFile,
  planned: Scheduled,
  requested: StageRequest,
): void {
  if (requested.scheduler !== "heun") return;
  const { selection, strength = 1 } = planned;
  const scheduler = createScheduler(file, schedulerOptionsOf(planned));
  scheduler.setTimesteps(selection);
  const first = scheduler.timesteps[startIndex(scheduler, selection, strength)] ?? 0;
  const last = lastHeunStart(scheduler.config);
  if (first <= last) return;
  throw new UsageError(
    `heun cannot start ${label} at timestep ${first}: there is hardly anything but noise, and the second slope of its ` +
      `step would be all error. Give a number of steps, or timesteps from ${last} down.`,
  );
}
