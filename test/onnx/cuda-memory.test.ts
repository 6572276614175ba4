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

test.each([
  ["IF-I-XL", 10_213],
  ["IF-II-L", 4607],
])("%s takes at least %i MiB", (network, mebibytes) => {
  const graph = networks.find(({ name }) => name === network)!.graph;
  const { needsBytes, takesBytes } = cudaMemory([lower(graph, sized, cuda("float16"))]);
  const measured = mebibytes * 2 ** 20;
  expect(needsBytes / measured).toBeGreaterThan(0.95);
  expect(needsBytes / measured).toBeLessThan(1.1);
  expect(takesBytes).toBeGreaterThan(needsBytes);
});
