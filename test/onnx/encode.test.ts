/** Operations of several results, each a node of its own here, are written as one. */

import { expect, test } from "vitest";
import { GraphBuilder } from "../../src/onnx/graph.ts";
import { encodeModel } from "../../src/onnx/encode.ts";
import * as ops from "../../src/onnx/ops.ts";
import { withSession } from "../../src/runtime/session.ts";

const cpu = { executionProvider: "cpu" } as const;
const count = (bytes: Uint8Array, text: string): number => Buffer.from(bytes).toString("latin1").split(text).length - 1;

test("parts of a value are one Split, wherever the nodes stand", async () => {
  const g = new GraphBuilder("test");
  const x = g.input("x", "float32", [2, 6]);
  const [a, b, c] = ops.parts(g, x, 1, [1, 3, 2]);
  g.output("a", a!);
  g.output("twice b", ops.add(g, b!, b!));
  g.output("c", c!);
  const graph = g.finish();
  expect(count(encodeModel(graph, 20, String), "Split")).toBe(1);
  await withSession(graph, null, cpu, async (run) => {
    const results = await run({ x: Float32Array.from({ length: 12 }, (_, at) => at) });
    expect([...results.values()].map(({ data }) => [...data])).toEqual([
      [0, 6],
      [2, 4, 6, 14, 16, 18],
      [4, 5, 10, 11],
    ]);
  });
});

test("a sum and its layer norm are one operation, whose fourth result is the sum", async () => {
  const g = new GraphBuilder("test");
  const both = ["x", "y"].map((name) => g.input(name, "float32", [1, 4]));
  const [ones, zeros] = [1, 0].map((value) => g.constant(new Float32Array(4).fill(value), [4]));
  const attributes = { epsilon: ops.float(0) };
  g.output("norm", g.op("com.microsoft.SkipLayerNormalization", [...both, ones!, zeros!], attributes));
  g.output("sum", g.op("SkipSum", both));
  const graph = g.finish();
  await withSession(graph, null, cpu, async (run) => {
    const results = await run({ x: Float32Array.of(1, 2, 3, 4), y: Float32Array.of(0, 0, 2, 2) });
    expect([...(results.get("sum")?.data ?? [])]).toEqual([1, 2, 5, 6]);
    const deviation = Math.sqrt((2.5 ** 2 + 1.5 ** 2 + 1.5 ** 2 + 2.5 ** 2) / 4);
    const norm = [-2.5, -1.5, 1.5, 2.5].map((x) => x / deviation);
    results.get("norm")?.data.forEach((value, at) => expect(value).toBeCloseTo(norm[at] ?? 0, 5));
  });
});
