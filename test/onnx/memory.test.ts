/** The plan of buffers, against plans made by hand; sizes in the tests are of float32. */

import { describe, expect, test } from "vitest";
import { executionOrder } from "../../src/onnx/execution-order.ts";
import { type Graph, GraphBuilder, type Value } from "../../src/onnx/graph.ts";
import { lower } from "../../src/onnx/lower/lower.ts";
import { cpu } from "../../src/onnx/lower/cpu/cpu.ts";
import { graphMemory } from "../../src/onnx/memory.ts";
import * as ops from "../../src/onnx/ops.ts";

const N = 1000; // 4,000 bytes a feature map

function graphOf(build: (g: GraphBuilder, x: Value) => Value, shape: readonly number[] = [N]): Graph {
  const g = new GraphBuilder("test");
  const x = g.input("x", "float32", shape);
  g.output("y", build(g, x));
  return g.finish();
}

const peak = (graph: Graph): number => graphMemory(graph).peakBytes / 4000;

describe("the peak", () => {
  test("of a chain is two feature maps: what is read and what is written; inputs are the caller's", () => {
    expect(peak(graphOf((g, x) => ops.mul(g, x, x)))).toBe(2); // the product and the output's copy
    const chain = graphOf((g, x) => ops.sin(g, ops.sin(g, ops.sin(g, ops.sin(g, ops.sin(g, x))))));
    expect(peak(chain)).toBe(2); // two buffers in turn
  });

  test("of operations that work in place is one", () => {
    const graph = graphOf((g, x) => ops.tanh(g, ops.sigmoid(g, ops.tanh(g, ops.sin(g, x)))));
    expect(peak(graph)).toBe(2);
  });

  test("is not in place where the input is read again", () => {
    const graph = graphOf((g, x) => {
      const y = ops.sin(g, x);
      return ops.add(g, ops.tanh(g, y), y);
    });
    expect(peak(graph)).toBe(3);
  });

  test("counts what waits: a skip connection lives over all that happens beside it", () => {
    const graph = graphOf((g, x) => {
      const skip = ops.sin(g, x);
      const deep = ops.cos(g, ops.cos(g, ops.cos(g, skip)));
      return ops.concat(g, [skip, deep], 0);
    });
    expect(peak(graph)).toBe(4); // skip, the chain's last buffer, and the joined feature map, which is twice as long
  });

  test("a renamed feature map takes nothing", () => {
    const graph = graphOf((g, x) => ops.reshape(g, ops.reshape(g, ops.sin(g, x), [10, 100]), [N]));
    expect(peak(graph)).toBe(2);
  });

  test("attention without a bias copies its inputs, with one it also has all scores", () => {
    const make = (biased: boolean): Graph =>
      graphOf(
        (g, x) => {
          const bias = g.constant(new Float32Array(64 * 64), [1, 1, 64, 64]);
          return ops.attention(g, x, x, x, { heads: 2, scale: 1, ...(biased ? { bias } : {}) });
        },
        [1, 64, 8],
      );
    const scratch = (biased: boolean): number => graphMemory(lower(make(biased), noWeights, cpu)).scratchBytes;
    expect(scratch(false)).toBe(3 * 64 * 8 * 4);
    expect(scratch(true) - scratch(false)).toBe(2 * 64 * 64 * 4);
  });
});

describe("weights", () => {
  const layers = 6;
  const network = graphOf(
    (g, x) => {
      let y = x;
      for (let layer = 0; layer < layers; layer++) y = ops.linear(g, y, g.parameter(`w${layer}`, [512, 512]), null);
      return y;
    },
    [1, 512],
  );
  const stored = (dtype: "float16" | "float32", bytes: number) => (name: string, shape: readonly number[]) => ({
    name,
    dtype,
    shape,
    file: "/weights",
    offset: 0,
    byteLength: bytes * 512 * 512,
  });

  test("of float32 are only mapped", () => {
    const memory = graphMemory(lower(network, stored("float32", 4), cpu));
    expect(memory.fileBytes).toBe(layers * 4 * 512 * 512);
    expect(memory.touchedBytes).toBe(memory.fileBytes);
    expect(memory.peakBytes).toBeLessThan(20_000);
  });

  test("of float16 are unpacked one at a time, into one buffer of their shape", () => {
    const memory = graphMemory(lower(network, stored("float16", 2), cpu));
    const unpacked = 4 * 512 * 512;
    expect(memory.fileBytes).toBe(layers * 2 * 512 * 512);
    expect(memory.peakBytes).toBeGreaterThanOrEqual(unpacked);
    expect(memory.peakBytes).toBeLessThan(unpacked + 20_000);
    expect(memory.firstRunBytes).toBeGreaterThan(memory.fileBytes);
  });

  test("that are looked up are mapped row by row", () => {
    const g = new GraphBuilder("lookup");
    const ids = g.input("ids", "int64", [3]);
    g.output("y", ops.embedding(g, g.parameter("table", [10_000, 16]), ids));
    const memory = graphMemory(
      lower(
        g.finish(),
        (name, shape) => ({ name, dtype: "float16", shape, file: "/w", offset: 0, byteLength: 320_000 }),
        cpu,
      ),
    );
    expect(memory.fileBytes).toBe(320_000);
    expect(memory.touchedBytes).toBe(3 * 16 * 2);
  });

  test("are unpacked just before they are read", () => {
    const order = executionOrder(lower(network, stored("float16", 2), cpu)).map(({ op }) => op);
    const casts = order.flatMap((op, at) => (op === "Cast" ? [at] : []));
    expect(casts).toHaveLength(layers);
    expect(casts.every((at) => order[at + 1] === "Gemm")).toBe(true);
  });
});

const noWeights = (): never => {
  throw new Error("no weights");
};
