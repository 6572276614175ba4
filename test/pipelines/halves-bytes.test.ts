/**
 * Batches whose threads pass images to a float16 network in float16 are, to the byte, what they are without threads. The network is
 * what is lowered for CUDA, run on the CPU. Needs the built program.
 */

import { beforeEach, expect, test, vi } from "vitest";
import { createGenerator } from "../../src/math/random.ts";
import { concatBatch } from "../../src/math/layout.ts";
import type { Tensor } from "../../src/math/tensor.ts";
import type { NetworkSettings } from "../../src/networks/open-network.ts";
import { drawGroups } from "../../src/pipelines/groups-at-once.ts";
import { withStage1 } from "../../src/pipelines/stage-1.ts";
import { withStage2 } from "../../src/pipelines/stage-2.ts";
import { runUpscale } from "../../src/pipelines/upscale.ts";
import { smallModel } from "../small-model.ts";
import { settingsFor } from "./reference-run.ts";
import { smallUpscaleJob, smallUpscaler } from "./small-upscaler.ts";

/** Of each UNet that was opened: the types of the images that it takes and gives. */
const opened = vi.hoisted((): string[] => []);

vi.mock(import("../../src/pipelines/scheduling-threads.ts"), async (importOriginal) => {
  const { withSchedulingThreads } = await importOriginal();
  const entry = new URL("../../dist/program/scheduling-worker.js", import.meta.url);
  return { withSchedulingThreads: (count, use) => withSchedulingThreads(count, use, entry) };
});

/** Where onnxruntime optimises the graph, it leaves out casts to float16 and back, and with them the rounding. */
vi.mock(import("../../src/onnx/weight-mode.ts"), () => ({ weightModeFor: () => "mapped" }));

vi.mock(import("../../src/onnx/lower/providers.ts"), async (importOriginal) => {
  const original = await importOriginal();
  const { lower } = await import("../../src/onnx/lower/lower.ts");
  const { onCpuOperations } = await import("../onnx/lower/cuda/on-cpu.ts");
  const inFloat16 = original.providers.cuda.lowering({ computeType: "float16", weightFormat: "stored" });
  const { cpu } = original.providers;
  return {
    ...original,
    providers: { ...original.providers, cpu: { ...cpu, lowering: () => inFloat16, hoistedForm: null } },
    lowerFor: (_, graph, weights, settings) => {
      if (graph.inputs.every(({ name }) => name !== "sample")) {
        const lowering = cpu.lowering(settings);
        return { graph: lower(graph, weights, lowering), opset: lowering.opset };
      }
      const { narrowsImages = false } = settings;
      const lowered = lower(graph, weights, { ...inFloat16, narrowsImages });
      opened.push(
        [...lowered.inputs.filter(({ name }) => name === "sample"), ...lowered.outputs]
          .map(({ dtype }) => dtype)
          .join(),
      );
      return { graph: onCpuOperations(lowered), opset: inFloat16.opset };
    },
  };
});

beforeEach(() => {
  opened.length = 0;
});

/** @returns what both gave, once without threads and once with them. */
async function both<T>(draw: (schedulingThreads: number) => Promise<T>): Promise<readonly [alone: T, threaded: T]> {
  const results = [await draw(0), await draw(2)] as const;
  expect(opened).toEqual(["float32,float32", "float16,float16"]);
  return results;
}

const largestDifference = (some: readonly Tensor[], others: readonly Tensor[]): number =>
  Math.max(
    ...some.flatMap(({ data }, index) => Array.from(data, (value, at) => Math.abs(value - others[index]!.data[at]!))),
  );

const embeds = (seed: number): Tensor => createGenerator(seed).randn([1, 77, 16]);

/** Two groups of two jobs, and what they bring. */
const groups = [
  [1, 2],
  [3, 4],
] as const;
const ofIf = (seeds: readonly number[]) => ({
  promptEmbeds: concatBatch(seeds.map(embeds)),
  negativePromptEmbeds: concatBatch(seeds.map(() => embeds(9))),
  imagesPerPrompt: 1,
  start: { kind: "noise", width: 16, height: 16 } as const,
  generator: seeds.map(createGenerator),
});

test.each<readonly [string, Partial<NetworkSettings>, guidanceScale: number]>([
  ["whole batches", {}, 4],
  ["micro-batches", { microBatch: 2 }, 4],
  ["unguided", {}, 1],
])("stage 2, %s", async (_, low, guidanceScale) => {
  const settings = { ...(await settingsFor(smallModel("if-ii"))), ...low };
  const [alone, threaded] = await both((schedulingThreads) => {
    const steps: Tensor[] = [];
    return withStage2(
      {
        checkpoint: smallModel("if-ii"),
        images: 2,
        width: 16,
        height: 16,
        selection: { numInferenceSteps: 3 },
        eta: 0,
        guidanceScale,
        noiseLevel: 250,
        settings,
        schedulingThreads,
        warmUp: true,
      },
      async (draw) => {
        const images = await drawGroups(groups, 2, (seeds) =>
          draw({
            ...ofIf(seeds),
            image: createGenerator(20).randn([2, 3, 8, 8]),
            onStep: ({ sample, predOriginalSample }) => {
              if (seeds[0] === 1) steps.push(sample, predOriginalSample);
            },
          }),
        );
        return { images, steps };
      },
    );
  });
  expect(largestDifference([...threaded.images, ...threaded.steps], [...alone.images, ...alone.steps])).toBe(0);
  expect(alone.steps).toHaveLength(6);
});

test("stage 1, whose network is fed the samples alone where it is unguided", async () => {
  const settings = await settingsFor(smallModel("if-i"));
  const [alone, threaded] = await both((schedulingThreads) =>
    withStage1(
      {
        checkpoint: smallModel("if-i"),
        images: 2,
        width: 16,
        height: 16,
        selection: { numInferenceSteps: 2 },
        eta: 0,
        guidanceScale: 1,
        settings,
        schedulingThreads,
      },
      (draw) => drawGroups(groups, 2, (seeds) => draw(ofIf(seeds))),
    ),
  );
  expect(largestDifference(threaded, alone)).toBe(0);
});

test("the upscaler, whose last group is filled up", async () => {
  const settings = await settingsFor(smallModel("x4-upscaler"));
  const [alone, threaded] = await both(async (schedulingThreads) => {
    const images: Tensor[] = [];
    await runUpscale(
      {
        ...smallUpscaler(settings),
        schedulingThreads,
        groupSize: 2,
        groupsAtOnce: 2,
      },
      ["a", "b", "c"].map((prompt) => ({ prompts: [prompt], negativePrompts: [""] })),
      async () => Promise.resolve([[smallUpscaleJob(1), smallUpscaleJob(2)], [smallUpscaleJob(3)]]),
      async (index, result) => {
        images[index] = result.images;
        return Promise.resolve();
      },
    );
    return images;
  });
  expect(largestDifference(threaded, alone)).toBe(0);
});
