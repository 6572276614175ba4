/** GELU of large feature maps: onnxruntime's BiasGelu with zeros, the same numbers. */

import { expect, test } from "vitest";
import { type Graph, GraphBuilder } from "../../../../src/onnx/graph.ts";
import { cpu } from "../../../../src/onnx/lower/cpu/cpu.ts";
import { cuda } from "../../../../src/onnx/lower/cuda/cuda.ts";
import { lower } from "../../../../src/onnx/lower/lower.ts";
import * as ops from "../../../../src/onnx/ops.ts";
import { weightsOf } from "../networks.ts";
import { relativeError, runLowered } from "../run-lowered.ts";
import { normals } from "../wide-networks.ts";

function graphOf(shape: readonly number[], approximate: "none" | "tanh" = "none"): Graph {
  const g = new GraphBuilder("a GELU");
  g.output("out", ops.gelu(g, g.input("x", "float32", shape), approximate));
  return g.finish();
}

const opsOf = (graph: Graph): string[] => lower(graph, weightsOf("float32"), cuda("float32")).nodes.map(({ op }) => op);

test.each([
  ["of one image's map", [2, 160, 512, 256]],
  ["of a batch's", [8, 32, 192, 192]],
])("%s, large", async (_, shape) => {
  const graph = graphOf(shape);
  expect(opsOf(graph)).toContain("com.microsoft.BiasGelu");
  const feeds = { x: normals(shape.reduce((product, side) => product * side, 1)) };
  const result = await runLowered(graph, null, cuda("float32"), feeds);
  expect(relativeError(result, await runLowered(graph, null, cpu, feeds))).toBeLessThan(1e-6);
});

test.each([
  ["a small map", graphOf([2, 32, 64, 64])],
  ["a map so large that another one is too much", graphOf([2, 320, 384, 512])],
  ["one of a batch", graphOf([8, 80, 256, 256])],
  ["an odd number of numbers", graphOf([1, 3, 1001, 1001])],
  ["another approximation", graphOf([2, 32, 192, 192], "tanh")],
])("%s has onnxruntime's Gelu", (_, graph) => {
  expect(opsOf(graph)).toContain("Gelu");
});
