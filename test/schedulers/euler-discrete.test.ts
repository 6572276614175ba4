import { expect, test } from "vitest";
import { resolveConfig, type SchedulerConfig } from "../../src/schedulers/config.ts";
import { createEulerDiscreteScheduler } from "../../src/schedulers/euler-discrete.ts";
import type { Scheduler } from "../../src/schedulers/scheduler.ts";
import { goldenSchedulers } from "./golden-schedulers.ts";
import { schedulerContract } from "./scheduler-contract.ts";

const className = "EulerDiscreteScheduler";
const create = (overrides: Partial<SchedulerConfig> = {}): Scheduler =>
  createEulerDiscreteScheduler(resolveConfig({ className, keys: {} }, className, overrides));

schedulerContract(create);
goldenSchedulers(className);

test("with leading spacing the first sample is a little larger than the largest sigma", () => {
  const scheduler = create({ timestepSpacing: "leading", stepsOffset: 1, betaSchedule: "scaled_linear" });
  scheduler.setTimesteps({ numInferenceSteps: 5 });
  expect(scheduler.timesteps).toEqual([801, 601, 401, 201, 1]);
  expect(scheduler.initNoiseSigma).toBeCloseTo(7.0682, 4);
});
