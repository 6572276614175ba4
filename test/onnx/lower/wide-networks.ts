/** UNets whose layers are wide enough to be kept in blocks, with random weights, stored and quantised. */

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "vitest";
import { readIfUnetConfig } from "../../../src/models/if-unet-config.ts";
import { buildIfUnet } from "../../../src/models/if-unet.ts";
import { readSdUnetConfig } from "../../../src/models/sd-unet-config.ts";
import { buildSdUnet } from "../../../src/models/sd-unet.ts";
import { elementCount } from "../../../src/math/tensor.ts";
import type { Graph } from "../../../src/onnx/graph.ts";
import type { Feed } from "../../../src/runtime/session.ts";
import { openWeights } from "../../../src/weights/checkpoint.ts";
import { quantizeIntoCache } from "../../../src/weights/quantize-checkpoint.ts";
import { type TensorSource, writeSafetensors } from "../../../src/weights/safetensors.ts";
import { goldenPath } from "../../golden.ts";
import { copyConfig } from "../../models/checkpoint-copy.ts";

export interface WideNetwork {
  readonly name: string;
  readonly graph: Graph;
  /** The component's folder with its weights as they were made, and with those in blocks. */
  readonly stored: string;
  readonly blocks: string;
  readonly feeds: Readonly<Record<string, Feed>>;
}

/** Numbers of mean 0 and that deviation, nearly normal, the same ones every time. */
export function normals(count: number, deviation = 1, seed = 1): Float32Array {
  let state = seed;
  const uniform = (): number => (state = (state * 48271) % 2147483647) / 2147483647;
  return Float32Array.from({ length: count }, () => deviation * 2 * (uniform() + uniform() + uniform() - 1.5));
}

/** Weights that keep a signal's size: about 1/√(inputs) each; norms near 1. */
export async function writeCheckpoint(graph: Graph, folder: string): Promise<void> {
  const tensors = new Map<string, TensorSource>();
  for (const [at, { value }] of graph.parameters.entries()) {
    const isNorm = /norm[^.]*\.weight$/.test(value.name);
    const inputs = value.shape.length === 1 ? 100 : elementCount(value.shape.slice(1));
    const data = normals(elementCount(value.shape), 1 / Math.sqrt(inputs), at + 1).map((x) => (isNorm ? 1 + x : x));
    tensors.set(value.name, { dtype: "F32", shape: value.shape, data: data as Float32Array<ArrayBuffer> });
  }
  writeFileSync(join(folder, "config.json"), "{}");
  await writeSafetensors(join(folder, "diffusion_pytorch_model.safetensors"), tensors);
}

const common = { norm_num_groups: 16, layers_per_block: 1, sample_size: 16 };
const ifChange = {
  ...common,
  block_out_channels: [64, 128, 128],
  down_block_types: ["ResnetDownsampleBlock2D", "SimpleCrossAttnDownBlock2D", "SimpleCrossAttnDownBlock2D"],
  up_block_types: ["SimpleCrossAttnUpBlock2D", "SimpleCrossAttnUpBlock2D", "ResnetUpsampleBlock2D"],
  attention_head_dim: 32,
  cross_attention_dim: 64,
  encoder_hid_dim: 64,
  addition_embed_type_num_heads: 4,
};
const sdChange = {
  ...common,
  block_out_channels: [64, 128],
  down_block_types: ["DownBlock2D", "CrossAttnDownBlock2D"],
  up_block_types: ["CrossAttnUpBlock2D", "UpBlock2D"],
  only_cross_attention: [true, false],
  attention_head_dim: 4,
  cross_attention_dim: 64,
};

const config = (component: string): string => goldenPath("checkpoints", component, "unet", "config.json");
const pair = { batch: 2, height: 12, width: 16, textLength: 7 };

/** Both kinds of UNet; the IF one also with 160 channels somewhere, which no tile divides. */
export async function wideNetworks(): Promise<WideNetwork[]> {
  const sdConfig = await copyConfig(config("x4-upscaler"), sdChange, readSdUnetConfig);
  const unets = [
    { name: "stage I", graph: buildIfUnet(await copyConfig(config("if-i"), ifChange, readIfUnetConfig), pair) },
    {
      name: "stage II",
      graph: buildIfUnet(
        await copyConfig(config("if-ii"), { ...ifChange, block_out_channels: [32, 64, 160] }, readIfUnetConfig),
        pair,
      ),
    },
    { name: "upscaler", graph: buildSdUnet(sdConfig, pair) },
    {
      name: "upscaler, an image with two texts",
      graph: buildSdUnet(sdConfig, { ...pair, batch: 1, textsPerImage: 2 }),
    },
  ];
  const folder = mkdtempSync(join(tmpdir(), "if-gen-wide-"));
  afterAll(() => rmSync(folder, { recursive: true }));
  return Promise.all(
    unets.map(async ({ name, graph }) => {
      const stored = join(folder, name);
      mkdirSync(stored);
      await writeCheckpoint(graph, stored);
      const blocks = await quantizeIntoCache(await openWeights(stored), join(stored, "cache"), "unet");
      const feeds = Object.fromEntries(
        graph.inputs.map(({ name: input, dtype, shape }, at): [string, Feed] => {
          const count = elementCount(shape);
          if (dtype === "int64") return [input, new BigInt64Array(count).fill(20n)];
          return [input, input === "timestep" ? new Float32Array(count).fill(487) : normals(count, 1, 1000 + at)];
        }),
      );
      return { name, graph, stored, blocks, feeds };
    }),
  );
}
