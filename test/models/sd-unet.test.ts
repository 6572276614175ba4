import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";

import { elementCount } from "../../src/math/tensor.ts";
import {
  readSdUnetConfig,
  sdUnetConfigSchema,
  sdUnetLevels,
  type SdUnetConfig,
} from "../../src/models/sd-unet-config.ts";
import { buildSdUnet } from "../../src/models/sd-unet.ts";
import { checkGraph } from "../../src/onnx/check.ts";
import type { Graph } from "../../src/onnx/graph.ts";
import { openWeights } from "../../src/weights/checkpoint.ts";
import { readComponentConfig } from "../../src/weights/component-config.ts";
import { magnitude, maxAbsDifference, perSample, readModuleCases, type ModuleCase } from "../golden-module.ts";
import { goldenPath, referenceVariant } from "../golden.ts";
import { runNetwork } from "../run-graph.ts";

/** The reference's own float32 runs differ by up to 8e-6. Relative where values are large: inside, they reach 76. */
const tolerance = 5e-5;

const fullSizeConfigs = fileURLToPath(new URL("../golden/configs", import.meta.url));
const folder = goldenPath("checkpoints/x4-upscaler/unet");
const variant = await referenceVariant(folder);
const published = await readSettings(join(folder, "config.json"));
const config = await readSdUnetConfig(folder);
const cases = await readModuleCases("unet_x4");

test.each(cases)("gives the reference's numbers, layer by layer: $name", async (given) => {
  const { outputs, taps } = given;
  const results = await run(config, folder, given, [...taps.keys()]);
  for (const [name, expected] of [...taps, ["out_sample", outputs.get("output")] as const]) {
    const difference = maxAbsDifference(results.get(name)?.data, expected);
    expect(difference, name).toBeLessThanOrEqual(tolerance * magnitude(expected));
  }
});

test.each([1, 2])("%i images with two texts each are what they are one by one, up to rounding", async (batch) => {
  const sides = { height: 12, width: 16, textLength: 7 };
  const wave = (count: number, step: number): Float32Array =>
    Float32Array.from({ length: count }, (_, at) => Math.sin(at * step));
  const feeds = {
    sample: wave(batch * config.in_channels * 12 * 16, 0.37),
    timestep: wave(batch, 1).map((x) => 500 + 100 * x),
    encoder_hidden_states: wave(2 * batch * 7 * config.cross_attention_dim, 0.71),
    class_labels: BigInt64Array.from({ length: batch }, (_, at) => BigInt(20 + at)),
  };
  const { encoder_hidden_states, ...imageFeeds } = feeds;
  const twice = Object.fromEntries(
    Object.entries(imageFeeds).map(([name, feed]) => {
      const all = new (feed.constructor as Float32ArrayConstructor)(2 * feed.length);
      all.set(feed as Float32Array);
      all.set(feed as Float32Array, feed.length);
      return [name, all];
    }),
  );
  const paired = buildSdUnet(config, { ...sides, batch, textsPerImage: 2 });
  const apart = buildSdUnet(config, { ...sides, batch: 2 * batch });
  const result = (await runNetwork(paired, folder, feeds, { variant })).get("out_sample");
  const expected = (await runNetwork(apart, folder, { ...twice, encoder_hidden_states }, { variant })).get(
    "out_sample",
  );
  expect(result?.shape).toEqual(expected?.shape);
  expect(maxAbsDifference(result?.data, expected)).toBeLessThanOrEqual(tolerance);
  const largest = paired.nodes.filter(({ op, output }) => op === "Conv" && output.shape[2] === 12);
  expect(largest.slice(0, 3).map(({ output }) => output.shape[0])).toEqual([batch, batch, batch]);
});

test("takes exactly the weights that the checkpoint holds", async () => {
  const { tensors } = await openWeights(folder, variant);
  const graph = buildSdUnet(config, { batch: 1, height: 16, width: 16, textLength: 77 });
  expect(parameterShapes(graph)).toEqual(new Map([...tensors.values()].map(({ name, shape }) => [name, shape])));
});

