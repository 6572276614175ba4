/** GPU memory on CUDA against what was measured at full size (docs/notebook/cuda.md). */

import { expect, test } from "vitest";
import { cudaMemory } from "../../src/onnx/cuda-memory.ts";
import { cuda } from "../../src/onnx/lower/cuda/cuda.ts";
import { cudaDefaults, cudaVariants } from "../../src/onnx/lower/cuda/variants.ts";
import { lower } from "../../src/onnx/lower/lower.ts";
import type { WeightLookup } from "../../src/onnx/lower/rewriting.ts";
import { elementCount } from "../../src/math/tensor.ts";
import { blockScalesName, blockShapes } from "../../src/weights/quantize-blocks.ts";
import { blockMatrix, isBlocked } from "../../src/weights/unet-blocks.ts";
import { publishedNetworks } from "./lower/networks.ts";

const networks = await publishedNetworks();

const sized: WeightLookup = (name, shape) => ({
  name,
  shape,
  dtype: "float16",
  file: "/none",
  offset: 0,
  byteLength: 2 * elementCount(shape),
});

/** As the published 8-bit T5 is stored: int8 rows with scales, `wo` in float32. */
const sizedRows: WeightLookup = (name, shape) => {
  const size = elementCount(shape);
  const place = { name, shape, file: "/none", offset: 0 };
  if (shape.length !== 2 || /norm|embed|shared|bias/.test(name))
    return { ...place, dtype: "float16", byteLength: 2 * size };
  if (/\bwo\b/.test(name)) return { ...place, dtype: "float32", byteLength: 4 * size };
  return { ...place, dtype: "int8", byteLength: size, rowScales: new Float32Array(shape[0] ?? 0).fill(1) };
};

/** As `--unet-bits 8` makes them. */
const sizedBlocks: WeightLookup = (name, shape) => {
  if (!isBlocked(name, shape)) return sized(name, shape, []);
  const { data, scales } = blockShapes(blockMatrix(name, shape), 8);
  const { rowScales: _, ...blockScales } = sized(blockScalesName(name), scales, []);
  return { name, shape: data, dtype: "uint8", file: "/none", offset: 0, byteLength: elementCount(data), blockScales };
};

const ofMany = await Promise.all([4, 8].map(async (images) => [images, await publishedNetworks(2 * images)] as const));

/** MiB: what was in use after the first run of a process, and after its last. Batches of two are an image with guidance. */
test.each([
  ["IF-I-XL", 1, 10_213, 10_213],
  ["IF-I-XL", 8, 12_263, 14_311],
  ["IF-II-L", 1, 4607, 4607],
  ["IF-II-L", 4, 6657, 10_745],
  ["x4 UNet", 1, 3179, 5227],
  ["x4 UNet", 4, 7277, 15_469],
])("%s with %i images needs %i MiB, and takes %i where they are free", (network, images, needed, taken) => {
  const graphs = images === 1 ? networks : ofMany.find(([count]) => count === images)![1];
  const { graph } = graphs.find(({ name }) => name === network)!;
  const lowered = lower(graph, sized, cuda("float16", cudaVariants["nhwc-keys"])); // what was measured
  const { needsBytes, takesBytes } = cudaMemory([lowered], { weightFormat: "stored", computeType: "float16" });
  const ratios = [needsBytes / (needed * 2 ** 20), takesBytes / (taken * 2 ** 20)];
  for (const [at, ratio] of ratios.entries()) {
    expect(ratio).toBeGreaterThan(0.95);
    expect(ratio, ["needs", "takes"][at]!).toBeLessThan(at === 0 ? 1.2 : 1.12);
  }
});

test.each([
  ["IF-I-XL", cudaDefaults.blocksOfFewPixels, 6702],
  ["IF-II-L", cudaDefaults.blocks, 4345],
  ["x4 UNet", cudaDefaults.blocks, 3943],
])("%s in 8 bits with an image", (network, choices, measuredMB) => {
  const { graph } = networks.find(({ name }) => name === network)!;
  const lowered = lower(graph, sizedBlocks, cuda("float16", choices));
  const { takesBytes } = cudaMemory([lowered], { weightFormat: "blocks", computeType: "float16" });
  expect(takesBytes / 1e6 / measuredMB).toBeGreaterThan(0.95);
  expect(takesBytes / 1e6 / measuredMB).toBeLessThan(1.1);
});

test("the VAE's decoder takes 7,867 MiB at 1024 px from the second run on, and less than 3,943 MB in the first", () => {
  const { graph } = networks.find(({ name }) => name === "VAE decoder")!;
  const lowered = lower(graph, sized, cuda("float32"));
  const { needsBytes, takesBytes } = cudaMemory([lowered], { weightFormat: "stored", computeType: "float32" });
  expect(needsBytes).toBeLessThan(1.05 * 3943e6);
  expect(takesBytes / (7867 * 2 ** 20)).toBeGreaterThan(0.95);
  expect(takesBytes / (7867 * 2 ** 20)).toBeLessThan(1.1);
});

test("T5-XXL in 8 bits takes 8,298 MiB: a network without convolutions needs no cuDNN", () => {
  const graph = networks.find(({ name }) => name === "T5-XXL")!.graph;
  const { needsBytes } = cudaMemory([lower(graph, sizedRows, cuda("float32"))], {
    weightFormat: "stored",
    computeType: "float32",
  });
  expect(needsBytes / (8298 * 2 ** 20)).toBeGreaterThan(0.95);
  expect(needsBytes / (8298 * 2 ** 20)).toBeLessThan(1.1);
});
