/**
 * One wide head over many positions, as in the upscaler's decoder: computed block by block, it must be what the formula
 * gives when all scores are stored. 3,000 keys are several blocks; a sample of queries is enough.
 */

import { expect, test } from "vitest";
import { GraphBuilder } from "../../../../src/onnx/graph.ts";
import * as ops from "../../../../src/onnx/ops.ts";
import { runNetwork } from "../../../run-graph.ts";

const [positions, width] = [3000, 256];
const wave = (phase: number): Float32Array =>
  Float32Array.from({ length: positions * width }, (_, at) => Math.sin(at * 12.9898 + phase) * 1.7);

test("is softmax(q·kᵀ·scale)·v", async () => {
  const scale = width ** -0.5;
  const [q, k, v] = [wave(0), wave(1), wave(2)];
  const g = new GraphBuilder("attention");
  const [qIn, kIn, vIn] = ["q", "k", "v"].map((name) => g.input(name, "float32", [1, positions, width]));
  if (!qIn || !kIn || !vIn) throw new Error("no inputs");
  g.output("out", ops.attention(g, qIn, kIn, vIn, { heads: 1, scale }));
  const output = (await runNetwork(g.finish(), null, { q, k, v })).get("out")?.data ?? [];
  let worst = 0;
  for (const query of [0, 1, 63, 64, 1499, 2047, 2048, 2999]) {
    const scores = Array.from({ length: positions }, (_, key) => {
      let dot = 0;
      for (let i = 0; i < width; i++) dot += (q[query * width + i] ?? NaN) * (k[key * width + i] ?? NaN);
      return dot * scale;
    });
    const top = Math.max(...scores);
    const weights = scores.map((score) => Math.exp(score - top));
    const total = weights.reduce((sum, weight) => sum + weight);
    for (let i = 0; i < width; i++) {
      const mixed = weights.reduce((sum, weight, key) => sum + weight * (v[key * width + i] ?? NaN), 0) / total;
      worst = Math.max(worst, Math.abs(mixed - (output[query * width + i] ?? NaN)));
    }
  }
  expect(worst).toBeLessThan(1e-5);
});
