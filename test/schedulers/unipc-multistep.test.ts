import { expect, test } from "vitest";
import { createGenerator } from "../../src/math/random.ts";
import { resolveConfig, type SchedulerConfig } from "../../src/schedulers/config.ts";
import { createUniPcMultistepScheduler } from "../../src/schedulers/unipc-multistep.ts";
import type { Scheduler } from "../../src/schedulers/scheduler.ts";
import { goldenSchedulers } from "./golden-schedulers.ts";
import { schedulerContract } from "./scheduler-contract.ts";

const className = "UniPCMultistepScheduler";
const create = (overrides: Partial<SchedulerConfig> = {}): Scheduler =>
  createUniPcMultistepScheduler(resolveConfig({ className, keys: {} }, className, overrides));

schedulerContract(create);
goldenSchedulers(className);

const shape = [1, 3, 4, 4];

/** x_0 = x at t = 0 of the exact flow dx/dσ of a standard normal image: with x = x_0 + σ · noise, ε = x σ / (1 + σ²). */
function endOfGaussianFlow(numInferenceSteps: number, overrides: Partial<SchedulerConfig>): number {
  const scheduler = create(overrides);
  scheduler.setTimesteps({ numInferenceSteps });
  let sample = createGenerator(1).randn(shape);
  const first = sample;
  const zero = { data: new Float32Array(48), shape };
  const one = { data: new Float32Array(48).fill(1), shape };
  for (const timestep of scheduler.timesteps) {
    const sigma = scheduler.addNoise(zero, one, [timestep]).data[0]!; // variance preserving: ε = σ_t · x
    const output = { data: sample.data.map((x) => sigma * x), shape };
    sample = scheduler.step(output, timestep, sample, { generator: createGenerator(2) }).prevSample;
  }
  return Math.max(...sample.data.map((x, i) => Math.abs(x - first.data[i]!)));
}

test("the flow of a normal image leaves x as it is: UniPC keeps it better than its predictor alone", () => {
  const config = { finalSigmasType: "sigma_min" } as const;
  const uncorrected = { ...config, disableCorrector: Array.from({ length: 10 }, (_, i) => i) };
  const corrected = endOfGaussianFlow(10, config);
  expect(corrected).toBeLessThan(0.1);
  expect(corrected).toBeLessThan(endOfGaussianFlow(10, uncorrected));
});

test("a midpoint solver, DPM-Solver's, means bh2 here, and the other way round", () => {
  expect(create({ solverType: "midpoint" }).config.solverType).toBe("bh2");
  const other = resolveConfig({ className, keys: { solverType: "bh1" } }, "DPMSolverMultistepScheduler", {});
  expect(other.solverType).toBe("midpoint");
});
