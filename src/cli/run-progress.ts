/**
 * @module cli/run-progress
 * How far a run is: its stages one after the other, each with all jobs, counted in steps.
 */

import type { StageProgress } from "../executor/executor.ts";
import type { Plan, Stage } from "../plan/plan.ts";

export interface RunProgress {
  /** Of all steps of all stages and jobs, 0 to 1. A step of one stage is not as long as one of another. */
  readonly runDone: number;
  /** Steps a second of what the stage does now, all jobs together; undefined: not measured yet. */
  readonly rate: number | undefined;
  /** Until the stage has done what it does now for all jobs, at that rate; undefined: not measured yet, or done. */
  readonly secondsLeft: number | undefined;
}

const stepsOf = (stage: Stage): number => (stage.kind === "diffusion" ? stage.steps : 1);

/** @param now milliseconds. */
export function createRunProgress(
  { stages, jobs }: Plan,
  now: () => number,
): { readonly update: (progress: StageProgress) => RunProgress } {
  const allSteps = stages.reduce((sum, stage) => sum + stepsOf(stage) * jobs.length, 0);
  /** By stage and what it does: how far each job is, when it began and with how many steps done. */
  const phases = new Map<
    string,
    { readonly done: Map<number, number>; readonly start: number; readonly first: number }
  >();
  let furthest = 0;
  return {
    update({ stage: name, job, jobs: together = [job], step, steps, what }) {
      const key = `${name} ${what}`;
      const phase = phases.get(key) ?? { done: new Map<number, number>(), start: now(), first: step * together.length };
      phases.set(key, phase);
      for (const one of together) phase.done.set(one, step);
      const done = [...phase.done.values()].reduce((sum, one) => sum + one, 0);
      const seconds = (now() - phase.start) / 1000;
      const rate = done > phase.first && seconds > 0 ? (done - phase.first) / seconds : undefined;
      const left = steps * jobs.length - done;
      const index = stages.findIndex((one) => one.name === name);
      const before = stages.slice(0, index).reduce((sum, stage) => sum + stepsOf(stage) * jobs.length, 0);
      const stage = stages[index];
      const stageSteps = stage === undefined ? 0 : (stepsOf(stage) * done) / steps;
      furthest = Math.max(furthest, (before + stageSteps) / Math.max(1, allSteps));
      const isEnd = left <= 0 || rate === undefined;
      return { runDone: Math.min(1, furthest), rate, secondsLeft: isEnd ? undefined : left / rate };
    },
  };
}
