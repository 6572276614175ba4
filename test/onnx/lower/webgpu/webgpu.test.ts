/** Networks lowered for WebGPU, run on the CPU: what can be known without a GPU. */

import { describe, expect, test } from "vitest";
import { GraphBuilder } from "../../../../src/onnx/graph.ts";
import { cpu } from "../../../../src/onnx/lower/cpu/cpu.ts";
import { lower } from "../../../../src/onnx/lower/lower.ts";
import { webgpu } from "../../../../src/onnx/lower/webgpu/webgpu.ts";
import { valueBytes } from "../../../../src/onnx/memory.ts";
import * as ops from "../../../../src/onnx/ops.ts";
import { publishedNetworks, tinyNetworks, weightsOf } from "../networks.ts";
import { relativeError, runLowered } from "../run-lowered.ts";

describe.each(await publishedNetworks())("$name", ({ graph }) => {
  const { nodes } = lower(graph, weightsOf("float16"), webgpu("float16"));

  test("has nothing that is slow or wrong there", () => {
    const avoided = ["Gemm", "GroupNormalization", "com.microsoft.MultiHeadAttention"];
    expect(nodes.filter(({ op }) => avoided.includes(op))).toEqual([]);
    const largest = Math.max(0, ...nodes.filter(({ op }) => op === "Softmax").map(({ output }) => valueBytes(output)));
    expect(largest).toBeLessThanOrEqual(2 ** 28);
    const sixChannels = nodes.filter(({ op, inputs }) => op === "Conv" && inputs[0]?.shape[1] === 6);
    expect(sixChannels.map(({ name }) => name)).toEqual([]);
  });

  test("is computed in float16", () => {
    const products = nodes.filter(({ op }) => /MatMul|Conv|Attention/.test(op));
    expect([...new Set(products.map(({ output }) => output.dtype))]).toEqual(["float16"]);
  });
});

test("stage 2 begins with a convolution of 6 channels", async () => {
  const stage2 = (await publishedNetworks()).find(({ name }) => name === "IF-II-L");
  const first = stage2?.graph.nodes.find(({ op }) => op === "Conv");
  expect(first?.inputs[0]?.shape[1]).toBe(6);
});

test.each([3, 6, 7, 8])("a convolution of %i channels is what it is without padding", async (channels) => {
  const g = new GraphBuilder("conv");
  const [x, weight] = [g.input("x", "float32", [1, channels, 5, 4]), g.input("weight", "float32", [2, channels, 3, 3])];
  g.output("out", ops.conv2d(g, x, weight, null, { padding: 1 }));
  const graph = g.finish();
  const wave = (count: number): Float32Array => Float32Array.from({ length: count }, (_, at) => Math.sin(at * 12.9898));
  const feeds = { x: wave(channels * 20), weight: wave(channels * 18) };
  const expected = await runLowered(graph, null, cpu, feeds);
  expect(relativeError(await runLowered(graph, null, webgpu("float32"), feeds), expected)).toBeLessThan(1e-6);
});

describe.each(await tinyNetworks())(
  "$name on the CPU as lowered for WebGPU",
  ({ name, graph, folder, feeds, expected }) => {
    test("in float32", async () => {
      const output = await runLowered(graph, folder, webgpu("float32"), feeds);
      expect(relativeError(output, expected.data)).toBeLessThan(1e-5);
    });

    test.runIf(name.startsWith("unet"))("in float16", async () => {
      const error = relativeError(await runLowered(graph, folder, webgpu("float16"), feeds), expected.data);
      expect(error).toBeLessThan(1e-2);
      expect(error).toBeGreaterThan(1e-6); // else it was not float16
    });
  },
);
