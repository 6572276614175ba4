/** Each larger operation, run by onnxruntime on the CPU, against its formula written out in doubles. */

import { describe, expect, test } from "vitest";
import { GraphBuilder, type Value } from "../../../../src/onnx/graph.ts";
import * as ops from "../../../../src/onnx/ops.ts";
import { runNetwork } from "../../../run-graph.ts";

/** Numbers that look random and are the same every time. */
function numbers(count: number, seed = 1): Float32Array {
  let state = seed;
  return Float32Array.from({ length: count }, () => {
    state = (state * 48271) % 2147483647;
    return (state / 2147483647) * 4 - 2;
  });
}

type Shapes = Record<string, readonly number[]>;

async function evaluate(
  shapes: Shapes,
  build: (g: GraphBuilder, inputs: Record<string, Value>) => Value,
): Promise<{ inputs: Record<string, Float32Array>; output: Float32Array }> {
  const g = new GraphBuilder("test");
  const values: Record<string, Value> = {};
  const inputs: Record<string, Float32Array> = {};
  for (const [index, [name, shape]] of Object.entries(shapes).entries()) {
    values[name] = g.input(name, "float32", shape);
    inputs[name] = numbers(
      shape.reduce((product, side) => product * side, 1),
      index + 1,
    );
  }
  g.output("out", build(g, values));
  const results = await runNetwork(g.finish(), null, inputs);
  return { inputs, output: results.get("out")?.data ?? new Float32Array() };
}

function expectClose(output: Float32Array, expected: readonly number[], tolerance = 2e-6): void {
  expect(output).toHaveLength(expected.length);
  const worst = Math.max(...expected.map((value, at) => Math.abs(value - (output[at] ?? Number.NaN))));
  expect(worst).toBeLessThan(tolerance);
}

const at = (data: Float32Array | undefined, index: number): number => data?.[index] ?? Number.NaN;

describe("activations", () => {
  /** Abramowitz & Stegun 7.1.5: the power series, good to 1e-12 for |x| < 3. */
  const erf = (x: number): number => {
    let [term, sum] = [x, x];
    for (let n = 1; n < 60; n++) {
      term *= (-x * x) / n;
      sum += term / (2 * n + 1);
    }
    return (2 / Math.sqrt(Math.PI)) * sum;
  };
  const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));
  const formulas: [string, (g: GraphBuilder, x: Value) => Value, (x: number) => number][] = [
    ["silu", ops.silu, (x) => x * sigmoid(x)],
    ["gelu", (g, x) => ops.gelu(g, x), (x) => 0.5 * x * (1 + erf(x / Math.SQRT2))],
    [
      "gelu tanh",
      (g, x) => ops.gelu(g, x, "tanh"),
      (x) => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3))),
    ],
    ["quick gelu", (g, x) => ops.gelu(g, x, "quick"), (x) => x * sigmoid(1.702 * x)],
  ];
  test.each(formulas)("%s", async (_, build, formula) => {
    const { inputs, output } = await evaluate({ x: [3, 70] }, (g, { x }) => build(g, x as Value));
    expectClose(output, Array.from(inputs["x"] ?? [], formula));
  });
});

test("linear", async () => {
  const [rows, inner, features] = [6, 5, 4];
  const { inputs, output } = await evaluate({ x: [2, 3, inner], w: [features, inner], b: [features] }, (g, v) =>
    ops.linear(g, v["x"] as Value, v["w"] as Value, v["b"] as Value),
  );
  const expected = Array.from({ length: rows * features }, (_, index) => {
    const [row, feature] = [Math.floor(index / features), index % features];
    let sum = at(inputs["b"], feature);
    for (let k = 0; k < inner; k++) sum += at(inputs["x"], row * inner + k) * at(inputs["w"], feature * inner + k);
    return sum;
  });
  expectClose(output, expected, 1e-5);
});

test.each([
  ["one row for all samples", [8]],
  ["a row per sample", [2, 8]],
])("group norm, weight and bias as %s", async (_, affine) => {
  const [batch, channels, side, groups] = [2, 8, 6, 4];
  const { inputs, output } = await evaluate({ x: [batch, channels, 3, 2], w: affine, b: affine }, (g, v) =>
    ops.groupNorm(g, v["x"] as Value, v["w"] as Value, v["b"] as Value, { groups, epsilon: 1e-5 }),
  );
  const run = (channels / groups) * side;
  const expected = Array.from(inputs["x"] ?? [], (value, index) => {
    const start = Math.floor(index / run) * run;
    const members = Array.from(inputs["x"]?.subarray(start, start + run) ?? []);
    const mean = members.reduce((a, b) => a + b, 0) / run;
    const variance = members.reduce((a, b) => a + (b - mean) ** 2, 0) / run;
    const channel = Math.floor(index / side);
    const row = affine.length === 1 ? channel % channels : channel;
    return ((value - mean) / Math.sqrt(variance + 1e-5)) * at(inputs["w"], row) + at(inputs["b"], row);
  });
  expectClose(output, expected, 1e-5);
});

