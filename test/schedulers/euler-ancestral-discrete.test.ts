import { expect, test } from "vitest";
import { createGenerator } from "../../src/math/random.ts";
import { resolveConfig, type SchedulerConfig } from "../../src/schedulers/config.ts";
import { createEulerAncestralDiscreteScheduler } from "../../src/schedulers/euler-ancestral-discrete.ts";
import type { Scheduler } from "../../src/schedulers/scheduler.ts";
import { goldenSchedulers } from "./golden-schedulers.ts";
import { schedulerContract } from "./scheduler-contract.ts";

const className = "EulerAncestralDiscreteScheduler";
const create = (overrides: Partial<SchedulerConfig> = {}): Scheduler =>
  createEulerAncestralDiscreteScheduler(resolveConfig({ className, keys: {} }, className, overrides));

schedulerContract(create);
goldenSchedulers(className);

const shape = [1, 3, 8, 8];

test("a perfect prediction keeps image and noise level: the fresh noise makes up for what went too far down", () => {
  const scheduler = create({ predictionType: "sample" });
  scheduler.setTimesteps({ timesteps: [900, 500] });
  const original = { data: new Float32Array(192).fill(0.25), shape };
  const sample = scheduler.addNoise(original, createGenerator(1).randn(shape), [900]);
  const { prevSample } = scheduler.step(original, 900, sample, { generator: createGenerator(2) });
  const deviation = (x: Float32Array): number => Math.sqrt(x.reduce((sum, v) => sum + (v - 0.25) ** 2, 0) / x.length);
  const sigma = scheduler.addNoise(original, { data: new Float32Array(192).fill(1), shape }, [500]).data[0]! - 0.25;
  expect(deviation(prevSample.data) / sigma).toBeGreaterThan(0.85);
  expect(deviation(prevSample.data) / sigma).toBeLessThan(1.15);
});

test("the last step ends at x_0, whatever noise is drawn", () => {
  const scheduler = create();
  scheduler.setTimesteps({ numInferenceSteps: 3 });
  scheduler.setBeginIndex(2);
  const [output, sample] = [createGenerator(3).randn(shape), createGenerator(4).randn(shape)];
  const generator = createGenerator(5);
  const { prevSample, predOriginalSample } = scheduler.step(output, 0, sample, { generator });
  prevSample.data.forEach((x, i) => expect(x).toBeCloseTo(predOriginalSample.data[i]!, 6));
  expect(generator.randn([4]).data).not.toEqual(createGenerator(5).randn([4]).data); // one draw was made
});

test("IF's noisiest level, where the reference's float32 gives NaN, is stepped down from", () => {
  const scheduler = create({ betaSchedule: "squaredcos_cap_v2" });
  for (const numInferenceSteps of [2, 3, 4, 5, 7, 10, 27, 50]) {
    scheduler.setTimesteps({ numInferenceSteps });
    const noise = createGenerator(6).randn(shape);
    const sample = { data: noise.data.map((x) => x * scheduler.initNoiseSigma), shape };
    const [first = 0] = scheduler.timesteps;
    const { prevSample } = scheduler.step(noise, first, sample, { generator: createGenerator(7) });
    expect(prevSample.data.every(Number.isFinite), `${numInferenceSteps} steps`).toBe(true);
  }
});
