/** Steps that are taken in other threads give, to the byte, what they give in this one. Needs the built program. */

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createGenerator, type Generator } from "../../src/math/random.ts";
import { float16ToFloat32, float32ToFloat16, roundToFloat16 } from "../../src/math/half.ts";
import type { Tensor } from "../../src/math/tensor.ts";
import { variedGenerator } from "../../src/math/variation.ts";
import { openScheduler } from "../../src/networks/open-scheduler.ts";
import { denoiseInThreads, type ThreadedOptions } from "../../src/pipelines/denoise-in-threads.ts";
import { type SchedulingThreads, withSchedulingThreads } from "../../src/pipelines/scheduling-threads.ts";
import { schedulerClassNames, type SchedulerClassName } from "../../src/schedulers/config.ts";
import { goldenPath } from "../golden.ts";

const checkpoint = goldenPath("checkpoints", "if-ii");
const entry = new URL("../../dist/program/scheduling-worker.js", import.meta.url);
const shape = [4, 3, 8, 8];

interface Drawn {
  readonly image: Tensor;
  readonly states: readonly Uint8Array[];
  /** Each step's sample and x_0. */
  readonly steps: readonly Float32Array[];
}

interface Case {
  readonly className?: SchedulerClassName;
  readonly generators?: Generator | readonly Generator[];
  readonly options?: Partial<ThreadedOptions>;
  readonly beginIndex?: number;
}

async function draw(threads: SchedulingThreads | undefined, { className, options, beginIndex, ...given }: Case) {
  const override = className ? { className } : {};
  const selection = { numInferenceSteps: 5 };
  const scheduler = await openScheduler(checkpoint, "scheduler", override);
  scheduler.setTimesteps(selection);
  if (beginIndex !== undefined) scheduler.setBeginIndex(beginIndex);
  const generator = given.generators ?? [1, 2, 3, 4].map(createGenerator);
  const steps: Float32Array[] = [];
  const image = await denoiseInThreads({
    threads,
    source: { checkpoint, override, selection, ...(beginIndex === undefined ? {} : { beginIndex }) },
    scheduler,
    timesteps: scheduler.timesteps.slice(beginIndex ?? 0),
    sample: createGenerator(9).randn(shape),
    conditioning: createGenerator(8).randn(shape),
    guidanceScale: 4,
    eta: 0.5,
    generator,
    predict: async ({ data }, timestep) => Promise.resolve(pretend(data, timestep)),
    onStep: ({ sample, predOriginalSample }) => steps.push(sample.data.slice(), predOriginalSample.data.slice()),
    ...options,
  });
  const states = [generator].flat().map((one) => (one as Generator).saveState());
  return { image, states, steps } satisfies Drawn;
}

/** `pretend` in float16, which here are converted in this thread. */
const pretendInFloat16 = (data: Float32Array, timestep: number): Tensor => {
  const rounded = data.slice();
  roundToFloat16(rounded);
  const answer = pretend(rounded, timestep);
  roundToFloat16(answer.data);
  return answer;
};

/** The same as a network that takes and gives float16, in `into` or memory of its own. */
const predictHalves: ThreadedOptions["predictHalves"] = async ({ data }, timestep, into) => {
  const answer = pretend(float16ToFloat32(data), timestep);
  const place = into ?? new Uint16Array(new SharedArrayBuffer(2 * answer.data.length));
  return Promise.resolve({ data: float32ToFloat16(answer.data, place), shape: answer.shape });
};

/** A network: of each text's images, joined to their conditioning, what makes a difference between all of them. */
function pretend(data: Float32Array, timestep: number): Tensor {
  return { data: data.map((value, at) => Math.sin(value * 3 + timestep + Math.floor(at / 1000))), shape: [8, 6, 8, 8] };
}

