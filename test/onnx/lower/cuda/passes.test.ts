/** What the passes for CUDA leave of a network: nothing is turned inside, and what can be taken together is. */

import { expect, test } from "vitest";
import { GraphBuilder } from "../../../../src/onnx/graph.ts";
import { cuda } from "../../../../src/onnx/lower/cuda/cuda.ts";
import { isSupported } from "../../../../src/onnx/lower/cuda/group-norm.ts";
import { channelsLastLayout } from "../../../../src/onnx/lower/cuda/layout.ts";
import { lower } from "../../../../src/onnx/lower/lower.ts";
import * as ops from "../../../../src/onnx/ops.ts";
import { publishedNetworks, weightsOf } from "../networks.ts";

const networks = new Map((await publishedNetworks()).map(({ name, graph }) => [name, graph]));

const countOf = (network: string): ((op: string) => number) => {
  const graph = networks.get(network);
  if (!graph) throw new Error(`there is no ${network}`);
  const { nodes } = lower(graph, weightsOf("float16"), cuda("float16"));
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

test("what resnets make of the time is made for all at once", () => {
  const graph = networks.get("IF-I-XL")!;
  const { nodes } = lower(graph, weightsOf("float16"), cuda("float16"));
  const together = nodes.filter(({ op }) => op === "Part").map(({ inputs }) => inputs[0]?.name);
  expect(new Set(together).size).toBe(1);
  expect(together).toHaveLength(2 * 36); // a factor and an offset for each resnet
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
