/**
 * @module schedulers/scheduler
 * What every scheduler offers: a list of timesteps, and the step from one of them to the next.
 *
 * Letters: B images, C channels, H height, W width; x_t the sample at timestep t, x_0 the finished image.
 */

import type { Generator } from "../math/random.ts";
import type { Tensor } from "../math/tensor.ts";
import type { SchedulerConfig } from "./config.ts";

/** How many steps, or which timesteps. */
export type TimestepSelection =
  | { readonly numInferenceSteps: number }
  /** Descending, each a whole number in [0, numTrainTimesteps). */
  | { readonly timesteps: readonly number[] };

export interface StepOptions {
  /** One for the whole batch, or one per image. Schedulers that add no noise leave it alone. */
  readonly generator: Generator | readonly Generator[];
  /** DDIM only: 0 (default) adds no noise, 1 as much as DDPM. */
  readonly eta?: number;
}

export interface StepResult {
  /** The sample at the next timestep, (B, C, H, W). */
  readonly prevSample: Tensor;
  /** x_0 as the model sees it now, clipped as the config says, (B, C, H, W). */
  readonly predOriginalSample: Tensor;
}

export interface Scheduler {
  /** Every key with its value, defaults included. */
  readonly config: SchedulerConfig;
  /** Entries of `timesteps` that make up a step: 1, or 2 for Heun. Where a step begins, their index is a multiple of it. */
  readonly order: number;
  /** The first sample is noise times this; read it after `setTimesteps`. */
  readonly initNoiseSigma: number;
  /** `step` wants 2C channels, the predicted variance in the second half; otherwise C: drop the variance before. */
  readonly takesLearnedVariance: boolean;
  /** From noisy to clean; empty before `setTimesteps`. */
  readonly timesteps: readonly number[];
  /**
   * Starts anew: forgets earlier steps and the begin index.
   * @throws {UsageError} a count or list this scheduler does not take.
   */
  setTimesteps(selection: TimestepSelection): void;
  /** The first step will be `timesteps[index]`, as when an image is the start. Call after `setTimesteps`. */
  setBeginIndex(index: number): void;
  /** @returns what the model should see of `sample`: a new tensor, or `sample` itself where nothing is scaled. */
  scaleModelInput(sample: Tensor, timestep: number): Tensor;
  /**
   * x_t → the sample at the next timestep. Call once per timestep, in order.
   * @param modelOutput (B, C, H, W), or (B, 2C, H, W) if `takesLearnedVariance`.
   * @param timestep    an element of `timesteps`.
   * @param sample      x_t, (B, C, H, W).
   * @returns new tensors; inputs are not written to.
   * @throws {ShapeError} the two tensors, or the images and the generators, do not fit each other.
   */
  step(modelOutput: Tensor, timestep: number, sample: Tensor, options: StepOptions): StepResult;
  /**
   * The noisy version of a clean image, x_0 → x_t.
   * @param original  (B, C, H, W), also `noise`.
   * @param timesteps one per image, or one for all.
   * @returns a new tensor, (B, C, H, W).
   */
  addNoise(original: Tensor, noise: Tensor, timesteps: readonly number[]): Tensor;
}