describe("to the byte", () => {
  let pool: SchedulingThreads | undefined;
  let close: () => void = () => undefined;
  let closed: Promise<void> | undefined;
  beforeAll(() => {
    closed = withSchedulingThreads(
      2,
      async (threads) => {
        pool = threads;
        await new Promise<void>((resolve) => (close = resolve));
      },
      entry,
    );
  });
  afterAll(async () => {
    close();
    await closed;
  });

  /** @returns the same drawing without and with threads. */
  async function both(make: () => Case): Promise<{ here: Drawn; threaded: Drawn }> {
    expect(pool).toBeDefined();
    return { here: await draw(undefined, make()), threaded: await draw(pool, make()) };
  }

  test.each(schedulerClassNames)("%s", async (className) => {
    const { here, threaded } = await both(() => ({ className }));
    expect(threaded).toEqual(here);
    expect(new Set(here.states.map((state) => Buffer.from(state).toString("hex"))).size).toBe(4);
  });

  const mask: Tensor = { data: new Float32Array(64).fill(0.25), shape: [1, 1, 8, 8] };
  const perImage: Tensor = { data: new Float32Array(256).map((_, at) => at / 256), shape: [4, 1, 8, 8] };
  test.each<readonly [string, () => Case]>([
    ["one generator for all, in its order", () => ({ generators: createGenerator(5) })],
    ["two for two images each", () => ({ generators: [createGenerator(5), createGenerator(6)] })],
    [
      "one that is there twice",
      () => {
        const shared = createGenerator(5);
        return { generators: [shared, createGenerator(6), shared, createGenerator(7)] };
      },
    ],
    ["variations", () => ({ generators: variedGenerator(createGenerator(5), createGenerator(6), 0.3) })],
    ["a start part-way", () => ({ className: "UniPCMultistepScheduler", beginIndex: 2 })],
    ["a mask for all", () => ({ options: { mask } })],
    ["a mask for each", () => ({ options: { mask: perImage } })],
    ["rescaled guidance in an interval", () => ({ options: { guidanceRescale: 0.7, guidanceInterval: [0.2, 0.8] } })],
    ["no step", () => ({ options: { timesteps: [] } })],
  ])("%s", async (_, make) => {
    const { here, threaded } = await both(make);
    expect(threaded).toEqual(here);
  });

  test.each<readonly [string, () => Case]>([
    ...schedulerClassNames.map((className) => [className, () => ({ className })] as const),
    ["two generators for two images each", () => ({ generators: [createGenerator(5), createGenerator(6)] })],
    ["a mask for each", () => ({ options: { mask: perImage } })],
    [
      "one generator for all: no threads",
      () => ({ generators: variedGenerator(createGenerator(5), createGenerator(6), 0.3) }),
    ],
  ])("float16 to and from the network: %s", async (_, make) => {
    const predict: ThreadedOptions["predict"] = async ({ data }, timestep) =>
      Promise.resolve(pretendInFloat16(data, timestep));
    const drawIn = async (threads: SchedulingThreads | undefined, halves: Partial<ThreadedOptions>): Promise<Drawn> => {
      const { options, ...others } = make();
      return draw(threads, { ...others, options: { ...options, predict, ...halves } });
    };
    const [here, threaded] = [await drawIn(undefined, {}), await drawIn(pool, { predictHalves })];
    expect(threaded).toEqual(here);
    expect(await drawIn(pool, {})).toEqual(here);
  });

  test("two groups at once, in one thread", async () => {
    const make = (): Case => ({});
    const here = await draw(undefined, make());
    const groups = await withSchedulingThreads(
      1,
      (threads) => Promise.all([draw(threads, make()), draw(threads, make())]),
      entry,
    );
    expect(groups).toEqual([here, here]);
  });
});

describe("failures", () => {
  test("of a thread are one sentence", async () => {
    const failed = withSchedulingThreads(
      2,
      (threads) => draw(threads, { options: { source: { checkpoint: "/nowhere", selection: { timesteps: [1] } } } }),
      entry,
    );
    await expect(failed).rejects.toMatchObject({
      code: "STAGE",
      message: expect.stringMatching(/^A thread that takes the steps of images failed: .*nowhere.*[^.]\.$/) as string,
    });
  });

  test("of a thread that ends", async () => {
    const ending = new URL("data:text/javascript,process.exit(7)");
    const failed = withSchedulingThreads(2, (threads) => draw(threads, {}), ending);
    await expect(failed).rejects.toThrow("A thread that takes the steps of images failed: it ended with code 7.");
  });

  test("of the network are its own", async () => {
    const predict = async (): Promise<Tensor> => Promise.reject(new RangeError("the GPU is gone"));
    const failed = withSchedulingThreads(2, (threads) => draw(threads, { options: { predict } }), entry);
    await expect(failed).rejects.toThrow(new RangeError("the GPU is gone"));
  });
});
