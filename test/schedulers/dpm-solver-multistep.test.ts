import { expect, test } from "vitest";
import { resolveConfig, type SchedulerConfig } from "../../src/schedulers/config.ts";
import { createDpmSolverMultistepScheduler } from "../../src/schedulers/dpm-solver-multistep.ts";
import type { Scheduler } from "../../src/schedulers/scheduler.ts";
import { goldenSchedulers } from "./golden-schedulers.ts";
import { schedulerContract } from "./scheduler-contract.ts";

const className = "DPMSolverMultistepScheduler";
const create = (overrides: Partial<SchedulerConfig> = {}): Scheduler =>
  createDpmSolverMultistepScheduler(resolveConfig({ className, keys: {} }, className, overrides));

schedulerContract(create);
goldenSchedulers(className);

test.each([
  ["leading", 4, [800, 600, 400, 200]],
  ["leading", 6, [852, 710, 568, 426, 284, 142]],
  ["trailing", 4, [999, 749, 499, 249]],
  ["trailing", 7, [999, 856, 713, 570, 428, 285, 142]],
] as const)("%s spacing, %i steps", (timestepSpacing, numInferenceSteps, expected) => {
  const scheduler = create({ timestepSpacing });
  scheduler.setTimesteps({ numInferenceSteps });
  expect(scheduler.timesteps).toEqual(expected);
});

test("lambda_min_clipped leaves out the noisiest timesteps of a cosine schedule", () => {
  const scheduler = create({ betaSchedule: "squaredcos_cap_v2", lambdaMinClipped: -5.1, timestepSpacing: "trailing" });
  scheduler.setTimesteps({ numInferenceSteps: 5 });
  expect(scheduler.timesteps).toEqual([995, 795, 595, 395, 195]);
});
