/** The provider's keeping of buffers, against counts made by hand. Its fit to measurements: memory/predict-stages.test.ts. */

import { expect, test } from "vitest";
import { GraphBuilder, type Value } from "../../src/onnx/graph.ts";
import * as ops from "../../src/onnx/ops.ts";
import { type BufferCacheMode, webgpuBufferBytes } from "../../src/onnx/webgpu-memory.ts";

/** Floats in a feature map that is larger than all sizes that are kept. */
const LARGE = 50 * 2 ** 20;

function bytesOf(count: number, build: (g: GraphBuilder, x: Value) => Value, mode: BufferCacheMode = "bucket"): number {
  const g = new GraphBuilder("test");
  g.output("y", build(g, g.input("x", "float32", [count])));
  return webgpuBufferBytes(g.finish(), mode);
}

const large = (build: (g: GraphBuilder, x: Value) => Value, mode?: BufferCacheMode): number =>
  bytesOf(LARGE, build, mode) / (4 * LARGE);
const twice = (g: GraphBuilder, x: Value): Value => ops.concat(g, [x, x], 0);

test("small buffers are rounded up, and kept for the next run", () => {
  expect(bytesOf(25, (g, x) => ops.sin(g, x))).toBe(3 * 128); // input, sines and their copy as output, of 100 bytes
});

test("a large dead feature map stands beside its successors until the GPU is done", () => {
  expect(large((g, x) => twice(g, twice(g, twice(g, x))))).toBe(1 + 2 + 4 + 8 + 8); // the output is a copy
});

const grown = (g: GraphBuilder, x: Value): Value => {
  let featureMap = twice(g, twice(g, x));
  for (let at = 0; at < 64; at++) featureMap = ops.sin(g, featureMap); // two buffers in turn
  return twice(g, featureMap);
};

test("some submissions later it is gone", () => {
  expect(large(grown)).toBe(1 + 4 + 4 + 8 + 8); // the second feature map, of 2, is not among them
});

test("where all are kept, none is gone, and each size has its own", () => {
  expect(large(grown, "simple")).toBe(1 + 2 + 4 + 4 + 8 + 8);
  expect(large((g, x) => twice(g, twice(g, twice(g, x))), "simple")).toBe(1 + 2 + 4 + 8 + 8);
  const two = (g: GraphBuilder, x: Value): Value => ops.concat(g, [ops.sin(g, x), ops.sin(g, ops.sin(g, x))], 0);
  expect(bytesOf(2 ** 20 + 1, two, "simple")).toBe(3 * 6 * 2 ** 20 + 2 * 10 * 2 ** 20); // whole pages
  expect(bytesOf(25, (g, x) => ops.sin(g, x), "simple")).toBe(3 * 128);
});

const conv = (g: GraphBuilder, x: Value): Value =>
  ops.conv2d(g, x, g.constant(new Float32Array(16 * 16), [16, 16, 1, 1]), null);

test("a convolution copies its input, kernel and result", () => {
  expect(bytesOf(16 * 64 * 64, (g, x) => conv(g, ops.reshape(g, x, [1, 16, 64, 64])))).toBe(5 * 262_144 + 2048); // input, result, a copy of each, the output; the kernel's 1,024 bytes
});

test("a convolution whose channels lie last copies its kernel alone", () => {
  const turned = (g: GraphBuilder, x: Value): Value => {
    const first = g.op("ToChannelsFirst", [ops.reshape(g, x, [1, 64, 64, 16])]);
    return g.op("ToChannelsLast", [conv(g, first)]);
  };
  expect(bytesOf(16 * 64 * 64, turned, "simple")).toBe(3 * 262_144 + 1024);
});

test("products in blocks copy their input, fused attention its keys and values", () => {
  const product = (g: GraphBuilder, x: Value): Value => {
    const [data, scales] = [
      g.constant(new Uint8Array(64 * 64), [64, 2, 32]),
      g.constant(new Float32Array(128), [64, 2]),
    ];
    const numbers = { N: ops.int(64), K: ops.int(64), bits: ops.int(8), block_size: ops.int(32) };
    return g.op("com.microsoft.MatMulNBits", [ops.reshape(g, x, [1024, 64]), data, scales], numbers);
  };
  expect(bytesOf(65_536, product, "simple")).toBe(4 * 262_144);
  const attention = (g: GraphBuilder, x: Value): Value => {
    const tokens = ops.reshape(g, x, [1, 1024, 64]);
    return g.op("com.microsoft.MultiHeadAttention", [tokens, tokens, tokens], {
      num_heads: ops.int(1),
      scale: ops.float(1),
    });
  };
  expect(bytesOf(65_536, attention, "simple")).toBe(5 * 262_144);
});