test("a 1x1 convolution around the transformer is the same layer saved in another shape", async () => {
  const [given] = cases;
  if (!given) throw new Error("no case");
  const convolutional = await mkdtemp(join(tmpdir(), "if-gen-"));
  try {
    const [file = ""] = (await openWeights(folder, variant)).files;
    await writeFile(join(convolutional, basename(file)), asConvolutions(await readFile(file)));
    const results = await run({ ...config, use_linear_projection: false }, convolutional, given);
    const difference = maxAbsDifference(results.get("out_sample")?.data, given.outputs.get("output"));
    expect(difference).toBeLessThanOrEqual(tolerance);
  } finally {
    await rm(convolutional, { recursive: true });
  }
});

describe("at full size", async () => {
  const full = await readComponentConfig(fullSizeConfigs, sdUnetConfigSchema, {
    file: "x4-upscaler.unet.config.json",
  });
  const graph = buildSdUnet(full, { batch: 2, height: 256, width: 256, textLength: 77 });

  test("has the published number of parameters", () => {
    const count = [...parameterShapes(graph).values()].reduce((sum, shape) => sum + elementCount(shape), 0);
    expect(count).toBe(473_398_020);
  });

  test("is whole", () => {
    checkGraph(graph);
    expect(graph.inputs.map(({ name, dtype, shape }) => [name, dtype, shape])).toEqual([
      ["sample", "float32", [2, 7, 256, 256]],
      ["timestep", "float32", [2]],
      ["encoder_hidden_states", "float32", [2, 77, 1024]],
      ["class_labels", "int64", [2]],
    ]);
    expect(graph.outputs.map(({ name, shape }) => [name, shape])).toEqual([["out_sample", [2, 4, 256, 256]]]);
  });

  test("only the smallest level and the middle look at the image", () => {
    const tokensSeen = graph.nodes
      .filter(({ op }) => op === "Attention")
      .map(({ name, inputs }) => [name.slice(0, name.indexOf(".attentions")), inputs[1]?.shape[1]] as const)
      .filter(([, tokens]) => tokens !== 77);
    const smallest = 32 * 32;
    expect([...new Set(tokensSeen.map(([block]) => block))]).toEqual(["down_blocks.3", "mid_block", "up_blocks.0"]);
    expect(new Set(tokensSeen.map(([, tokens]) => tokens))).toEqual(new Set([smallest]));
  });
});

test("heads are counted by attention_head_dim, one number or one per level", () => {
  const heads = (value: unknown): number[] => {
    const graph = buildSdUnet(sdUnetConfigSchema.parse({ ...published, attention_head_dim: value }), {
      batch: 1,
      height: 8,
      width: 8,
      textLength: 3,
    });
    const nodes = graph.nodes.filter(({ op, name }) => op === "Attention" && name.includes("attentions.0"));
    return nodes.map(({ attributes: { heads } }) => (heads?.kind === "int" ? heads.value : 0));
  };
  expect(new Set(heads(4))).toEqual(new Set([4]));
  // two attentions each in down_blocks.1-3, mid_block, up_blocks.0-2
  expect(heads([1, 2, 4, 8])).toEqual([2, 2, 4, 4, 8, 8, 8, 8, 8, 8, 4, 4, 2, 2]);
});

test("keys may be left out: defaults are diffusers'", () => {
  const levels = sdUnetLevels(sdUnetConfigSchema.parse({ num_class_embeds: 10 }));
  expect(levels).toEqual(
    [320, 640, 1280, 1280].map((channels) => ({
      channels,
      layers: 2,
      heads: 8,
      transformerLayers: 1,
      onlyCrossAttention: false,
    })),
  );
});

