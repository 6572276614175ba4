/**
 * @module schedulers/step-index
 * Where a scheduler that walks along a list of noise levels stands.
 */

import { indexOfTimestep } from "./timesteps.ts";

export interface StepIndex {
  /** Forgets everything, for a new list of timesteps. */
  reset(timesteps: readonly number[]): void;
  /** The first step will be this one. */
  begin(index: number): void;
  /** @returns the index of the step to take; the first call looks it up by its timestep unless `begin` told. */
  current(timestep: number): number;
  /** One step was taken. */
  advance(): void;
  /** @returns the indices whose noise level `addNoise` should use: where the run stands if it has a begin index. */
  forNoise(timesteps: readonly number[]): number[];
}

export function createStepIndex(): StepIndex {
  let schedule: readonly number[] = [];
  let beginIndex: number | undefined;
  let stepIndex: number | undefined;

  /** A timestep listed twice means its second place: Heun visits each twice, and a run may start in between. */
  function find(timestep: number): number {
    const first = indexOfTimestep(schedule, timestep);
    const second = schedule.indexOf(timestep, first + 1);
    return second < 0 ? first : second;
  }

  return {
    reset(timesteps) {
      schedule = timesteps;
      beginIndex = undefined;
      stepIndex = undefined;
    },
    begin(index) {
      beginIndex = index;
    },
    current(timestep) {
      stepIndex ??= beginIndex ?? find(timestep);
      return stepIndex;
    },
    advance() {
      if (stepIndex !== undefined) stepIndex += 1;
    },
    forNoise(timesteps) {
      if (beginIndex === undefined) return timesteps.map(find);
      const index = stepIndex ?? beginIndex;
      return timesteps.map(() => index);
    },
  };
}
