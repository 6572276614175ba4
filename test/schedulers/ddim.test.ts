import { expect, test } from "vitest";
import { createGenerator } from "../../src/math/random.ts";
import { resolveConfig, type SchedulerConfig } from "../../src/schedulers/config.ts";
import { createDdimScheduler } from "../../src/schedulers/ddim.ts";
import type { Scheduler } from "../../src/schedulers/scheduler.ts";
import { goldenSchedulers } from "./golden-schedulers.ts";
import { schedulerContract } from "./scheduler-contract.ts";

const create = (overrides: Partial<SchedulerConfig> = {}): Scheduler =>
  createDdimScheduler(resolveConfig({ className: "DDIMScheduler", keys: {} }, "DDIMScheduler", overrides));

schedulerContract(create);
goldenSchedulers("DDIMScheduler");

test("a list of timesteps with even gaps steps as that number of steps does", () => {
  const [counted, listed] = [create(), create()];
  counted.setTimesteps({ numInferenceSteps: 5 });
  listed.setTimesteps({ timesteps: counted.timesteps });
  const sample = { data: Float32Array.from({ length: 12 }, (_, i) => Math.sin(i)), shape: [1, 3, 2, 2] };
  const output = { data: Float32Array.from({ length: 12 }, (_, i) => Math.cos(i)), shape: [1, 3, 2, 2] };
  for (const timestep of counted.timesteps.slice(0, -1)) {
    const options = { generator: createGenerator(1) };
    expect(listed.step(output, timestep, sample, options)).toEqual(counted.step(output, timestep, sample, options));
  }
});

test("after the last of a list nothing is left of the noise", () => {
  const scheduler = create();
  scheduler.setTimesteps({ timesteps: [900, 500] });
  const image = { data: new Float32Array(12).fill(0.5), shape: [1, 3, 2, 2] };
  const noise = { data: Float32Array.from({ length: 12 }, (_, i) => Math.sin(i)), shape: [1, 3, 2, 2] };
  const sample = scheduler.addNoise(image, noise, [500]);
  const { prevSample } = scheduler.step(noise, 500, sample, { generator: createGenerator(1) });
  for (const value of prevSample.data) expect(value).toBeCloseTo(0.5, 5);
});

test("a perfect sample prediction, noise and x_0 being known, is kept by every step", () => {
  const scheduler = create({ predictionType: "sample", clipSample: false });
  scheduler.setTimesteps({ numInferenceSteps: 5 });
  const shape = [1, 3, 4, 4];
  const [original, noise] = [createGenerator(1).randn(shape), createGenerator(2).randn(shape)];
  let sample = scheduler.addNoise(original, noise, [800]);
  for (const timestep of scheduler.timesteps) {
    sample = scheduler.step(original, timestep, sample, { generator: createGenerator(3) }).prevSample;
    const expected = timestep >= 200 ? scheduler.addNoise(original, noise, [timestep - 200]) : original;
    sample.data.forEach((x, i) => expect(x).toBeCloseTo(expected.data[i]!, 4));
  }
});
