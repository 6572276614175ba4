import { expect, test } from "vitest";
import { createGenerator } from "../../src/math/random.ts";
import { resolveConfig, type SchedulerConfig } from "../../src/schedulers/config.ts";
import { createDpmSolverMultistepScheduler } from "../../src/schedulers/dpm-solver-multistep.ts";
import type { Scheduler } from "../../src/schedulers/scheduler.ts";
import { goldenSchedulers } from "./golden-schedulers.ts";
import { schedulerContract } from "./scheduler-contract.ts";

const className = "DPMSolverMultistepScheduler";
const create = (overrides: Partial<SchedulerConfig> = {}): Scheduler =>
  createDpmSolverMultistepScheduler(resolveConfig({ className, keys: {} }, className, overrides));

schedulerContract(create);
schedulerContract(() => create({ algorithmType: "sde-dpmsolver++" }));
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

test("the SDE draws noise in every step, the ODE never", () => {
  const drawn = (algorithmType: SchedulerConfig["algorithmType"]): boolean[] => {
    const scheduler = create({ algorithmType });
    scheduler.setTimesteps({ numInferenceSteps: 3 });
    let sample = createGenerator(1).randn([1, 3, 4, 4]);
    return scheduler.timesteps.map((timestep) => {
      const generator = createGenerator(2);
      sample = scheduler.step(sample, timestep, sample, { generator }).prevSample;
      return generator.randn([1]).data[0] !== createGenerator(2).randn([1]).data[0];
    });
  };
  expect(drawn("sde-dpmsolver++")).toEqual([true, true, true]);
  expect(drawn("dpmsolver++")).toEqual([false, false, false]);
});
