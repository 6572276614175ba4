/** Synthetic checkpoints have the layout of the published ones: the tiny reference checkpoints are the proof. */

import { copyFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { RandomWeights, spreadOf } from "../../scripts/synthesize/random-weights.ts";
import { writeComponent } from "../../scripts/synthesize/write-component.ts";
import { openWeights } from "../../src/weights/checkpoint.ts";
import { readWeight } from "../../src/weights/find-weight.ts";
import { goldenPath, hasGolden } from "../golden.ts";
import { temporaryFolder } from "../weights/files.ts";

const cases = (
  [
    ["if-i/text_encoder", "fp32", "model.safetensors"],
    ["if-i/text_encoder", "fp16", "model.safetensors.index.fp16.json"],
    ["if-i/text_encoder", "8bit", "model.8bit.safetensors"],
    ["if-i/unet", "fp32", "diffusion_pytorch_model.safetensors"],
    ["if-ii/unet", "fp32", "diffusion_pytorch_model.safetensors"],
    ["x4-upscaler/text_encoder", "fp32", "model.safetensors"],
    ["x4-upscaler/unet", "fp32", "diffusion_pytorch_model.safetensors"],
    ["x4-upscaler/vae", "fp32", "diffusion_pytorch_model.safetensors"],
    ["if-i/safety_checker", "fp32", "model.safetensors"],
    ["if-i/unet", "fp16", "diffusion_pytorch_model.fp16.safetensors"],
    ["if-ii/unet", "fp16", "diffusion_pytorch_model.fp16.safetensors"],
    ["x4-upscaler/text_encoder", "fp16", "model.fp16.safetensors"],
    ["x4-upscaler/unet", "fp16", "diffusion_pytorch_model.fp16.safetensors"],
    ["x4-upscaler/vae", "fp16", "diffusion_pytorch_model.fp16.safetensors"],
  ] as const
).filter(([component, , file]) => hasGolden("checkpoints", component, file));

test("there are cases", () => expect(cases.length).toBeGreaterThan(5));

describe.each(cases)("%s %s", (component, variant) => {
  test("has the names, types and shapes of the real one", async () => {
    const folder = await temporaryFolder();
    const real = goldenPath("checkpoints", component);
    await writeComponent(join(real, "config.json"), folder, variant);
    const shapes = async (path: string): Promise<Record<string, string>> => {
      const { tensors } = await openWeights(path, variant);
      const listed = [...tensors].map(([name, { dtype, shape }]): [string, string] => [
        name,
        `${dtype} ${shape.join()}`,
      ]);
      return Object.fromEntries(listed);
    };
    const [synthetic, expected] = [await shapes(folder), await shapes(real)];
    const buffers = Object.keys(expected).filter((name) => !(name in synthetic));
    expect(buffers.filter((name) => !/position_ids$|concept_embeds/.test(name))).toEqual([]);
    expect(Object.keys(synthetic).filter((name) => !(name in expected))).toEqual([]);
    expect(Object.entries(synthetic).filter(([name, kind]) => expected[name] !== kind)).toEqual([]);
  });
});

test("numbers are of the promised spread, differ from tensor to tensor and are the same every time", async () => {
  const folder = await temporaryFolder();
  copyFileSync(goldenPath("checkpoints/if-i/unet/config.json"), join(folder, "config.json"));
  await writeComponent(join(folder, "config.json"), folder, "fp16");
  const weights = await openWeights(folder);
  const [name, entry] = [...weights.tensors].find(([, { shape }]) => shape.length === 4 && (shape[0] ?? 0) > 12) ?? [];
  if (name === undefined || !entry) throw new Error("no convolution");
  const values = await readWeight(weights, name, entry.shape);
  const deviation = Math.sqrt(values.reduce((sum, value) => sum + value * value, 0) / values.length);
  expect(deviation / spreadOf(name, entry.shape).deviation).toBeCloseTo(1, 1);
  const first = (random: RandomWeights): number[] => {
    const [piece] = random.bytes("a", { dtype: "F32", shape: [8, 8] });
    return [...(piece ?? [])];
  };
  const random = new RandomWeights(3);
  const [one, two] = [first(random), first(random)];
  expect(one).not.toEqual(two);
  expect(first(new RandomWeights(3))).toEqual(one);
});

test("T5's norms make six channels larger where that is asked for, and are the only ones that change", () => {
  const bytes = (name: string, outliers: number): Float32Array => {
    const pieces = [...new RandomWeights(0, { outliers }).bytes(name, { dtype: "F32", shape: [4096] })];
    return new Float32Array(Uint8Array.from(Buffer.concat(pieces)).buffer);
  };
  const norm = bytes("encoder.block.3.layer.1.layer_norm.weight", 20);
  expect([...norm].filter((weight) => weight === 20)).toHaveLength(6);
  expect([...norm].filter((weight) => weight === 1)).toHaveLength(4090);
  const last = "encoder.final_layer_norm.weight";
  expect(bytes(last, 20)).toEqual(bytes(last, 1));
});
