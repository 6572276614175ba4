/** Layers on quantised weights, run by onnxruntime, against the same numbers multiplied in doubles. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { type Graph, GraphBuilder } from "../../../../src/onnx/graph.ts";
import { withInt8Activations } from "../../../../src/onnx/int8-activations.ts";
import { cuda } from "../../../../src/onnx/lower/cuda/cuda.ts";
import { lower } from "../../../../src/onnx/lower/lower.ts";
import * as ops from "../../../../src/onnx/ops.ts";
import type { WeightMode } from "../../../../src/onnx/weight-mode.ts";
import { bindWeights } from "../../../../src/runtime/bind-weights.ts";
import { exactActivationBits } from "../../../../src/runtime/int8-products.ts";
import { withSession } from "../../../../src/runtime/session.ts";
import { type WeightTable, openWeights } from "../../../../src/weights/checkpoint.ts";
import { type TensorData, type Dtype, typedArray } from "../../../../src/weights/dtype.ts";
import { dequantizeBlocks, quantizeBlocks } from "../../../../src/weights/quantize-blocks.ts";
import { dequantizeRows, quantizeRows } from "../../../../src/weights/quantize.ts";
import { type QuantizedBits, quantizedLayouts } from "../../../../src/weights/quantized-layout.ts";
import { type TensorSource, writeSafetensors } from "../../../../src/weights/safetensors.ts";

const [rows, tokens] = [48, 6];
const exact = await exactActivationBits();

function numbers(count: number, seed: number): Float32Array {
  let state = seed;
  return Float32Array.from({ length: count }, () => {
    state = (state * 48271) % 2147483647;
    return (state / 2147483647) * 4 - 2;
  });
}

/** A checkpoint with one layer, `layer.weight` quantised and `layer.bias`. */
async function quantised(weights: Float32Array, columns: number, bits: QuantizedBits): Promise<WeightTable> {
  const folder = mkdtempSync(join(tmpdir(), "if-gen-linear-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const { file, variant, shapes, quantize, scalesName } = quantizedLayouts[bits];
  const layouts = shapes("layer.weight", [rows, columns]);
  const { data, scales } = quantize(weights, rows);
  const source = (layout: { dtype: Dtype; shape: readonly number[] }, bytes: Uint8Array): TensorSource => {
    const array: TensorData = typedArray(layout.dtype, Uint8Array.from(bytes).buffer);
    return { ...layout, data: array };
  };
  const tensors = new Map([
    ["layer.weight", source(layouts.weight, data)],
    [scalesName("layer.weight"), source(layouts.scales, scales)],
    ["layer.bias", { dtype: "F32", shape: [rows], data: numbers(rows, 5) as Float32Array<ArrayBuffer> } as const],
  ]);
  await writeSafetensors(join(folder, file), tensors);
  return openWeights(folder, variant);
}

function layer(columns: number, biased = true): Graph {
  const g = new GraphBuilder("layer");
  const x = g.input("x", "float32", [2, tokens / 2, columns]);
  const weight = g.parameter("layer.weight", [rows, columns]);
  const bias = biased ? g.parameter("layer.bias", [rows]) : null;
  g.output("y", ops.linear(g, x, weight, bias));
  return g.finish();
}

async function run(graph: Graph, weights: WeightTable, x: Float32Array, weightMode: WeightMode): Promise<Float32Array> {
  const settings = { executionProvider: "cpu", weightMode } as const;
  return withSession(graph, weights, settings, async (use) => {
    const y = (await use({ x })).get("y");
    expect(y?.shape).toEqual([2, tokens / 2, rows]);
    return y?.data ?? new Float32Array();
  });
}

/** x·weightᵀ + bias. */
function product(x: ArrayLike<number>, weights: ArrayLike<number>, columns: number, bias?: Float32Array): Float32Array {
  return Float32Array.from({ length: tokens * rows }, (_, index) => {
    const [token, row] = [Math.floor(index / rows), index % rows];
    let sum = bias?.[row] ?? 0;
    for (let at = 0; at < columns; at++) sum += (x[token * columns + at] ?? NaN) * (weights[row * columns + at] ?? NaN);
    return sum;
  });
}

const largest = (values: Float32Array): number => values.reduce((top, value) => Math.max(top, Math.abs(value)), 0);
const difference = (a: Float32Array, b: Float32Array): number => largest(a.map((value, at) => value - (b[at] ?? NaN)));

const modes: readonly WeightMode[] = ["mapped", "expanded"];

describe.each(modes)("4-bit blocks, %s", (mode) => {
  test.each([
    [64, true],
    [70, false],
    [16, true],
  ])("of %d columns, bias %s: the unpacked numbers, multiplied in float32", async (columns, biased) => {
    const weights = numbers(rows * columns, 3);
    const table = await quantised(weights, columns, 4);
    const x = numbers(tokens * columns, 7);
    const unpacked = dequantizeBlocks(quantizeBlocks(weights, rows), rows, columns);
    const expected = product(x, unpacked, columns, biased ? numbers(rows, 5) : undefined);
    expect(difference(await run(layer(columns, biased), table, x, mode), expected)).toBeLessThan(1e-5 * columns);
  });
});

describe.each(modes)("int8 activations, %s", (mode) => {
  test.each(exact === 8 ? ([7, 8] as const) : ([7] as const))(
    "each token in %d bits with its own scale, times int8 rows",
    async (bits) => {
      const top = 2 ** (bits - 1) - 1;
      const columns = 70;
      const weights = numbers(rows * columns, 3);
      const table = await quantised(weights, columns, 8);
      const x = numbers(tokens * columns, 7);
      x.subarray(columns, 2 * columns).fill(0); // a token of zeros
      x.subarray(2 * columns, 3 * columns).forEach((value, at, token) => (token[at] = 1000 * value));
      const rounded = x.map((value, at) => {
        const start = Math.floor(at / columns) * columns;
        const scale = largest(x.subarray(start, start + columns)) / top;
        return scale === 0 ? 0 : Math.round(value / scale) * scale;
      });
      const unpacked = dequantizeRows(quantizeRows(weights, rows));
      const expected = product(rounded, unpacked, columns, numbers(rows, 5));
      const actual = await run(withInt8Activations(bits)(layer(columns)), table, x, mode);
      for (let token = 0; token < tokens; token++) {
        const part = (values: Float32Array): Float32Array => values.subarray(token * rows, (token + 1) * rows);
        // a value halfway between two steps may fall to either side: one step of one weight
        const step = (largest(x.subarray(token * columns, (token + 1) * columns)) / top) * largest(weights);
        expect(difference(part(actual), part(expected))).toBeLessThanOrEqual(
          1e-4 * largest(part(expected)) + step * 0.01 + 1e-6,
        );
      }
      const exact = product(x, unpacked, columns, numbers(rows, 5));
      expect(difference(actual, exact)).toBeGreaterThan(0); // it is another way of computing
    },
  );

  test("is not for other weights: float layers stay as they are", async () => {
    const columns = 64;
    const weights = numbers(rows * columns, 3);
    const table = await quantised(weights, columns, 4);
    const x = numbers(tokens * columns, 7);
    const marked = await run(withInt8Activations(8)(layer(columns)), table, x, mode);
    expect(marked).toEqual(await run(layer(columns), table, x, mode));
  });
});

test("a device without a way to multiply 4-bit blocks says so", async () => {
  const table = await quantised(numbers(rows * 64, 3), 64, 4);
  const lookUp = await bindWeights(table);
  expect(() => lower(layer(64), lookUp, cuda("float32"))).toThrow(/4-bit weights are only multiplied on the CPU/);
});
