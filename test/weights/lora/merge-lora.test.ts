/** Merged weights against their formula; what comes of them against diffusers is test/networks/lora.test.ts. */

import { readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { type WeightTable, openWeights } from "../../../src/weights/checkpoint.ts";
import { readWeight } from "../../../src/weights/find-weight.ts";
import { type LoraMerge, expectMerged, mergeIntoCache } from "../../../src/weights/lora/merge-lora.ts";
import { type TensorSource, writeSafetensors } from "../../../src/weights/safetensors.ts";
import { float32ToBfloat16, float32ToFloat16 } from "../../../src/math/half.ts";
import { goldenPath } from "../../golden.ts";
import { temporaryFolder } from "../files.ts";
import { applied, filled, goldenLora, writeLora } from "./lora-files.ts";

const numbers = Float32Array.from({ length: 12 }, (_, i) => i / 8);

/** A network of one layer and a bias. */
async function network(weight: TensorSource): Promise<WeightTable> {
  const folder = await temporaryFolder();
  const tensors = new Map([
    ["a.weight", weight],
    ["a.bias", filled([4])],
  ]);
  await writeSafetensors(join(folder, "diffusion_pytorch_model.safetensors"), tensors);
  return openWeights(folder, "fp32");
}

const asF32 = { dtype: "F32", shape: [4, 3], data: numbers } as const;
const small = (): Promise<string> =>
  writeLora({
    "unet.a.lora_A.weight": { dtype: "F32", shape: [2, 3], data: Float32Array.of(1, 0, 0, 0, 0.5, 0) },
    "unet.a.lora_B.weight": { dtype: "F32", shape: [4, 2], data: Float32Array.of(1, 0, 0, 1, 0, 0, 2, 4) },
    "unet.a.alpha": filled([], 4), // scale 2
  });
/** 2 · up · down */
const product = [2, 0, 0, 0, 1, 0, 0, 0, 0, 4, 4, 0];
const plus = (weight: number): number[] => product.map((value, i) => numbers[i]! + weight * value);

const merging = async (cache: string, ...loras: readonly (readonly [string, number])[]): Promise<LoraMerge> => ({
  network: "unet",
  cache,
  loras: await Promise.all(loras.map(([file, weight]) => applied(file, weight))),
});

const read = async (table: WeightTable): Promise<number[]> => [...(await readWeight(table, "a.weight", [4, 3]))];

test.each<[string, TensorSource]>([
  ["F32", asF32],
  ["F16", { ...asF32, dtype: "F16", data: Uint16Array.from(float32ToFloat16(numbers)) }],
  ["BF16", { ...asF32, dtype: "BF16", data: Uint16Array.from(float32ToBfloat16(numbers)) }],
])("W + weight · alpha / r · up · down, in %s", async (dtype, weight) => {
  const table = await network(weight);
  const merge = await merging(await temporaryFolder(), [await small(), 0.5]);
  const merged = await mergeIntoCache(table, merge);
  expect(await read(merged)).toEqual(plus(0.5));
  expect(merged.tensors.get("a.weight")?.dtype).toBe(dtype);
  expect(merged.tensors.get("a.bias")).toEqual(table.tensors.get("a.bias"));
  expect(merged.totalBytes).toBe(table.totalBytes);
});

test("several add up", async () => {
  const [first, second] = [await small(), await small()];
  const merged = await mergeIntoCache(
    await network(asF32),
    await merging(await temporaryFolder(), [first, 0.5], [second, -2]),
  );
  expect(await read(merged)).toEqual(plus(-1.5));
});

describe("the cache", () => {
  test("makes once what is the same, anew for another weight or another file", async () => {
    const [cache, table, file] = [await temporaryFolder(), await network(asF32), await small()];
    let runs = 0;
    const make = async (...loras: readonly (readonly [string, number])[]): Promise<WeightTable> =>
      mergeIntoCache(table, await merging(cache, ...loras), () => runs++);
    const first = await make([file, 1]);
    expect((await make([file, 1])).files).toEqual(first.files);
    expect(runs).toBe(1);
    await make([file, 2]);
    await make([await small(), 1]); // the same numbers: the hash is the file's content
    expect(runs).toBe(2);
    await make([file, 1], [file, 1]);
    expect(runs).toBe(3);
    expect(await readdir(cache)).toHaveLength(3);
  });

  test("makes it again where a byte is another", async () => {
    const [cache, table] = [await temporaryFolder(), await network(asF32)];
    const merge = await merging(cache, [await small(), 1]);
    const { files } = await mergeIntoCache(table, merge);
    await writeFile(files.at(-1)!, "broken");
    expect(await read(await mergeIntoCache(table, merge))).toEqual(plus(1));
  });

  test("is told beforehand from headers, of the same types and sizes", async () => {
    const [cache, table] = [await temporaryFolder(), await network(asF32)];
    const merge = await merging(cache, [await small(), 1]);
    const before = await expectMerged(table, merge);
    const made = await mergeIntoCache(table, merge);
    expect(before.isMade).toBe(false);
    const outline = ({ tensors }: WeightTable): unknown =>
      new Map([...tensors.values()].map(({ name, dtype, shape, byteLength }) => [name, [dtype, shape, byteLength]]));
    expect(outline(before.table)).toEqual(outline(made));
    expect(await expectMerged(table, merge)).toEqual({ table: made, isMade: true });
  });
});

test("of int8 rows the sum is float16, without their maxima", async () => {
  const table = await openWeights(goldenPath("checkpoints/if-i/text_encoder"), "8bit");
  const name = "encoder.block.0.layer.0.SelfAttention.q.weight";
  const { shape } = table.tensors.get(name)!;
  const merge: LoraMerge = {
    network: "text_encoder",
    cache: await temporaryFolder(),
    loras: [await applied(goldenLora("text"), 0)],
  };
  const merged = await mergeIntoCache(table, merge);
  expect(table.tensors.get(name)?.dtype).toBe("I8");
  expect(merged.tensors.get(name)?.dtype).toBe("F16");
  expect(merged.tensors.has(name.replace("weight", "SCB"))).toBe(false);
  const [before, after] = [await readWeight(table, name, shape), await readWeight(merged, name, shape)];
  expect(
    Math.max(...before.map((value, i) => Math.abs(value - after[i]!) / Math.max(1e-2, Math.abs(value)))),
  ).toBeLessThan(1e-3);
});

describe("what is refused, in one sentence:", () => {
  test("a LoRA that was changed since it was chosen", async () => {
    const file = await small();
    const merge = await merging(await temporaryFolder(), [file, 1]);
    await rm(file);
    await expect(mergeIntoCache(await network(asF32), merge)).rejects.toThrow(/was changed or removed meanwhile/);
  });

  test("one of another network", async () => {
    const other = await writeLora({ "unet.b.lora_A.weight": filled([1, 3]), "unet.b.lora_B.weight": filled([4, 1]) });
    const merge = await merging(await temporaryFolder(), [other, 1]);
    await expect(mergeIntoCache(await network(asF32), merge)).rejects.toThrow(/there is no layer "b"\.$/);
  });

  test("sums beyond float16", async () => {
    const weight: TensorSource = { ...asF32, dtype: "F16", data: Uint16Array.from(float32ToFloat16(numbers)) };
    const merge = await merging(await temporaryFolder(), [await small(), 1e5]);
    await expect(mergeIntoCache(await network(weight), merge)).rejects.toThrow(/not finite; take a smaller weight/);
  });
});
