/** The provider's keeping of buffers, against counts made by hand. Its fit to measurements: executor/stage-memory.test.ts. */

import { expect, test } from "vitest";
import { GraphBuilder, type Value } from "../../src/onnx/graph.ts";
import * as ops from "../../src/onnx/ops.ts";
import { webgpuBufferBytes } from "../../src/onnx/webgpu-memory.ts";

/** Floats in a map that is larger than all sizes that are kept. */
const LARGE = 50 * 2 ** 20;

function bytesOf(count: number, build: (g: GraphBuilder, x: Value) => Value): number {
  const g = new GraphBuilder("test");
  g.output("y", build(g, g.input("x", "float32", [count])));
  return webgpuBufferBytes(g.finish());
}

const large = (build: (g: GraphBuilder, x: Value) => Value): number => bytesOf(LARGE, build) / (4 * LARGE);
const twice = (g: GraphBuilder, x: Value): Value => ops.concat(g, [x, x], 0);

test("small buffers are rounded up, and kept for the next run", () => {
  expect(bytesOf(25, (g, x) => ops.sin(g, x))).toBe(3 * 128); // input, sines and their copy as output, of 100 bytes
});

test("a large dead map stands beside its successors until the card is done", () => {
  expect(large((g, x) => twice(g, twice(g, twice(g, x))))).toBe(1 + 2 + 4 + 8 + 8); // the output is a copy
});

test("some submissions later it is gone", () => {
  const grown = (g: GraphBuilder, x: Value): Value => {
    let map = twice(g, twice(g, x));
    for (let at = 0; at < 64; at++) map = ops.sin(g, map); // two buffers in turn
    return twice(g, map);
  };
  expect(large(grown)).toBe(1 + 4 + 4 + 8 + 8); // the second map, of 2, is not among them
});

test("a convolution copies its input, kernel and result", () => {
  const conv = bytesOf(16 * 64 * 64, (g, x) => {
    const kernel = g.constant(new Float32Array(16 * 16), [16, 16, 1, 1]);
    return ops.conv2d(g, ops.reshape(g, x, [1, 16, 64, 64]), kernel, null);
  });
  expect(conv).toBe(5 * 262_144 + 2048); // input, result, a copy of each, the output; the kernel's 1,024 bytes
});
