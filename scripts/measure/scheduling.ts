/**
 * What do the steps of a batch, or of one image, cost besides its network, and how long does a GPU wait for them? In place of the
 * network this thread sleeps, as it is blocked by onnxruntime-node while a GPU computes; results are checked as a GPU's are.
 *
 *   node build/scripts/measure/scheduling.js CHECKPOINT [--size 256] [--conditioning 3] [--images 4] [--groups 2]
 *     [--steps 20] [--threads 0] [--noise-ahead] [--halves] [--network 0]
 *
 * --size is that of the sample, --network milliseconds of a call; with --halves the network takes and gives float16, and the
 * threads convert it. Prints, for each image and step: CPU milliseconds of this
 * thread and of all, milliseconds in all; and the share of the time in the network. Needs Linux and the built program.
 */

import { readFileSync } from "node:fs";
import { performance } from "node:perf_hooks";
import { parseArgs } from "node:util";
import { float32ToFloat16 } from "../../src/math/half.ts";
import { createGenerator } from "../../src/math/random.ts";
import type { Numbers } from "../../src/math/tensor.ts";
import { openScheduler } from "../../src/networks/open-scheduler.ts";
import { oneAtATime } from "../../src/networks/one-at-a-time.ts";
import type { Predict } from "../../src/pipelines/denoise.ts";
import { denoiseInThreads } from "../../src/pipelines/denoise-in-threads.ts";
import { withNoiseThread } from "../../src/pipelines/noise-thread.ts";
import { withSchedulingThreads } from "../../src/pipelines/scheduling-threads.ts";
import type { StepThreads } from "../../src/pipelines/step-threads.ts";
import { checkNumbers } from "../../src/runtime/gpu-failure.ts";

const option = (value: string) => ({ type: "string", default: value }) as const;
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    size: option("256"),
    conditioning: option("3"),
    images: option("4"),
    groups: option("2"),
    steps: option("20"),
    threads: option("0"),
    network: option("0"),
    "noise-ahead": { type: "boolean", default: false },
    halves: { type: "boolean", default: false },
  },
});
const [checkpoint = ""] = positionals;
const count = (name: Exclude<keyof typeof values, "noise-ahead" | "halves">): number => Number(values[name]);
const [size, images, groups, steps] = [count("size"), count("images"), count("groups"), count("steps")];
const selection = { numInferenceSteps: steps };

const scheduler = await openScheduler(checkpoint, "scheduler");
const channels = scheduler.takesLearnedVariance ? 3 : 4;
const outChannels = scheduler.takesLearnedVariance ? 6 : 4;
const { data: floats, shape } = createGenerator(1).randn([2 * images, outChannels, size, size]);
const halves = float32ToFloat16(floats);
const sleeping = new Int32Array(new SharedArrayBuffer(4));
let inNetwork = 0;
const network = oneAtATime(async (answer: Numbers): Promise<Numbers> => {
  await new Promise(setImmediate);
  const before = performance.now();
  const data = answer.slice();
  Atomics.wait(sleeping, 0, 0, count("network"));
  inNetwork += performance.now() - before;
  checkNumbers("the network", new Map([["sample", { data, shape }]]));
  return data;
});
const predict: Predict = async () => ({ data: (await network(floats)) as Float32Array, shape });
const predictHalves: Predict<Uint16Array> = async (_, __, into) => {
  const data = into ?? new Uint16Array(new SharedArrayBuffer(halves.byteLength));
  data.set(await network(halves));
  return { data, shape };
};

/** CPU milliseconds of this thread. */
const ownCpu = (): number => Number(readFileSync("/proc/thread-self/schedstat", "latin1").split(" ")[0]) / 1e6;

const before = process.memoryUsage.rss();
const entry = (name: string): URL => new URL(`../../../dist/program/${name}.js`, import.meta.url);
await withSchedulingThreads(
  count("threads"),
  (threads) =>
    withNoiseThread(values["noise-ahead"], (noiseThread) => measure({ threads, noiseThread }), entry("noise-worker")),
  entry("scheduling-worker"),
);

async function measure(threads: StepThreads): Promise<void> {
  const drawGroup = async (group: number): Promise<void> => {
    const own = await openScheduler(checkpoint, "scheduler");
    own.setTimesteps(selection);
    await denoiseInThreads({
      ...threads,
      source: { checkpoint, selection },
      scheduler: own,
      timesteps: own.timesteps,
      sample: createGenerator(group).randn([images, channels, size, size]),
      conditioning: createGenerator(7).randn([images, count("conditioning"), size, size]),
      guidanceScale: 4,
      eta: 0,
      generator: Array.from({ length: images }, (_, image) => createGenerator(image)),
      predict,
      ...(values.halves ? { predictHalves } : {}),
      onStep: () => undefined,
    });
  };
  const drawAll = async (): Promise<unknown> =>
    Promise.all(Array.from({ length: groups }, (_, group) => drawGroup(group)));
  await drawAll(); // compiles what is measured
  inNetwork = 0;
  const [start, cpu, own] = [performance.now(), process.cpuUsage(), ownCpu()];
  await drawAll();
  const all = performance.now() - start;
  const { user, system } = process.cpuUsage(cpu);
  const ofThisThread = ownCpu() - own;
  const perStep = (milliseconds: number): string => (milliseconds / (images * groups * steps)).toFixed(2);
  process.stdout.write(
    `this thread ${perStep(ofThisThread)} ms, all threads ${perStep((user + system) / 1000)} ms, time ${perStep(all)} ms, ` +
      `in the network ${((100 * inNetwork) / all).toFixed(0)} %; RSS ${((process.memoryUsage.rss() - before) / 1e6).toFixed(0)} MB more\n`,
  );
}
