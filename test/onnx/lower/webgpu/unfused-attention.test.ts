/** Attention in products, whole and in blocks of queries, against onnxruntime's fused operation. */

import { describe, expect, test } from "vitest";
import { type Graph, GraphBuilder } from "../../../../src/onnx/graph.ts";
import { cpu } from "../../../../src/onnx/lower/cpu/cpu.ts";
import { type Lowering, lower } from "../../../../src/onnx/lower/lower.ts";
import { unfusedAttention } from "../../../../src/onnx/lower/webgpu/unfused-attention.ts";
import { valueBytes } from "../../../../src/onnx/memory.ts";
import * as ops from "../../../../src/onnx/ops.ts";
import { weightsOf } from "../networks.ts";
import { relativeError, runLowered } from "../run-lowered.ts";

const [batch, queries, keys, heads, width] = [2, 11, 5, 4, 8];
const plain = (scoresBytes: number): Lowering => ({ ...cpu, rewrites: { Attention: unfusedAttention(scoresBytes) } });

function attention(bias?: readonly number[]): { graph: Graph; feeds: Record<string, Float32Array> } {
  const g = new GraphBuilder("attention");
  const feeds: Record<string, Float32Array> = {};
  const input = (name: string, shape: readonly number[]) => {
    const count = shape.reduce((product, side) => product * side, 1);
    feeds[name] = Float32Array.from({ length: count }, (_, at) => Math.sin(at * 12.9898 + name.length) * 1.7);
    return g.input(name, "float32", shape);
  };
  const q = input("q", [batch, queries, heads * width]);
  const [k, v] = [input("keys", [batch, keys, heads * width]), input("val", [batch, keys, heads * width])];
  const options = { heads, scale: 0.3, ...(bias ? { bias: input("mask", bias) } : {}) };
  g.output("out", ops.attention(g, q, k, v, options));
  return { graph: g.finish(), feeds };
}

const rowBytes = 4 * batch * heads * keys;

describe.each([
  ["no bias", undefined],
  ["a bias", [batch, heads, queries, keys]],
  ["one bias for all samples", [1, heads, queries, keys]],
  ["one bias for all heads", [batch, 1, queries, keys]],
])("%s", (_, bias) => {
  test.each([
    [1, 100],
    [3, 4],
    [11, 1],
    [11, 0.5], // less than a row: one query at a time
  ])("in %i blocks", async (blocks, rowsAtOnce) => {
    const { graph, feeds } = attention(bias);
    const lowering = plain(rowBytes * rowsAtOnce);
    const { nodes } = lower(graph, weightsOf("float32"), lowering);
    const softmaxes = nodes.filter(({ op }) => op === "Softmax");
    expect(softmaxes).toHaveLength(blocks);
    for (const { output } of softmaxes)
      expect(valueBytes(output)).toBeLessThanOrEqual(rowBytes * Math.max(1, rowsAtOnce));
    const expected = await runLowered(graph, null, cpu, feeds);
    expect(relativeError(await runLowered(graph, null, lowering, feeds), expected)).toBeLessThan(1e-6);
  });
});
