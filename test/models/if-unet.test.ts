/** Every module of IF's UNet against the reference, its weights' names, the published sizes. */

import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { ShapeError, UsageError } from "../../src/errors.ts";
import { elementCount } from "../../src/math/tensor.ts";
import { type IfUnetConfig, ifUnetConfigSchema } from "../../src/models/if-unet-config.ts";
import { buildIfUnet } from "../../src/models/if-unet.ts";
import { checkGraph } from "../../src/onnx/check.ts";
import type { Graph } from "../../src/onnx/graph.ts";
import type { Feed } from "../../src/runtime/session.ts";
import { openWeights } from "../../src/weights/checkpoint.ts";
import { readComponentConfig } from "../../src/weights/component-config.ts";
import { goldenPath, referenceVariant } from "../golden.ts";
import {
  type GoldenTensor,
  maxAbsDifference,
  type ModuleCase,
  perSample,
  readCases,
  readModuleCases,
} from "../golden-module.ts";
import { runNetwork } from "../run-graph.ts";

const tolerance = 5e-5; // the reference's own fp32 runs are up to 8e-6 apart (threads, kernels)
const tapTolerance = 1e-5; // of the largest number, which inside the network is up to 70

/** A golden folder that is only here, never in the full set. */
const own = (folder: string): string => fileURLToPath(new URL(`../golden/${folder}`, import.meta.url));

const readConfig = (folder: string): Promise<IfUnetConfig> => readComponentConfig(folder, ifUnetConfigSchema);

/** The network for a case's inputs, and what to feed it. */
function prepare(config: IfUnetConfig, inputs: ModuleCase["inputs"]): { graph: Graph; feeds: Record<string, Feed> } {
  const [sample, text, labels] = [
    inputs.get("sample"),
    inputs.get("encoder_hidden_states"),
    inputs.get("class_labels"),
  ];
  if (!sample || !text) throw new Error("the case has no sample or no text");
  const [batch = 0, , height = 0, width = 0] = sample.shape;
  const feeds = {
    sample: sample.data,
    timestep: perSample(inputs.get("timestep"), batch),
    encoder_hidden_states: text.data,
    ...(labels ? { class_labels: perSample(labels, batch) } : {}),
  };
  return { graph: buildIfUnet(config, { batch, height, width, textLength: text.shape[1] ?? 0 }), feeds };
}

function relativeDifference(actual: Float32Array | undefined, expected: GoldenTensor): number {
  const largest = (expected.data as Float32Array).reduce((most, x) => Math.max(most, Math.abs(x)), 1);
  return maxAbsDifference(actual, expected) / largest;
}

const networks = [
  { name: "unet_if_i", folder: goldenPath("checkpoints", "if-i", "unet") },
  { name: "unet_if_ii", folder: goldenPath("checkpoints", "if-ii", "unet") },
  { name: "variant", folder: own("if-unet-variant") }, // scripts/golden/make-if-variants.py
];

describe.each(networks)("$name against diffusers", async ({ name, folder }) => {
  const variant = await referenceVariant(folder);
  const config = await readConfig(folder);
  const cases = await (name === "variant" ? readCases(join(folder, "case.safetensors")) : readModuleCases(name));

  test.each(cases)("$name", async ({ inputs, outputs, taps }) => {
    const { graph, feeds } = prepare(config, inputs);
    const results = await runNetwork(graph, folder, feeds, { modules: [...taps.keys()], variant });
    const far = [...taps].filter(([path, tap]) => !(relativeDifference(results.get(path)?.data, tap) <= tapTolerance));
    expect(far.map(([path]) => path)).toEqual([]);
    expect(maxAbsDifference(results.get("out_sample")?.data, outputs.get("output"))).toBeLessThan(tolerance);
  });

  test("uses every tensor of the file, and no other", async () => {
    const graph = buildIfUnet(config, { batch: 1, height: 16, width: 16, textLength: 77 });
    const stored = [...(await openWeights(folder, variant)).tensors.values()];
    const shapes = (list: readonly { name: string; shape: readonly number[] }[]): Record<string, readonly number[]> =>
      Object.fromEntries(list.map(({ name, shape }) => [name, shape]));
    expect(shapes(graph.parameters.map(({ value }) => value))).toEqual(shapes(stored));
  });
});

test.each(["unet_if_i", "unet_if_ii"])("%s is compared layer by layer", async (name) => {
  const [first] = await readModuleCases(name);
  expect(first?.taps.size).toBeGreaterThan(10);
});

describe("published networks", () => {
  test.each([
    { file: "IF-I-XL-v1.0.unet.config.json", parameters: 4_304_695_110 },
    { file: "IF-I-XL-v1.0.unet.config.diffusers-0.19-resave.json", parameters: 4_304_695_110 },
    { file: "IF-I-L-v1.0.unet.config.json", parameters: 935_365_830 },
    { file: "IF-I-M-v1.0.unet.config.json", parameters: 371_605_830 },
    { file: "IF-II-L-v1.0.unet.config.json", parameters: 1_243_277_190 },
    { file: "IF-II-M-v1.0.unet.config.json", parameters: 461_064_198 },
  ])("$file has $parameters parameters", async ({ file, parameters }) => {
    const config = await readComponentConfig(own("configs"), ifUnetConfigSchema, { file });
    const side = config.sample_size;
    const graph = buildIfUnet(config, { batch: 2, height: side, width: side, textLength: 77 });
    checkGraph(graph);
    expect(graph.parameters.reduce((sum, { value }) => sum + elementCount(value.shape), 0)).toBe(parameters);
    expect(graph.outputs.map(({ name, shape }) => ({ name, shape }))).toEqual([
      { name: "out_sample", shape: [2, 6, side, side] },
    ]);
  });
});

describe("sides", () => {
  test.each([
    { stage: "if-i", width: 24, height: 40, multiple: 8 },
    { stage: "if-ii", width: 48, height: 32, multiple: 16 },
  ])("$stage takes multiples of $multiple only", async ({ stage, width, height, multiple }) => {
    const config = await readConfig(goldenPath("checkpoints", stage, "unet"));
    const build = (size: { width: number; height: number }): Graph =>
      buildIfUnet(config, { batch: 1, ...size, textLength: 77 });
    expect(build({ width, height }).outputs[0]?.shape).toEqual([1, 6, height, width]);
    const odd = width + multiple / 2;
    expect(() => build({ width: odd, height })).toThrow(UsageError);
    expect(() => build({ width: odd, height })).toThrow(
      `an image of ${odd} x ${height} does not fit this UNet: both sides must be multiples of ${multiple}.`,
    );
    expect(() => build({ width, height: height + 1 })).toThrow(UsageError);
  });
});

test("timestep embeddings of another width are a mistake that is named", async () => {
  const config = await readConfig(goldenPath("checkpoints", "if-i", "unet"));
  const [, ...others] = config.block_out_channels;
  const broken = { ...config, block_out_channels: [9, ...others] as [number, ...number[]] };
  expect(() => buildIfUnet(broken, { batch: 1, height: 16, width: 16, textLength: 77 })).toThrow(ShapeError);
});
