import { expect, test } from "vitest";
import { createGenerator } from "../../src/math/random.ts";
import type { Tensor } from "../../src/math/tensor.ts";
import { parseSchedulerConfig, resolveConfig, schedulerClassNames } from "../../src/schedulers/config.ts";
import { createScheduler } from "../../src/schedulers/create-scheduler.ts";
import { type SchedulerName, samplerName, schedulerNames } from "../../src/schedulers/names.ts";
import { schedulerOptions } from "../../src/schedulers/scheduler-options.ts";
import { goldenConfig } from "./golden-schedulers.ts";

const { json, file } = goldenConfig("if-i/scheduler");
const stored = parseSchedulerConfig(json, file);

test.each(schedulerNames)("%s runs on IF's own configuration, whose thresholding it keeps", (name) => {
  const scheduler = createScheduler(stored, schedulerOptions(name, stored));
  scheduler.setTimesteps({ numInferenceSteps: 6 });
  expect(scheduler.timesteps).toHaveLength(name === "heun" ? 11 : 6);
  expect(scheduler.config.thresholding).toBe(true);
});

test("only DDPM and DPM-Solver++ take the variance that IF predicts", () => {
  const learning = schedulerNames.filter(
    (name) => createScheduler(stored, schedulerOptions(name, stored)).takesLearnedVariance,
  );
  expect(learning).toEqual(["ddpm", "dpm++2m", "dpm++2m-sde"]);
});

test("Euler's steps from a thresholded x_0 are those of DDIM, and ancestral ones those of DDIM with all its noise", () => {
  const shape = [1, 3, 4, 4];
  const timesteps = [940, 700, 300, 20];
  const final = (name: SchedulerName, eta: number): number[] => {
    const scheduler = createScheduler(stored, schedulerOptions(name, stored));
    scheduler.setTimesteps({ timesteps });
    const generator = createGenerator(7);
    const first = generator.randn(shape);
    let sample: Tensor = { data: first.data.map((value) => value * scheduler.initNoiseSigma), shape };
    for (const timestep of timesteps) {
      const seen = scheduler.scaleModelInput(sample, timestep).data;
      const modelOutput = { data: seen.map((value, i) => 0.9 * value + 0.3 * Math.sin(i)), shape }; // some network
      sample = scheduler.step(modelOutput, timestep, sample, { generator, eta }).prevSample;
    }
    return [...sample.data];
  };
  const largest = (a: number[], b: number[]): number => Math.max(...a.map((value, i) => Math.abs(value - b[i]!)));
  // from there Euler starts with the share of an image that pure noise has not: a ten-thousandth of it
  expect(largest(final("euler", 0), final("ddim", 0))).toBeLessThan(2e-2);
  expect(largest(final("euler-a", 0), final("ddim", 1))).toBeLessThan(2e-2);
  expect(largest(final("ddim", 0), final("ddim", 1))).toBeGreaterThan(0.1);
});

test("timesteps of Euler, Heun and UniPC are spaced as the checkpoint's own scheduler spaces them", () => {
  const timestepsOf = (name: SchedulerName): readonly number[] => {
    const scheduler = createScheduler(stored, schedulerOptions(name, stored));
    scheduler.setTimesteps({ numInferenceSteps: 4 });
    return scheduler.timesteps;
  };
  expect(timestepsOf("euler")).toEqual(timestepsOf("ddpm"));
  expect([...new Set(timestepsOf("heun"))]).toEqual(timestepsOf("ddpm"));
});

test("samplers are named as the web UI names them", () => {
  const nameOf = (name: SchedulerName): string => {
    const { className, overrides } = schedulerOptions(name, stored);
    return samplerName(className!, resolveConfig(stored, className!, overrides!));
  };
  expect(schedulerNames.map(nameOf)).toEqual([
    "DDPM",
    "DDIM",
    "DPM++ 2M",
    "DPM++ 2M SDE",
    "Euler",
    "Euler a",
    "Heun",
    "UniPC",
  ]);
});

test("each class has a name", () => {
  const classes = schedulerNames.map((name) => schedulerOptions(name, stored).className);
  expect(new Set(classes)).toEqual(new Set(schedulerClassNames));
});

test("a name wins over the algorithm of the file", () => {
  const sde = parseSchedulerConfig({ ...json, algorithm_type: "sde-dpmsolver++", solver_order: 1 }, file);
  const { config } = createScheduler(sde, schedulerOptions("dpm++2m", sde));
  expect(config).toMatchObject({ algorithmType: "dpmsolver++", solverOrder: 2 });
});
