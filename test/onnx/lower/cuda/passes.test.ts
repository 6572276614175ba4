/** What the passes for CUDA leave of a network: nothing is turned inside, and what can be taken together is. */

import { expect, test } from "vitest";
import { executionOrder } from "../../../../src/onnx/execution-order.ts";
import { GraphBuilder, type Node } from "../../../../src/onnx/graph.ts";
import { cuda } from "../../../../src/onnx/lower/cuda/cuda.ts";
import { cudaVariants } from "../../../../src/onnx/lower/cuda/variants.ts";
import { isSupported } from "../../../../src/onnx/lower/cuda/group-norm.ts";
import { channelsLastLayout } from "../../../../src/onnx/lower/cuda/layout.ts";
import { lower } from "../../../../src/onnx/lower/lower.ts";
import * as ops from "../../../../src/onnx/ops.ts";
import { publishedNetworks, weightsOf } from "../networks.ts";

const networks = new Map((await publishedNetworks()).map(({ name, graph }) => [name, graph]));

/** Without phases, whose kernels are turned. */
const lowering = cuda("float16", cudaVariants["nhwc-keys"]);

const countOf = (network: string): ((op: string) => number) => {
  const graph = networks.get(network);
  if (!graph) throw new Error(`there is no ${network}`);
  const { nodes } = lower(graph, weightsOf("float16"), lowering);
  return (op) => nodes.filter((node) => node.op === op).length;
};

test.each(["IF-I-XL", "x4 UNet"])("%s is turned at its input and its output alone", (network) => {
  expect(countOf(network)("Transpose")).toBe(2);
});

test("sums, biases and SiLU before and behind a norm are part of it", () => {
  const count = countOf("x4 UNet");
  expect(count("com.microsoft.QuickGelu")).toBeLessThanOrEqual(2); // of the time
  expect(count("com.microsoft.SkipGroupNorm")).toBeGreaterThan(40);
  expect(count("com.microsoft.SkipLayerNormalization")).toBe(32);
  expect(count("Slice")).toBe(0); // GEGLU's halves are layers of their own
});

const lowered = (network: string) => lower(networks.get(network)!, weightsOf("float16"), lowering);

test("what resnets make of the time is made for three of them, and then for all others at once", () => {
  const { nodes } = lowered("IF-I-XL");
  const ofTime = nodes.filter(({ op, name }) => op === "Part" && name.includes("time_emb_proj"));
  const sources = ofTime.map(({ inputs }) => inputs[0]!.name);
  const counts = [...new Set(sources)].map((source) => sources.filter((name) => name === source).length);
  expect(counts).toEqual([2 * 3, 2 * 33]); // a factor and an offset for each resnet
});

test.each(["IF-I-XL", "IF-II-L"])("%s gives the GPU convolutions before what the time is made of", (network) => {
  const order = executionOrder(lowered(network)).map(({ op, name }) => `${op} ${name}`);
  const isLayerOfTime = (name: string): boolean => name.startsWith("Gemm") && name.includes("time_emb_proj");
  const before = (place: number): number => order.slice(0, place).filter((name) => name.includes("nhwc.Conv")).length;
  expect(before(order.findIndex((name) => name.startsWith("Gemm")))).toBeGreaterThanOrEqual(2);
  expect(before(order.findLastIndex(isLayerOfTime))).toBeGreaterThanOrEqual(6);
});

test("keys and values of IF's attentions are joined once, and the text's are made for many attentions at once", () => {
  const { nodes } = lowered("IF-I-XL");
  const producers = new Map(nodes.map((node) => [node.output.name, node]));
  const attentions = nodes.filter(({ op, name }) => op.endsWith("MultiHeadAttention") && !name.includes("pool"));
  expect(attentions).toHaveLength(22);
  const texts = attentions.map(({ inputs: [, key, value] }) => {
    const [keyPart, valuePart] = [producers.get(key!.name), producers.get(value!.name)];
    expect(keyPart?.op).toBe("Part");
    expect(keyPart?.inputs).toEqual(valuePart?.inputs);
    return producers.get(producers.get(keyPart!.inputs[0]!.name)!.inputs[0]!.name)!; // text, then pixels
  });
  expect(new Set(texts.map(({ inputs }) => producers.get(inputs[0]!.name)?.inputs[0]?.name)).size).toBeLessThan(22 / 2);
  const normsOfText = nodes.filter(({ op, inputs }) => op.endsWith("GroupNorm") && inputs[0]?.shape[1] === 77);
  expect(normsOfText.length).toBeLessThan(22 / 2);
});

