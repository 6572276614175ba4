import { cpSync, mkdirSync, readFileSync, readdirSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { buildT5Encoder, readT5EncoderConfig } from "../../src/models/t5-encoder.ts";
import { openWeights } from "../../src/weights/checkpoint.ts";
import { quantizeIntoCache } from "../../src/weights/quantize-checkpoint.ts";
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

test.each(["fp32", "fp16"] as const)(
  "%s becomes int8 rows whose embeddings are the reference's, cosine >= 0.999",
  async (variant) => {
    const cache = await temporaryFolder();
    const folder = await quantizeIntoCache(await openWeights(source, variant), cache);
    const [golden] = await readModuleCases("t5");
    const ids = golden?.inputs.get("input_ids");
    const [batch = 0, textLength = 0] = ids?.shape ?? [];
    const mask = golden?.inputs.get("attention_mask")?.data ?? new BigInt64Array(batch * textLength).fill(1n);
    const graph = buildT5Encoder(await readT5EncoderConfig(folder), { batch, textLength });
    const feeds = { input_ids: ids?.data as BigInt64Array, attention_mask: mask as BigInt64Array };
    const result = (await runNetwork(graph, folder, feeds, { variant: "8bit" })).get("last_hidden_state");
    expect(cosine(result?.data ?? [], golden?.outputs.get("output")?.data as Float32Array)).toBeGreaterThan(0.999);
    const { tensors } = await openWeights(folder, "8bit");
    expect(tensors.get("encoder.block.0.layer.1.DenseReluDense.wo.weight")?.dtype).toBe("I8");
    expect(tensors.get("shared.weight")?.dtype).toBe("F16");
  },
);

test("is done once; anything that is not whole is done again; other weights get another place", async () => {
  const cache = await temporaryFolder();
  let runs = 0;
  const quantize = async (from = source): Promise<string> =>
    quantizeIntoCache(await openWeights(from, "fp32"), cache, () => runs++);
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
  expect(readdirSync(cache)).toHaveLength(2); // nothing temporary is left
});

test("weights that are no T5's and a cache that is a file are one clear error each", async () => {
  const cache = await temporaryFolder();
  const vae = await openWeights(goldenPath("checkpoints/x4-upscaler/vae"));
  await expect(quantizeIntoCache(vae, cache)).rejects.toMatchObject({ code: "CHECKPOINT" });
  const file = join(cache, "file");
  writeFileSync(file, "");
  await expect(quantizeIntoCache(await openWeights(source, "fp32"), join(file, "cache"))).rejects.toMatchObject({
    code: "OUTPUT",
    message: expect.stringMatching(/cannot be kept in .*ENOTDIR/) as string,
  });
  expect(statSync(file).size).toBe(0);
});
