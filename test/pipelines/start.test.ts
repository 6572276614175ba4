/** img2img's and inpainting's start, against the reference's own: which timesteps, from which sample, to which end. */

import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { ShapeError, UsageError } from "../../src/errors.ts";
import { createGenerator } from "../../src/math/random.ts";
import { tensor, type Tensor } from "../../src/math/tensor.ts";
import { startSample } from "../../src/pipelines/start.ts";
import { parseSchedulerConfig, type SchedulerConfig } from "../../src/schedulers/config.ts";
import { createScheduler } from "../../src/schedulers/create-scheduler.ts";
import type { Scheduler } from "../../src/schedulers/scheduler.ts";
import { networkCalls } from "../../src/schedulers/start-index.ts";
import { availablePath } from "../golden.ts";
import { maxDifference, readGoldenTensors } from "../math/golden-tensors.ts";
import { goldenConfig, goldenOptions, type SchedulerSpec } from "../schedulers/golden-schedulers.ts";

interface Row {
  readonly scheduler: string;
  readonly run: number;
  readonly steps: number;
  readonly strength: number;
  readonly timesteps: number[];
}

const stored = JSON.parse(readFileSync(availablePath("scheduler", "starts.json"), "utf8")) as {
  noise_seed: number;
  specs: Record<string, SchedulerSpec>;
  rows: Row[];
};
const golden = readGoldenTensors("scheduler", "starts.safetensors");
const optionsOf = (name: string): ReturnType<typeof goldenOptions> => goldenOptions(stored.specs[name]!);
const pixels = tensor(golden.floats("image"), golden.shape("image"));
const [, ...shape] = golden.shape("model_outputs");
const [batch = 0, channels = 0] = shape;

/** The prediction that stands for the network's in step i. */
function modelOutput(i: number): Tensor {
  const length = pixels.data.length;
  return tensor(golden.floats("model_outputs").subarray(i * length, (i + 1) * length), shape);
}

const relativeToOne = (expected: number): number => Math.max(1, Math.abs(expected));
const run = (row: Row): Parameters<typeof startSample>[1] & { scheduler: Scheduler } => ({
  scheduler: createScheduler(...optionsOf(row.scheduler)),
  selection: { numInferenceSteps: row.steps },
  prompts: batch,
  imagesPerPrompt: 1,
  channels,
  generator: createGenerator(stored.noise_seed),
});

describe("as the reference starts", () => {
  test.each(stored.rows)("$scheduler, $steps steps, strength $strength", (row) => {
    const { steps, strength, timesteps } = row;
    const [file, options] = optionsOf(row.scheduler);
    const selection = { numInferenceSteps: steps };
    expect(networkCalls(file, { ...options, selection, strength })).toBe(timesteps.length);
    const prepared = run(row);
    const start = { kind: "image", pixels, strength } as const;
    if (timesteps.length === 0) {
      expect(() => startSample(start, prepared)).toThrow(UsageError);
      return;
    }
    const started = startSample(start, prepared);
    expect(started.timesteps).toEqual(timesteps);
    const near = (actual: Tensor, name: string): void => {
      const expected = golden.floats(`${row.scheduler}.${row.run}.${name}`);
      expect(actual.data.every(Number.isFinite)).toBe(true);
      if (expected.some(Number.isNaN)) return; // Euler's ancestral steps from IF's noisiest level, in the reference
      expect(maxDifference(actual.data, expected, relativeToOne), name).toBeLessThan(2e-5);
    };
    near(started.sample, "start");
    let { sample } = started;
    for (const [i, timestep] of started.timesteps.entries()) {
      prepared.scheduler.scaleModelInput(sample, timestep);
      sample = prepared.scheduler.step(modelOutput(i), timestep, sample, prepared).prevSample;
    }
    near(sample, "end");
  });
  test("among them are ones of two calls a step, and ones that leave nothing to run", () => {
    expect(stored.rows.some(({ steps, timesteps }) => timesteps.length > steps)).toBe(true);
    expect(stored.rows.some(({ timesteps }) => timesteps.length === 0)).toBe(true);
  });
});

const { json, file } = goldenConfig("if-i/scheduler");
const ddpm = (overrides: Partial<SchedulerConfig> = {}): Parameters<typeof startSample>[1] => ({
  scheduler: createScheduler(parseSchedulerConfig(json, file), { overrides }),
  selection: { numInferenceSteps: 4 },
  prompts: batch,
  imagesPerPrompt: 1,
  channels,
  generator: createGenerator(1),
});

test("inpainting keeps the image outside the mask", () => {
  const mask = { data: new Float32Array(shape[2]! * shape[3]!).map((_, i) => i % 2), shape: [1, 1, ...shape.slice(2)] };
  const inside = startSample({ kind: "image", pixels, strength: 1 }, ddpm());
  const { sample } = startSample({ kind: "image", pixels, strength: 1, mask }, ddpm());
  const plane = mask.data.length;
  sample.data.forEach((x, i) => {
    const from = mask.data[i % plane] === 1 ? inside.sample : pixels;
    expect(x).toBeCloseTo(from.data[i]!, 6);
  });
});

test("from noise all timesteps are run, and the first sample is as strong as the scheduler wants it", () => {
  const options = { ...ddpm(), scheduler: createScheduler(...optionsOf("euler_if_i")) };
  const started = startSample({ kind: "noise", height: 4, width: 4 }, options);
  expect(started.timesteps).toHaveLength(4);
  const drawn = createGenerator(1).randn([batch, channels, 4, 4]);
  started.sample.data.forEach((x, i) =>
    expect(x / drawn.data[i]! / options.scheduler.initNoiseSigma).toBeCloseTo(1, 5),
  );
});

test("one image serves several prompts, two do not serve three", () => {
  const one = tensor(pixels.data.slice(0, pixels.data.length / batch), [1, ...shape.slice(1)]);
  const { sample } = startSample({ kind: "image", pixels: one, strength: 0.5 }, { ...ddpm(), prompts: 3 });
  expect(sample.shape[0]).toBe(3);
  expect(() => startSample({ kind: "image", pixels, strength: 0.5 }, { ...ddpm(), prompts: 3 })).toThrow(ShapeError);
});