test("a configuration saved anew by diffusers 0.40 means the same network", () => {
  const added = {
    addition_embed_type: null,
    addition_embed_type_num_heads: 64,
    addition_time_embed_dim: null,
    attention_type: "default",
    class_embed_type: null,
    class_embeddings_concat: false,
    conv_in_kernel: 3,
    conv_out_kernel: 3,
    cross_attention_norm: null,
    dropout: 0.0,
    encoder_hid_dim: null,
    encoder_hid_dim_type: null,
    mid_block_only_cross_attention: null,
    mid_block_type: "UNetMidBlock2DCrossAttn",
    num_attention_heads: null,
    projection_class_embeddings_input_dim: null,
    resnet_out_scale_factor: 1.0,
    resnet_skip_time_act: false,
    resnet_time_scale_shift: "default",
    reverse_transformer_layers_per_block: null,
    time_cond_proj_dim: null,
    time_embedding_act_fn: null,
    time_embedding_dim: null,
    time_embedding_type: "positional",
    timestep_post_act: null,
    transformer_layers_per_block: 1,
    upcast_attention: false,
  };
  expect(sdUnetConfigSchema.parse({ ...published, ...added })).toEqual(config);
});

describe("refuses by name", () => {
  const values: [string, unknown][] = [
    ["num_class_embeds", null],
    ["class_embed_type", "timestep"],
    ["center_input_sample", true],
    ["dual_cross_attention", true],
    ["resnet_time_scale_shift", "scale_shift"],
    ["num_attention_heads", 8],
    ["act_fn", "mish"],
    ["mid_block_scale_factor", 2],
    ["down_block_types", ["DownBlock2D"]],
    ["layers_per_block", [2, 2]],
    ["attention_head_dim", 5],
    ["norm_num_groups", 3],
    ["encoder_hid_dim", 4096],
  ];
  test.each(values)("%s: %j", (key, value) => {
    const { error } = sdUnetConfigSchema.safeParse({ ...published, [key]: value });
    expect(error?.issues[0]?.path[0]).toBe(key);
  });

  test("an unknown key", () => {
    const { error } = sdUnetConfigSchema.safeParse({ ...published, freeu: true });
    expect(error?.issues[0]).toMatchObject({ code: "unrecognized_keys", keys: ["freeu"] });
  });
});

async function run(config: SdUnetConfig, folder: string, { inputs }: ModuleCase, modules: string[] = []) {
  const [batch = 0, , height = 0, width = 0] = inputs.get("sample")?.shape ?? [];
  const textLength = inputs.get("encoder_hidden_states")?.shape[1] ?? 0;
  const feeds = Object.fromEntries([...inputs].map(([name, { data }]) => [name, data]));
  feeds["timestep"] = perSample(inputs.get("timestep"), batch);
  const graph = buildSdUnet(config, { batch, height, width, textLength });
  return runNetwork(graph, folder, feeds, { modules, variant });
}

const parameterShapes = ({ parameters }: Graph): Map<string, readonly number[]> =>
  new Map(parameters.map(({ value }) => [value.name, value.shape]));

/** A config.json without what is about the file, not the network. */
async function readSettings(path: string): Promise<Record<string, unknown>> {
  const { _diffusers_version, ...settings } = JSON.parse(await readFile(path, "utf8")) as Record<string, unknown>;
  return settings;
}

/** The same file with each (O, I) of proj_in and proj_out called (O, I, 1, 1): only the header changes. */
function asConvolutions(file: Buffer): Uint8Array {
  const end = 8 + Number(file.readBigUInt64LE(0));
  const header = JSON.parse(file.toString("utf8", 8, end)) as Record<string, { shape?: number[] }>;
  const projections = Object.entries(header).filter(([name]) => /proj_(in|out)\.weight$/.test(name));
  for (const [, { shape }] of projections) shape?.push(1, 1);
  const text = JSON.stringify(header);
  const padded = Buffer.from(text.padEnd(Math.ceil(text.length / 8) * 8));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(padded.length));
  return Buffer.concat([length, padded, file.subarray(end)]);
}
