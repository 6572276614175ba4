/** Noise that a thread draws ahead is, to the byte, what would be drawn here. Needs the built program. */

import { setTimeout } from "node:timers/promises";
import type { Worker } from "node:worker_threads";
import { describe, expect, test } from "vitest";
import { createGenerator, type Generator } from "../../src/math/random.ts";
import type { Tensor } from "../../src/math/tensor.ts";
import { openScheduler } from "../../src/networks/open-scheduler.ts";
import { denoiseInThreads } from "../../src/pipelines/denoise-in-threads.ts";
import { type NoiseThread, withNoiseThread } from "../../src/pipelines/noise-thread.ts";
import { schedulerClassNames, type SchedulerClassName } from "../../src/schedulers/config.ts";
import { goldenPath } from "../golden.ts";

const entry = new URL("../../dist/program/noise-worker.js", import.meta.url);
const shape = [1, 3, 8, 8];

/** A generator of a seed, and how often it was asked itself. */
function countDraws(seed: number) {
  const generator = createGenerator(seed);
  const { loadState } = generator;
  if (!loadState) throw new Error("a generator of a seed can be loaded");
  const counted = {
    ...generator,
    loadState,
    draws: 0,
    randn: (...given: Parameters<typeof generator.randn>): Tensor => {
      counted.draws++;
      return generator.randn(...given);
    },
  };
  return counted;
}

describe("a generator that draws ahead", () => {
  test("gives what the thread has drawn, and stands where it would stand", async () => {
    const [plain, counted] = [createGenerator(3), countDraws(3)];
    await withNoiseThread(
      true,
      async (thread) => {
        const ahead = thread!.drawAhead(counted);
        let [calls, taken] = [0, 0];
        for (; taken < 3 && calls < 1000; calls++) {
          const before = counted.draws;
          expect(ahead.randn(shape)).toEqual(plain.randn(shape));
          expect(ahead.saveState()).toEqual(plain.saveState());
          if (counted.draws === before) taken++;
          await setTimeout(10);
        }
        expect(taken).toBe(3);
      },
      entry,
    );
  });

  test("of other lengths, types and doubles between", async () => {
    const [plain, counted] = [createGenerator(4), countDraws(4)];
    const draws = [
      ["randn", [40]],
      ["randn", [40]],
      ["randn", [17]],
      ["randn", [40], "float16"],
      ["randn", [40]],
      ["randn64", [3]],
      ["randn", [40]],
      ["randn", [5]],
      ["randn", [5]],
      ["randn64", [1]],
      ["randn", [5]],
    ] as const;
    await withNoiseThread(
      true,
      async (thread) => {
        const ahead = thread!.drawAhead(counted);
        for (const [name, size, ...dtype] of draws) {
          const draw = (from: Generator) => (name === "randn" ? from.randn(size, ...dtype) : from.randn64(size));
          expect(draw(ahead)).toEqual(draw(plain));
          await setTimeout(50);
        }
        expect(ahead.saveState()).toEqual(plain.saveState());
      },
      entry,
    );
    expect(counted.saveState()).toEqual(plain.saveState());
  });
});

async function draw(noiseThread: NoiseThread | undefined, className: SchedulerClassName) {
  const checkpoint = goldenPath("checkpoints", "if-ii");
  const [override, selection] = [{ className }, { numInferenceSteps: 5 }];
  const scheduler = await openScheduler(checkpoint, "scheduler", override);
  scheduler.setTimesteps(selection);
  const generator = createGenerator(1);
  const image = await denoiseInThreads({
    noiseThread,
    source: { checkpoint, override, selection },
    scheduler,
    timesteps: scheduler.timesteps,
    sample: createGenerator(9).randn(shape),
    conditioning: createGenerator(8).randn(shape),
    guidanceScale: 4,
    eta: 0.5,
    generator: [generator],
    predict: async ({ data }, timestep) => {
      await setTimeout(10);
      return { data: data.map((value) => Math.sin(value * 3 + timestep)), shape: [2, 6, 8, 8] };
    },
  });
  return { image, state: generator.saveState() };
}

test.each(schedulerClassNames)("one image's steps: %s", async (className) => {
  const drawn = await withNoiseThread(true, (thread) => draw(thread, className), entry);
  expect(drawn).toEqual(await draw(undefined, className));
});

test.each([
  ["process.exit(7)", "it ended with code 7"],
  ["throw new Error('no memory.')", "no memory"],
])("a failure is one sentence: %s", async (program, reason) => {
  const failing = new URL(`data:text/javascript,${program}`);
  const failed = withNoiseThread(
    true,
    async (thread) => {
      const ahead = thread!.drawAhead(countDraws(1));
      for (let call = 0; call < 1000; call++) {
        ahead.randn(shape);
        await setTimeout(10);
      }
    },
    failing,
  );
  await expect(failed).rejects.toMatchObject({
    code: "STAGE",
    message: `The thread that draws noise failed: ${reason}.`,
  });
});

test("the thread begins with the first draw and ends with `use`, also when that fails", async () => {
  const workers: Worker[] = [];
  const note = (worker: Worker): void => void workers.push(worker);
  process.on("worker", note);
  const failed = withNoiseThread(
    true,
    async (thread) => {
      const ahead = thread!.drawAhead(countDraws(1));
      await setTimeout(10);
      expect(workers).toEqual([]);
      ahead.randn(shape);
      ahead.randn(shape);
      await setTimeout(10);
      expect(workers.map(({ threadId }) => threadId > 0)).toEqual([true]);
      throw new RangeError("the GPU is gone");
    },
    entry,
  );
  await expect(failed).rejects.toThrow(new RangeError("the GPU is gone"));
  expect(workers.map(({ threadId }) => threadId)).toEqual([-1]); // ended
  process.off("worker", note);
});

test("none is there where none is wanted", async () => {
  expect(await withNoiseThread(false, async (thread) => Promise.resolve(thread))).toBeUndefined();
});
