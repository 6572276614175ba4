import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, readFileSync, readdirSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { expect, test } from "vitest";
import { machineMark } from "../../src/files/draft.ts";
import { buildT5Encoder, readT5EncoderConfig } from "../../src/models/t5-encoder.ts";
import type { Graph } from "../../src/onnx/graph.ts";
import { withInt8Activations } from "../../src/onnx/int8-activations.ts";
import { exactActivationBits } from "../../src/runtime/int8-products.ts";
import { type WeightEntry, openWeights } from "../../src/weights/checkpoint.ts";
import { readWeight } from "../../src/weights/find-weight.ts";
import { blockScalesName, dequantizeBlocks } from "../../src/weights/quantize-blocks.ts";
import { quantizationSource, quantizeIntoCache } from "../../src/weights/quantize-checkpoint.ts";
import { type QuantizedBits, quantizedLayouts } from "../../src/weights/quantized-layout.ts";
import { readTensor } from "../../src/weights/safetensors.ts";
import { readModuleCases } from "../golden-module.ts";
import { goldenPath } from "../golden.ts";
import { runNetwork } from "../run-graph.ts";
import { temporaryFolder } from "./files.ts";

const source = goldenPath("checkpoints/if-i/text_encoder");

function cosine(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let [dot, aa, bb] = [0, 0, 0];
  for (let at = 0; at < a.length; at++) {
    const [x, y] = [a[at] ?? NaN, b[at] ?? NaN];
    [dot, aa, bb] = [dot + x * y, aa + x * x, bb + y * y];
  }
  return dot / Math.sqrt(aa * bb);
}

/** Case 0 of the reference on quantised weights: the cosine to what the reference gave on float32. */
async function similarity(
  folder: string,
  bits: QuantizedBits,
  change = (graph: Graph): Graph => graph,
): Promise<number> {
  const [golden] = await readModuleCases("t5");
  const ids = golden?.inputs.get("input_ids");
  const [batch = 0, textLength = 0] = ids?.shape ?? [];
  const mask = golden?.inputs.get("attention_mask")?.data ?? new BigInt64Array(batch * textLength).fill(1n);
  const graph = change(buildT5Encoder(await readT5EncoderConfig(folder), { batch, textLength }));
  const feeds = { input_ids: ids?.data as BigInt64Array, attention_mask: mask as BigInt64Array };
  const { variant } = quantizedLayouts[bits];
  const result = (await runNetwork(graph, folder, feeds, { variant })).get("last_hidden_state");
  return cosine(result?.data ?? [], golden?.outputs.get("output")?.data as Float32Array);
}

test.each(["fp32", "fp16"] as const)(
  "%s becomes int8 rows whose embeddings are the reference's, cosine >= 0.999",
  async (variant) => {
    const folder = await quantizeIntoCache(await openWeights(source, variant), await temporaryFolder(), 8);
    expect(await similarity(folder, 8)).toBeGreaterThan(0.999);
    const { tensors } = await openWeights(folder, "8bit");
    expect(tensors.get("encoder.block.0.layer.1.DenseReluDense.wo.weight")?.dtype).toBe("I8");
    expect(tensors.get("shared.weight")?.dtype).toBe("F16");
  },
);

test("int8 rows multiplied with activations of as many bits as are exact here: cosine >= 0.997", async () => {
  const folder = await quantizeIntoCache(await openWeights(source, "fp16"), await temporaryFolder(), 8);
  const fast = await similarity(folder, 8, withInt8Activations(await exactActivationBits()));
  expect(fast).toBeGreaterThan(0.997); // 0.9980 in test/golden, 0.9979 in the full set
  expect(fast).not.toBe(await similarity(folder, 8));
});

// So narrow that a row is a block or a few, and every weight's error shows: 0.934 in the full set, above 0.95 in test/golden.
test.each(["fp32", "8bit"] as const)(
  "%s becomes 4-bit blocks whose embeddings are near the reference's",
  async (variant) => {
    const from = await openWeights(source, variant);
    const folder = await quantizeIntoCache(from, await temporaryFolder(), 4);
    expect(await similarity(folder, 4)).toBeGreaterThan(0.92);
    const name = "encoder.block.0.layer.1.DenseReluDense.wo.weight";
    const { d_model: rows, d_ff: columns } = await readT5EncoderConfig(source);
    const { tensors } = await openWeights(folder, "fp32");
    expect(tensors.get(name)).toMatchObject({ dtype: "U8", shape: [rows, Math.ceil(columns / 32), 16] });
    expect([...tensors.keys()].filter((key) => key.endsWith("SCB"))).toEqual([]);
    const read = async (entry: WeightEntry | undefined) => readTensor(entry?.file ?? "", entry as WeightEntry);
    const blocks = {
      data: (await read(tensors.get(name))) as Uint8Array<ArrayBuffer>,
      scales: (await read(tensors.get(blockScalesName(name)))) as Uint16Array<ArrayBuffer>,
    };
    const exact = await readWeight(from, name, [rows, columns]);
    expect(cosine(dequantizeBlocks(blocks, rows, columns), exact)).toBeGreaterThan(0.995);
  },
);

