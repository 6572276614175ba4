/** Predictions from the configs alone: the published networks at full size, and the tiny ones against budgets. */

import { cpSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { predictNetwork } from "../../src/memory/predict-network.ts";
import { predictStages } from "../../src/memory/predict-stages.ts";
import { type StageNetwork, stageNetworks } from "../../src/networks/stage-networks.ts";
import { asQuantized } from "../../src/networks/network-weights.ts";
import { checkBudget, judge } from "../../src/memory/budget.ts";
import type { PlacedRun, Stage } from "../../src/plan/plan.ts";
import type { WeightEntry, WeightTable } from "../../src/weights/checkpoint.ts";
import { elementCount } from "../../src/math/tensor.ts";
import { isQuantized } from "../../src/weights/quantized-layout.ts";
import { goldenPath } from "../golden.ts";
import { budgetTable } from "../../src/memory/budget-table.ts";

const colab = { ramBytes: 13e9, ramSource: "test", vramBytes: 15e9 };

function planFor(checkpoints: readonly [string, string, string], sides: readonly number[], numImages = 1): PlacedRun {
  const stage = (name: "stage-1" | "stage-2" | "stage-3", at: number): Stage => ({
    kind: "diffusion",
    name,
    checkpoint: checkpoints[at] ?? "",
    selection: { numInferenceSteps: 2 },
    scheduler: "DDPMScheduler",
    sampler: "DDPM",
    steps: 2,
    guidanceScale: 7,
    width: sides[at] ?? 0,
    height: sides[at] ?? 0,
  });
  return {
    jobs: [{ prompt: "", negativePrompt: "", seed: 0 }],
    numImages,
    stages: [textStage(checkpoints[0]), stage("stage-1", 0), stage("stage-2", 1), stage("stage-3", 2)],
    gpuStages: {},
  };
}

const tiny = [
  goldenPath("checkpoints/if-i"),
  goldenPath("checkpoints/if-ii"),
  goldenPath("checkpoints/x4-upscaler"),
] as const;

describe("at full size", () => {
  const folder = published();
  afterAll(() => rmSync(folder, { recursive: true }));
  const checkpoints = ["if-i", "if-ii", "x4"].map((name) => join(folder, name)) as [string, string, string];
  const needsOf = async (numImages: number, textBits: 8 | 16) => {
    const plan = planFor(checkpoints, [64, 256, 1024], numImages);
    const networks: StageNetwork[] = [];
    for (const stage of plan.stages) networks.push(...(await stageNetworks(plan, stage)));
    return networks.map((network) => predictNetwork(network, weightsOf(network, textBits), {}, "cpu"));
  };

  test("each network fits into 13 GB, one image, with guidance; their sum does not", async () => {
    const needs = await needsOf(1, 8);
    expect(needs.map(({ network }) => network)).toEqual(["T5", "UNet", "UNet", "CLIP text", "UNet", "VAE decoder"]);
    expect(needs.filter((need) => judge(need.privateBytes, need.peakBytes, colab) !== "fits")).toEqual([]);
    expect(needs.reduce((sum, { peakBytes }) => sum + peakBytes, 0)).toBeGreaterThan(20e9);
  });

  test("T5 in 8 bits takes less than 1 GB of private memory and less than 4.9 GB of weights", async () => {
    const [t5] = await needsOf(1, 8);
    expect(t5?.privateBytes).toBeLessThan(1e9);
    expect(t5?.weightBytes).toBeLessThan(4.9e9);
    expect(t5?.weightBytes).toBeGreaterThan(4.6e9);
  });

  test("T5 in 4 bits has less than 2.9 GB of weights and takes less than 3 GB, little of it private", async () => {
    const [t5] = await stageNetworks(planFor(checkpoints, [64, 256, 1024]), textStage(checkpoints[0]));
    if (!t5) throw new Error("the text stage has no network");
    const need = predictNetwork(t5, asQuantized(weightsOf(t5, 16), 4), {}, "cpu");
    expect(need.weightBytes).toBeLessThan(2.9e9);
    expect(need.weightBytes).toBeGreaterThan(2.8e9);
    expect(need.peakBytes).toBeLessThan(3e9);
    expect(need.privateBytes).toBeLessThan(0.5e9);
  });

  test("IF-I-XL in 8 bits takes less than 6.8 GB of a GPU, in micro-batches less than 5.5, and half the weights", async () => {
    const plan = planFor(checkpoints, [64, 256, 1024]);
    const stage1 = plan.stages.find(({ name }) => name === "stage-1");
    const [xl] = stage1 ? await stageNetworks(plan, stage1) : [];
    if (!xl) throw new Error("stage 1 has no network");
    const stored = weightsOf(xl, 16);
    const need = predictNetwork(xl, asQuantized(stored, "unet"), {}, "webgpu");
    expect(need.gpuBytes).toBeLessThan(6.8e9);
    expect(predictNetwork(xl, asQuantized(stored, "unet"), { microBatch: 1 }, "webgpu").gpuBytes).toBeLessThan(5.5e9);
    expect(need.weightBytes / predictNetwork(xl, stored, {}, "webgpu").weightBytes).toBeLessThan(0.54);
    const onCuda = predictNetwork(xl, asQuantized(stored, "unet"), {}, "cuda");
    expect((onCuda.gpuBytes ?? 0) / (6399 * 2 ** 20)).toBeGreaterThan(0.95); // measured
    expect((onCuda.gpuBytes ?? 0) / (6399 * 2 ** 20)).toBeLessThan(1.1);
    expect(onCuda.gpuTakesBytes).toBe(onCuda.gpuBytes);
    const onCpu = predictNetwork(xl, asQuantized(stored, "unet"), {}, "cpu");
    expect(onCpu.mappedBytes).toBeLessThan(0.54 * predictNetwork(xl, stored, {}, "cpu").mappedBytes);
    expect(onCpu.peakBytes).toBeLessThan(8e9); // 10.6 in float16
  });

  /** docs/notebook/memory.md: peaks in MB, measured on NVIDIA H200s. Blocks: the step by itself; the rest: the chain's stages. */
  test.each([
    ["stage-1", "UNet", "stored", 9938],
    ["stage-1", "UNet", "blocks", 6472],
    ["stage-2", "UNet", "stored", 5390],
    ["stage-2", "UNet", "blocks", 7028],
    ["stage-3", "CLIP text", "stored", 797],
    ["stage-3", "UNet", "stored", 4976],
    ["stage-3", "UNet", "blocks", 5833],
    ["stage-3", "VAE decoder", "stored", 14021],
  ] as const)(
    "webgpu, %s, %s, %s: as measured, %i MB, to 10 percent and at most 5 below",
    async (name, which, as, measured) => {
      const plan = planFor(checkpoints, [64, 256, 1024]);
      const stage = plan.stages.find((one) => one.name === name);
      const network = (stage ? await stageNetworks(plan, stage) : []).find((one) => one.name === which);
      if (!network) throw new Error(`${name} has no ${which}`);
      const stored = weightsOf(network, 16);
      const weights = as === "blocks" ? asQuantized(stored, "unet") : stored;
      const predicted = (predictNetwork(network, weights, {}, "webgpu").gpuBytes ?? 0) / 1e6;
      expect(predicted / measured).toBeGreaterThan(0.95);
      expect(predicted / measured).toBeLessThan(1.1);
    },
  );

  /** docs/notebook/memory.md: the stages' processes, in MB, the most of several hosts; stage 3's is that of its text encoder. */
  test.each([
    ["stage-1", "UNet", "stored", {}, 804],
    ["stage-1", "UNet", "blocks", {}, 1011],
    ["stage-1", "UNet", "blocks", { microBatch: 1 }, 998],
    ["stage-2", "UNet", "stored", {}, 372],
    ["stage-2", "UNet", "blocks", {}, 485],
    ["stage-3", "CLIP text", "stored", {}, 411],
  ] as const)(
    "RAM beside a GPU, %s, %s, %s %o: as measured, %i MB, to 20 percent and none below",
    async (name, which, as, lowMemory, measured) => {
      const plan = planFor(checkpoints, [64, 256, 1024]);
      const stage = plan.stages.find((one) => one.name === name);
      const network = (stage ? await stageNetworks(plan, stage) : []).find((one) => one.name === which);
      if (!network) throw new Error(`${name} has no ${which}`);
      const weights = as === "blocks" ? asQuantized(weightsOf(network, 16), "unet") : weightsOf(network, 16);
      const predicted = predictNetwork(network, weights, lowMemory, "webgpu").peakBytes / 1e6;
      expect(predicted / measured).toBeGreaterThan(1);
      expect(predicted / measured).toBeLessThan(1.2);
    },
  );

  test("int8 activations keep weights of a byte where float32 ones take four", async () => {
    const plan = planFor(checkpoints, [64, 256, 1024]);
    const stage = textStage(checkpoints[0]);
    const needFor = async (activations: "float32" | "int8"): Promise<number> => {
      const [t5] = await stageNetworks({ ...plan, textEncoder: { bits: 8, cache: "/none", activations } }, stage);
      if (!t5) throw new Error("the text stage has no network");
      return predictNetwork(t5, weightsOf(t5, 8), {}, "cpu").activationBytes;
    };
    expect((await needFor("int8")) / (await needFor("float32"))).toBeLessThan(0.5);
  });

  test("eight images at once do not fit the upscaler: they need micro-batches", async () => {
    const [, , , , unet] = await needsOf(8, 8);
    expect(unet?.peakBytes).toBeGreaterThan(13e9);
  });

  test("the decoder's attention over 65,536 pixels does not store their 17 GB of scores", async () => {
    const vae = (await needsOf(1, 8)).at(-1);
    expect(vae?.activationBytes).toBeGreaterThan(4e9);
    expect(vae?.activationBytes).toBeLessThan(4.5e9);
  });
});

describe("on a GPU", () => {
  const plan = planFor(tiny, [24, 48, 192]);
  const onGpu = { ...plan, gpuStages: { "stage-1": "cuda", "stage-2": "cuda", "stage-3": "webgpu" } } as const;

  test("weights and activations are on the GPU, and nothing is mapped", async () => {
    const [text, ...drawing] = await predictStages(onGpu, colab);
    expect(text?.gpuBytes).toBeUndefined();
    for (const { networks, verdict } of drawing) {
      expect(verdict).toBe("fits");
      for (const need of networks) {
        expect(need.gpuBytes).toBeGreaterThan(need.weightBytes + need.activationBytes);
        expect(need.mappedBytes).toBe(0);
      }
    }
  });

  test("float16 activations take half of float32's", async () => {
    const [network] = await stageNetworks(plan, plan.stages[1] as Stage);
    if (!network) throw new Error("stage 1 has no network");
    const weights = weightsOf(network, 16);
    const halves = predictNetwork(network, weights, {}, "cuda").activationBytes;
    const floats = predictNetwork({ ...network, fitsFloat16: false }, weights, {}, "cuda").activationBytes;
    expect(floats / halves).toBeGreaterThan(1.9);
  });

  test.each([
    ["cuda", 1, 1],
    ["cuda", 2, 2],
    ["cuda", 9, 4],
    ["webgpu", 9, 0],
  ] as const)("threads beside the network on %s, of %i jobs: %i", async (provider, denoisedJobs, threads) => {
    const [network] = await stageNetworks(plan, plan.stages[1] as Stage);
    if (!network) throw new Error("stage 1 has no network");
    const bytesOf = (jobs: number): number =>
      predictNetwork({ ...network, denoisedJobs: jobs }, weightsOf(network, 16), {}, provider).overheadBytes;
    expect(bytesOf(denoisedJobs) - bytesOf(0)).toBeCloseTo(threads * 0.12e9);
  });

  test("a GPU that is too small: fewer at a time, then a clear end", async () => {
    const many = { ...planFor(tiny, [24, 48, 192], 8), gpuStages: onGpu.gpuStages };
    const [, whole] = await predictStages(many, colab);
    const [, micro] = await predictStages(many, { ...colab, vramBytes: (whole?.gpuBytes ?? 0) - 1 });
    expect(micro?.lowMemory.microBatch).toBeLessThan(16);
    expect(micro?.verdict).toBe("fits");
    const small = { ...colab, vramBytes: 1000 };
    const needs = await predictStages(many, small);
    expect(needs.map(({ verdict }) => verdict)).toEqual(["fits", "too large", "too large", "too large"]);
    expect(() => checkBudget(needs, small, many)).toThrow(/stage-1 needs .* GB of GPU memory \(predicted\)/);
    expect(budgetTable(needs, small)).toMatch(
      /GPU: predicted, as measured on NVIDIA H200 .*; other GPUs were not measured/,
    );
  });
});

describe("the mildest low-memory mode that fits", () => {
  test("none, where all fits", async () => {
    const needs = await predictStages(planFor(tiny, [24, 48, 192], 4), colab);
    expect(needs.map(({ lowMemory, verdict }) => ({ lowMemory, verdict }))).toEqual(
      needs.map(() => ({ lowMemory: {}, verdict: "fits" })),
    );
  });

  test("micro-batches; a small decoder's large feature maps in tiles at any rate", async () => {
    const plan = planFor(tiny, [64, 128, 2048], 4);
    const whole = (await predictStages(plan, colab)).at(-1);
    expect(whole?.lowMemory).toEqual({ tileBytes: expect.any(Number) as number });
    const [, unet] = whole?.networks ?? [];
    const smallest = (await predictStages(plan, { ...colab, ramBytes: 1 })).at(-1);
    const ramBytes = smallest?.peakBytes ?? 0;
    expect(unet?.peakBytes).toBeGreaterThan(ramBytes);
    const [stage] = (await predictStages(plan, { ...colab, ramBytes })).slice(-1);
    expect(stage?.verdict).toBe("fits");
    expect(stage?.lowMemory.microBatch).toBeLessThan(8);
    expect(stage?.lowMemory.tileBytes).toBeGreaterThan(0);
  });

  test("nothing helps against a budget below the process itself", async () => {
    const needs = await predictStages(planFor(tiny, [24, 48, 192]), { ...colab, ramBytes: 5e7 });
    expect(needs.map(({ verdict }) => verdict)).toEqual(needs.map(() => "too large"));
  });
});

const textStage = (checkpoint: string): Stage => ({
  kind: "text",
  name: "text-encoding",
  checkpoint,
  cleanCaption: true,
});

/** The published configs as checkpoints without weights. */
function published(): string {
  const folder = mkdtempSync(join(tmpdir(), "if-gen-configs-"));
  const configs = [
    ["if-i/text_encoder", "IF-I-XL-v1.0.text_encoder"],
    ["if-i/unet", "IF-I-XL-v1.0.unet"],
    ["if-ii/unet", "IF-II-L-v1.0.unet"],
    ["x4/text_encoder", "x4-upscaler.text_encoder"],
    ["x4/unet", "x4-upscaler.unet"],
    ["x4/vae", "x4-upscaler.vae"],
  ] as const;
  for (const [component, name] of configs) {
    mkdirSync(join(folder, component), { recursive: true });
    cpSync(join(import.meta.dirname, `../golden/configs/${name}.config.json`), join(folder, component, "config.json"));
  }
  return folder;
}

function weightsOf(network: StageNetwork, textBits: 8 | 16): WeightTable {
  const entries = network.build(1).parameters.map(({ value: { name, shape } }): [string, WeightEntry] => {
    const int8 = textBits === 8 && isQuantized(name, shape);
    const byteLength = elementCount(shape) * (int8 ? 1 : 2);
    return [name, { name, shape, dtype: int8 ? "I8" : "F16", offset: 0, byteLength, file: "/none" }];
  });
  return { folder: network.folder, variant: "fp16", files: [], tensors: new Map(entries), totalBytes: 0 };
}
