/** What the rewriting makes of small graphs; the demo's whole networks gave the same operations as onnxruntime's own saved graphs. */

import { describe, expect, test } from "vitest";
import { inBlockedLayout } from "../../src/onnx/blocked-layout.ts";
import { executionOrder } from "../../src/onnx/execution-order.ts";
import { type Graph, GraphBuilder, type Value } from "../../src/onnx/graph.ts";
import { cpu } from "../../src/onnx/lower/cpu/cpu.ts";
import { lower } from "../../src/onnx/lower/lower.ts";
import { graphMemory } from "../../src/onnx/memory.ts";
import * as ops from "../../src/onnx/ops.ts";

const SIDE = 8;
const MAP = 4 * 16 * SIDE * SIDE; // bytes of 16 channels

function lowered(channels: number, build: (g: GraphBuilder, x: Value) => Value): Graph {
  const g = new GraphBuilder("test");
  const x = g.input("x", "float32", [1, channels, SIDE, SIDE]);
  g.output("y", build(g, x));
  const stored = (name: string, shape: readonly number[]) =>
    ({ name, dtype: "float32", shape, file: "/none", offset: 0, byteLength: 0 }) as const;
  return lower(g.finish(), stored, cpu);
}

let count = 0;
const conv = (g: GraphBuilder, x: Value, out: number, kernel = 3): Value =>
  ops.conv2d(g, x, g.parameter(`w${count++}`, [out, x.shape[1] ?? 0, kernel, kernel]), null, { padding: kernel >> 1 });

const opsOf = (graph: Graph): string[] => executionOrder(inBlockedLayout(graph)).map(({ op }) => op);

describe("a convolution", () => {
  test("is reordered into and out of, but not between two", () => {
    const graph = lowered(16, (g, x) => ops.sin(g, conv(g, conv(g, ops.sin(g, x), 32), 16)));
    const expectedOps = [
      "Sin",
      "nchwc.ReorderInput",
      "nchwc.Conv",
      "nchwc.Conv",
      "nchwc.ReorderOutput",
      "Sin",
      "Identity",
    ];
    expect(opsOf(graph)).toEqual(expectedOps);
  });

  test("of few channels reads them as they are; of a number that is no multiple of four it stays", () => {
    expect(opsOf(lowered(3, (g, x) => conv(g, x, 16)))).toEqual(["nchwc.Conv", "nchwc.ReorderOutput", "Identity"]);
    expect(opsOf(lowered(18, (g, x) => conv(g, x, 16)))).toEqual(["Conv", "Identity"]);
  });

  test("fills its last block up", () => {
    const nodes = inBlockedLayout(lowered(16, (g, x) => conv(g, x, 3))).nodes;
    expect(nodes.find(({ op }) => op === "nchwc.Conv")?.output.shape).toEqual([1, 16, SIDE, SIDE]);
    expect(nodes.find(({ op }) => op === "nchwc.ReorderOutput")?.output.shape).toEqual([1, 3, SIDE, SIDE]);
  });

  test("takes up the sum that follows it, over the other summand", () => {
    const graph = lowered(16, (g, x) => ops.add(g, conv(g, x, 16), conv(g, x, 16)));
    expect(opsOf(graph)).toEqual(["nchwc.ReorderInput", "nchwc.Conv", "nchwc.Conv", "nchwc.ReorderOutput", "Identity"]);
    expect(graphMemory(graph).peakBytes).toBe(3 * MAP); // both convolutions and their sum
    expect(graphMemory(inBlockedLayout(graph)).peakBytes).toBe(2 * MAP); // x in blocks and one feature map, or any two after it
  });

  test("takes up one sum only; another is one of two feature maps in blocks", () => {
    const graph = lowered(16, (g, x) => {
      const [a, b, c] = [conv(g, x, 16), conv(g, x, 16), conv(g, x, 16)];
      return ops.add(g, ops.add(g, a, b), ops.add(g, c, ops.add(g, a, b)));
    });
    const made = inBlockedLayout(graph).nodes;
    expect(made.filter(({ op }) => op === "nchwc.Conv").length).toBe(3);
    expect(made.filter(({ op }) => op === "Add").length).toBe(3);
    expect(made.filter(({ inputs }) => inputs.length > 4)).toEqual([]);
  });
});

test("pooling, nearest neighbours and joins stay in blocks where their inputs are", () => {
  const graph = lowered(16, (g, x) => {
    const small = ops.averagePool2x(g, conv(g, x, 16));
    return conv(g, ops.concat(g, [conv(g, x, 16), conv(g, ops.upsampleNearest(g, small, SIDE, SIDE), 32)], 1), 16);
  });
  const kinds = opsOf(graph);
  expect(kinds.filter((op) => op === "nchwc.ReorderOutput")).toHaveLength(1);
  expect(kinds).toEqual(expect.arrayContaining(["nchwc.AveragePool", "nchwc.Upsample", "Concat"]));
  const outside = lowered(16, (g, x) => ops.upsampleNearest(g, ops.sin(g, x), 2 * SIDE, 2 * SIDE));
  expect(opsOf(outside)).toEqual(["Sin", "Resize", "Identity"]);
});