test.each([
  [["fp32"], 4, undefined, { variant: "fp32", inPlace: false }],
  [["8bit", "fp16", "fp32"], 4, undefined, { variant: "fp16", inPlace: false }],
  [["8bit", "fp16", "fp32"], 4, "fp32", { variant: "fp32", inPlace: false }],
  [["8bit"], 4, undefined, { variant: "8bit", inPlace: false }],
  [["8bit", "fp16"], 8, "fp16", { variant: "8bit", inPlace: true }],
  [["fp16", "fp32"], 8, undefined, { variant: "fp16", inPlace: false }],
] as const)("of %j, %d bits come from %s: %j", async (there, bits, requested, expected) => {
  const folder = await temporaryFolder();
  for (const variant of there)
    writeFileSync(join(folder, `model${variant === "fp32" ? "" : `.${variant}`}.safetensors`), "");
  expect(await quantizationSource(folder, bits, requested)).toEqual(expected);
});

test("is done once; anything that is not whole is done again; other weights and other bits get another place", async () => {
  const cache = await temporaryFolder();
  let runs = 0;
  const quantize = async (from = source): Promise<string> =>
    quantizeIntoCache(await openWeights(from, "fp32"), cache, 8, () => runs++);
  const folder = await quantize();
  const file = join(folder, "model.8bit.safetensors");
  const bytes = readFileSync(file);
  expect(await quantize()).toBe(folder);
  expect(runs).toBe(1);
  truncateSync(file, 1000);
  expect(await quantize()).toBe(folder);
  expect(readFileSync(file).equals(bytes)).toBe(true);
  writeFileSync(join(folder, "quantized.json"), "{}");
  await quantize();
  expect(runs).toBe(3);
  const other = join(await temporaryFolder(), "copy");
  mkdirSync(other);
  cpSync(source, other, { recursive: true });
  expect(await quantize(other)).not.toBe(folder);
  await quantizeIntoCache(await openWeights(source, "fp32"), cache, 4);
  expect(readdirSync(cache)).toHaveLength(3); // nothing temporary is left
});

test("weights that are no T5's and a cache that is a file are one clear error each", async () => {
  const cache = await temporaryFolder();
  const vae = await openWeights(goldenPath("checkpoints/x4-upscaler/vae"));
  await expect(quantizeIntoCache(vae, cache, 8)).rejects.toMatchObject({ code: "CHECKPOINT" });
  const file = join(cache, "file");
  writeFileSync(file, "");
  await expect(quantizeIntoCache(await openWeights(source, "fp32"), join(file, "cache"), 4)).rejects.toMatchObject({
    code: "OUTPUT",
    message: expect.stringMatching(/cannot be kept in .*its folder is a file/) as string,
  });
  expect(statSync(file).size).toBe(0);
});

test("what a killed process left half made is removed, what another one is writing is not", async () => {
  const cache = await temporaryFolder();
  const gone = spawnSync(process.execPath, ["-e", ""]).pid;
  const [dead, alive] = [gone, process.pid].map((pid) => `if-gen-${machineMark()}-${pid}-0123abcd`);
  for (const name of [dead, alive]) {
    mkdirSync(join(cache, name ?? ""));
    writeFileSync(join(cache, name ?? "", "model"), "half");
  }
  const folder = await quantizeIntoCache(await openWeights(source, "fp16"), cache, 8);
  expect(new Set(readdirSync(cache))).toEqual(new Set([basename(folder), alive]));
  const left = `.if-gen-${machineMark()}-${gone}-0123abcd.tmp`; // a run that was killed while it noted what it had hashed
  writeFileSync(join(folder, left), "{");
  expect(await quantizeIntoCache(await openWeights(source, "fp16"), cache, 8)).toBe(folder);
  expect(readdirSync(folder)).not.toContain(left);
});
