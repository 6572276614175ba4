/** Convolutions of enlarged feature maps, computed on the small ones: the same numbers, where it is worthwhile. */

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { type Graph, GraphBuilder, type Node } from "../../../../src/onnx/graph.ts";
import { cpu } from "../../../../src/onnx/lower/cpu/cpu.ts";
import { cuda } from "../../../../src/onnx/lower/cuda/cuda.ts";
import { type CudaChoices, cudaVariants } from "../../../../src/onnx/lower/cuda/variants.ts";
import { lower } from "../../../../src/onnx/lower/lower.ts";
import * as ops from "../../../../src/onnx/ops.ts";
import { temporaryFolder } from "../../../weights/files.ts";
import { publishedNetworks, tinyNetworks, weightsOf } from "../networks.ts";
import { relativeError, runLowered } from "../run-lowered.ts";
import { normals, wideNetworks, writeCheckpoint } from "../wide-networks.ts";
import { missingKernels } from "./kernels.ts";
import { onCpuOperations } from "./on-cpu.ts";

const variant = cudaVariants["nhwc-phases"]!;
/** Of the smallest too; in float32 only where onnxruntime folds nothing. */
const everywhere: CudaChoices = { ...variant, folds: false, phases: { pixels: 0, channels: 0 } };

const phasesOf = ({ nodes }: Graph): Node[] =>
  nodes.filter(({ op, inputs }) => op === "ConvOfKernelLast" && inputs[1]?.shape[1] === 2);

interface Case {
  readonly times?: number;
  readonly kernel?: number;
  readonly stride?: number;
  readonly bias?: boolean;
}

function enlargedGraph(
  [height, width]: readonly [number, number],
  { times = 2, kernel = 3, stride = 1, bias = true }: Case,
): Graph {
  const g = new GraphBuilder("a convolution");
  const enlarged = ops.upsampleNearest(
    g,
    g.input("x", "float32", [2, 8, height, width]),
    times * height,
    times * width,
  );
  const weight = g.parameter("weight", [12, 8, kernel, kernel]);
  const options = { stride, padding: Math.floor(kernel / 2) };
  g.output("out", ops.conv2d(g, enlarged, weight, bias ? g.parameter("bias", [12]) : null, options));
  return g.finish();
}

test.each<[readonly [number, number], Case]>([
  [[4, 4], {}],
  [[5, 3], {}],
  [[1, 7], {}],
  [[6, 4], { bias: false }],
])("%j, %j: the numbers of the enlarged one", async (sides, options) => {
  const graph = enlargedGraph(sides, options);
  const folder = join(await temporaryFolder(), "stored");
  mkdirSync(folder);
  await writeCheckpoint(graph, folder);
  const feeds = { x: normals(2 * 8 * sides[0] * sides[1]) };
  const lowering = cuda("float32", everywhere);
  const lowered = lower(graph, weightsOf("float32"), lowering);
  expect(phasesOf(lowered)).toHaveLength(1);
  expect(lowered.nodes.filter(({ op }) => op === "Expand")).toHaveLength(0); // nothing is enlarged
  const result = await runLowered(graph, folder, lowering, feeds, "cpu", onCpuOperations);
  expect(relativeError(result, await runLowered(graph, folder, cpu, feeds))).toBeLessThan(1e-6);
});

test.each<[string, Case, Partial<CudaChoices>]>([
  ["enlarged threefold", { times: 3 }, {}],
  ["of one pixel", { kernel: 1 }, {}],
  ["of stride 2", { stride: 2 }, {}],
  ["of few pixels", {}, { phases: { pixels: 33, channels: 0 } }],
  ["of few channels", {}, { phases: { pixels: 0, channels: 9 } }],
  ["in float32 where constants are folded", {}, { folds: true }],
])("one %s is another one", (_, options, choices) => {
  const lowered = lower(
    enlargedGraph([4, 4], options),
    weightsOf("float32"),
    cuda("float32", { ...everywhere, ...choices }),
  );
  expect(phasesOf(lowered)).toHaveLength(0);
});

const unets = (await tinyNetworks()).filter(({ name }) => name.startsWith("unet"));

test.each(unets)("$name: the reference's numbers", async ({ graph, folder, feeds, expected }) => {
  const lowering = cuda("float32", everywhere);
  expect(phasesOf(lower(graph, weightsOf("float32"), lowering)).length).toBeGreaterThan(0);
  const output = await runLowered(graph, folder, lowering, feeds, "cpu", onCpuOperations);
  expect(relativeError(output, expected.data)).toBeLessThan(1e-5);
});

test.each(await wideNetworks())("$name: the CPU's numbers", async ({ graph, stored, feeds }) => {
  const output = await runLowered(graph, stored, cuda("float32", everywhere), feeds, "cpu", onCpuOperations);
  expect(relativeError(output, await runLowered(graph, stored, cpu, feeds))).toBeLessThan(1e-5);
});

describe("at full size", async () => {
  const networks = await publishedNetworks();

  test.each([
    ["IF-I-XL", ["1408 of 32"]],
    ["IF-II-L", []],
    ["x4 UNet", ["1024 of 32", "512 of 64", "512 of 128"]],
    ["RealESRGAN_x4plus", []],
  ])("%s: those that are worthwhile", (name, expected) => {
    const { graph } = networks.find((network) => network.name === name)!;
    const lowered = lower(graph, weightsOf("float16"), cuda("float16", variant));
    const sources = phasesOf(lowered).map(({ inputs: [x] }) => `${x!.shape[3]} of ${x!.shape[1]}`);
    expect(sources).toEqual(expected);
    expect(missingKernels(lowered, cuda("float16", variant).opset)).toEqual([]);
  });

  test("the kernels are made by products of float16 numbers, which onnxruntime does not fold; biases are constants", () => {
    const { graph } = networks.find(({ name }) => name === "x4 UNet")!;
    const lowered = lower(graph, weightsOf("float16"), cuda("float16", variant));
    const makers = new Map(lowered.nodes.map((node) => [node.output.name, node]));
    const files = new Set(lowered.fileWeights.map(({ value }) => value.name));
    for (const { inputs } of phasesOf(lowered)) {
      let maker = makers.get(inputs[1]!.name);
      while (maker && maker.op !== "com.microsoft.FusedMatMul") maker = makers.get(maker.inputs[0]!.name);
      expect(maker?.output.dtype).toBe("float16");
      const bias = makers.get(inputs[2]!.name);
      expect(bias?.op).toBe("Concat");
      expect(bias?.inputs.every((value) => value && files.has(value.name))).toBe(true);
    }
  });
});
