/** Group norms by their statistics, over several pieces of a feature map. */

import { expect, test } from "vitest";
import { type Graph, GraphBuilder } from "../../../../src/onnx/graph.ts";
import { cpu } from "../../../../src/onnx/lower/cpu/cpu.ts";
import { cuda } from "../../../../src/onnx/lower/cuda/cuda.ts";
import { lower } from "../../../../src/onnx/lower/lower.ts";
import * as ops from "../../../../src/onnx/ops.ts";
import { weightsOf } from "../networks.ts";
import { relativeError, runLowered } from "../run-lowered.ts";
import { normals } from "../wide-networks.ts";
import { onCpuOperations } from "./on-cpu.ts";

const [CHANNELS, GROUPS, EPSILON] = [20, 4, 1e-5]; // five a group: onnxruntime's GroupNorm takes pairs

function graphOf(side: number): Graph {
  const g = new GraphBuilder("a group norm");
  const x = g.input("x", "float32", [2, CHANNELS, side, side]);
  const [weight, shift] = [g.input("weight", "float32", [CHANNELS]), g.input("shift", "float32", [CHANNELS])];
  g.output("out", ops.groupNorm(g, x, weight, shift, { groups: GROUPS, epsilon: EPSILON }));
  return g.finish();
}

/** Brighter from row to row, so that pieces differ from each other and samples too. */
function rising(side: number): Float32Array {
  const drawn = normals(2 * CHANNELS * side ** 2);
  return drawn.map((value, at) => value + (4 * Math.floor(at / side)) / (CHANNELS * side));
}

test.each([
  [16, 1],
  [64, 4],
])("of %i pixels a side, in %i pieces a sample", async (side, pieces) => {
  const graph = graphOf(side);
  const lowered = lower(graph, weightsOf("float32"), cuda("float32"));
  expect(lowered.nodes.map(({ op }) => op)).not.toContain("com.microsoft.GroupNorm");
  const means = lowered.nodes.find(({ op }) => op === "MatMul");
  expect(means?.output.shape).toEqual([2 * pieces, 1, CHANNELS]);
  const feeds = { x: rising(side), weight: normals(CHANNELS), shift: normals(CHANNELS) };
  const result = await runLowered(graph, null, cuda("float32"), feeds, "cpu", onCpuOperations);
  expect(relativeError(result, await runLowered(graph, null, cpu, feeds))).toBeLessThan(1e-5);
});
