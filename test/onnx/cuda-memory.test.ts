/** GPU memory on CUDA against what was measured at full size (docs/notebook/cuda.md). */

import { expect, test } from "vitest";
import { cudaMemory } from "../../src/onnx/cuda-memory.ts";
import { cuda } from "../../src/onnx/lower/cuda/cuda.ts";
import { lower } from "../../src/onnx/lower/lower.ts";
import type { WeightLookup } from "../../src/onnx/lower/rewriting.ts";
import { elementCount } from "../../src/math/tensor.ts";
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

test.each([
  ["IF-I-XL", 10_213],
  ["IF-II-L", 4607],
])("%s takes at least %i MiB", (network, mebibytes) => {
  const graph = networks.find(({ name }) => name === network)!.graph;
  const { needsBytes, takesBytes } = cudaMemory([lower(graph, sized, cuda("float16"))]);
  const measured = mebibytes * 2 ** 20;
  expect(needsBytes / measured).toBeGreaterThan(0.95);
  expect(needsBytes / measured).toBeLessThan(1.1);
  expect(takesBytes).toBeGreaterThanOrEqual(needsBytes);
});

test("T5-XXL in 8 bits takes 8,298 MiB: a network without convolutions needs no cuDNN", () => {
  const graph = networks.find(({ name }) => name === "T5-XXL")!.graph;
  const { needsBytes } = cudaMemory([lower(graph, sizedRows, cuda("float32"))]);
  expect(needsBytes / (8298 * 2 ** 20)).toBeGreaterThan(0.95);
  expect(needsBytes / (8298 * 2 ** 20)).toBeLessThan(1.1);
});
