/** What every scheduler keeps, whatever its algorithm: the first line of each scheduler's test. */

import { describe, expect, test } from "vitest";
import { ShapeError, UsageError } from "../../src/errors.ts";
import { createGenerator } from "../../src/math/random.ts";
import { elementCount, tensor, type Tensor } from "../../src/math/tensor.ts";
import type { Scheduler } from "../../src/schedulers/scheduler.ts";

const shape = [2, 3, 4, 4];

/** @param create a fresh scheduler with 1000 training timesteps. */
export function schedulerContract(create: () => Scheduler): void {
  describe("scheduler contract", () => {
    const ready = (numInferenceSteps = 4): Scheduler => {
      const scheduler = create();
      scheduler.setTimesteps({ numInferenceSteps });
      return scheduler;
    };

    test.each([1, 2, 7, 50, 1000])("%i steps never rise and stay in the training range", (count) => {
      const { timesteps, order } = ready(count);
      expect(timesteps).toHaveLength(order === 1 ? count : order * count - 1);
      expect(timesteps).toEqual(timesteps.toSorted((a, b) => b - a));
      expect(timesteps[0]).toBeLessThan(1000);
      expect(timesteps.at(-1)).toBeGreaterThanOrEqual(0);
    });

    test.each([0, -1, 2.5, 1001, Number.NaN])("%d steps are refused", (numInferenceSteps) => {
      expect(() => create().setTimesteps({ numInferenceSteps })).toThrow(UsageError);
    });

    test.each([[[]], [[1, 2]], [[5, 5]], [[1000, 0]], [[10, -1]], [[10.5]]])("the list %j is refused", (timesteps) => {
      expect(() => create().setTimesteps({ timesteps })).toThrow(UsageError);
    });

    test("there are no timesteps before they are set", () => {
      expect(create().timesteps).toEqual([]);
    });

    test("a step gives new tensors of the sample's shape and leaves its inputs alone", () => {
      const scheduler = ready();
      const [sample, output] = [noise(1), modelOutput(scheduler, 2)];
      const copies = [sample.data.slice(), output.data.slice()];
      const timestep = scheduler.timesteps[0]!;
      scheduler.scaleModelInput(sample, timestep);
      const result = scheduler.step(output, timestep, sample, { generator: createGenerator(3) });
      for (const made of [result.prevSample, result.predOriginalSample]) {
        expect(made.shape).toEqual(shape);
        expect(made.data).toHaveLength(elementCount(shape));
        expect(made.data.every(Number.isFinite)).toBe(true);
        expect([sample.data.buffer, output.data.buffer]).not.toContain(made.data.buffer);
      }
      expect([sample.data, output.data]).toEqual(copies);
    });

    test("the same seed gives the same image, also after another run", () => {
      const scheduler = ready();
      const first = run(scheduler);
      scheduler.setTimesteps({ numInferenceSteps: 9 });
      scheduler.step(modelOutput(scheduler, 1), scheduler.timesteps[0]!, noise(4), { generator: createGenerator(5) });
      scheduler.setTimesteps({ numInferenceSteps: 4 });
      expect(run(scheduler)).toEqual(first);
    });

    test("images of a batch do not touch each other when each has its generator", () => {
      const together = run(ready(), [createGenerator(7), createGenerator(8)]);
      const alone = [0, 1].map((b) => run(ready(), [createGenerator(7 + b)], b));
      expect([...together.data]).toEqual(alone.flatMap(({ data }) => [...data]));
    });

    test("a run may begin part-way", () => {
      const scheduler = ready();
      const begin = scheduler.order * 2;
      scheduler.setBeginIndex(begin);
      let sample = scheduler.addNoise(noise(1), noise(2), [scheduler.timesteps[begin]!]);
      for (const timestep of scheduler.timesteps.slice(begin)) {
        const generator = createGenerator(3);
        sample = scheduler.step(modelOutput(scheduler, timestep), timestep, sample, { generator }).prevSample;
      }
      expect(sample.data.every(Number.isFinite)).toBe(true);
    });

    test("a model output of another shape is a ShapeError", () => {
      const scheduler = ready();
      const wrong = scheduler.takesLearnedVariance ? noise(1) : noise(1, [2, 6, 4, 4]);
      const step = (): unknown =>
        scheduler.step(wrong, scheduler.timesteps[0]!, noise(2), { generator: createGenerator(3) });
      expect(step).toThrow(ShapeError);
    });

    test("a timestep that is not in the list is an error", () => {
      const scheduler = ready();
      const step = (): unknown =>
        scheduler.step(modelOutput(scheduler, 1), 998.5, noise(2), { generator: createGenerator(3) });
      expect(step).toThrow(RangeError);
    });

    test("addNoise takes one timestep for all images, or one each", () => {
      const scheduler = ready();
      const t = scheduler.timesteps[1]!;
      const [original, added] = [noise(1), noise(2)];
      const noisy = scheduler.addNoise(original, added, [t]);
      expect(noisy).toEqual(scheduler.addNoise(original, added, [t, t]));
      expect(noisy.shape).toEqual(shape);
      expect(noisy.data).not.toEqual(original.data);
      expect(() => scheduler.addNoise(original, added, [t, t, t])).toThrow(ShapeError);
      expect(() => scheduler.addNoise(original, noise(2, [1, 3, 4, 4]), [t])).toThrow(ShapeError);
    });
  });
}

function noise(seed: number, noiseShape: readonly number[] = shape): Tensor {
  return createGenerator(seed).randn(noiseShape);
}

/** A made-up prediction, small enough for learned variances. */
function modelOutput(scheduler: Scheduler, seed: number): Tensor {
  const channels = scheduler.takesLearnedVariance ? 6 : 3;
  const output = noise(seed, [2, channels, 4, 4]);
  return tensor(output.data.map(Math.sin), output.shape);
}

/** All steps from fixed noise; of both images, or of one of them. */
function run(scheduler: Scheduler, generators = [createGenerator(7), createGenerator(8)], only?: number): Tensor {
  const pick = (all: Tensor): Tensor => {
    if (only === undefined) return all;
    const length = all.data.length / 2;
    return tensor(all.data.slice(only * length, (only + 1) * length), [1, ...all.shape.slice(1)]);
  };
  let sample = pick(noise(1));
  scheduler.timesteps.forEach((timestep, i) => {
    const output = pick(modelOutput(scheduler, 10 + i));
    sample = scheduler.step(output, timestep, sample, { generator: generators, eta: 0.5 }).prevSample;
  });
  return sample;
}