test("layer norm and RMS norm", async () => {
  const width = 7;
  const rowOf = (x: Float32Array | undefined, index: number): number[] => {
    const start = Math.floor(index / width) * width;
    return Array.from(x?.subarray(start, start + width) ?? []);
  };
  const layer = await evaluate({ x: [3, width], w: [width], b: [width] }, (g, v) =>
    ops.layerNorm(g, v["x"] as Value, v["w"] as Value, v["b"] as Value, 1e-5),
  );
  expectClose(
    layer.output,
    Array.from(layer.inputs["x"] ?? [], (value, index) => {
      const row = rowOf(layer.inputs["x"], index);
      const mean = row.reduce((a, b) => a + b, 0) / width;
      const variance = row.reduce((a, b) => a + (b - mean) ** 2, 0) / width;
      const column = index % width;
      return (
        ((value - mean) / Math.sqrt(variance + 1e-5)) * at(layer.inputs["w"], column) + at(layer.inputs["b"], column)
      );
    }),
    1e-5,
  );
  const rms = await evaluate({ x: [3, width], w: [width] }, (g, v) =>
    ops.rmsNorm(g, v["x"] as Value, v["w"] as Value, 1e-6),
  );
  expectClose(
    rms.output,
    Array.from(rms.inputs["x"] ?? [], (value, index) => {
      const square = rowOf(rms.inputs["x"], index).reduce((a, b) => a + b * b, 0) / width;
      return (value / Math.sqrt(square + 1e-6)) * at(rms.inputs["w"], index % width);
    }),
    1e-5,
  );
});

test.each([[false], [true]])("attention, with a bias: %s", async (biased) => {
  const [batch, queries, keys, heads, width] = [2, 3, 5, 2, 4];
  const shapes = { q: [batch, queries, 8], k: [batch, keys, 8], v: [batch, keys, 8], bias: [1, heads, queries, keys] };
  const { inputs, output } = await evaluate(shapes, (g, v) =>
    ops.attention(g, v["q"] as Value, v["k"] as Value, v["v"] as Value, {
      heads,
      scale: 0.3,
      ...(biased ? { bias: v["bias"] as Value } : {}),
    }),
  );
  const head = (name: string, b: number, row: number, rows: number, h: number, d: number): number =>
    at(inputs[name], (b * rows + row) * heads * width + h * width + d);
  const expected: number[] = [];
  for (let b = 0; b < batch; b++) {
    for (let i = 0; i < queries; i++) {
      for (let h = 0; h < heads; h++) {
        const scores = Array.from({ length: keys }, (_, j) => {
          let dot = 0;
          for (let d = 0; d < width; d++) dot += head("q", b, i, queries, h, d) * head("k", b, j, keys, h, d);
          return Math.exp(dot * 0.3 + (biased ? at(inputs["bias"], (h * queries + i) * keys + j) : 0));
        });
        const total = scores.reduce((a, c) => a + c, 0);
        for (let d = 0; d < width; d++) {
          expected.push(scores.reduce((sum, s, j) => sum + (s / total) * head("v", b, j, keys, h, d), 0));
        }
      }
    }
  }
  expectClose(output, expected, 1e-5);
});

test("upsampling to a size that is no multiple takes torch's neighbours", async () => {
  const { inputs, output } = await evaluate({ x: [1, 1, 3, 2] }, (g, v) =>
    ops.upsampleNearest(g, v["x"] as Value, 5, 4),
  );
  const expected = Array.from({ length: 20 }, (_, index) => {
    const [y, x] = [Math.floor(index / 4), index % 4];
    return at(inputs["x"], Math.floor((y * 3) / 5) * 2 + Math.floor((x * 2) / 4));
  });
  expectClose(output, expected, 1e-9);
});

test("the mean over 2x2 windows", async () => {
  const { inputs, output } = await evaluate({ x: [1, 2, 4, 4] }, (g, v) => ops.averagePool2x(g, v["x"] as Value));
  const expected = Array.from({ length: 8 }, (_, index) => {
    const [c, y, x] = [Math.floor(index / 4), Math.floor(index / 2) % 2, index % 2];
    const corner = c * 16 + y * 8 + x * 2;
    return [0, 1, 4, 5].reduce((sum, step) => sum + at(inputs["x"], corner + step), 0) / 4;
  });
  expectClose(output, expected);
});
