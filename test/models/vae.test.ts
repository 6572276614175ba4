/** Tolerance 5e-5: the reference's own fp32 runs differ by up to 4e-6 among each other. */

import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { elementCount } from "../../src/math/tensor.ts";
import { buildVaeDecoder, buildVaeEncoder, readVaeConfig, vaeConfigSchema } from "../../src/models/vae.ts";
import { checkGraph } from "../../src/onnx/check.ts";
import type { Graph } from "../../src/onnx/graph.ts";
import { openWeights } from "../../src/weights/checkpoint.ts";
import { readTensor, type TensorSource, writeSafetensors } from "../../src/weights/safetensors.ts";
import { type GoldenTensor, maxAbsDifference, readModuleCases } from "../golden-module.ts";
import { goldenPath, referenceVariant } from "../golden.ts";
import { runNetwork } from "../run-graph.ts";
import { copyConfig, shapesOf, withFolder } from "./checkpoint-copy.ts";

const tolerance = 5e-5;
const folder = goldenPath("checkpoints/x4-upscaler/vae");
const variant = await referenceVariant(folder);
const published = fileURLToPath(new URL("../golden/configs/x4-upscaler.vae.config.json", import.meta.url));
const config = await readVaeConfig(folder);
const decoderCases = await readModuleCases("vae_decode");
const encoderCases = await readModuleCases("vae_encode");

const sidesOf = ([batch = 0, , height = 0, width = 0]: readonly number[]) => ({ batch, height, width });

describe("the decoder against diffusers", () => {
  test.each(decoderCases)("$name", async ({ inputs, outputs, taps }) => {
    const latents = inputs.get("latents")!;
    const graph = buildVaeDecoder(config, sidesOf(latents.shape));
    const feeds = { latents: latents.data };
    const results = await runNetwork(graph, folder, feeds, { modules: [...taps.keys()], variant });
    const expected = [...taps, ["sample", outputs.get("output")] as const];
    const differences = expected.map(
      ([name, value]) => [name, maxAbsDifference(results.get(name)?.data, value)] as const,
    );
    expect(differences.filter(([, difference]) => !(difference <= tolerance))).toEqual([]);
  });

  test("case 0 has taps", () => {
    expect(decoderCases[0]?.taps.size).toBeGreaterThanOrEqual(2);
  });

  test("finds the attention's weights under the names of old files", async () => {
    const latents = decoderCases[0]?.inputs.get("latents") as GoldenTensor;
    const graph = buildVaeDecoder(config, sidesOf(latents.shape));
    const results = await withFolder(async (old) => {
      await writeWithOldNames(join(old, "diffusion_pytorch_model.safetensors"));
      return runNetwork(graph, old, { latents: latents.data });
    });
    expect(maxAbsDifference(results.get("sample")?.data, decoderCases[0]?.outputs.get("output"))).toBeLessThanOrEqual(
      tolerance,
    );
  });
});

/** Writes the checkpoint as diffusers did when it had an AttentionBlock. */
async function writeWithOldNames(path: string): Promise<void> {
  const oldNames: Record<string, string> = { to_q: "query", to_k: "key", to_v: "value", "to_out.0": "proj_attn" };
  const copies = new Map<string, TensorSource>();
  for (const entry of (await openWeights(folder, variant)).tensors.values()) {
    const name = entry.name.replace(/(?<=attentions\.0\.)(to_[qkv]|to_out\.0)/, (part) => oldNames[part] ?? part);
    copies.set(name, { dtype: entry.dtype, shape: entry.shape, data: await readTensor(entry.file, entry) });
  }
  expect([...copies.keys()].filter((name) => name.includes(".to_"))).toEqual([]);
  await writeSafetensors(path, copies);
}

describe("the encoder against diffusers", () => {
  test.each(encoderCases)("$name", async ({ inputs, outputs, taps }) => {
    const image = inputs.get("image")!;
    const graph = buildVaeEncoder(config, sidesOf(image.shape));
    const feeds = { image: image.data };
    const results = await runNetwork(graph, folder, feeds, { modules: [...taps.keys()], variant });
    const expected = [...taps, ["moments", outputs.get("moments")] as const];
    const differences = expected.map(
      ([name, value]) => [name, maxAbsDifference(results.get(name)?.data, value)] as const,
    );
    expect(differences.filter(([, difference]) => !(difference <= tolerance))).toEqual([]);
  });
});

const bothHalves = (vaeConfig: typeof config): Graph[] => [
  buildVaeDecoder(vaeConfig, { batch: 1, height: 128, width: 192 }),
  buildVaeEncoder(vaeConfig, { batch: 1, height: 512, width: 768 }),
];

const parametersOf = (graphs: readonly Graph[]) =>
  graphs.flatMap(({ parameters }) => parameters.map(({ value }) => value));

test("decoder and encoder together use every tensor of the file, and no other", async () => {
  const { tensors } = await openWeights(folder, variant);
  expect(shapesOf(parametersOf(bothHalves(config)))).toEqual(shapesOf(tensors.values()));
});

test("the published VAE has 55,325,927 parameters", async () => {
  const graphs = bothHalves(await copyConfig(published, {}, readVaeConfig));
  graphs.forEach(checkGraph);
  expect(parametersOf(graphs).reduce((sum, { shape }) => sum + elementCount(shape), 0)).toBe(55_325_927);
  expect(graphs.map(({ outputs }) => outputs[0]?.shape)).toEqual([
    [1, 3, 512, 768],
    [1, 8, 128, 192],
  ]);
});

test("parts that a configuration switches off have no weights", () => {
  const bare = { ...config, mid_block_add_attention: false, use_quant_conv: false, use_post_quant_conv: false };
  const graphs = bothHalves(bare);
  graphs.forEach(checkGraph);
  const off = /attentions|quant_conv/;
  const names = (graphs: readonly Graph[]): string[] => parametersOf(graphs).map(({ name }) => name);
  expect(names(bothHalves(config)).some((name) => off.test(name))).toBe(true);
  expect(names(graphs)).toEqual(names(bothHalves(config)).filter((name) => !off.test(name)));
});

test("absent keys take diffusers' defaults", () => {
  expect(vaeConfigSchema.parse({})).toMatchObject({
    in_channels: 3,
    out_channels: 3,
    block_out_channels: [64],
    layers_per_block: 1,
    latent_channels: 4,
    norm_num_groups: 32,
    mid_block_add_attention: true,
    use_quant_conv: true,
    scaling_factor: 0.18215,
  });
});

test.each([
  { change: { act_fn: "relu" }, message: '`act_fn` is "relu"' },
  { change: { shift_factor: 0.1 }, message: "`shift_factor` is 0.1" },
  { change: { block_out_channels: [128, 256] }, message: "`block_out_channels` is [128,256]" },
  { change: { norm_num_groups: 48 }, message: "`norm_num_groups` is 48" },
  { change: { _class_name: "VQModel" }, message: '`_class_name` is "VQModel"' },
  { change: { up_block_types: Array(3).fill("AttnUpDecoderBlock2D") }, message: "`up_block_types.0`" },
  { change: { tiling: true }, message: "Unknown key `tiling`" },
])("refuses $change", async ({ change, message }) => {
  await expect(copyConfig(published, change, readVaeConfig)).rejects.toThrow(message);
});
