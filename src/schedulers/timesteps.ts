/**
 * @module schedulers/timesteps
 * Which training timesteps an inference run visits: evenly spaced, or the respacing presets of DeepFloyd IF.
 *
 * Source: spacings as in Lin et al. 2023 (arXiv 2305.08891) table 2; presets by the section rule of Nichol and
 * Dhariwal 2021 (arXiv 2102.09672) §4, as `space_timesteps` of the paper's code.
 */

import { UsageError } from "../errors.ts";
import type { SchedulerConfig } from "./config.ts";
import type { TimestepSelection } from "./scheduler.ts";

/** Steps spent in each of equally long sections of the 1000 training timesteps, from clean to noisy. */
const presetSections = {
  fast27: [10, 10, 3, 2, 2],
  smart27: [7, 4, 2, 1, 2, 4, 7],
  smart50: [10, 6, 4, 3, 2, 2, 3, 4, 6, 10],
  smart100: [1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 3, 3, 4, 4, 5, 5, 6, 7, 7, 8, 9, 10, 13],
  smart185: [1, 1, 2, 2, 2, 3, 3, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 18, 20],
  super27: [1, 1, 1, 1, 1, 1, 1, 2, 5, 13],
  super40: [2, 2, 2, 2, 2, 2, 3, 4, 6, 15],
  super100: [4, 4, 6, 6, 8, 8, 10, 10, 14, 30],
} as const;

export type TimestepPreset = keyof typeof presetSections;

export const timestepPresets = Object.keys(presetSections) as readonly TimestepPreset[];

/** The timesteps that IF's networks were trained on, which presets and respacing texts divide into sections. */
export const respacedTrainTimesteps = 1000;

/** @returns the preset's timesteps, from 999 down to 0. */
export function presetTimesteps(preset: TimestepPreset): number[] {
  return sectionTimesteps(presetSections[preset]);
}

/**
 * @param counts steps in each of equally long sections, from clean to noisy; whole numbers from 0 on.
 * @returns the timesteps, descending; each section's steps reach both of its ends.
 * @throws {UsageError} more steps than a section has timesteps.
 */
export function sectionTimesteps(counts: readonly number[]): number[] {
  const timesteps: number[] = [];
  const remainder = respacedTrainTimesteps % counts.length;
  let start = 0;
  counts.forEach((count, index) => {
    // The remainder goes to the first sections, one each.
    const length = Math.floor(respacedTrainTimesteps / counts.length) + (index < remainder ? 1 : 0);
    if (count > length) throw new UsageError(`A section of ${length} timesteps cannot give ${count} steps.`);
    const stride = count <= 1 ? 1 : (length - 1) / (count - 1);
    let offset = 0; // summed up, not multiplied: the rounding of the sum is part of the rule
    for (let i = 0; i < count; i++, offset += stride) timesteps.push(start + roundHalfEven(offset));
    start += length;
  });
  return timesteps.toReversed();
}

/**
 * @returns `count` timesteps from noisy to clean, spaced as the config says; fractional only with "linspace".
 */
export function spacedTimesteps(config: SchedulerConfig, count: number): number[] {
  const { numTrainTimesteps, stepsOffset } = config;
  switch (config.timestepSpacing) {
    case "linspace":
      return linspace(numTrainTimesteps - 1, count).toReversed();
    case "leading": {
      const ratio = Math.floor(numTrainTimesteps / count);
      return Array.from({ length: count }, (_, i) => (count - 1 - i) * ratio + stepsOffset);
    }
    case "trailing":
      return trailing(numTrainTimesteps, numTrainTimesteps / count, count);
  }
}

/** @returns `count` numbers from 0 to `last`; 0 alone if count is 1. */
export function linspace(last: number, count: number): number[] {
  const step = last / (count - 1);
  return Array.from({ length: count }, (_, i) => (i > 0 && i === count - 1 ? last : i === 0 ? 0 : i * step));
}

/**
 * @returns from `first` - 1 downwards by `ratio`, while above -1 and at most `count` of them. numpy.arange, which the
 * reference uses, sometimes counts one too many, and so ends with a timestep -1.
 */
export function trailing(first: number, ratio: number, count: number): number[] {
  const length = Math.min(count, Math.ceil(first / ratio));
  const difference = first - ratio - first; // as arange computes it
  return Array.from({ length }, (_, i) => roundHalfEven(first + i * difference) - 1);
}

/** Python's and numpy's rounding. */
export function roundHalfEven(value: number): number {
  const below = Math.floor(value);
  const fraction = value - below;
  if (fraction === 0.5) return below % 2 === 0 ? below : below + 1;
  return fraction < 0.5 ? below : below + 1;
}

/**
 * @param spaced makes the timesteps for a checked count.
 * @returns the timesteps asked for.
 * @throws {UsageError} a count outside [1, numTrainTimesteps], or too large for the offset; a list that is empty, not descending or out of range.
 */
export function selectTimesteps(
  selection: TimestepSelection,
  config: SchedulerConfig,
  spaced: (count: number) => number[],
): number[] {
  const { numTrainTimesteps } = config;
  if ("numInferenceSteps" in selection) {
    const count = selection.numInferenceSteps;
    if (!Number.isInteger(count) || count < 1 || count > numTrainTimesteps) {
      throw new UsageError(
        `${count} inference steps are not possible: give a whole number from 1 to ${numTrainTimesteps}.`,
      );
    }
    const timesteps = spaced(count);
    if (timesteps[0]! >= numTrainTimesteps) {
      throw new UsageError(
        `${count} inference steps leave no room for steps_offset ${config.stepsOffset}: give fewer.`,
      );
    }
    return timesteps;
  }
  checkTimesteps(selection.timesteps, numTrainTimesteps);
  return [...selection.timesteps];
}

/** @throws {RangeError} the timestep is not in the list: a mistake of the caller. */
export function indexOfTimestep(timesteps: readonly number[], timestep: number): number {
  const index = timesteps.indexOf(timestep);
  if (index < 0) throw new RangeError(`${timestep} is not among the timesteps [${timesteps.join(", ")}]`);
  return index;
}

function checkTimesteps(timesteps: readonly number[], numTrainTimesteps: number): void {
  if (timesteps.length === 0) throw new UsageError("The list of timesteps is empty: give at least one.");
  const outside = timesteps.find((t) => !Number.isInteger(t) || t < 0 || t >= numTrainTimesteps);
  if (outside !== undefined) {
    throw new UsageError(`${outside} is no timestep: give whole numbers from ${numTrainTimesteps - 1} down to 0.`);
  }
  const rising = timesteps.findIndex((t, i) => i > 0 && t >= timesteps[i - 1]!);
  if (rising > 0) {
    throw new UsageError(
      `Timesteps must descend, but ${timesteps[rising]} follows ${timesteps[rising - 1]}: sort them from high to low.`,
    );
  }
}