test("sums of biases are made when the session is: of float32 numbers, which the CPU can add", () => {
  const { nodes, fileWeights } = lowered("x4 UNet");
  const constant = new Set(fileWeights.map(({ value }) => value.name));
  for (const { inputs, output } of nodes) {
    if (inputs.every((value) => value && constant.has(value.name))) constant.add(output.name);
  }
  const sums = nodes.filter(({ op, output }) => op === "Add" && constant.has(output.name));
  expect(sums.length).toBeGreaterThan(20);
  expect(sums.filter(({ output }) => output.dtype !== "float32")).toEqual([]);
});

test.each(["IF-I-XL", "IF-II-L", "x4 UNet"])(
  "%s: convolutions of one pixel are products with the kernel as it lies",
  (network) => {
    const { nodes, fileWeights } = lowered(network);
    const convolutions = nodes.filter(({ op }) => op.includes("Conv"));
    expect(convolutions.filter(({ inputs }) => inputs[1]?.shape.slice(2).join() === "1,1")).toEqual([]);
    const shortcuts = nodes.filter(({ op, name }) => op.endsWith("FusedMatMul") && name.includes("conv_shortcut"));
    const kernels = fileWeights.filter(({ value }) => value.name.includes("conv_shortcut.weight"));
    expect(kernels).toHaveLength(shortcuts.length);
    expect(shortcuts.length).toBeGreaterThan(10);
  },
);

test("a kernel of one pixel is bound once, however many convolutions it is of", () => {
  const g = new GraphBuilder("test");
  const x = g.input("x", "float32", [1, 2, 4, 4]);
  const kernel = g.parameter("kernel", [2, 2, 1, 1]);
  g.output("out", ops.add(g, ops.conv2d(g, x, kernel, null), ops.conv2d(g, ops.sqrt(g, x), kernel, null)));
  const { nodes, fileWeights } = lower(g.finish(), weightsOf("float16"), lowering);
  expect(nodes.filter(({ op }) => op.endsWith("FusedMatMul"))).toHaveLength(2);
  expect(fileWeights).toHaveLength(1);
});

test("large sums of tokens take the layer's bias in the same pass", () => {
  const ofTokens = lowered("x4 UNet").nodes.filter(
    ({ op, name }) => op.endsWith("BiasAdd") && name.includes("transformer_blocks"),
  );
  expect(ofTokens).toHaveLength(5); // of the transformers at 128 x 128 pixels
});

/** What becomes of a convolution whose kernel lies in float16 and is computed with in float32. */
function castKernel(variant: string): readonly Node[] {
  const g = new GraphBuilder("test");
  const x = g.input("x", "float32", [1, 2, 4, 4]);
  g.output("out", ops.conv2d(g, x, g.parameter("kernel", [3, 2, 3, 3]), g.parameter("bias", [3])));
  return lower(g.finish(), weightsOf("float16"), cuda("float32", cudaVariants[variant])).nodes;
}

test("a kernel that is cast when the session is made is turned by the provider, one that is cast at each step is turned here", () => {
  const folded = castKernel("nhwc").map(({ op }) => op);
  expect(folded).toContain("com.ms.internal.nhwc.Conv");
  expect(folded).not.toContain("ConvOfKernelLast");
  const nodes = castKernel("nhwc-unfolded");
  const convolution = nodes.find(({ op }) => op === "ConvOfKernelLast");
  const producers = new Set(nodes.map(({ output }) => output.name));
  expect(convolution?.inputs[1]?.shape).toEqual([3, 3, 3, 2]);
  expect(producers.has(convolution!.inputs[2]!.name)).toBe(false); // its bias is a constant, the layer's own is added
  expect(nodes.some(({ op, inputs }) => op === "Add" && inputs[0] === convolution?.output)).toBe(true);
});

test("a text is fed in float16, images as they are", () => {
  const types = Object.fromEntries(lowered("IF-II-L").inputs.map(({ name, dtype }) => [name, dtype]));
  expect(types).toEqual({
    sample: "float32",
    timestep: "float32",
    encoder_hidden_states: "float16",
    class_labels: "float32",
  });
});

test.each([
  [704, true],
  [2816, true],
  [160, false],
  [480, false],
])("onnxruntime's group norm of %i channels in 32 groups: %s", (channels, expected) => {
  expect(isSupported(channels, 32)).toBe(expected);
});

test("a value is turned once, however many take it", () => {
  const g = new GraphBuilder("test");
  const x = g.input("x", "float32", [1, 2, 4, 4]);
  const kernel = g.parameter("kernel", [2, 2, 1, 1]);
  g.output("out", ops.add(g, ops.conv2d(g, x, kernel, null), ops.conv2d(g, x, kernel, null)));
  const { nodes } = channelsLastLayout.run(g.finish());
  expect(nodes.filter(({ op }) => op === "Transpose")).toHaveLength(2);
});
