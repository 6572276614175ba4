import { expect, test } from "vitest";
import { createGenerator } from "../../src/math/random.ts";
import type { Tensor } from "../../src/math/tensor.ts";
import { resolveConfig, type SchedulerConfig } from "../../src/schedulers/config.ts";
import { createDdpmScheduler } from "../../src/schedulers/ddpm.ts";
import type { Scheduler } from "../../src/schedulers/scheduler.ts";
import { goldenSchedulers } from "./golden-schedulers.ts";
import { schedulerContract } from "./scheduler-contract.ts";

const create = (overrides: Partial<SchedulerConfig> = {}): Scheduler =>
  createDdpmScheduler(resolveConfig({ className: "DDPMScheduler", keys: {} }, "DDPMScheduler", overrides));

schedulerContract(() => create({ varianceType: "learned_range", betaSchedule: "squaredcos_cap_v2" }));
goldenSchedulers("DDPMScheduler");

const shape = [1, 3, 8, 8];

/** The first of four steps, with a prediction of zero; `variance` fills the variance channels. */
function firstStep(overrides: Partial<SchedulerConfig>, variance?: number): { mean: Tensor; noisy: Tensor } {
  const still = { randn: (shape: readonly number[]) => ({ data: new Float32Array(192), shape: shape }) };
  const results = [{ ...createGenerator(1), ...still }, createGenerator(1)].map((generator) => {
    const scheduler = create({ clipSample: false, ...overrides });
    scheduler.setTimesteps({ numInferenceSteps: 4 });
    const channels = variance === undefined ? 3 : 6;
    const data = new Float32Array(channels * 64).map((_, i) => (i < 192 ? 0 : variance!));
    const output = { data, shape: [1, channels, 8, 8] };
    return scheduler.step(output, 750, createGenerator(2).randn(shape), { generator }).prevSample;
  });
  return { mean: results[0]!, noisy: results[1]! };
}

/** How strong the added noise is. */
function deviation(overrides: Partial<SchedulerConfig>, variance?: number): number {
  const { mean, noisy } = firstStep(overrides, variance);
  const noise = createGenerator(1).randn(shape);
  return (noisy.data[5]! - mean.data[5]!) / noise.data[5]!;
}

test("fixed variances: small is the posterior's, large is beta, their logarithms name the same numbers", () => {
  // the linear schedule from 750 to 500, where alphas_cumprod is 0.0033002 and 0.0777967
  expect(deviation({ varianceType: "fixed_small" })).toBeCloseTo(0.94128, 4);
  expect(deviation({ varianceType: "fixed_small_log" })).toBeCloseTo(0.94128, 4);
  expect(deviation({ varianceType: "fixed_large" })).toBeCloseTo(0.97856, 4);
  expect(deviation({ varianceType: "fixed_large_log" })).toBeCloseTo(0.97856, 4);
});

test("learned variances: -1 is the posterior's, 1 is beta; 'learned' is the variance itself", () => {
  expect(deviation({ varianceType: "learned_range" }, -1)).toBeCloseTo(0.94128, 4);
  expect(deviation({ varianceType: "learned_range" }, 1)).toBeCloseTo(0.97856, 4);
  expect(deviation({ varianceType: "learned" }, 0.25)).toBeCloseTo(0.5, 5);
});

test("the sample prediction is taken as x_0, clipped to the range", () => {
  const scheduler = create({ predictionType: "sample", clipSampleRange: 0.5 });
  scheduler.setTimesteps({ timesteps: [0] });
  const output = createGenerator(4).randn(shape);
  const result = scheduler.step(output, 0, createGenerator(5).randn(shape), { generator: createGenerator(6) });
  expect(result.predOriginalSample.data).toEqual(output.data.map((x) => Math.min(Math.max(x, -0.5), 0.5)));
  expect(result.prevSample).toEqual(result.predOriginalSample); // the last step ends at x_0
});

test("v prediction: v = alpha noise - sigma x_0 gives x_0 back", () => {
  const scheduler = create({ predictionType: "v_prediction", clipSample: false });
  scheduler.setTimesteps({ numInferenceSteps: 4 });
  const [original, noise] = [createGenerator(7).randn(shape), createGenerator(8).randn(shape)];
  const sample = scheduler.addNoise(original, noise, [500]);
  const alphaProd = 0.07779665; // the linear schedule at 500
  const v = noise.data.map((e, i) => Math.sqrt(alphaProd) * e - Math.sqrt(1 - alphaProd) * original.data[i]!);
  const result = scheduler.step({ data: v, shape }, 500, sample, { generator: createGenerator(9) });
  result.predOriginalSample.data.forEach((x, i) => expect(x).toBeCloseTo(original.data[i]!, 5));
});
