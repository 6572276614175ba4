/**
 * @module schedulers/start-index
 * Where a run joins a scheduler's list of timesteps, and how often the network then runs.
 *
 * Source: `get_timesteps` of diffusers' IF img2img and inpainting pipelines. A strength counts the steps that were asked
 * for; the list holds `order` entries a step, but for Heun's first step: 2n - 1.
 */

import type { SchedulerConfig, SchedulerFile } from "./config.ts";
import { createBetas, cumulateAlphas } from "./betas.ts";
import { createScheduler, type CreateSchedulerOptions } from "./create-scheduler.ts";
import { usableTimesteps } from "./noise-levels.ts";
import type { Scheduler, TimestepSelection } from "./scheduler.ts";

/** @returns how many steps are asked for; a step of Heun's method visits a timestep twice. */
export function selectedSteps(selection: TimestepSelection): number {
  return "timesteps" in selection ? selection.timesteps.length : selection.numInferenceSteps;
}

/**
 * @param scheduler its timesteps are not read: only how many belong to a step.
 * @param strength  the last share of the steps that is run, in [0, 1].
 * @returns the index in `scheduler.timesteps` of the first one to run. At a strength that leaves no step it is the
 *          list's length or more.
 */
export function startIndex(
  { order }: Pick<Scheduler, "order">,
  selection: TimestepSelection,
  strength: number,
): number {
  const steps = selectedSteps(selection);
  const kept = Math.min(Math.trunc(steps * strength), steps);
  return (steps - kept) * order;
}

export interface NetworkCallsOptions extends CreateSchedulerOptions {
  readonly selection: TimestepSelection;
  /** In [0, 1]; default 1, a run from noise. */
  readonly strength?: number;
}

/**
 * @returns how many times a stage's network runs: 0 where the strength leaves nothing to run.
 * @throws {UsageError} a number of steps or a list that the scheduler refuses.
 */
export function networkCalls(
  file: SchedulerFile,
  { selection, strength = 1, ...options }: NetworkCallsOptions,
): number {
  const scheduler = createScheduler(file, options);
  scheduler.setTimesteps(selection);
  return Math.max(scheduler.timesteps.length - startIndex(scheduler, selection, strength), 0);
}

/** Of the files that have no `lambda_min_clipped` of their own: what diffusers' documentation gives cosine schedules. */
const LAMBDA_MIN_CLIPPED = -5.1;

/**
 * Heun's method takes the mean of the slopes at both ends of a step. From the noisiest timesteps of a cosine schedule (σ of
 * 20,000 at 999) the step is so long that an error of the second slope is all that is left.
 * @returns the noisiest timestep that it can start from.
 */
export function lastHeunStart(config: SchedulerConfig): number {
  const alphasCumprod = cumulateAlphas(createBetas(config));
  return usableTimesteps(config.lambdaMinClipped ?? LAMBDA_MIN_CLIPPED, alphasCumprod) - 1;
}
